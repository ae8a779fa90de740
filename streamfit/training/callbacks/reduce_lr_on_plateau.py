"""`ReduceLROnPlateau`: lowers the learning rate when a quantity has stopped improving."""

from __future__ import annotations

from streamfit._base.checks import number, whole
from streamfit._base.telling import tell
from streamfit.training.callbacks.base import Logs
from streamfit.training.callbacks.learning_rate import ADDED, log_learning_rate, needs_rate
from streamfit.training.callbacks.monitor import Monitor
from streamfit.training.callbacks.monitoring import MonitorCallback

__all__ = ["ReduceLROnPlateau"]

_ROUNDING = 1e-6  # relative; a rate kept in single precision is not exactly the one that was set


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by `factor` when a quantity has not improved for `patience` epochs.

    The rate that an epoch was trained with is logged as ``learning_rate`` and as ``lr``.

    Args:
        monitor: Name in the logs of an epoch.
        factor: Factor of a reduction, at least 0 and less than 1.
        patience: Epochs without improvement after which the rate is reduced.
        verbose: 1 to print each reduction.
        mode: ``"min"``, ``"max"``, or ``"auto"`` to decide by the metric or its name.
        min_delta: A change that is not larger than this is no improvement.
        cooldown: Epochs after a reduction in which nothing counts as waiting.
        min_lr: Rate below which it is never reduced.

    Attributes:
        wait: Epochs without improvement.
        cooldown_counter: Epochs of cooldown that are left.
        best: Best value so far, None before the first.

    Raises:
        TypeError: `patience` or `cooldown` is no whole number, or another setting no number; or, at the
            beginning of training, the learning rate follows a schedule.
        ValueError: `factor` is 1 or more, or something is negative or NaN (the sign of `min_delta` means
            nothing); or, at the beginning of training, no epoch will log `monitor`, or `mode` is 'auto' and
            it is unknown which way is better.

    Example:
        >>> from types import SimpleNamespace
        >>> plateau = ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1)
        >>> plateau.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.5)))
        >>> plateau.on_train_begin()
        >>> for epoch, loss in enumerate([1.0, 1.0]):
        ...     plateau.on_epoch_end(epoch, {"loss": loss})
        >>> plateau.model.optimizer.learning_rate
        0.25
    """

    added_logs = ADDED
    _remembered = ("wait", "cooldown_counter", "best")
    wait: int
    cooldown_counter: int
    best: float | None

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__()
        if number("factor", factor) >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Got factor={factor}")
        if factor < 0.0:
            raise ValueError(f"factor must be at least 0 and less than 1, got {factor}")
        self.monitor = monitor
        self.factor = factor
        self.patience = whole("patience", patience, 0)
        self.verbose = verbose
        self.cooldown = whole("cooldown", cooldown, 0)
        self.min_lr = number("min_lr", min_lr, 0.0)
        self._monitor = Monitor(monitor, mode, number("min_delta", min_delta), "ReduceLROnPlateau")
        self._reset()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start again.

        Raises:
            TypeError: The learning rate follows a schedule.
        """
        needs_rate(self.model, "ReduceLROnPlateau")
        self._reset()
        self._monitor.resolve(self.model)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Log the learning rate, and reduce it if the quantity has stayed on its plateau for too long."""
        logs = {} if logs is None else logs
        rate = log_learning_rate(logs, self.model.optimizer)
        current = self._monitor.value(logs, "Learning rate reduction is")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._monitor.improved(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch, rate)

    def in_cooldown(self) -> bool:
        """Return whether epochs do not count because the rate was reduced a short while ago."""
        return self.cooldown_counter > 0

    def _reset(self) -> None:
        self.wait = 0
        self.cooldown_counter = 0
        self.best = None
        self._monitor.seen = False

    def _reduce(self, epoch: int, rate: float) -> None:
        reduced = max(rate * self.factor, self.min_lr)
        if rate - reduced <= _ROUNDING * rate:
            return
        self.model.optimizer.learning_rate = reduced
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose > 0:
            tell(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {reduced}.")
