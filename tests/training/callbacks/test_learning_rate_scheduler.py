"""`LearningRateScheduler`: both kinds of schedule, its logs, and its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.fake_training import FakeModel, FakeOptimizer, fit

from streamfit.training.callbacks import LearningRateScheduler


def test_schedule_of_the_epoch() -> None:
    model = FakeModel()
    history = fit(model, LearningRateScheduler(lambda epoch: 1.0 / (2.0 + epoch)), [{"loss": 1}] * 3)
    assert history.history["learning_rate"] == history.history["lr"] == [1 / 2, 1 / 3, 1 / 4]
    assert model.optimizer.learning_rate == 1 / 4


def test_schedule_of_the_epoch_and_the_rate() -> None:
    model = FakeModel(optimizer=FakeOptimizer(0.5))
    history = fit(model, LearningRateScheduler(lambda epoch, rate: rate / 2), [{}] * 2)
    assert history.history["learning_rate"] == [0.25, 0.125]


def test_type_error_inside_a_schedule_comes_out() -> None:
    calls: list[int] = []

    def wrong(epoch: int, rate: float) -> float:
        calls.append(epoch)
        return rate + "1"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        fit(FakeModel(), LearningRateScheduler(wrong), [{}])
    assert calls == [0]


def test_callable_without_a_signature_gets_epoch_and_rate() -> None:
    model = FakeModel(optimizer=FakeOptimizer(0.5))
    fit(model, LearningRateScheduler(max), [{}])
    assert model.optimizer.learning_rate == 0.5


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), 0.5])
def test_floats_of_numpy_are_floats(value: Any) -> None:
    model = FakeModel()
    fit(model, LearningRateScheduler(lambda epoch: value), [{}])
    assert type(model.optimizer.learning_rate) is float


@pytest.mark.parametrize("value", [1, "0.1", None, np.array([0.1])])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r'The output of the "schedule" function should be float\. Got: '):
        fit(FakeModel(), LearningRateScheduler(lambda epoch: value), [{}])


def test_message(capsys: pytest.CaptureFixture[str]) -> None:
    fit(FakeModel(), LearningRateScheduler(lambda epoch: 0.5, verbose=1), [{}])
    assert capsys.readouterr().out == "\nEpoch 1: LearningRateScheduler setting learning rate to 0.5.\n"
