"""The classic scripts of `ImageDataGenerator`, with only their import changed; and what may befall them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamfit import callbacks, set_random_seed
from streamfit._base.errors import SampleError
from streamfit.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from streamfit.models import Sequential
from streamfit.preprocessing.image import ImageDataGenerator
from streamfit.utils import to_categorical
from tests.oracles.deadly import Deadly

RNG = np.random.default_rng(0)
x_train = RNG.uniform(0, 255, (45, 8, 8, 3)).astype("float32")
y_train = to_categorical(RNG.integers(0, 3, 45), 3)
x_test, y_test = x_train[:9] / 255, y_train[:9]


def network() -> Sequential:
    set_random_seed(1)
    model = Sequential()
    model.add(Conv2D(4, (3, 3), activation="relu", input_shape=(8, 8, 3)))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))
    model.add(Flatten())
    model.add(Dense(3, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def generator(**options: object) -> ImageDataGenerator:
    return ImageDataGenerator(
        featurewise_center=True,
        featurewise_std_normalization=True,
        rotation_range=20,
        width_shift_range=0.2,
        height_shift_range=0.2,
        horizontal_flip=True,
        **options,
    )


def trained(workers: int, processes: bool, epochs: int = 2, **options: object) -> tuple[object, Sequential]:
    datagen = generator(**options)
    datagen.fit(x_train)
    model = network()
    history = model.fit_generator(
        datagen.flow(x_train, y_train, batch_size=8),
        steps_per_epoch=len(x_train) / 8,
        epochs=epochs,
        validation_data=(x_test, y_test),
        workers=workers,
        use_multiprocessing=processes,
        verbose=0,
    )
    return history, model


def test_the_script_has_the_same_bits_on_any_workers_and_where_one_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    wanted, model = trained(0, False)
    assert [receipt.delivered for receipt in wanted.receipts] == [6, 6]  # 45 / 8 is rounded up
    for processes in (False, True):
        deadly = Deadly(str(mark), os.getpid()) if processes else None
        history, other = trained(4, processes, preprocessing_function=deadly)
        assert history.history == wanted.history
        assert all(map(np.array_equal, other.get_weights(), model.get_weights()))
    assert mark.exists()
    assert sum(receipt.restarts for receipt in history.receipts) == 1


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    def run(folder: Path, epochs: int) -> Sequential:
        datagen = generator()
        datagen.fit(x_train)
        model = network()
        model.fit(
            datagen.flow(x_train, y_train, batch_size=8, seed=4),
            epochs=epochs,
            verbose=0,
            callbacks=[callbacks.BackupAndRestore(folder, delete_checkpoint=False)],
        )
        return model

    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "parts", 2)
    resumed = run(tmp_path / "parts", 3)
    assert all(map(np.array_equal, resumed.get_weights(), whole.get_weights()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, count in (("cats", 5), ("dogs", 6)):
        for part in ("train", "validation"):
            (tmp_path / part / kind).mkdir(parents=True)
            for number in range(count):
                pixels = RNG.integers(0, 255, (9, 10 + number, 3)).astype("uint8")
                Image.fromarray(pixels).save(tmp_path / part / kind / f"{number}.png")
    return tmp_path


def test_the_script_over_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_datagen = ImageDataGenerator(
        rescale=1.0 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True
    )
    test_datagen = ImageDataGenerator(rescale=1.0 / 255)
    train_generator = train_datagen.flow_from_directory(
        folder / "train", target_size=(8, 8), batch_size=4, class_mode="categorical"
    )
    validation_generator = test_datagen.flow_from_directory(
        folder / "validation", target_size=(8, 8), batch_size=4, shuffle=False
    )
    assert capsys.readouterr().out.splitlines() == ["Found 11 images belonging to 2 classes."] * 2
    model = Sequential([Flatten(input_shape=(8, 8, 3)), Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    history = model.fit_generator(
        train_generator,
        steps_per_epoch=train_generator.samples / train_generator.batch_size,
        epochs=2,
        validation_data=validation_generator,
        validation_steps=11 / 4,
        verbose=0,
    )
    assert np.isfinite(history.history["val_loss"]).all()
    assert model.predict_generator(validation_generator, steps=2.5, workers=2).shape == (11, 2)
    validation_generator.reset()
    loss = model.evaluate_generator(validation_generator)
    assert np.isclose(loss, model.evaluate_generator(validation_generator, 11 / 4, use_multiprocessing=True))


def test_a_damaged_image_is_named_or_left_out(folder: Path) -> None:
    bad = folder / "train" / "cats" / "3.png"
    bad.write_bytes(bad.read_bytes()[:60])
    it = ImageDataGenerator().flow_from_directory(folder / "train", (8, 8), batch_size=4)
    model = Sequential([Flatten(input_shape=(8, 8, 3)), Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(SampleError, match=r"3\.png"):
        model.fit(it, verbose=0)
    with pytest.warns(RuntimeWarning, match=r"left out: .*3\.png"):
        history = model.fit(it, epochs=2, verbose=0, on_bad_sample="skip", max_bad_samples=2, workers=2)
    assert [receipt.skipped for receipt in history.receipts] == [[3], [3]]
    assert [receipt.delivered for receipt in history.receipts] == [3, 3]
