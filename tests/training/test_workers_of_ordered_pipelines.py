"""`fit` computes the stages of a pipeline that is read in order on its workers, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind

from streamfit import Sequential, layers, source
from streamfit.streams import Pipeline

pytestmark = pytest.mark.timeout(60)


class NotesItsProcess:
    """A function for maps that notes in a folder which process calls it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (self.folder / str(os.getpid())).touch()
        return x * 2, y


class Rows:
    """Samples in order, as often as they are asked for."""

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(60):
            yield np.full(3, number / 60, np.float32), np.float32(number % 2)


def kept(x: np.ndarray, y: np.ndarray) -> bool:
    return bool(x[0] > 0.1)


def filtered(note: NotesItsProcess) -> Pipeline:
    x = np.arange(180, dtype=np.float32).reshape(60, 3) / 180
    return source(x, x[:, 0]).map(note).filter(kept).batch(8)


def pulled(note: NotesItsProcess) -> Pipeline:
    return source(Rows(), kind="samples").map(note).batch(8)


@pytest.mark.parametrize("make", [filtered, pulled])
def test_fit_computes_on_its_workers(make, tmp_path):
    weights = []
    for number, settings in enumerate(
        ({"workers": 0}, {}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True})
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = Sequential([layers.Input((3,)), layers.Dense(1, kernel_initializer="ones")])
        model.compile("sgd", "mse")
        with nothing_left_behind():
            history = model.fit(make(NotesItsProcess(folder)), epochs=2, verbose=0, seed=1, **settings)
        weights.append(model.get_weights()[0].tobytes())
        here = str(os.getpid()) in {path.name for path in folder.iterdir()}
        assert here != bool(settings.get("use_multiprocessing"))
        assert history.receipts[0].delivered == (7 if make is filtered else 8)
    assert len(set(weights)) == 1


def test_an_iterator_loses_nothing_between_runs():
    given = []

    def numbers() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(12):
            given.append(number)
            yield np.full(3, number, np.float32), np.float32(0)

    pipeline = source(numbers(), kind="samples").map(lambda x, y: (x, y)).batch(2)
    model = Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    for count in (2, 4, 6):
        history = model.fit(pipeline, steps_per_epoch=1, epochs=1, verbose=0, workers=2)
        assert history.receipts[0].delivered == 1
        assert len(given) == count
