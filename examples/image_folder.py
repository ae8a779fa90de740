"""The classic script of Keras 2: a folder of images, `ImageDataGenerator`, `fit_generator` on processes.

The folder holds pieces of the two photos that come with scikit-learn, and the network learns which photo a
piece is of. The lines between the two rules are those of a script for Keras 2 but for their imports.
"""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_image

# ---------------------------------------------------------------------------------------------------------
from streamfit.layers import Conv2D, Dense, Flatten, MaxPooling2D
from streamfit.models import Sequential
from streamfit.preprocessing.image import ImageDataGenerator


def train(folder, samples, held_out):
    """Train on the folder ``train``, validate on ``validation``; return the model and its history."""
    train_datagen = ImageDataGenerator(
        rescale=1.0 / 255, shear_range=0.2, zoom_range=0.2, rotation_range=20, horizontal_flip=True
    )
    test_datagen = ImageDataGenerator(rescale=1.0 / 255)

    train_generator = train_datagen.flow_from_directory(
        f"{folder}/train", target_size=(32, 32), batch_size=16, class_mode="binary"
    )
    validation_generator = test_datagen.flow_from_directory(
        f"{folder}/validation", target_size=(32, 32), batch_size=16, class_mode="binary"
    )

    model = Sequential()
    model.add(Conv2D(16, (3, 3), activation="relu", input_shape=(32, 32, 3)))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Conv2D(16, (3, 3), activation="relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Flatten())
    model.add(Dense(32, activation="relu"))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])

    history = model.fit_generator(
        train_generator,
        steps_per_epoch=samples / 16,
        epochs=6,
        validation_data=validation_generator,
        validation_steps=held_out / 16,
        workers=2,
        use_multiprocessing=True,
        verbose=2,
    )
    return model, history


# ---------------------------------------------------------------------------------------------------------


def write_pieces(folder, samples, held_out):
    """Write pieces of each photo: of its left part for training, of its right part for validation."""
    from streamfit.utils import save_img

    rng = np.random.default_rng(0)
    for name in ("china", "flower"):
        photo = load_sample_image(f"{name}.jpg")
        for part, count, columns in (("train", samples, (0, 360)), ("validation", held_out, (424, 576))):
            place = Path(folder, part, name)
            place.mkdir(parents=True)
            for number in range(count // 2):
                top, left = rng.integers(0, 363), rng.integers(*columns)
                save_img(place / f"{number:03}.jpg", photo[top : top + 64, left : left + 64], scale=False)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_pieces(folder, samples=200, held_out=100)
        _, history = train(folder, 200, 100)
        accuracy = max(history.history["val_accuracy"])
        print(f"{accuracy:.0%} of the pieces from the other part of the photos are told apart")
        assert accuracy > 0.8
        assert history.receipts[-1].delivered == 13
