"""`ModelCheckpoint`: saves the model or its weights while it is trained."""

from __future__ import annotations

import os

from streamfit._base.checks import integer, number
from streamfit._base.telling import tell, warn
from streamfit.training.callbacks.base import Callback, Logs, State
from streamfit.training.callbacks.log_names import LogNames
from streamfit.training.callbacks.monitor import Monitor
from streamfit.training.callbacks.path_pattern import PathPattern, refuse_folder

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Save the model after every epoch, after every so many batches, or when it is the best so far.

    Args:
        filepath: Path of the file. Named fields are filled with the epoch (counted from 1), the batch (from
            1, if saving by batches) and the logs: ``"run.{epoch:02d}-{val_loss:.2f}.streamfit"``. Missing
            folders are made. In an epoch that does not log a field, as one without validation, nothing is
            saved.
        monitor: Name in the logs by which models are compared.
        verbose: 1 to print each saving and its reason.
        save_best_only: Whether only a model that is better than all before it is saved. If the quantity
            has never been in the logs, the model is saved with a warning; in an epoch without validation
            it is not.
        save_weights_only: Whether to call ``model.save_weights`` in place of ``model.save``.
        mode: ``"min"``, ``"max"``, or ``"auto"`` to decide by the metric or its name.
        save_freq: ``"epoch"``, or a number of batches, counted over epochs and runs.
        initial_value_threshold: Value that the first saved model must beat.
        period: With ``save_freq="epoch"``, epochs between two savings.

    Attributes:
        best: Best value so far; it stays from one run to the next.

    Raises:
        ValueError: `save_freq` or `period` is not as above; or, at the beginning of `fit`, the model cannot
            be saved whole, the quantity is an array or never logged, or `mode` is 'auto' and it is unknown
            which way is better (of a name that no metric has, at the first comparison).
        KeyError: At the beginning of `fit`, a field of `filepath` will never be in the logs.
        OSError: At the beginning of `fit`, the path is a folder (IsADirectoryError), or nothing can be
            written there.

    Example:
        >>> checkpoint = ModelCheckpoint("model.streamfit", save_best_only=True)
        >>> checkpoint.listens_to("on_train_batch_end")
        False
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: int | str = "epoch",
        initial_value_threshold: float | None = None,
        *,
        period: int = 1,
    ) -> None:
        super().__init__()
        _check_frequency(save_freq, period)
        if initial_value_threshold is not None:
            number("initial_value_threshold", initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.period = period
        self.best = initial_value_threshold
        self._monitor = Monitor(monitor, mode, 0.0, "ModelCheckpoint")
        self._epoch = 0
        self._waiting = 0  # epochs or batches since the last saving
        self._counted = 0  # batches of this epoch that are among these
        self._pattern = PathPattern(self.filepath, "ModelCheckpoint")

    def listens_to(self, hook: str) -> bool:
        """Return whether a hook does anything: that of batches only if saving by batches."""
        return super().listens_to(hook) and (hook != "on_train_batch_end" or self.save_freq != "epoch")

    def batches_until_call(self, hook: str, done: int) -> int:
        """Return how many batches may be done until a hook must be called: until the next saving."""
        if getattr(self.on_train_batch_end, "__func__", None) is not ModelCheckpoint.on_train_batch_end:
            return super().batches_until_call(hook, done)  # a subclass may count batches
        if hook != "on_train_batch_end":
            return super().batches_until_call(hook, done)
        return max(1, int(self.save_freq) - self._waiting - (done - self._counted))

    def check_names(self, names: LogNames) -> None:
        """Refuse a quantity, or a field of the path, that will never be logged."""
        by_batch = self.save_freq != "epoch"
        known = ("epoch", "batch", *names.batch) if by_batch else ("epoch", *names.epoch)
        self._pattern.check_fields(known, names.sure_of_batch if by_batch else names.sure)
        if self.save_best_only:
            self._monitor.check_names(names)

    def state_dict(self) -> State:
        """Return the best value and the counters."""
        monitor = self._monitor.state_dict() if self.save_best_only else None
        counters = {"epoch": self._epoch, "waiting": self._waiting, "counted": self._counted}
        return {"monitor": monitor, "best": self.best, **counters}

    def load_state_dict(self, state: State) -> None:
        """Continue with the best value so far.

        Raises:
            ValueError: It is the best of another quantity.
        """
        if self.save_best_only and state["monitor"] is not None:
            self._monitor.load_state_dict(state["monitor"])
        self.best, self._epoch = state["best"], state["epoch"]
        self._waiting, self._counted = state["waiting"], state["counted"]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse now what would fail only after the first epoch.

        Raises:
            ValueError: The model cannot be saved in this way, or to a path with this ending.
            OSError: The path is a folder, or its folder cannot be written to.
        """
        check = "check_weights_path" if self.save_weights_only else "check_saving"
        if hasattr(self.model, check):
            getattr(self.model, check)(self.filepath)
        self._pattern.check_place()
        if self.save_best_only:
            self._monitor.resolve(self.model, required=False)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch, for the file name."""
        self._epoch, self._counted = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save, if it is time to."""
        if self.save_freq != "epoch":
            passed = max(1, batch + 1 - self._counted)
            self._counted = batch + 1
            self._save_if_due(int(self.save_freq), {"batch": batch + 1, **(logs or {})}, passed)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is time to."""
        self._epoch = epoch
        if self.save_freq == "epoch":
            self._save_if_due(self.period, logs or {})

    def _save_if_due(self, every: int, logs: Logs, passed: int = 1) -> None:
        """Save when it is time to; where a field of the path is not logged now, as soon as it is."""
        self._waiting += passed
        if self._waiting >= every and self._pattern.can_be_filled(["epoch", *logs]):
            self._waiting = 0
            self._save(logs)

    def _save(self, logs: Logs) -> None:
        path = self._pattern.filled({**logs, "epoch": self._epoch + 1})
        if self.save_best_only and not self._is_best(logs, path):
            return
        if not self.save_best_only:
            self._say(f"saving model to {path}")
        refuse_folder(path, "ModelCheckpoint")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)

    def _is_best(self, logs: Logs, path: str) -> bool:
        current = logs.get(self.monitor)
        if current is None:
            return self._is_unknown()
        self._monitor.seen = True
        self._monitor.resolve(self.model)
        before = "None" if self.best is None else f"{self.best:.5f}"
        if not self._monitor.improved(current, self.best):
            self._say(f"{self.monitor} did not improve from {before}")
            return False
        self._say(f"{self.monitor} improved from {before} to {current:.5f}, saving model to {path}")
        self.best = current
        return True

    def _is_unknown(self) -> bool:
        """Return whether the quantity will never be seen, and warn then: an unsaved model is lost."""
        if not (self._monitor.seen or self._monitor.expected):
            warn(
                f"Can save best model only with {self.monitor} available, which is not in the logs; "
                "the model is saved as it is.",
                stacklevel=2,
            )
        return not (self._monitor.seen or self._monitor.expected)

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            tell(f"\nEpoch {self._epoch + 1}: {text}")


def _check_frequency(save_freq: int | str, period: int) -> None:
    if save_freq != "epoch" and (integer(save_freq) or 0) < 1:
        raise ValueError(
            f"Unrecognized save_freq: {save_freq!r}. It must be 'epoch' or a number of batches from 1."
        )
    if (integer(period) or 0) < 1:
        raise ValueError(f"period must be a number of epochs from 1, got {period!r}")
