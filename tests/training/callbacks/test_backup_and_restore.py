"""`BackupAndRestore` by itself; restoring is tested with real fits in tests/properties."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from streamfit.training import TrainingState
from streamfit.training.callbacks import BackupAndRestore, History


class FakeSession:
    """Counts the calls of a run of fit."""

    def __init__(self) -> None:
        self.resumed: list[Any] = []
        self.until_end = contextlib.ExitStack()

    def keep(self, context: Any) -> None:
        self.until_end.enter_context(context)

    def check_state(self) -> None:
        """Find nothing wrong."""

    def state(self, ended: Any = None) -> TrainingState:
        return TrainingState({}, {"text": f"state, ended {ended}", "stopped": False})

    def resume(self, state: TrainingState, replay: bool) -> None:
        self.resumed.append((state.facts["text"], replay))


class FakeModel:
    """Writes texts."""

    def __init__(self) -> None:
        self.session = FakeSession()
        self.written: list[Any] = []
        self.history = History()
        self.stop_training = False

    def write_state(self, state: TrainingState, path: Path) -> None:
        self.written.append(state.facts["text"])
        path.write_text(json.dumps(state.facts))

    def read_state(self, path: Path) -> TrainingState:
        return TrainingState({}, json.loads(path.read_text()))


def made(folder: Path, **how: Any) -> tuple[BackupAndRestore, FakeModel]:
    callback, model = BackupAndRestore(folder, **how), FakeModel()
    callback.set_model(model)
    return callback, model


@pytest.mark.parametrize("freq", [0, -1, 1.5, True, "batch", None])
def test_a_wrong_save_freq_is_refused(tmp_path: Path, freq: Any) -> None:
    with pytest.raises(ValueError, match="save_freq must be 'epoch' or a number of batches"):
        BackupAndRestore(tmp_path, save_freq=freq)


def test_every_so_many_batches_and_every_epoch(tmp_path: Path) -> None:
    callback, model = made(tmp_path / "new" / "folder", save_freq=2)
    callback.on_train_begin()
    for batch in range(5):
        callback.on_train_batch_end(batch)
    callback.on_epoch_end(0, {"loss": 1.0})
    callback.on_train_batch_end(0)
    assert model.written == ["state, ended None"] * 2 + ["state, ended {'loss': 1.0}"]
    assert model.session.resumed == []


def test_batches_are_listened_to_only_when_counted(tmp_path: Path) -> None:
    assert not BackupAndRestore(tmp_path).listens_to("on_train_batch_end")
    assert BackupAndRestore(tmp_path, 3).listens_to("on_train_batch_end")


def test_a_backup_is_resumed_and_in_the_end_deleted(tmp_path: Path) -> None:
    first, crashed = made(tmp_path)
    first.on_train_begin()
    first.on_epoch_end(3, {})
    crashed.session.until_end.close()
    second, model = made(tmp_path, replay=True)
    second.on_train_begin()
    assert model.session.resumed == [("state, ended {}", True)]
    second.on_train_end()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_unfinished_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".training-state.safetensors.abc123").write_text("half")
    (tmp_path / "notes.txt").write_text("mine")
    callback, model = made(tmp_path)
    callback.on_train_begin()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert model.session.resumed == []


def test_a_backup_is_kept_on_request(tmp_path: Path) -> None:
    callback, _ = made(tmp_path, delete_checkpoint=False)
    callback.on_train_begin()
    callback.on_epoch_end(0, {})
    callback.on_train_end()
    assert len(list(tmp_path.iterdir())) == 1
