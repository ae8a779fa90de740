"""Callbacks: the order of their hooks, the keys of their logs, `params`: facts 27 and 28 of the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import Recorder, cut, data, linear, squares, two_heads

from streamfit import History
from streamfit.callbacks import Callback

KEYS = ["loss", "mae"]


def steps(mode: str, count: int) -> list[tuple[str, int]]:
    return [(f"{mode}_batch_{edge}", i) for i in range(count) for edge in ("begin", "end")]


def epoch(number: int, training: int, validation: int = 0) -> list[tuple[Any, ...]]:
    tested = [("test_begin",), *steps("test", validation), ("test_end",)] if validation else []
    return [("epoch_begin", number), *steps("train", training), *tested, ("epoch_end", number)]


@pytest.mark.parametrize("kind", ["fit", "fit_generator"])
def test_the_order_of_hooks_in_fit(kind: str) -> None:
    x, y = data(10)
    recorder, model = Recorder(), linear()
    common: Any = {"epochs": 2, "callbacks": [recorder], "verbose": 0}
    if kind == "fit":
        model.fit(x, y, 4, validation_data=(x, y), **common)
        validation = 3
    else:
        batches = iter([*cut(x, y, 4), *cut(x, y, 4)])
        model.fit_generator(batches, 3, validation_data=(x, y), **common)
        validation = 1
    expected = [("train_begin",), *epoch(0, 3, validation), *epoch(1, 3, validation), ("train_end",)]
    assert recorder.events == expected


@pytest.mark.parametrize("mode", ["test", "predict"])
@pytest.mark.parametrize("twin", [False, True])
def test_the_order_of_hooks_in_evaluate_and_predict(mode: str, twin: bool) -> None:
    x, y = data(10)
    recorder, model = Recorder(), linear()
    name = {"test": "evaluate", "predict": "predict"}[mode]
    if twin:
        getattr(model, f"{name}_generator")(cut(x, y, 4), 3, callbacks=[recorder])
    else:
        arrays = (x, y) if mode == "test" else (x,)
        getattr(model, name)(*arrays, batch_size=4, verbose=0, callbacks=[recorder])
    assert recorder.events == [(f"{mode}_begin",), *steps(mode, 3), (f"{mode}_end",)]


def test_single_batches_call_no_hooks() -> None:
    x, y = data()
    model = linear()
    recorder = Recorder()
    model.fit(x, y, verbose=0, callbacks=[recorder])
    seen = len(recorder.events)
    model.train_on_batch(x, y)
    assert len(recorder.events) == seen


def test_the_log_keys_of_every_hook() -> None:
    x, y = data(10)
    recorder, model = Recorder(), linear(metrics=["mae"])
    model.fit(x, y, 4, 2, validation_data=(x, y), validation_freq=2, verbose=0, callbacks=[recorder])
    validated = [*KEYS, "val_loss", "val_mae"]
    assert recorder.keys("train_begin") == [[]]
    assert recorder.keys("epoch_begin") == [[], []]
    assert recorder.keys("train_batch_begin") == [[]] * 6
    assert recorder.keys("train_batch_end") == [KEYS] * 6
    assert recorder.keys("test_begin") == [[]]
    assert recorder.keys("test_batch_begin") == [[]] * 3
    assert recorder.keys("test_batch_end") == [KEYS] * 3
    assert recorder.keys("test_end") == [KEYS]
    assert recorder.keys("epoch_end") == [KEYS, validated]
    assert recorder.keys("train_end") == [validated]


def test_the_log_keys_of_prediction() -> None:
    recorder, model = Recorder(), linear()
    found = model.predict(data(10)[0], 4, callbacks=[recorder])
    assert recorder.keys("predict_begin") == recorder.keys("predict_end") == [[]]
    assert recorder.keys("predict_batch_begin") == [[]] * 3
    assert recorder.keys("predict_batch_end") == [["outputs"]] * 3
    outputs = [logs["outputs"] for hook, logs in recorder.logs if hook == "predict_batch_end"]
    assert (np.concatenate(outputs) == found).all()


def test_logs_of_several_outputs_are_ordered_loss_metrics_validation() -> None:
    (x, ya), (z, yb) = data(6), data(6, seed=1)
    model = two_heads(metrics={"b": ["mae"]})
    history = model.fit([x, z], [ya, yb], validation_data=([x, z], [ya, yb]), verbose=0)
    keys = ["loss", "a_loss", "b_loss", "b_mae"]
    assert list(history.history) == [*keys, *(f"val_{key}" for key in keys)]


def test_the_values_are_running_means_and_python_floats() -> None:
    x, y = data(6)
    recorder, model = Recorder(), linear(metrics=["mae"])
    history = model.fit(x, y, 2, shuffle=False, validation_data=(x, y), verbose=0, callbacks=[recorder])
    losses = [logs["loss"] for hook, logs in recorder.logs if hook == "train_batch_end"]
    expected = squares(model, x, y)
    assert losses == pytest.approx([expected[:n].mean() for n in (2, 4, 6)], rel=1e-6)
    values = [value for _, logs in recorder.logs for value in logs.values()]
    assert {type(value) for value in values} == {float}
    assert {type(value) for row in history.history.values() for value in row} == {float}


def test_single_batches_return_the_loss_of_the_batch() -> None:
    x, y = data(6)
    model = linear()
    for rows in (slice(0, 2), slice(2, 6)):
        loss = model.train_on_batch(x[rows], y[rows], reset_metrics=False)
        assert loss == pytest.approx(squares(model, x[rows], y[rows]).mean(), rel=1e-6)
        assert type(loss) is float


def test_params_are_the_union_of_the_generations() -> None:
    x, y = data(10)
    model = linear(metrics=["mae"])
    history = model.fit(x, y, 4, 2, validation_data=(x, y), verbose=0)
    assert history.params == {
        "verbose": 0,
        "epochs": 2,
        "steps": 3,
        "batch_size": 4,
        "samples": 10,
        "do_validation": True,
        "metrics": [*KEYS, "val_loss", "val_mae"],
    }
    history = model.fit(cut(x, y, 4), verbose=0)
    assert history.params == {
        "verbose": 0,
        "epochs": 1,
        "steps": None,
        "batch_size": None,
        "samples": None,
        "do_validation": False,
        "metrics": KEYS,
    }


def test_a_new_history_for_each_fit() -> None:
    x, y = data()
    model = linear()
    first = model.fit(x, y, epochs=2, verbose=0)
    kept = {name: list(values) for name, values in first.history.items()}
    second = model.fit(x, y, verbose=0)
    assert isinstance(second, History)
    assert model.history is second
    assert first is not second
    assert (first.history, first.epoch) == (kept, [0, 1])
    assert second.epoch == [0]


def test_callbacks_see_the_model_and_may_add_to_the_logs() -> None:
    class Adds(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["rate"] = self.model.optimizer.learning_rate

    model = linear()
    assert model.fit(*data(), verbose=0, callbacks=[Adds()]).history["rate"] == [0.0]


@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_train_batch_end", "on_test_batch_begin", "on_epoch_end"]
)
def test_an_exception_in_a_callback_ends_fit_with_it(hook: str) -> None:
    class Broken(Callback):
        pass

    def fail(*_: Any) -> None:
        raise LookupError(hook)

    setattr(Broken, hook, fail)
    x, y = data()
    model = linear()
    with pytest.raises(LookupError, match=hook):
        model.fit(x, y, class_weight=None, validation_data=(x, y), verbose=0, callbacks=[Broken()])
    assert model.fit(x, y, verbose=0).epoch == [0]


def test_the_old_names_of_batch_hooks() -> None:
    class Old(Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.seen.append(batch)

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seen.append(list(logs))

    old = Old()
    linear().fit(*data(4), 2, verbose=0, callbacks=[old])
    assert old.seen == [0, ["loss"], 1, ["loss"]]
