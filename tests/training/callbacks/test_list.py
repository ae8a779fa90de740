"""`CallbackList`: order, the arguments of hooks, the callbacks that are called, and errors."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from oracles.fake_training import FakeModel, fit

from streamfit.training.callbacks import Callback, CallbackList, History, LambdaCallback, ProgressBar
from streamfit.training.callbacks.base import HOOKS

WANTS = [f"wants_{kind}_batch_{edge}" for kind in ("train", "test", "predict") for edge in ("begin", "end")]


class Recorder(Callback):
    """Record every hook with a copy of its arguments."""

    def __init__(self, name: str, events: list[Any]) -> None:
        self.name = name
        self.events = events

    def __getattribute__(self, name: str) -> Any:
        if name in HOOKS:
            return lambda *arguments: self.events.append((self.name, name, *map(copied, arguments)))
        return super().__getattribute__(name)


def copied(argument: Any) -> Any:
    return dict(argument) if isinstance(argument, dict) else argument


def test_order_is_users_then_history_then_progress() -> None:
    users = [Callback(), Callback(), Callback()]
    history, progress = History(), ProgressBar()
    run = CallbackList([users[0], (users[1], [users[2]])], history=history, progress=progress)
    assert run.callbacks == list(run) == [*users, history, progress]


def test_users_bar_replaces_the_given_one_and_comes_last() -> None:
    own, history, user = ProgressBar(), History(), Callback()
    run = CallbackList([own, user], history=history, progress=ProgressBar())
    assert run.callbacks == [user, history, own]
    assert run.tick == own.tick


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_no_callbacks(nothing: Any) -> None:
    run = CallbackList(nothing)
    run.on_train_begin()
    run.tick(1)
    run.watch(dict)
    run.interrupt()
    assert run.on_epoch_end(0, {"loss": 1}) == {"loss": 1.0}
    assert run.callbacks == []


def test_lone_callback_and_list_of_callbacks_are_taken() -> None:
    user = Callback()
    assert CallbackList(user).callbacks == [user]
    assert CallbackList(CallbackList([user])).callbacks == [user]


def test_model_and_params_reach_every_callback_as_the_same_objects() -> None:
    model, params, users = FakeModel(), {"steps": 3}, [Callback(), Callback()]
    run = CallbackList(users, model, params, history=History())
    assert all(callback.model is model and callback.params is params for callback in run)


def test_hooks_of_a_run_in_their_order_with_their_logs() -> None:
    events: list[Any] = []
    run = CallbackList(Recorder("r", events))
    run.on_train_begin()
    run.on_epoch_begin(0)
    run.on_train_batch_begin(0)
    run.on_train_batch_end(0, {"loss": np.float32(0.5)})
    run.on_test_begin()
    run.on_test_batch_begin(0)
    run.on_test_batch_end(0, {"loss": 2})
    run.on_test_end({"loss": 2})
    run.on_epoch_end(0, {"loss": np.float32(0.5), "val_loss": 2})
    run.on_train_end()
    assert events == [
        ("r", "on_train_begin", {}),
        ("r", "on_epoch_begin", 0, {}),
        ("r", "on_train_batch_begin", 0, {}),
        ("r", "on_train_batch_end", 0, {"loss": 0.5}),
        ("r", "on_test_begin", {}),
        ("r", "on_test_batch_begin", 0, {}),
        ("r", "on_test_batch_end", 0, {"loss": 2.0}),
        ("r", "on_test_end", {"loss": 2.0}),
        ("r", "on_epoch_end", 0, {"loss": 0.5, "val_loss": 2.0}),
        ("r", "on_train_end", {"loss": 0.5, "val_loss": 2.0}),
    ]


def test_prediction_hooks_pass_outputs_as_they_are() -> None:
    outputs, seen = np.zeros(1), []
    run = CallbackList(LambdaCallback(on_predict_batch_end=lambda batch, logs: seen.append((batch, logs))))
    run.on_predict_begin()
    run.on_predict_batch_begin(0)
    run.on_predict_batch_end(0, {"outputs": outputs})
    run.on_predict_end()
    assert seen[0][0] == 0
    assert seen[0][1]["outputs"] is outputs


def test_numbers_are_python_floats_in_every_hook_with_logs() -> None:
    kinds: dict[str, type] = {}

    class Kinds(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            kinds["train"] = type(logs["loss"])

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            kinds["test"] = type(logs["loss"])

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            kinds["epoch"] = type(logs["loss"])

    run = CallbackList(Kinds())
    loss = {"loss": np.float32(0.1)}
    run.on_train_batch_end(0, loss)
    run.on_test_batch_end(0, loss)
    run.on_epoch_end(0, loss)
    assert kinds == {"train": float, "test": float, "epoch": float}


def test_what_a_callback_adds_to_an_epoch_reaches_history_and_the_end_of_training() -> None:
    ends: list[Any] = []
    history = fit(
        FakeModel(),
        [
            LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=7.0)),
            LambdaCallback(on_train_end=ends.append),
        ],
        [{"loss": 1}],
    )
    assert history.history == {"loss": [1.0], "extra": [7.0]}
    assert ends == [{"loss": 1.0, "extra": 7.0}]


def test_what_a_callback_does_to_logs_stays_out_of_the_callers_dictionary() -> None:
    logs = {"loss": 1.0}
    spoil = LambdaCallback(
        on_train_batch_end=lambda batch, logs: logs.clear(), on_epoch_end=lambda epoch, logs: logs.clear()
    )
    run = CallbackList(spoil)
    run.on_train_batch_end(0, logs)
    assert run.on_epoch_end(0, logs) == {}
    assert logs == {"loss": 1.0}


def test_history_and_bar_alone_want_no_batches() -> None:
    run = CallbackList(Callback(), history=History(), progress=ProgressBar())
    assert not any(getattr(run, name) for name in WANTS)


@pytest.mark.parametrize("wanted", WANTS)
@pytest.mark.parametrize("kind", ["class", "instance", "lambda"])
def test_one_listener_is_wanted_and_called_and_the_other_is_not(wanted: str, kind: str) -> None:
    hook, calls = wanted.replace("wants_", "on_"), []
    if kind == "class":
        listener = type("Own", (Callback,), {hook: lambda self, batch, logs: calls.append(batch)})()
    elif kind == "instance":
        listener = Callback()
        setattr(listener, hook, lambda batch, logs: calls.append(batch))
    else:
        listener = LambdaCallback(**{hook: lambda batch, logs: calls.append(batch)})
    run = CallbackList([Callback(), listener])
    assert [name for name in WANTS if getattr(run, name)] == [wanted]
    getattr(run, hook)(5)
    assert calls == [5]


def test_alias_of_a_batch_hook_is_wanted_too() -> None:
    run = CallbackList(LambdaCallback(on_batch_end=lambda batch, logs: None))
    assert [name for name in WANTS if getattr(run, name)] == ["wants_train_batch_end"]


@pytest.mark.parametrize("kind", ["train", "test", "predict"])
def test_hook_that_is_set_at_the_beginning_is_heard(kind: str) -> None:
    calls: list[int] = []

    def begin(logs: Any) -> None:
        setattr(late, f"on_{kind}_batch_end", lambda batch, logs: calls.append(batch))

    late = Callback()
    setattr(late, f"on_{kind}_begin", begin)
    run = CallbackList(late)
    assert not getattr(run, f"wants_{kind}_batch_end")
    getattr(run, f"on_{kind}_begin")()
    assert getattr(run, f"wants_{kind}_batch_end")
    getattr(run, f"on_{kind}_batch_end")(1)
    assert calls == [1]


def test_callback_of_another_library_is_called_at_every_hook() -> None:
    events: list[str] = []

    def noting(hook: str) -> Any:
        return lambda self, *arguments: events.append(hook)

    foreign = type("Foreign", (), {name: noting(name) for name in (*HOOKS, "set_model", "set_params")})()
    run = CallbackList(foreign)
    assert all(getattr(run, name) for name in WANTS)
    run.on_train_begin()
    run.on_train_batch_end(0, {"loss": 1})
    assert events == ["set_model", "set_params", "on_train_begin", "on_train_batch_end"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (History, r"got the class History; write History\(\.\.\.\)"),
        ([Callback(), "early_stopping"], "got 'early_stopping' of type str, which has no set_params"),
        (print, "derive its class from Callback"),
    ],
)
def test_what_is_no_callback_is_refused_before_training(wrong: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        CallbackList(wrong)


def test_exception_of_a_callback_comes_out_as_it_is() -> None:
    def fail(epoch: int, logs: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fit(FakeModel(), LambdaCallback(on_epoch_end=fail), [{"loss": 1}])


def test_params_that_change_between_epochs_are_seen() -> None:
    stream = io.StringIO()
    params = {"verbose": 1, "epochs": 1, "steps": 7}
    run = CallbackList(None, params=params, progress=ProgressBar(stream=stream, clock=lambda: 0.0))
    run.on_train_begin()
    for steps in (7, 4):
        params["steps"] = steps
        run.on_epoch_begin(0)
        run.tick(steps)
        run.on_epoch_end(0)
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == ["7/7", "4/4"]
