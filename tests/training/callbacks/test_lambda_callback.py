"""`LambdaCallback`: any hook by name, called with positional arguments."""

from __future__ import annotations

from typing import Any

import pytest
from oracles.fake_training import FakeModel, fit

from streamfit.training.callbacks import CallbackList, LambdaCallback
from streamfit.training.callbacks.base import HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_any_hook_calls_its_function_with_positional_arguments(hook: str) -> None:
    calls: list[tuple[Any, ...]] = []
    callback = LambdaCallback(**{hook: lambda *arguments: calls.append(arguments)})
    arguments = (
        ({"loss": 1.0},) if hook.count("_") == 2 and "epoch" not in hook and "batch" not in hook else (3, {})
    )
    getattr(callback, hook)(*arguments)
    assert calls == [arguments]


def test_functions_in_a_run() -> None:
    calls: list[str] = []
    callback = LambdaCallback(
        on_train_begin=lambda logs: calls.append("train_begin"),
        on_epoch_begin=lambda epoch, logs: calls.append("epoch_begin"),
        on_batch_begin=lambda batch, logs: calls.append("batch_begin"),
        on_train_batch_end=lambda batch, logs: calls.append(f"batch_end {logs['loss']}"),
        on_epoch_end=lambda epoch, logs: calls.append("epoch_end"),
        on_train_end=lambda logs: calls.append("train_end"),
    )
    fit(FakeModel(), callback, [{"loss": 1}], steps=1)
    assert calls == ["train_begin", "epoch_begin", "batch_begin", "batch_end 1.0", "epoch_end", "train_end"]


def test_hook_without_a_function_is_not_heard() -> None:
    run = CallbackList(LambdaCallback(on_train_batch_end=None, on_test_batch_end=None))
    assert not run.wants_train_batch_end
    assert not run.wants_test_batch_end


def test_name_that_is_no_hook_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        TypeError, match=r"LambdaCallback has no hook 'on_epoch_ends'\. Did you mean 'on_epoch_end'\?"
    ):
        LambdaCallback(on_epoch_ends=print)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="on_epoch_end must be a function, got 3"):
        LambdaCallback(on_epoch_end=3)  # type: ignore[arg-type]
