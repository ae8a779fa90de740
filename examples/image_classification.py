"""A convolutional network that reads digits: 9,000 images of MNIST to train with, 1,000 to judge by.

It reads the IDX files ``mnist-10k-images-idx3-ubyte.gz`` and ``mnist-10k-labels-idx1-ubyte.gz`` (the test set
of MNIST) in the folder that is given, by default ``shared/data`` beside the project. Without them it does
nothing.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

from streamfit import Sequential, layers, set_random_seed

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def read_idx(path, axes):
    """Read an array of bytes: a head of 4 bytes, the length of each axis in 4 more, then the numbers."""
    with gzip.open(path) as file:
        content = file.read()
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


folder = Path(sys.argv[1]) if len(sys.argv) > 1 else BESIDE
files = [folder / f"mnist-10k-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1")]
if missing := [file.name for file in files if not file.exists()]:
    print(f"skipped: {' and '.join(missing)} not found in {folder}; name the folder that holds them")
    sys.exit(0)

images, labels = read_idx(files[0], 3)[..., np.newaxis], read_idx(files[1], 1)
order = np.random.default_rng(0).permutation(len(images))  # the file is sorted by writer
train, held = order[:9_000], order[9_000:]

set_random_seed(0)
model = Sequential(
    [
        layers.Rescaling(1 / 255, input_shape=(28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    images[train],
    labels[train],
    epochs=3,
    batch_size=32,
    validation_data=(images[held], labels[held]),
    verbose=2,
)
loss, accuracy = model.evaluate(images[held], labels[held], verbose=0)
print(f"{accuracy:.1%} of {len(held):,} digits that it has not seen are read right")
assert accuracy > 0.97
