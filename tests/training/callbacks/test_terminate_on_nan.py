"""`TerminateOnNaN`: stops in the batch in which it happens, or raises."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.fake_training import FakeModel, fit

from streamfit import NonFiniteError
from streamfit.training.callbacks import CallbackList, LambdaCallback, TerminateOnNaN

BAD = [float("nan"), float("inf"), float("-inf"), np.float32("nan")]


@pytest.mark.parametrize("loss", BAD)
def test_stops_in_that_batch(loss: float, capsys: pytest.CaptureFixture[str]) -> None:
    batches: list[int] = []
    count = LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    history = fit(
        FakeModel(), [TerminateOnNaN(), count], [{"loss": 1.0}, {"loss": loss}, {"loss": 1.0}], steps=3
    )
    assert batches == [0, 1, 2, 0]
    assert len(history.history["loss"]) == 2
    np.testing.assert_equal(history.history["loss"][-1], float(loss))
    assert capsys.readouterr().out == "Batch 0: Invalid loss, terminating training\n"


@pytest.mark.parametrize("loss", BAD)
def test_raises_if_asked_to(loss: float) -> None:
    ended: list[object] = []
    callbacks = [TerminateOnNaN(raise_error=True), LambdaCallback(on_train_end=ended.append)]
    with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch 0"):
        fit(FakeModel(), callbacks, [{"loss": loss}])
    assert not ended


@pytest.mark.parametrize("logs", [{"loss": 1e30}, {"loss": 0.0}, {"mae": float("nan")}, {}, None])
def test_leaves_other_batches_alone(logs: dict[str, float] | None) -> None:
    guard = TerminateOnNaN()
    guard.set_model(FakeModel())
    guard.on_train_batch_end(0, logs)
    assert not guard.model.stop_training


def test_wants_batches() -> None:
    assert CallbackList(TerminateOnNaN()).wants_train_batch_end


def test_before_the_update_it_is_the_step_that_looks() -> None:
    callbacks = CallbackList([TerminateOnNaN(before_update=True)])
    assert callbacks.wants_finite
    assert not callbacks.wants_train_batch_end
    assert not CallbackList([TerminateOnNaN(), LambdaCallback()]).wants_finite


def test_told_before_the_update_it_stops_with_a_warning() -> None:
    model = FakeModel()
    callbacks = CallbackList([TerminateOnNaN(), TerminateOnNaN(before_update=True)], model)
    with pytest.warns(UserWarning, match="^Training stopped: loss is nan$") as caught:
        callbacks.on_nonfinite(NonFiniteError("loss is nan"))
    assert len(caught) == 1
    assert model.stop_training


def test_told_before_the_update_it_raises_if_asked_to() -> None:
    model, error = FakeModel(), NonFiniteError("loss is nan")
    with pytest.raises(NonFiniteError) as caught:
        CallbackList(TerminateOnNaN(True, before_update=True), model).on_nonfinite(error)
    assert caught.value is error
    assert not model.stop_training
