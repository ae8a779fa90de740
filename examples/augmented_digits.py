"""Does augmentation help? A small network learns 2,000 handwritten digits, as they are and moved at random.

With a folder it reads ``mnist-10k-images-idx3-ubyte.gz`` and ``mnist-10k-labels-idx1-ubyte.gz`` there: 2,000
digits to learn, and 8,000 to judge, three times. Without one it learns the digits of scikit-learn once, which
have 8 x 8 pixels, too few for moved ones to help.

A digit is rotated, moved, sheared and made larger or smaller by one warp, anew in each epoch, on two threads
while the model trains. ``digits_seen.png`` shows what it sees, ``digits_learned.png`` the learning curves.
"""

import gzip
import sys
import tempfile
from pathlib import Path

import numpy as np

from streamfit import Sequential, augment, layers, plots, set_random_seed, source

IMAGES, LABELS = "mnist-10k-images-idx3-ubyte.gz", "mnist-10k-labels-idx1-ubyte.gz"


def mnist(folder):
    """Return 10,000 images (28, 28, 1), uint8, and their labels."""
    with gzip.open(folder / IMAGES) as images, gzip.open(folder / LABELS) as labels:
        pixels = np.frombuffer(images.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
        return pixels, np.frombuffer(labels.read(), np.uint8, offset=8).astype("int64")


def small_digits():
    """Return the digits of scikit-learn (8, 8, 1), uint8, and their labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images * 15.9).astype("uint8")[..., None], digits.target


def network(shape):
    """Return a compiled network for images of a shape, float32 from 0 to 1."""
    model = Sequential(
        [
            layers.Conv2D(16, 3, padding="same", activation="relu", input_shape=shape),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(images, labels, learned, epochs, seeds, pictures):
    """Train with and without augmentation; return the mean accuracies over some seeds without and with it."""
    moves = augment.affine(degrees=10, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=8)
    digits = source(images[:learned], labels[:learned], name="digits")
    kinds = {
        "as they are": digits.map(augment.to_float()),
        "moved": digits.map(augment.chain(moves, augment.to_float())),
    }
    test = source(images[learned:], labels[learned:]).map(augment.to_float()).batch(256)
    plots.preview(kinds["moved"], count=10, path=pictures / "digits_seen.png")
    accuracies = {kind: [] for kind in kinds}
    for seed in range(seeds):
        for kind, data in kinds.items():
            set_random_seed(seed)
            model = network(images.shape[1:])
            history = model.fit(
                data.shuffle().batch(32), epochs=epochs, workers=2, seed=seed, verbose=0, validation_data=test
            )
            accuracy = history.history["val_accuracy"][-1]
            accuracies[kind].append(accuracy)
            print(f"seed {seed}, {kind}: {accuracy:.2%} of {len(images) - learned:,} digits are right")
    history.plot(path=pictures / "digits_learned.png")
    means = {kind: np.mean(found) for kind, found in accuracies.items()}
    print(", ".join(f"{kind}: {mean:.2%}" for kind, mean in means.items()))
    return means["as they are"], means["moved"]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        plain, moved = main(*mnist(Path(sys.argv[1])), 2000, epochs=20, seeds=3, pictures=Path())
        assert moved > plain
    else:
        with tempfile.TemporaryDirectory() as folder:
            plain, moved = main(*small_digits(), 1000, epochs=8, seeds=1, pictures=Path(folder))
            assert min(plain, moved) > 0.7
