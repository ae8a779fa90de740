"""`Callback`: all hooks of both generations of Keras, their aliases, and `listens_to`."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from streamfit.training.callbacks import Callback
from streamfit.training.callbacks.base import HOOKS

NUMBERED = {hook for hook in HOOKS if "_batch_" in hook or "_epoch_" in hook}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_takes_logs_or_leaves_them_out(hook: str) -> None:
    arguments = [0] if hook in NUMBERED else []
    method = getattr(Callback(), hook)
    assert method(*arguments) is None
    assert method(*arguments, {"loss": 1.0}) is None
    assert method(*arguments, logs={"loss": 1.0}) is None


@pytest.mark.parametrize("edge", ["begin", "end"])
def test_batch_hook_of_training_calls_its_alias(edge: str) -> None:
    seen: list[Any] = []
    callback = Callback()
    setattr(callback, f"on_batch_{edge}", lambda batch, logs: seen.append((batch, logs)))
    getattr(callback, f"on_train_batch_{edge}")(3, {"loss": 0.5})
    assert seen == [(3, {"loss": 0.5})]


@pytest.mark.parametrize("hook", HOOKS)
def test_plain_callback_listens_to_nothing(hook: str) -> None:
    assert not Callback().listens_to(hook)


@pytest.mark.parametrize("hook", HOOKS)
def test_override_in_class_listens_to_that_hook_and_its_alias_only(hook: str) -> None:
    own = type("Own", (Callback,), {hook: lambda self, *arguments: None})
    heard = {name for name in HOOKS if own().listens_to(name)}
    aliases = {"on_batch_begin": "on_train_batch_begin", "on_batch_end": "on_train_batch_end"}
    assert heard == {hook, aliases.get(hook, hook)}


@pytest.mark.parametrize("value", [print, partial(print), lambda batch, logs: None])
def test_instance_attribute_listens(value: Any) -> None:
    callback = Callback()
    callback.on_test_batch_end = value  # type: ignore[method-assign]
    assert callback.listens_to("on_test_batch_end")
    assert not Callback().listens_to("on_test_batch_end")


def test_subclass_may_leave_out_the_initialiser_of_its_base() -> None:
    class Careless(Callback):
        def __init__(self) -> None:
            self.count = 0

    callback = Careless()
    assert (callback.model, callback.params) == (None, None)
    callback.set_model("model")
    callback.set_params({"epochs": 1})
    assert (callback.model, callback.params) == ("model", {"epochs": 1})
