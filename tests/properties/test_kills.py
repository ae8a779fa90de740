"""Fifty workers killed during one fit: the same bits as without, and all resources released."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind
from soak_fits import Killer

from streamfit import Sequential, layers, set_random_seed
from streamfit.callbacks import Callback
from streamfit.streams import Sequence

KILLS, BATCHES, EPOCHS = 50, 60, 3


class Augmented(Sequence):
    """Batches with random draws, which would show a load that ran twice."""

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> Any:
        rng = self.rng(index)
        x = rng.normal(size=(16, 8))
        return x, (x[:, 0] > 0).astype(np.int64)


def fitted(callbacks: list[Callback]) -> tuple[list[bytes], Any]:
    set_random_seed(3)
    model = Sequential(
        [layers.Dense(8, "relu", input_shape=(8,)), layers.Dropout(0.2), layers.Dense(2, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        Augmented(),
        epochs=EPOCHS,
        verbose=0,
        seed=11,
        callbacks=callbacks,
        workers=2,
        use_multiprocessing=True,
    )
    state = [*model.get_weights(), *model.optimizer.state.values()]
    return [array.tobytes() for array in state], history


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_fifty_kills_change_nothing() -> None:
    with nothing_left_behind():
        expected, calm = fitted([])
        killer = Killer(7, KILLS, BATCHES * EPOCHS)
        found, stormy = fitted([killer])
    assert killer.left == 0
    assert len(killer.victims) == KILLS
    assert found == expected
    assert stormy.history == calm.history
    assert [r.digest for r in stormy.receipts] == [r.digest for r in calm.receipts]
    assert [r.delivered for r in stormy.receipts] == [BATCHES] * EPOCHS
    assert sum(r.restarts for r in stormy.receipts) >= KILLS // 2, "kills must have met workers"
