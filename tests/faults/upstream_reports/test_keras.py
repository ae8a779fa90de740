"""Public reports about Keras that this design answers; each test is named after one."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.scripts import run
from soak_fits import make_model

from streamfit.streams import Sequence

pytestmark = [pytest.mark.jit, pytest.mark.timeout(60)]
FEATURES = 4


def batch_of(number: float) -> Any:
    """Return a batch whose targets identify it."""
    return np.full((8, FEATURES), number / 1024), np.full((8, 1), number / 1024)


def batches_seen(numbers: list[int]) -> list[int]:
    """Return the batches that the samples which reached the step came in."""
    return numbers[::8]


class Endless(Sequence):
    """Has no last batch."""

    @property
    def num_batches(self) -> int | None:
        return None

    def __getitem__(self, index: int) -> Any:
        return batch_of(index)


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize("workers", [1, 3])
def test_keras_20032_steps_per_epoch_of_an_endless_sequence(workers: int, processes: bool) -> None:
    """Report 20032: with `steps_per_epoch` and multiprocessing an endless `PyDataset` runs out of data.

    The queue of workers was stopped at the end of the first epoch: the second was empty, the third began at
    index 0 again. Indices must go on from epoch to epoch, without a gap and without a repetition.
    """
    model, seen = make_model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(
            Endless(),
            steps_per_epoch=4,
            epochs=5,
            verbose=0,
            shuffle=False,
            workers=workers,
            use_multiprocessing=processes,
        )
    assert batches_seen(seen.numbers) == list(range(20))
    assert [receipt.delivered for receipt in history.receipts] == [4] * 5


STUCK = """
import sys
import numpy as np
sys.path[:0] = {path!r}
from soak_fits import make_model
from streamfit.utils import Sequence

print("started")
rng = np.random.default_rng(0)
large = rng.normal(size=(600, 600))
large @ large @ large

class Data(Sequence):
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __len__(self):
        return 12
    def __getitem__(self, index):
        rows = slice(index * 8, index * 8 + 8)
        return np.sin(self.x[rows] @ self.x[rows].T @ self.x[rows]), self.y[rows]

model, seen = make_model()
x, y = rng.normal(size=(96, 4)), np.arange(96.0)[:, None] / 1024
model.fit(x, y, epochs=2, verbose=0)
seen.numbers.clear()
history = model.fit_generator(
    Data(x, y), epochs=2, workers=4, use_multiprocessing=True, verbose=0, steps_per_epoch=12
)
print(sorted(seen.numbers) == sorted(2 * list(range(96))), [r.delivered for r in history.receipts])
"""


def test_keras_11634_fit_generator_on_a_sequence_with_processes(tmp_path: Path) -> None:
    """Report 11634: `fit_generator` on a `Sequence` with `use_multiprocessing=True` and more than one worker
    gets stuck before the first step, without an error, once the program has run threads of its own.

    It must train, from a plain script without a main guard that has used BLAS and kernels before.
    """
    tools = str(Path(__file__).resolve().parents[3] / "tools")
    code, out, err = run(STUCK.format(path=[tools]), "script", tmp_path, 45)
    assert (code, err) == (0, "")
    assert out.splitlines() == ["started", "True [12, 12]"]


class Renewed(Sequence):
    """Takes its time to make the data of a pass in `on_epoch_begin`; the attribute is not there before."""

    passes = 0

    def __len__(self) -> int:
        return 6

    def on_epoch_begin(self) -> None:
        self.passes += 1
        self.data = np.full(6, -1.0)
        for index in range(6):
            time.sleep(0.01)
            self.data[index] = 10 * self.passes + index

    def __getitem__(self, index: int) -> Any:
        return batch_of(self.data[index])


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_keras_23283_workers_wait_for_on_epoch_begin(processes: bool) -> None:
    """Report 23283: the workers of a `PyDataset` start before its `on_epoch_begin` has finished.

    They then load data of the pass before, data that are half renewed, or end in an `AttributeError`.
    """
    model, seen = make_model()
    how: dict[str, Any] = {"verbose": 0, "workers": 3, "use_multiprocessing": processes}
    model.fit(Renewed(), epochs=3, shuffle=False, **how)
    assert batches_seen(seen.numbers) == [10 * epoch + index for epoch in (1, 2, 3) for index in range(6)]


def counting(samples: int, size: int) -> Any:
    """Yield batches of a few samples each, from the first sample to the last and on from the first."""
    start = 0
    while True:
        yield batch_of(start)
        start = (start + size) % samples


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
@pytest.mark.parametrize("workers", [1, 4])
def test_keras_4142_each_worker_has_a_copy_of_the_generator(workers: int, processes: bool) -> None:
    """Report 4142: with several worker processes each runs a copy of the generator, from its first batch on.

    Every batch is then trained on once for each worker, and the last ones of a pass never. A generator is
    pulled by one owner here, whatever is asked for: each batch comes once, in order, over all epochs.
    """
    model, seen = make_model()
    history = model.fit_generator(
        counting(500, 20),
        steps_per_epoch=25,
        epochs=3,
        verbose=0,
        max_queue_size=10,
        workers=workers,
        use_multiprocessing=processes,
    )
    assert batches_seen(seen.numbers) == 3 * list(range(0, 500, 20))
    assert [receipt.delivered for receipt in history.receipts] == [25] * 3
