"""`BackupAndRestore`: go on after a crash at the very batch, to the same bits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from streamfit._base.checks import integer
from streamfit.training.callbacks.base import Callback, Logs

__all__ = ["BackupAndRestore"]

_NAME = "training-state.safetensors"


class BackupAndRestore(Callback):
    """Write down where training is, and go on from there when `fit` is called again with the same arguments.

    The backup holds weights, the optimizer's state, the running results of the epoch, the history, and the
    seed and place of each stream. Training that was killed at any moment and begun again ends with the same
    bits as training that was not, with any number and kind of workers. What other callbacks count (such as
    the patience of `EarlyStopping`) begins anew.

    Args:
        backup_dir: A folder for the backup; made if it is not there. Each run needs one of its own.
        save_freq: ``"epoch"``, or a number of batches between two backups.
        double_checkpoint: Kept for Keras' sake: a backup replaces the one before it in one step, so that
            there is always a whole one.
        delete_checkpoint: Whether the backup is deleted when training ends as planned.
        replay: Whether a plain generator, which cannot jump, is pulled and its first batches are dropped to
            get to the place; it must yield the same batches again.

    Raises:
        ValueError: `save_freq` is neither 'epoch' nor a positive number; or, at the beginning of `fit`, the
            backup is damaged or that of another model.

    Example:
        >>> BackupAndRestore("backup", save_freq=100).listens_to("on_train_batch_end")
        True
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: int | str = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        *,
        replay: bool = False,
    ) -> None:
        if save_freq != "epoch" and (integer(save_freq) or 0) < 1:
            raise ValueError(f"save_freq must be 'epoch' or a number of batches, got {save_freq!r}")
        self._path = Path(backup_dir) / _NAME
        self._every = None if save_freq == "epoch" else int(save_freq)
        self._delete, self._replay = delete_checkpoint, replay
        self._since = 0

    def listens_to(self, hook: str) -> bool:
        """Tell whether a hook does anything: batches matter only when they are counted."""
        return self._every is not None if hook == "on_train_batch_end" else super().listens_to(hook)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Go on from the backup, if there is one."""
        self._since = 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in self._path.parent.glob(f".{_NAME}.*"):  # a run was killed while it wrote this
            unfinished.unlink(missing_ok=True)
        if self._path.exists():
            self.model.session.resume(self.model.read_state(self._path), replay=self._replay)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Write a backup after so many batches."""
        self._since += 1
        if self._since == self._every:
            self._write(None)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a backup."""
        self._write(dict(logs or {}))

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Delete the backup: training came to its end."""
        if self._delete:
            self._path.unlink(missing_ok=True)

    def _write(self, ended: dict[str, Any] | None) -> None:
        self._since = 0
        self.model.write_state(self.model.session.state(ended=ended), self._path)
