"""A backup is resumed only with its own data and arguments: differences are errors before step 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamfit as sf
from streamfit.callbacks import BackupAndRestore, Callback, LambdaCallback, ReduceLROnPlateau

X = np.random.default_rng(0).normal(size=(48, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


class CrashError(Exception):
    """Simulates the end of the program."""


class Steps(Callback):
    """Counts steps, and raises after a given number."""

    def __init__(self, last: int = 10**9) -> None:
        self.done, self.last = 0, last

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done += 1
        if self.done == self.last + 1:  # the backup comes last, so that of this batch is never written
            raise CrashError


class Rows(sf.Sequence):
    """Batches of rows of an array."""

    def __init__(self, size: int = 8, length: int = 6) -> None:
        self.batch_size, self.length = size, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return X[rows], Y[rows]


class OtherRows(Rows):
    """The same under another name."""


class Loader:
    """An iterable of batches, as other libraries have them; its length may be unknown."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        for index in range(self.count):
            yield X[index : index + 4], Y[index : index + 4]


class Drawn(sf.Source):
    """A user's source without an identity of its own."""

    traits = sf.SourceTraits(in_workers=True)

    def __init__(self, count: int = 6, size: int = 8, start: int = 0) -> None:
        self.count, self.size, self.start = count, size, start

    def batches(self, data_epoch: int) -> int:
        return self.count

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[sf.Ticket]:
        for number in range(start, self.count):
            ids = self.start + np.arange(self.size) + number
            yield sf.Ticket(data_epoch, number, ids, self.key(data_epoch))

    def load(self, ticket: sf.Ticket) -> Any:
        return X[ticket.ids], Y[ticket.ids], None


