"""`steps_per_epoch` carries over: every batch comes once per pass, however epochs divide it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind

from streamfit import Sequential, layers
from streamfit.metrics import Metric
from streamfit.streams import Sequence


class Numbered(Sequence):
    """Batch i holds the number i."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        return np.full((2, 1), index, np.float32), np.full((2, 1), index, np.float32)


class Seen(Metric):
    """Record the batches that reached the training step."""

    def __init__(self) -> None:
        super().__init__(name="seen")
        self.batches: list[int] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.batches.append(int(y_true[0, 0]))

    def result(self) -> float:
        return 0.0


@pytest.mark.jit
@pytest.mark.timeout(60)
@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("wrap", [False, True])
def test_three_of_ten_batches_an_epoch(processes: bool, wrap: bool) -> None:
    model, seen = Sequential([layers.Dense(1, input_shape=(1,))]), Seen()
    model.compile("sgd", "mse", metrics=[seen])
    fit = model.fit_generator if wrap else model.fit
    epochs = 10 if wrap else 12
    with nothing_left_behind(), warnings.catch_warnings():
        warnings.simplefilter("ignore" if not wrap else "error")  # fit warns once that a pass ended early
        history = fit(
            Numbered(),
            steps_per_epoch=3,
            epochs=epochs,
            workers=2,
            use_multiprocessing=processes,
            verbose=0,
            seed=4,
        )
    delivered = [receipt.delivered for receipt in history.receipts]
    assert delivered == ([3] * 10 if wrap else [3, 3, 3, 1] * 3)
    passes = [seen.batches[i : i + 10] for i in range(0, 30, 10)]
    assert all(sorted(one) == list(range(10)) for one in passes)
    assert passes[0] != passes[1], "each pass has an order of its own"
