"""`Callback.every`: the batches that a callback hears of, what it sees there, and the steps between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import NonFiniteError, Sequential, layers, set_random_seed
from streamfit.callbacks import (
    BackupAndRestore,
    Callback,
    LambdaCallback,
    ModelCheckpoint,
    TerminateOnNaN,
)
from streamfit.layers.base import clear_names
from streamfit.training.callbacks import CallbackList
from streamfit.training.callbacks.base import HOOKS

BATCH_HOOKS = [hook for hook in HOOKS if "_batch_" in hook and "predict" not in hook and hook.count("_") == 3]
X = np.random.default_rng(0).normal(size=(92, 3)).astype("float32")
Y = X[:, :1] - X[:, 1:2]


class Recorder(Callback):
    """Keeps what each hook of batches got, and the weights of that moment."""

    def __init__(self, every: int = 1, hooks: Any = BATCH_HOOKS, stop: int | None = None) -> None:
        self.every = every
        self.seen: list[tuple[Any, ...]] = []
        self.epoch = 0
        self.at_stop = stop
        for hook in hooks:
            setattr(self, hook, self.noting(hook))

    def noting(self, hook: str) -> Any:
        def note(batch: int, logs: Any) -> None:
            weights = b"".join(array.tobytes() for array in self.model.get_weights())
            self.seen.append((self.epoch, hook, batch, dict(logs), weights))
            if (self.epoch, hook, batch) == (0, "on_train_batch_end", self.at_stop):
                self.model.stop_training = True

        return note

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def chosen(self, every: int, last: dict[str, int]) -> list[tuple[Any, ...]]:
        """Return what a callback must see that listens to every n-th batch only."""
        return [
            entry
            for entry in self.seen
            if (entry[2] + entry[1].endswith("end")) % every == 0
            or entry[1:3] == (f"on_{entry[1].split('_')[1]}_batch_end", last[entry[1].split("_")[1]])
        ]


def compiled() -> Sequential:
    set_random_seed(2)
    model = Sequential([layers.Dense(4, "tanh", input_shape=(3,)), layers.Dropout(0.3), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def fit(*callbacks: Any, x: Any = X, **how: Any) -> tuple[Any, ...]:
    model = compiled()
    data = {"batch_size": 4, "epochs": 2, "verbose": 0, "seed": 1, **how}
    given_y = {} if isinstance(x, Iterator) else {"y": Y}
    history = model.fit(x, **given_y, **data, callbacks=list(callbacks))
    bits = [array.tobytes() for array in model.get_weights()]
    return bits, history.history, [str(receipt) for receipt in history.receipts]


@settings(max_examples=12)
@given(everies=st.lists(st.integers(1, 30), min_size=1, max_size=3), data=st.data())
def test_each_callback_hears_of_its_own_multiples_and_of_the_last_batch(
    everies: list[int], data: Any
) -> None:
    hooks = data.draw(st.lists(st.sampled_from(BATCH_HOOKS), min_size=1, unique=True))
    all_of_them, some = Recorder(hooks=hooks), [Recorder(every, hooks) for every in everies]
    validation = {"validation_data": (X[:50], Y[:50]), "validation_batch_size": 4}
    wanted = fit(all_of_them, **validation)
    assert fit(*some, **validation) == wanted == fit(**validation)
    for every, recorder in zip(everies, some, strict=True):
        assert recorder.seen == all_of_them.chosen(every, {"train": 22, "test": 12})


def test_the_numbers_of_batches() -> None:
    recorder = Recorder(10)
    fit(recorder, epochs=1)
    assert [entry[1:3] for entry in recorder.seen] == [
        *[("on_train_batch_begin", 0), ("on_train_batch_end", 9)],
        *[("on_train_batch_begin", 10), ("on_train_batch_end", 19)],
        *[("on_train_batch_begin", 20), ("on_train_batch_end", 22)],
    ]


def test_the_steps_between_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = compiled(), list[int]()
    model.fit(X, Y, 4, verbose=0)
    runner = model.runner()
    train = runner.train
    monkeypatch.setattr(runner, "train", lambda batch: (sizes.append(batch.steps), train(batch)))
    model.fit(X, Y, 4, verbose=0, callbacks=[Recorder(10), LambdaCallback(on_batch_end=print, every=15)])
    assert sizes == [10, 5, 5, 3]


def pairs() -> Iterator[tuple[Any, Any]]:
    for i in itertools.count():
        yield X[4 * i % 92 : 4 * i % 92 + 4], Y[4 * i % 92 : 4 * i % 92 + 4]


def test_where_the_length_is_unknown_the_last_batch_is_still_told() -> None:
    recorder, all_of_them = Recorder(4), Recorder()
    with pytest.warns(UserWarning, match="ran out of data"):
        fit(recorder, x=itertools.islice(pairs(), 10), batch_size=None, steps_per_epoch=30, epochs=1)
    with pytest.warns(UserWarning, match="ran out of data"):
        fit(all_of_them, x=itertools.islice(pairs(), 10), batch_size=None, steps_per_epoch=30, epochs=1)
    assert recorder.seen == all_of_them.chosen(4, {"train": 9})


@pytest.mark.parametrize("last", [0, 6, 11])
def test_training_stops_at_the_batch_whose_hook_asks_for_it(last: int) -> None:
    other = Recorder(5)
    fit(Recorder(stop=last), other)
    assert other.seen[-1][1:3] == ("on_train_batch_end", last)
    stopper = Recorder(4, stop=11)
    bits = fit(stopper)
    assert stopper.seen[-1][1:3] == ("on_train_batch_end", 11)
    assert bits == fit(Recorder(stop=11))


@pytest.mark.parametrize("raises", [False, True])
def test_a_step_that_is_stopped_before_its_update(raises: bool) -> None:
    x = X.copy()
    x[54] = np.nan  # of batch 13
    recorder = Recorder(6)
    guard = TerminateOnNaN(raise_error=raises, before_update=True)
    if raises:
        with pytest.raises(NonFiniteError, match="batch 13"):
            fit(recorder, guard, x=x, shuffle=False)
    else:
        with pytest.warns(UserWarning, match="batch 13"):
            fit(recorder, guard, x=x, shuffle=False)
    ends = [batch for _, hook, batch, *_ in recorder.seen if hook.endswith("end")]
    assert ends == [5, 11] if raises else [5, 11, 12]


def test_the_usual_guard_still_ends_training_at_the_first_wrong_batch() -> None:
    x = X.copy()
    x[54] = np.nan
    recorder = Recorder()
    fit(recorder, TerminateOnNaN(), x=x, shuffle=False)
    assert recorder.seen[-1][1:3] == ("on_train_batch_end", 13)


def test_evaluation_and_prediction() -> None:
    model, seen = compiled(), list[Any]()

    def note(batch: int, logs: Any) -> None:
        seen.append((batch, {key: np.shape(value) for key, value in logs.items()}))

    model.evaluate(X, Y, 4, verbose=0, callbacks=LambdaCallback(on_test_batch_end=note, every=9))
    assert seen == [(batch, {"loss": (), "mae": ()}) for batch in (8, 17, 22)]
    seen.clear()
    model.predict(X, 4, verbose=0, callbacks=LambdaCallback(on_predict_batch_end=note, every=9))
    assert seen == [(8, {"outputs": (4, 1)}), (17, {"outputs": (4, 1)}), (22, {"outputs": (4, 1)})]


def test_it_may_be_changed_while_it_runs() -> None:
    class Growing(Callback):
        """Listens less and less often."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(batch)
            self.every *= 2

    ends: list[int] = []
    fit(Growing(), epochs=1)
    assert ends == [0, 1, 3, 7, 15, 22]


