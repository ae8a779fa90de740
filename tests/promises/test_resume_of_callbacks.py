"""A run that is interrupted and resumed anywhere ends like any other, with callbacks of any state."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.scripts import run as run_program

import streamfit as sf
from streamfit.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)

EPOCHS, STEPS = 5, 3
X = np.random.default_rng(0).normal(size=(STEPS * 4, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


class CrashError(Exception):
    """Simulates the end of the program."""


class Crash(Callback):
    """Raise at the n-th call of a hook; tests also vary the order of the callbacks."""

    def __init__(self, hook: str, at: int) -> None:
        self.left = at
        setattr(self, hook, self.count)

    def count(self, *arguments: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise CrashError


class Script(Callback):
    """Replaces the values of a log, so that callbacks have something to decide."""

    def __init__(self, name: str, values: list[float]) -> None:
        self.name, self.values = name, values

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs[self.name] = self.values[epoch]


class Memory(Callback):
    """A user's callback with a state of all kinds."""

    def __init__(self) -> None:
        self.seen: dict[Any, Any] = {"sums": np.zeros(2), "epochs": (), "losses": [], 3: np.float32(1)}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seen["epochs"] = (*self.seen["epochs"], epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen["sums"] = self.seen["sums"] + [logs["loss"], 1]
        self.seen[3] = np.float32(self.seen[3] * np.float32(1.1))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen["losses"].append(logs["loss"])
        logs["batches"] = float(self.seen["sums"][1])

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def stopping(folder: Path) -> list[Any]:
    return [
        Script("val_mae", [5.0, 2.0, 3.0, 4.0, 1.0]),
        EarlyStopping("val_mae", patience=2, restore_best_weights=True),
    ]


def saving(folder: Path) -> list[Any]:
    return [
        Script("val_loss", [5.0, 1.0, 3.0, 0.5, 4.0]),
        ModelCheckpoint(folder / "best.safetensors", save_best_only=True, save_weights_only=True),
        ModelCheckpoint(folder / "{epoch}-{batch}.safetensors", save_freq=4, save_weights_only=True),
        ModelCheckpoint(folder / "e{epoch}.safetensors", period=2, save_weights_only=True),
    ]


def slowing(folder: Path) -> list[Any]:
    return [
        Script("val_loss", [5.0, 5.0, 5.0, 4.0, 5.0]),
        ReduceLROnPlateau("val_loss", factor=0.5, patience=1, cooldown=1),
    ]


def writing(folder: Path) -> list[Any]:
    return [CSVLogger(folder / "log.csv"), CSVLogger(folder / "more.csv", separator=";", append=True)]


def scheduling(folder: Path) -> list[Any]:
    return [LearningRateScheduler(lambda epoch, rate: rate * 0.9), CSVLogger(folder / "rates.csv")]


def remembering(folder: Path) -> list[Any]:
    return [Memory(), CSVLogger(folder / "memory.csv")]


def ending(folder: Path) -> list[Any]:
    """A callback without a state ends training."""

    def end(epoch: int, logs: Any) -> None:
        stop.model.stop_training = epoch == 2

    stop = LambdaCallback(on_epoch_end=end)
    return [stop]


Zoo = Callable[[Path], list[Any]]
ZOOS: list[Zoo] = [
    stopping,
    saving,
    slowing,
    writing,
    scheduling,
    remembering,
    ending,
]


def fit(callbacks: list[Any], seed: int | None = 7) -> tuple[Any, ...]:
    sf.set_random_seed(3)
    model = sf.Sequential(
        [sf.layers.Dense(4, "tanh", input_shape=(3,)), sf.layers.Dropout(0.2), sf.layers.Dense(1)]
    )
    model.compile(sf.optimizers.SGD(0.05, momentum=0.5), "mse", metrics=["mae"])
    data = {"batch_size": 4, "epochs": EPOCHS, "validation_data": (X, Y), "verbose": 0}
    history = model.fit(X, Y, **data, callbacks=callbacks, seed=seed)
    weights = [array.tobytes() for array in model.get_weights()]
    receipts = [str(receipt) for receipt in history.receipts]
    return weights, history.history, history.epoch, receipts, float(model.optimizer.learning_rate)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


MOMENTS = [
    *[("on_epoch_begin", n) for n in (1, 2, 4, 5)],
    *[("on_epoch_end", n) for n in (2, 3, 5)],
    *[("on_train_batch_end", n) for n in (2, 4, 9, 10, 14)],
    ("on_train_batch_begin", 6),
    ("on_test_begin", 3),
    ("on_train_end", 1),
]


@pytest.mark.parametrize("zoo", ZOOS, ids=lambda zoo: zoo.__name__)
def test_files_history_and_weights_of_the_uninterrupted_run(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    expected = fit(zoo(tmp_path / "calm"))
    files = contents(tmp_path / "calm")
    for number, (hook, at) in enumerate(MOMENTS):
        every = (1, "epoch", 2)[number % 3]
        folder = tmp_path / f"{number}"
        folder.mkdir()
        backup, crash = BackupAndRestore(folder / "backup", every), Crash(hook, at)
        order = [backup, *zoo(folder), crash] if number % 2 else [crash, *zoo(folder), backup]
        try:
            fit(order)
        except CrashError:
            seed = None if list((folder / "backup").iterdir()) else 7  # the seed is in the backup
            found = fit([BackupAndRestore(folder / "backup", every), *zoo(folder)], seed)
            assert found == expected, (hook, at, every)
        else:
            assert zoo in (stopping, ending), "the run ended before the crash"
        assert contents(folder) == files, (hook, at, every)
        assert not list((folder / "backup").iterdir())


PROGRAM = """
import importlib.util, os, pathlib, signal
spec = importlib.util.spec_from_file_location("zoos", {file!r})
zoos = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zoos)

def kill(epoch, logs):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

folder = pathlib.Path({folder!r})
chosen = [zoos.stopping, zoos.saving, zoos.writing, zoos.remembering]
everything = [one for zoo in chosen for one in zoo(folder)]
dying = zoos.LambdaCallback(on_epoch_end=kill)
zoos.fit([zoos.BackupAndRestore(folder / "backup", 2), *everything, dying])
"""


@pytest.mark.timeout(60)
def test_killed_in_another_program_and_resumed_here(tmp_path: Path) -> None:
    def everything(folder: Path) -> list[Any]:
        folder.mkdir(exist_ok=True)
        return [one for zoo in (stopping, saving, writing, remembering) for one in zoo(folder)]

    expected = fit(everything(tmp_path / "calm"))
    folder = tmp_path / "killed"
    folder.mkdir()
    code, _, err = run_program(PROGRAM.format(folder=str(folder), file=__file__))
    assert code == -signal.SIGKILL, err
    assert (folder / "backup" / "training-state.safetensors").exists()
    assert fit([BackupAndRestore(folder / "backup", 2), *everything(folder)], None) == expected
    assert contents(folder) == contents(tmp_path / "calm")


def test_a_changed_set_of_callbacks_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(CrashError):
        fit([BackupAndRestore(tmp_path / "b"), *stopping(tmp_path), Crash("on_epoch_begin", 3)])
    with (
        pytest.warns(UserWarning, match="state of EarlyStopping, which is not among the callbacks"),
        pytest.warns(UserWarning, match="no state for this ReduceLROnPlateau, so it begins anew"),
    ):
        fit([BackupAndRestore(tmp_path / "b"), ReduceLROnPlateau("loss", patience=9)], None)


def test_a_state_of_another_quantity_is_refused(tmp_path: Path) -> None:
    for before, after, words in (
        (EarlyStopping("loss"), EarlyStopping("val_loss"), "monitor='loss'.*monitor='val_loss'"),
        (EarlyStopping("mae", mode="max"), EarlyStopping("mae"), "mode='max'.*mode='min'"),
    ):
        folder = tmp_path / words[9:12]
        before.patience = after.patience = 9
        with pytest.raises(CrashError):
            fit([BackupAndRestore(folder), before, Crash("on_epoch_begin", 3)])
        with pytest.raises(ValueError, match=words):
            fit([BackupAndRestore(folder), after], None)


def test_a_state_that_cannot_be_kept_is_refused_before_the_first_step(tmp_path: Path) -> None:
    class Odd(Memory):
        def __init__(self) -> None:
            self.seen = {"names": {"a", "b"}}

    steps: list[int] = []
    count = LambdaCallback(on_train_batch_begin=lambda batch, logs: steps.append(batch))
    with pytest.raises(TypeError, match=r"state of callback .*Odd\['seen'\]\['names'\] is a set"):
        fit([Odd(), count, BackupAndRestore(tmp_path)])
    assert steps == []


def test_a_kept_backup_of_a_run_that_was_stopped_lets_the_next_one_go_on(tmp_path: Path) -> None:
    """As with a limit on time: each job trains for a while and leaves the rest to the next."""

    def job(folder: Path) -> list[int]:
        def end(epoch: int, logs: Any) -> None:
            limit.model.stop_training = epoch % 2 == 1

        limit = LambdaCallback(on_epoch_end=end)
        return list(fit([limit, BackupAndRestore(folder, delete_checkpoint=False)])[2])

    assert job(tmp_path) == [0, 1]
    assert job(tmp_path) == [0, 1, 2, 3]
    assert job(tmp_path) == [0, 1, 2, 3, 4]
