"""The cost of a backup, its files on the disk, and the owner of its folder."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.scripts import environment, finish, start
from oracles.scripts import run as run_program

import streamfit as sf
from streamfit.callbacks import BackupAndRestore, Callback, EarlyStopping, LambdaCallback

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
STATE, HISTORY = "training-state.safetensors", "training-history.jsonl"


class CrashError(BaseException):
    """Simulates the end of the program; the library must not treat it as an error of the disk."""


def fit(callbacks: list[Any], epochs: int = 4, seed: int | None = 7, **how: Any) -> tuple[Any, ...]:
    sf.set_random_seed(3)
    model = sf.Sequential([sf.layers.Dense(4, "tanh", input_shape=(3,)), sf.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    how = {"batch_size": 4, "epochs": epochs, "verbose": 0, "validation_data": (X, Y), **how}
    history = model.fit(X, Y, **how, callbacks=callbacks, seed=seed)
    weights = [array.tobytes() for array in model.get_weights()]
    return weights, history.history, history.epoch, [str(receipt) for receipt in history.receipts]


def raising_in(epoch: int) -> Callback:
    def begin(now: int, logs: Any) -> None:
        if now == epoch:
            raise CrashError

    return LambdaCallback(on_epoch_begin=begin)


@pytest.mark.parametrize("patience", [None, 10**6])
def test_late_backups_are_as_large_as_early_ones(patience: int | None, tmp_path: Path) -> None:
    sizes: list[tuple[int, int]] = []

    def note(epoch: int, logs: Any) -> None:
        if epoch:
            sizes.append(((tmp_path / STATE).stat().st_size, (tmp_path / HISTORY).stat().st_size))

    remembering = [EarlyStopping("loss", patience=patience, restore_best_weights=True)] if patience else []
    backup = BackupAndRestore(tmp_path)
    fit([backup, *remembering, LambdaCallback(on_epoch_begin=note)], 120, batch_size=12)
    states = [state for state, _ in sizes]
    added = np.diff([journal for _, journal in sizes])
    assert max(states[5:]) <= min(states[5:]) * 1.05
    assert max(added) <= min(added) * 1.3


def test_a_long_history_comes_back_whole(tmp_path: Path) -> None:
    expected = fit([], 60)
    for stop in (1, 20, 21, 50):
        with pytest.raises(CrashError):
            fit([BackupAndRestore(tmp_path, 2), raising_in(stop)], 60, 7 if stop == 1 else None)
    assert fit([BackupAndRestore(tmp_path, 2)], 60, None) == expected


def test_arrays_in_the_logs_come_back_as_arrays(tmp_path: Path) -> None:
    def add(epoch: int, logs: Any) -> None:
        logs["per_class"] = np.arange(3, dtype="float32") / 7 + epoch

    def run(*more: Any, seed: int | None = 7) -> list[Any]:
        return list(fit([LambdaCallback(on_epoch_end=add), *more], seed=seed)[1]["per_class"])

    expected = run()
    with pytest.raises(CrashError):
        run(BackupAndRestore(tmp_path), raising_in(2))
    found = run(BackupAndRestore(tmp_path), seed=None)
    assert [(array.dtype, array.tobytes()) for array in found] == [
        (array.dtype, array.tobytes()) for array in expected
    ]


def test_a_state_of_data_may_hold_arrays(tmp_path: Path) -> None:
    class Reader:
        """An iterator whose state is a generator of random numbers and an array."""

        def __init__(self) -> None:
            self.rng, self.means = np.random.default_rng(0), np.zeros(3)

        def __iter__(self) -> Reader:
            return self

        def __next__(self) -> Any:
            x = self.rng.normal(size=(4, 3)) + self.means
            self.means = self.means + 0.01
            return x, x.sum(1, keepdims=True)

        def state_dict(self) -> dict[str, Any]:
            return {"rng": self.rng.bit_generator.state, "means": self.means}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.rng.bit_generator.state, self.means = state["rng"], state["means"]

    def run(*callbacks: Any, seed: int | None = 7) -> Any:
        sf.set_random_seed(3)
        model = sf.Sequential([sf.layers.Dense(1, input_shape=(3,))])
        model.compile("adam", "mse")
        model.fit(Reader(), steps_per_epoch=3, epochs=4, verbose=0, seed=seed, callbacks=list(callbacks))
        return [weight.tobytes() for weight in model.get_weights()]

    expected = run()
    with pytest.raises(CrashError):
        run(BackupAndRestore(tmp_path, 2), raising_in(2))
    assert run(BackupAndRestore(tmp_path, 2), seed=None) == expected


DYING = """
import importlib.util, io, os, signal
spec = importlib.util.spec_from_file_location("backups", {file!r})
backups = importlib.util.module_from_spec(spec)
spec.loader.exec_module(backups)
left, real = [{when}], getattr(os, {call!r})

def dying(*arguments, **more):
    left[0] -= 1
    if left[0] == 0 and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    done = real(*arguments, **more)
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