def model_with(optimizer: Any = "adam", width: int = 4, metrics: Any = ("mae",)) -> sf.Sequential:
    model = sf.Sequential([sf.layers.Dense(width, input_shape=(3,)), sf.layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=list(metrics))
    return model


def arrays(x: Any = X, y: Any = Y, **how: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "batch_size": 8, "epochs": 3, **how}


def interrupted(folder: Path, how: dict[str, Any], model: Any = None, after: int = 8, every: Any = 1) -> None:
    callbacks = [Steps(after), BackupAndRestore(folder, every)]
    with pytest.raises(CrashError):
        (model or model_with()).fit(**how, verbose=0, seed=5, callbacks=callbacks)


def refused(folder: Path, how: dict[str, Any], words: str, model: Any = None) -> None:
    """Resume, and expect an error that has all words, before the first step."""
    count = Steps()
    with pytest.raises(ValueError, match=r"backup folder|interrupted run") as caught:
        (model or model_with()).fit(**how, verbose=0, callbacks=[count, BackupAndRestore(folder)])
    assert count.done == 0
    for word in words.split("; "):
        assert word in str(caught.value)


def changed(array: Any, place: tuple[int, ...]) -> Any:
    other = array.copy()
    other[place] += 1
    return other


SEQUENCE = {"x": Rows(), "epochs": 3}
OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "batch size": (arrays(), arrays(batch_size=16), "batch_size was 8 and is 16"),
    "fewer samples": (arrays(), arrays(X[:40], Y[:40]), "samples was 48 and is 40"),
    "order": (arrays(), arrays(shuffle=False), "shuffle was True and is False"),
    "order of batches": (arrays(shuffle="batch"), arrays(), "shuffle was 'batch' and is True"),
    "another first row": (arrays(), arrays(changed(X, (0, 0))), "content was"),
    "another last target": (arrays(), arrays(y=changed(Y, (47, 0))), "content was"),
    "weights of samples": (arrays(), arrays(sample_weight=np.ones(48)), "structure was"),
    "dtype": (arrays(), arrays(X.astype("float64")), "float32; float64"),
    "kind": (arrays(), SEQUENCE, "kind of source was 'arrays' and is 'Sequence'"),
    "class": (SEQUENCE, {**SEQUENCE, "x": OtherRows()}, "class was 'Rows' and is 'OtherRows'"),
    "shorter": (SEQUENCE, {**SEQUENCE, "x": Rows(8, 5)}, "batches was 6 and is 5"),
    "much shorter": (SEQUENCE, {**SEQUENCE, "x": Rows(8, 1)}, "batches was 6 and is 1"),
    "longer": (SEQUENCE, {**SEQUENCE, "x": Rows(4, 12)}, "batch_size was 8 and is 4"),
    "shuffled": (SEQUENCE, {**SEQUENCE, "shuffle": False}, "shuffle was True and is False"),
    "an iterable that ends before": (
        {"x": Loader(6), "epochs": 3},
        {"x": Loader(1), "epochs": 3},
        "batch 2; Loader ends after 1",
    ),
    "own source, larger": ({"x": Drawn(), "epochs": 3}, {"x": Drawn(6, 4), "epochs": 3}, "was 8 and is 4"),
    "own source, other": ({"x": Drawn(), "epochs": 3}, {"x": Drawn(start=9), "epochs": 3}, "0..7; 9..16"),
    "own source, longer": ({"x": Drawn(), "epochs": 3}, {"x": Drawn(7), "epochs": 3}, "was 6 and is 7"),
    "validation": (
        arrays(validation_data=(X, Y)),
        arrays(validation_data=(X[:40], Y[:40])),
        "validation data; samples was 48 and is 40",
    ),
    "content of validation": (
        arrays(validation_data=(X, Y)),
        arrays(validation_data=(X, changed(Y, (47, 0)))),
        "validation data; content was",
    ),
    "no validation": (arrays(validation_data=(X, Y)), arrays(), "validation_data was 'given' and is None"),
    "validation now": (arrays(), arrays(validation_data=(X, Y)), "validation_data was None and is 'given'"),
    "share of validation": (arrays(validation_split=0.25), arrays(validation_split=0.5), "was 36 and is 24"),
    "steps": (arrays(steps_per_epoch=6), arrays(steps_per_epoch=5), "steps_per_epoch was 6 and is 5"),
    "epochs": (arrays(), arrays(epochs=1), "epochs=1"),
}


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize("after", [6, 8])
def test_data_and_arguments_that_differ_are_refused(case: str, after: int, tmp_path: Path) -> None:
    before, now, words = OTHERS[case]
    if case == "an iterable that ends before":
        after = 8  # at the end of an epoch there is no place in it
    interrupted(tmp_path, before, after=after)
    if case == "epochs" and after == 6:  # one epoch is done, and one is asked for
        assert len(model_with().fit(**now, verbose=0, callbacks=[BackupAndRestore(tmp_path)]).epoch) == 1
        return
    refused(tmp_path, now, words)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert "training-state.safetensors" in kept, "a refusal leaves the backup as it was"
    assert len(model_with().fit(**before, verbose=0, callbacks=[BackupAndRestore(tmp_path)]).epoch) == 3


@pytest.mark.parametrize("after", [6, 8])
def test_mapped_files_are_known_by_a_few_rows(after: int, tmp_path: Path) -> None:
    for name, array in (("one", X), ("two", changed(X, (0, 1)))):
        np.save(tmp_path / f"{name}.npy", array)
    one, two = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("one", "two"))
    interrupted(tmp_path / "b", arrays(one), after=after)
    refused(tmp_path / "b", arrays(two), "content was")
    model_with().fit(**arrays(one), verbose=0, callbacks=[BackupAndRestore(tmp_path / "b")])


