"""`LearningRateScheduler`: sets the learning rate before each epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np

from streamfit._base.checks import scalar
from streamfit._base.telling import tell
from streamfit.training.callbacks.base import Callback, Logs
from streamfit.training.callbacks.learning_rate import ADDED, log_learning_rate, needs_rate
from streamfit.training.trainable import Trainable

__all__ = ["LearningRateScheduler"]


class LearningRateScheduler(Callback):
    """Set the learning rate of the optimizer at the beginning of each epoch.

    The rate of the epoch is logged as ``learning_rate`` and as ``lr``.

    Args:
        schedule: Takes the epoch, counted from 0, and the learning rate so far, or the epoch only; returns
            the new rate, a float.
        verbose: 1 to print the rate of each epoch.

    Raises:
        TypeError: `schedule` is no function; or, at the beginning of training, the optimizer has a schedule
            of its own.
        ValueError: In an epoch, if `schedule` returns something other than a float.

    Example:
        >>> from types import SimpleNamespace
        >>> scheduler = LearningRateScheduler(lambda epoch, rate: rate / 2)
        >>> scheduler.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.5)))
        >>> scheduler.on_epoch_begin(0)
        >>> scheduler.model.optimizer.learning_rate
        0.25
    """

    model: Trainable
    added_logs = ADDED

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                f"schedule must be a function of the epoch and the learning rate, got {schedule!r}; write "
                "for example LearningRateScheduler(lambda epoch, rate: rate * 0.95)"
            )
        self.schedule = schedule
        self.verbose = verbose

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse an optimizer whose rate cannot be set.

        Raises:
            TypeError: It follows a schedule.
        """
        needs_rate(self.model, "LearningRateScheduler")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the learning rate of the epoch."""
        rate = scalar(self._scheduled(epoch, float(self.model.optimizer.learning_rate)))
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(f'The output of the "schedule" function should be float. Got: {rate!r}')
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            tell(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Log the learning rate of the epoch."""
        if logs is not None:
            log_learning_rate(logs, self.model.optimizer)

    def _scheduled(self, epoch: int, rate: float) -> object:
        # Trying a call with two arguments first would hide a TypeError from inside the schedule.
        return self.schedule(epoch, rate) if _takes_two(self.schedule) else self.schedule(epoch)


def _takes_two(function: Callable[..., object]) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return True
    try:
        signature.bind(0, 0.0)
    except TypeError:
        return False
    return True
