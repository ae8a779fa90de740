"""`BackupAndRestore`: continue after a crash at the same batch, to the same bits."""

from __future__ import annotations

import os
from pathlib import Path

from streamfit._base.checks import integer
from streamfit.training.callbacks.base import Callback, Logs
from streamfit.training.callbacks.history import Place
from streamfit.training.folder import owned
from streamfit.training.journal import Journal
from streamfit.training.trainable import FitSession, Trainable
from streamfit.training.training_state import TrainingState

__all__ = ["BackupAndRestore"]

_NAME, _HISTORY = "training-state.safetensors", "training-history.jsonl"


class BackupAndRestore(Callback):
    """Save the place of training, and continue from there when `fit` is called again with the same arguments.

    The backup holds weights, the optimizer's state, the running results of the epoch, the history, the seed
    and place of each stream, and the state of each callback that keeps one (`Callback.state_dict`).
    Training that was killed at any moment and begun again ends with the same bits as training that was not,
    with any number and kind of workers: it stops in the same epoch and leaves the same files.

    Data, arguments and optimizer must be those of the interrupted run, `epochs` may be more; a
    difference is refused. The hooks of this callback come after those of all others, whatever its place among
    them.

    A backup costs the same in every epoch: the history is a file of its own, to which each epoch adds a line.

    Args:
        backup_dir: A folder for the backup; made if it is not there. Each run needs one of its own: while
            it runs, the folder is locked.
        save_freq: ``"epoch"``, or n for a backup after every n-th batch of an epoch, and after the epoch.
        double_checkpoint: Kept for Keras' sake: a backup replaces the one before it in one step, so that
            there is always a whole one.
        delete_checkpoint: Whether the backup is deleted when training ends as planned.
        replay: Whether a plain generator, which cannot jump, is pulled and its first batches are dropped to
            get to the place; it must yield the same batches again.

    Raises:
        ValueError: `save_freq` is neither 'epoch' nor a positive number; or, at the beginning of `fit`, the
            backup is damaged or that of another model, of other data, or of a `fit` with other arguments.
        FolderInUseError: Another run uses the folder.
        OSError: At the beginning of `fit`, nothing can be written to the folder.

    Example:
        >>> BackupAndRestore("backup", save_freq=100).listens_to("on_train_batch_end")
        True
    """

    model: Trainable
    comes_last = True

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
        self._folder = Path(os.path.abspath(backup_dir))  # whatever the working folder is later
        self._path = self._folder / _NAME
        self._every = None if save_freq == "epoch" else int(save_freq)
        self._delete, self._replay = delete_checkpoint, replay
        self._journal = Journal(self._folder / _HISTORY)
        self._place: Place = {}  # the part of the history that is in the journal

    def listens_to(self, hook: str) -> bool:
        """Return whether a hook does anything: batches matter only when they are counted."""
        return self._every is not None if hook == "on_train_batch_end" else super().listens_to(hook)

    def batches_until_call(self, hook: str, done: int) -> int:
        """Return how many batches may be done until a hook must be called: until the next backup."""
        ours = getattr(self.on_train_batch_end, "__func__", None) is BackupAndRestore.on_train_batch_end
        if hook != "on_train_batch_end" or self._every is None or not ours:  # a subclass may count batches
            return super().batches_until_call(hook, done)
        return self._every - done % self._every

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Lock the folder and continue from the backup, if there is one."""
        session = self._session
        session.keep(owned(self._folder, "backup_dir"))
        for unfinished in self._folder.glob(f".{_NAME}.*"):  # a run was killed while it wrote this
            unfinished.unlink(missing_ok=True)
        self._journal, self._place = Journal(self._folder / _HISTORY), {}
        if self._path.exists():
            self._resume(session)
        else:
            self._journal.remove()
        session.check_state()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Write a backup after so many batches."""
        # A callback that has ended the epoch here does so again when the batches are done again.
        if self._every is not None and (batch + 1) % self._every == 0 and not self.model.stop_training:
            self._write(None)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a backup."""
        self._write(dict(logs or {}))

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Delete the backup: training has ended."""
        if self._delete:
            self._path.unlink(missing_ok=True)
            self._journal.remove()
        elif self._path.exists():
            # The user may want the next run to continue; a callback that does not has that in its own state.
            state = self.model.read_state(self._path)
            if state.facts["stopped"]:
                state.facts["stopped"] = False
                self.model.write_state(state, self._path)

    @property
    def _session(self) -> FitSession:
        session = self.model.session
        assert session is not None  # `fit` calls the hooks
        return session

    def _resume(self, session: FitSession) -> None:
        state = self.model.read_state(self._path)
        if "journal" in state.facts:  # a state without a journal has another version, which `resume` refuses
            state.facts["history"] = self._journal.open_at(state.facts["journal"])
        session.resume(state, replay=self._replay)
        self._place = state.facts["place"]

    def _write(self, ended: Logs | None) -> None:
        try:
            self._add_history_and_write(self._session.state(ended=ended))
        except OSError as error:
            error.add_note(f"while a backup was written to {self._folder}; the one before it is whole")
            raise

    def _add_history_and_write(self, state: TrainingState) -> None:
        history = self.model.history
        assert history is not None  # `fit` sets it before the first hook
        entries, place = history.since(self._place)
        if entries is not None:
            self._journal.add(entries)
            self._place = place
        state.facts |= {"journal": self._journal.place, "place": self._place}
        self.model.write_state(state, self._path)