def test_what_loads_may_change(tmp_path: Path) -> None:
    interrupted(tmp_path, {"x": Rows(), "epochs": 3, "workers": 0})
    history = model_with().fit(Rows(), epochs=5, workers=2, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert history.epoch == [0, 1, 2, 3, 4]


def test_data_that_a_callback_brings_back_are_the_same_data(tmp_path: Path) -> None:
    """The place is compared after callbacks have their states: one of them may change the data."""

    class Fainter(Callback):
        def __init__(self, x: Any) -> None:
            self.x, self.times = x, 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.x *= 0.5
            self.times += 1

        def state_dict(self) -> dict[str, Any]:
            return {"times": self.times}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.x *= 0.5 ** (state["times"] - self.times)
            self.times = state["times"]

    def run(*callbacks: Callable[[Any], Any]) -> Any:
        x, model = X.copy(), model_with("sgd")
        model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
        model.fit(x, Y, 8, 3, verbose=0, seed=5, callbacks=[make(x) for make in callbacks])
        return model.get_weights()

    expected = run(Fainter)
    with pytest.raises(CrashError):
        run(Fainter, lambda x: Steps(13), lambda x: BackupAndRestore(tmp_path, 1))
    with pytest.raises(ValueError, match="content was"), pytest.warns(UserWarning, match="state of Fainter"):
        run(lambda x: BackupAndRestore(tmp_path))
    found = run(Fainter, lambda x: BackupAndRestore(tmp_path, 1))
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))