setattr(os, {call!r}, dying)
backups.fit([backups.BackupAndRestore({folder!r}, 2)])
"""


@pytest.mark.parametrize("call", ["fsync", "replace", "link"])
def test_an_error_at_any_system_call_leaves_a_backup_that_goes_on(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, real = fit([]), getattr(os, call)
    for when in range(1, 40):
        folder, left = tmp_path / str(when), [when]

        def failing(*arguments: Any, left: list[int] = left, **more: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise CrashError
            return real(*arguments, **more)

        monkeypatch.setattr(os, call, failing)
        try:
            fit([BackupAndRestore(folder, 2)])
        except CrashError:
            monkeypatch.setattr(os, call, real)
            known = (folder / STATE).exists()
            assert fit([BackupAndRestore(folder, 2)], seed=None if known else 7) == expected
            assert list(folder.iterdir()) == []
        else:
            assert when > 8, "so many calls there were at least"
            return
    raise AssertionError("there are fewer calls than that")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("call", "when", "before"), [("fsync", 5, True), ("replace", 3, False)])
def test_killed_while_a_backup_is_written(call: str, when: int, before: bool, tmp_path: Path) -> None:
    text = DYING.format(file=__file__, folder=str(tmp_path), call=call, when=when, before=before)
    code, _, err = run_program(text)
    assert code == -signal.SIGKILL, err
    assert fit([BackupAndRestore(tmp_path, 2)], seed=None) == fit([])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tail", [b'{"epo', b'{"epoch": [99], "history/loss": [0.0]}\n', b"\xff\xfe\n"])
def test_what_a_crash_left_behind_in_the_history_is_dropped(tail: bytes, tmp_path: Path) -> None:
    with pytest.raises(CrashError):
        fit([BackupAndRestore(tmp_path), raising_in(2)])
    with open(tmp_path / HISTORY, "ab") as file:
        file.write(tail)
    assert fit([BackupAndRestore(tmp_path)], seed=None) == fit([])


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_history_is_refused(damage: str, tmp_path: Path) -> None:
    with pytest.raises(CrashError):
        fit([BackupAndRestore(tmp_path), raising_in(2)])
    path = tmp_path / HISTORY
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-3] if damage == "cut" else whole[:20] + b"7" + whole[21:])
    with pytest.raises(ValueError, match=r"training-history\.jsonl is damaged"):
        fit([BackupAndRestore(tmp_path)], seed=None)


# -- the owner of the folder


def test_the_same_folder_twice_in_one_program_is_refused(tmp_path: Path) -> None:
    inner: list[str] = []

    def nested(epoch: int, logs: Any) -> None:
        with pytest.raises(sf.FolderInUseError, match=r"in use by another fit of this program") as caught:
            fit([BackupAndRestore(tmp_path)])
        inner.append(str(caught.value))

    assert fit([BackupAndRestore(tmp_path), LambdaCallback(on_epoch_end=nested)]) == fit([])
    assert len(inner) == 4
    with pytest.raises(RuntimeError, match="give each run a folder of its own"):
        fit([BackupAndRestore(tmp_path), BackupAndRestore(tmp_path)])
    fit([BackupAndRestore(tmp_path)])  # the folder is free again


HOLDING = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("backups", {file!r})
backups = importlib.util.module_from_spec(spec)
spec.loader.exec_module(backups)

def wait(epoch, logs):
    if epoch == 1:
        print("ready", flush=True)
        sys.stdin.readline()

backups.fit([backups.BackupAndRestore({folder!r}), backups.LambdaCallback(on_epoch_begin=wait)])
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("forked", [False, True])
def test_a_folder_is_held_by_a_living_program_only(forked: bool, tmp_path: Path) -> None:
    text = HOLDING.format(file=__file__, folder=str(tmp_path))
    if forked:  # its child process outlives it
        fork = "import os, time\n        if os.fork() == 0:\n            time.sleep(60)\n        "
        text = text.replace('print("ready"', fork + 'print("ready"')
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(sf.FolderInUseError, match=rf"another program \(process {process.pid}\)"):
            fit([BackupAndRestore(tmp_path)])
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
        assert fit([BackupAndRestore(tmp_path)], seed=None) == fit([])
    finally:
        finish(process)


def test_a_run_that_raises_lets_go_of_its_folder(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(CrashError):
            fit([BackupAndRestore(tmp_path), raising_in(0)])
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_locked_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(9, "Bad file descriptor")  # the error of network file systems for folders

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match="another program works with backup_dir=.* cannot be told"):
        assert fit([BackupAndRestore(tmp_path)]) == fit([])


def test_a_folder_that_cannot_be_used_is_refused_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    steps: list[int] = []
    count = LambdaCallback(on_train_batch_begin=lambda batch, logs: steps.append(batch))
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        with pytest.raises(OSError, match=r"backup_dir=.*choose another path"):
            fit([count, BackupAndRestore(folder)])
    assert steps == []


def test_children_that_were_started_hold_nothing(tmp_path: Path) -> None:
    """Programs that the run starts, workers among them, may outlive it."""
    child: list[Any] = []

    def spawn(epoch: int, logs: Any) -> None:
        if not child:
            child.append(start("import time; time.sleep(60)"))

    try:
        with pytest.raises(CrashError):
            fit([BackupAndRestore(tmp_path), LambdaCallback(on_epoch_begin=spawn), raising_in(1)])
        fit([BackupAndRestore(tmp_path)], seed=None)
    finally:
        finish(child[0])