def test_a_class_may_set_it() -> None:
    class Own(Callback):
        """Listens to every seventh batch."""

        every = 7

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(batch)

    ends: list[int] = []
    fit(Own(), epochs=1)
    assert ends == [6, 13, 20, 22]


@pytest.mark.parametrize(
    ("wrong", "error"), [(0, ValueError), (-3, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_a_wrong_number_is_refused_before_the_first_step(wrong: Any, error: type[Exception]) -> None:
    recorder = Recorder()
    recorder.every = wrong
    with pytest.raises(error, match=r"Recorder\.every must be .*at least 1"):
        fit(recorder)
    with pytest.raises(error, match=r"every must be .*at least 1"):
        LambdaCallback(every=wrong)


def test_in_a_callback_of_another_library_the_word_means_nothing() -> None:
    calls: list[Any] = []
    names = {name: lambda self, *arguments: None for name in (*HOOKS, "set_model", "set_params")}
    names["on_train_batch_end"] = lambda self, batch, logs: calls.append(batch)
    run = CallbackList(type("Foreign", (), {**names, "every": 5})())
    run.on_train_batch_end(0)
    assert calls == [0]
    assert run.batches_until_call("train", 0) == 1


@pytest.mark.parametrize("every", [1, 4, 7, 23, 40])
def test_saving_by_batches_joins_the_steps_between(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: dict[str, dict[str, bytes]] = {}
    for name, others in (("joined", []), ("alone", [Recorder()])):
        folder = tmp_path / name
        clear_names()  # names of layers are in the files
        path = folder / "{epoch}-{batch}-{loss:.6f}.safetensors"
        fit(ModelCheckpoint(path, save_freq=every, save_weights_only=True), *others, epochs=3)
        saved[name] = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert saved["joined"] == saved["alone"]
    assert len(saved["joined"]) == 69 // every
    checkpoint = ModelCheckpoint(tmp_path / "m.safetensors", save_freq=every, save_weights_only=True)
    assert checkpoint.batches_until_call("on_train_batch_end", 0) == every
    assert checkpoint.batches_until_call("on_test_batch_end", 0) == 1


def test_a_subclass_that_counts_batches_itself_still_hears_of_all(tmp_path: Path) -> None:
    class Counting(ModelCheckpoint):
        """Counts batches."""

        count = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.count += 1
            super().on_train_batch_end(batch, logs)

    class CountingBackup(BackupAndRestore):
        """Counts batches."""

        count = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.count += 1
            super().on_train_batch_end(batch, logs)

    path = tmp_path / "m.safetensors"
    both: list[Any] = [
        Counting(path, save_freq=5, save_weights_only=True),
        CountingBackup(tmp_path / "b", save_freq=5),
    ]
    fit(*both)
    assert [callback.count for callback in both] == [46, 46]


class PowerCut(Callback):
    """Ends a run before or after a step."""

    def __init__(self, epoch: int, step: int) -> None:
        self.place, self.epoch = (epoch, step), 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.place:
            raise LookupError("power cut")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch, 23) == self.place:
            raise LookupError("power cut")


class Remembering(Recorder):
    """Keeps what it has seen over an interruption."""

    def state_dict(self) -> dict[str, Any]:
        return {"seen": list(self.seen)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


@settings(max_examples=12)
@given(
    cut=st.tuples(st.integers(0, 1), st.integers(1, 23)),
    save_freq=st.integers(1, 12),
    every=st.integers(1, 12),
    generator=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:the backup has")
def test_a_run_that_is_resumed_calls_each_hook_once(
    tmp_path_factory: pytest.TempPathFactory,
    cut: tuple[int, int],
    save_freq: int,
    every: int,
    generator: bool,
) -> None:
    """Also when it was interrupted between two calls, or after the last batch of an epoch."""
    folder = tmp_path_factory.mktemp("resume")
    hooks = BATCH_HOOKS[:2]

    def run(name: str, *more: Any) -> tuple[Any, ...]:
        recorder = Remembering(every, hooks)
        path = folder / name / "{epoch}-{batch}.safetensors"
        saving = ModelCheckpoint(path, save_freq=5, save_weights_only=True)
        how: dict[str, Any] = {"steps_per_epoch": 23, "batch_size": None} if generator else {}
        results = fit(recorder, saving, *more, x=pairs() if generator else X, **how)
        return results, recorder.seen, sorted(file.name for file in (folder / name).iterdir())

    expected = run("whole")
    with pytest.raises(LookupError, match="power cut"):
        run("cut", BackupAndRestore(folder / "backup", save_freq, replay=True), PowerCut(*cut))
    assert run("cut", BackupAndRestore(folder / "backup", save_freq, replay=True)) == expected