OPTIMIZERS: dict[str, tuple[Any, Any, str]] = {
    "momentum": (sf.optimizers.SGD(0.1, 0.9), sf.optimizers.SGD(0.1, 0.8), "momentum was 0.9 and is 0.8"),
    "no momentum": (sf.optimizers.SGD(0.1), sf.optimizers.SGD(0.1, 0.8), "momentum was 0.0 and is 0.8"),
    "nesterov": (
        sf.optimizers.SGD(0.1, 0.9),
        sf.optimizers.SGD(0.1, 0.9, nesterov=True),
        "nesterov was False and is True",
    ),
    "beta": (sf.optimizers.Adam(), sf.optimizers.Adam(beta_1=0.8), "beta_1 was 0.9 and is 0.8"),
    "amsgrad": (sf.optimizers.Adam(), sf.optimizers.Adam(amsgrad=True), "amsgrad was False and is True"),
    "decay": (
        sf.optimizers.AdamW(weight_decay=0.1),
        sf.optimizers.AdamW(weight_decay=0.2),
        "weight_decay was 0.1 and is 0.2",
    ),
    "clipping": (sf.optimizers.Adam(), sf.optimizers.Adam(clipnorm=1.0), "clipnorm was None and is 1.0"),
    "class": (sf.optimizers.Adam(), sf.optimizers.AdamW(), "optimizer Adam; AdamW"),
    "schedule": (
        sf.optimizers.SGD(sf.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        sf.optimizers.SGD(sf.optimizers.schedules.ExponentialDecay(0.1, 10, 0.8)),
        "schedule was; 0.9; 0.8",
    ),
    "schedule or rate": (
        sf.optimizers.SGD(sf.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        sf.optimizers.SGD(0.1),
        "schedule was; is 'not set'",
    ),
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_another_setting_of_the_optimizer_is_refused(case: str, tmp_path: Path) -> None:
    before, now, words = OPTIMIZERS[case]
    interrupted(tmp_path, arrays(), model_with(before))
    refused(tmp_path, arrays(), words, model_with(now))


def test_the_learning_rate_is_state_and_no_setting(tmp_path: Path) -> None:
    reduce = ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=1e9)
    callbacks = [reduce, Steps(13), BackupAndRestore(tmp_path, 1)]
    with pytest.raises(CrashError):
        model_with(sf.optimizers.SGD(0.1)).fit(**arrays(), verbose=0, callbacks=callbacks)
    model = model_with(sf.optimizers.SGD(0.7))
    rates: list[float] = []
    look = LambdaCallback(
        on_train_batch_begin=lambda batch, logs: rates.append(model.optimizer.learning_rate)
    )
    again = ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=1e9)
    model.fit(**arrays(), verbose=0, callbacks=[again, look, BackupAndRestore(tmp_path)])
    assert rates[0] == pytest.approx(0.05)


@pytest.mark.parametrize("after", [6, 8])
def test_another_loss_or_other_metrics_are_refused(after: int, tmp_path: Path) -> None:
    interrupted(tmp_path, arrays(), after=after)
    refused(
        tmp_path, arrays(), "results was ['loss', 'mae'] and is ['loss', 'mse']", model_with(metrics=["mse"])
    )
    model = model_with()
    model.compile("adam", sf.losses.Huber(0.5), metrics=["mae"])
    refused(tmp_path, arrays(), "loss was; MeanSquaredError; Huber; 0.5", model)
    same = model_with()
    same.compile("adam", sf.losses.MeanSquaredError(), metrics=["mae"])
    assert len(same.fit(**arrays(), verbose=0, callbacks=[BackupAndRestore(tmp_path)]).epoch) == 3


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # 9 steps of a pass of 7
@pytest.mark.parametrize("method", ["fit", "fit_generator"])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_test_begin", "on_epoch_end"])
def test_iterables_whose_length_is_or_is_not_known(hook: str, method: str, tmp_path: Path) -> None:
    class Known(Loader):
        def __len__(self) -> int:
            return self.count

    def run(kind: Any, steps: int, *callbacks: Any, seed: Any = 5) -> Any:
        sf.set_random_seed(2)
        model = model_with()
        how = {"epochs": 3, "steps_per_epoch": steps, "verbose": 0, "validation_data": (X, Y)}
        history = getattr(model, method)(kind(7), **how, seed=seed, callbacks=list(callbacks))
        weights = [weight.tobytes() for weight in model.get_weights()]
        return weights, history.history, [str(receipt) for receipt in history.receipts]

    for kind, steps, at in [(Loader, 5, 2), (Known, 5, 3), (Loader, 9, 2), (Known, 9, 1)]:
        folder = tmp_path / f"{kind.__name__}{steps}"
        left = [at * (4 if hook == "on_train_batch_end" else 1)]

        def crash(*arguments: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise CrashError

        with pytest.raises(CrashError):
            run(kind, steps, LambdaCallback(**{hook: crash}), BackupAndRestore(folder, 2))
        found = run(kind, steps, BackupAndRestore(folder, 2), seed=None if list(folder.iterdir()) else 5)
        assert found == run(kind, steps), (kind, steps)


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "missing": (lambda arrays: arrays.pop("optimizer/m"), "m should have shape; no place in it"),
    "extra": (lambda arrays: arrays.update({"optimizer/q": arrays["optimizer/m"]}), "q should have no place"),
    "cut": (lambda arrays: arrays.update({"optimizer/v": arrays["optimizer/v"][:3]}), "v should have shape"),
    "dtype": (
        lambda arrays: arrays.update({"optimizer/v": arrays["optimizer/v"].astype("float64")}),
        "v should have; float64",
    ),
    "settings cut": (lambda arrays: arrays.update({"hyper": arrays["hyper"][:2]}), "hyper should have"),
    "weight cut": (
        lambda arrays: arrays.update({"weight/0000/kernel": arrays["weight/0000/kernel"][:2]}),
        "another model; 0000/kernel",
    ),
    "weight extra": (lambda arrays: arrays.update({"weight/0009/kernel": np.ones(2)}), "another model; 0009"),
    "weight missing": (lambda arrays: arrays.pop("weight/0003/bias"), "another model; 0003/bias; nothing"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_state_that_is_not_whole_is_refused_by_name(case: str, tmp_path: Path) -> None:
    damage, words = DAMAGES[case]
    interrupted(tmp_path, arrays())
    model, path = model_with(), tmp_path / "training-state.safetensors"
    state = model.read_state(path)
    damage(state.arrays)
    model.write_state(state, path)
    before = model.get_weights()
    refused(tmp_path, arrays(), words, model)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True)), "nothing changed"


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path, arrays())
    model, path = model_with(), tmp_path / "training-state.safetensors"
    state = model.read_state(path)
    state.facts = {"version": 2, "history": {}}
    model.write_state(state, path)
    refused(tmp_path, arrays(), "version 2; version 4", model)
