"""`Interruptions`: when a training is interrupted and how, and a run that goes on until it has ended.

A training that is resumed from its backup must end with the same bits as one that nobody interrupted.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from streamfit._base.names import did_you_mean
from streamfit.testing.fault_plan import FaultPlan
from streamfit.training.callbacks import BackupAndRestore, Callback

How = Literal["error", "interrupt", "signal"]
Where = Literal["batch begins", "batch ends", "epoch ends"]
HOWS: tuple[How, ...] = get_args(How)
T = TypeVar("T")


class PlannedInterruption(Exception):  # noqa: N818
    """Raised by a training that is interrupted by plan."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """One interruption of a training.

    Args:
        batches: How many batches are trained before, since the training was begun or resumed. A training
            that ends sooner is not interrupted.
        how: ``'error'`` raises `PlannedInterruption`, ``'interrupt'`` raises KeyboardInterrupt, and
            ``'signal'`` sends SIGINT to this process, as Ctrl-C does.
        where: In which hook: ``'batch begins'`` (of the next batch), ``'batch ends'``, or ``'epoch ends'`` of
            the epoch that the last of these batches is in.

    Raises:
        ValueError: There is no such way or place.
    """

    batches: int
    how: How = "error"
    where: Where = "batch begins"

    def __post_init__(self) -> None:
        for name, value, values in (("how", self.how, HOWS), ("where", self.where, get_args(Where))):
            if value not in values:
                raise ValueError(
                    f"{name}={value!r} is none of {', '.join(values)}.{did_you_mean(value, values)}"
                )


class Interrupter(Callback):
    """Interrupt a training once.

    Args:
        interruption: When and how.

    Example:
        >>> stop = Interrupter(Interruption(1))
        >>> stop.on_train_batch_begin(0)
        >>> stop.on_train_batch_end(0)
        >>> stop.on_train_batch_begin(1)
        Traceback (most recent call last):
        streamfit.testing.interruption.PlannedInterruption: interrupted after 1 batch by plan
    """

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption
        self.trained = 0

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        """Interrupt before the next batch."""
        self._stop_at("batch begins")

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Count the batch."""
        self.trained += 1
        self._stop_at("batch ends")

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Interrupt before the backup of the epoch is written."""
        self._stop_at("epoch ends")

    def _stop_at(self, where: Where) -> None:
        plan = self.interruption
        if plan.where != where or self.trained < plan.batches or (self.trained == 0 and plan.batches):
            return
        if plan.how == "signal":
            signal.raise_signal(signal.SIGINT)
        elif plan.how == "interrupt":
            raise KeyboardInterrupt
        else:
            count = f"{self.trained} batch{'es' * (self.trained != 1)}"
            raise PlannedInterruption(f"interrupted after {count} by plan")


@dataclass(frozen=True)
class Interruptions:
    """When a training is interrupted, one run after the other, and how often it writes its backup.

    Args:
        stops: An interruption for each run that does not reach the end.
        save_freq: As for `BackupAndRestore`.
        faults: What happens to worker processes meanwhile, for data that are wrapped by it; None for nothing.

    Example:
        >>> Interruptions((Interruption(3),), save_freq=2)
        Interruptions(stops=(Interruption(batches=3, how='error', where='batch begins'),), save_freq=2)
    """

    stops: tuple[Interruption, ...] = ()
    save_freq: int | Literal["epoch"] = "epoch"
    faults: FaultPlan | None = field(default=None)

    def __repr__(self) -> str:
        faults = "" if self.faults is None else f", faults={self.faults!r}"
        return f"Interruptions(stops={self.stops!r}, save_freq={self.save_freq!r}{faults})"


def with_interruptions(
    train: Callable[[list[Callback]], T],
    plan: Interruptions | Iterable[Interruption],
    *,
    backup_dir: str | None = None,
    replay: bool = False,
) -> T:
    """Train with interruptions, resume each time from the backup, and return the result of the last run.

    Args:
        train: Makes the model and the data anew, calls ``fit(..., callbacks=callbacks)`` with the callbacks
            that it is given, and returns what is to be compared. Its `fit` needs a seed.
        plan: When and how it is interrupted.
        backup_dir: A folder for the backup; None for a temporary one, which is removed.
        replay: As for `BackupAndRestore`: for plain generators.

    Raises:
        Exception: Whatever `train` raises that was not planned.

    Example:
        >>> import numpy as np
        >>> from streamfit import Sequential, layers, set_random_seed
        >>> from streamfit.testing import assert_same_bits
        >>> def train(callbacks):
        ...     set_random_seed(1)
        ...     model = Sequential([layers.Dense(1, input_shape=(2,))])
        ...     model.compile("sgd", "mse")
        ...     model.fit(
        ...         np.ones((8, 2)), np.ones(8), batch_size=2, seed=3, verbose=0, callbacks=callbacks
        ...     )
        ...     return model.get_weights()
        >>> interrupted = with_interruptions(train, Interruptions((Interruption(3),), save_freq=1))
        >>> assert_same_bits(interrupted, train([]))
    """
    plan = plan if isinstance(plan, Interruptions) else Interruptions(tuple(plan))
    with tempfile.TemporaryDirectory() as temporary:
        folder = temporary if backup_dir is None else backup_dir
        for stop in plan.stops:
            try:
                return train([Interrupter(stop), BackupAndRestore(folder, plan.save_freq, replay=replay)])
            except (PlannedInterruption, KeyboardInterrupt):
                continue  # with the next run; one that comes to its end before has the result
        return train([BackupAndRestore(folder, plan.save_freq, replay=replay)])
