"""`EarlyStopping`: ends training when a quantity has stopped improving."""

from __future__ import annotations

from streamfit._base.checks import number, whole
from streamfit._base.specs import Array
from streamfit._base.telling import tell
from streamfit.training.callbacks.base import Logs, State
from streamfit.training.callbacks.monitor import Monitor
from streamfit.training.callbacks.monitoring import MonitorCallback

__all__ = ["EarlyStopping"]


class EarlyStopping(MonitorCallback):
    """Stop training when a quantity has not improved for `patience` epochs.

    An instance can serve several runs; each starts again.

    Args:
        monitor: Name in the logs of an epoch.
        min_delta: A change that is not larger than this is no improvement.
        patience: Epochs without improvement after which training ends. The first epoch never ends it.
        verbose: 1 to print when training was stopped and which weights were restored.
        mode: ``"min"``, ``"max"``, or ``"auto"`` to decide by the metric or its name.
        baseline: Value that must be beaten, besides the best one so far, for patience to start anew.
        restore_best_weights: Whether the model gets back the weights of the best epoch at the end of
            training, also if training ran to its last epoch.
        start_from_epoch: Epochs to let pass before anything is watched.

    Attributes:
        best: Best value so far, None before the first.
        best_epoch: Its epoch, counted from 0.
        wait: Epochs since patience started.
        stopped_epoch: Epoch at which training was stopped, counted from 0; 0 if it was not.

    Raises:
        TypeError: `patience` or `start_from_epoch` is no whole number, `min_delta` or `baseline` no number.
        ValueError: One of them is negative or NaN (the sign of `min_delta` means nothing); or, at the
            beginning of training, no epoch will log `monitor`, or `mode` is 'auto' and it is unknown which
            way is better.

    Example:
        >>> from types import SimpleNamespace
        >>> stopping = EarlyStopping(monitor="loss", patience=2)
        >>> stopping.set_model(SimpleNamespace(stop_training=False))
        >>> stopping.on_train_begin()
        >>> for epoch, loss in enumerate([0.5, 0.4, 0.6, 0.5]):
        ...     stopping.on_epoch_end(epoch, {"loss": loss})
        >>> stopping.model.stop_training, stopping.stopped_epoch, stopping.best_epoch
        (True, 3, 1)
    """

    _remembered = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")
    wait: int
    stopped_epoch: int
    best: float | None
    best_epoch: int
    best_weights: list[Array] | None

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = whole("patience", patience, 0)
        self.verbose = verbose
        self.baseline = None if baseline is None else number("baseline", baseline)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = whole("start_from_epoch", start_from_epoch, 0)
        self._monitor = Monitor(monitor, mode, number("min_delta", min_delta), "EarlyStopping")
        self._reset()

    def load_state_dict(self, state: State) -> None:
        """Continue waiting, or stop if that was decided already.

        Raises:
            ValueError: It is the state of another quantity.
        """
        super().load_state_dict(state)
        if self.stopped_epoch > 0 and self.wait >= self.patience:
            self.model.stop_training = True
        else:
            self.stopped_epoch = 0  # the run continues with more patience

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start again."""
        self._reset()
        self._monitor.resolve(self.model)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare the quantity with its best value."""
        current = self._monitor.value(logs, "Early stopping")
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._monitor.improved(current, self.best):
            self._keep(epoch, current)
            if self.baseline is None or self._monitor.improved(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Give the model the best weights, with `restore_best_weights`."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            tell(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose > 0:
                tell(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None
        self._monitor.seen = False

    def _keep(self, epoch: int, value: float) -> None:
        self.best = value
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()
