"""Several steps in one native call: the same bits as one by one, and errors at the right place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, layers, set_random_seed
from streamfit.callbacks import Callback
from streamfit.kernels.decorator import JIT_ENABLED

SAMPLES = 333
FEWER = SAMPLES if JIT_ENABLED else 23  # as plain Python kernels take a thousand times as long


def data(seed: int = 0, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, 5)), rng.integers(0, 3, samples)


def compiled(**how: Any) -> Sequential:
    set_random_seed(9)
    model = Sequential(
        [layers.Dense(8, "tanh", input_shape=(5,)), layers.Dropout(0.4), layers.Dense(3, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **how)
    return model


class Listener(Callback):
    """Listens to every batch, so that steps cannot be joined."""

    def __init__(self) -> None:
        self.batches = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # 7 steps of a pass of 1
@pytest.mark.parametrize("limit", [None, 1, 7])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("classes", [None, {0: 1.0, 1: 2.0, 2: 0.5}])
@pytest.mark.parametrize("batch_size", [1, 16, 500])
def test_joined_steps_give_the_same_bits(
    limit: int | None, weights: bool, classes: Any, batch_size: int
) -> None:
    x, y = data(samples=FEWER)
    w = np.random.default_rng(1).random(FEWER) if weights else None
    found = []
    for callbacks in ([], [Listener()]):
        model = compiled()
        history = model.fit(
            x, y, batch_size, epochs=4, sample_weight=w, class_weight=classes, steps_per_epoch=limit, seed=3,
            verbose=0, callbacks=callbacks, validation_data=data(1, FEWER),
        )  # fmt: skip
        state = [array.tobytes() for array in [*model.get_weights(), *model.optimizer.state.values()]]
        found.append((state, history.history, [str(receipt) for receipt in history.receipts]))
    assert found[0] == found[1]
    assert callbacks[0].batches > 0


def test_steps_really_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compiled()
    x, y = data()
    model.fit(x, y, 8, epochs=1, verbose=0)
    runner = model.runner()
    sizes = []
    train = runner.train
    monkeypatch.setattr(runner, "train", lambda batch: (sizes.append(batch.steps), train(batch)))
    model.fit(x, y, 8, epochs=1, verbose=0)
    assert sum(sizes) == -(-SAMPLES // 8)
    assert max(sizes) > 30


@pytest.mark.parametrize("callbacks", [[], [Listener()]])
def test_a_wrong_label_is_found_at_its_batch_and_later_batches_are_not_applied(callbacks: list[Any]) -> None:
    x, y = data()
    model = compiled()
    model.fit(x[:16], y[:16], 16, shuffle=False, verbose=0)
    y[100] = 3
    steps_before = model.optimizer.iterations
    with pytest.raises(ValueError, match=r"(?s)label 3 .*batch 6, samples 96, 97") as caught:
        model.fit(x, y, 16, shuffle=False, verbose=0, callbacks=callbacks)
    assert "training data" in str(caught.value)
    assert model.optimizer.iterations == steps_before + 6
