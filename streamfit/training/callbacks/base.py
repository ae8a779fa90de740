"""`Callback`: the hooks that training, evaluation and prediction call, with Keras' names and arguments."""

from __future__ import annotations

from typing import Any

from streamfit._base.checks import whole
from streamfit._base.errors import NonFiniteError
from streamfit.training.callbacks.log_names import LogNames

__all__ = ["HOOKS", "Callback", "Logs", "Params", "State"]

Logs = dict[str, Any]
"""Results by name: floats, arrays where a metric has several values, and whatever callbacks have added."""

Params = dict[str, Any]
"""The arguments of a run, see `Callback.params`."""

State = dict[str, Any]
"""The state of a callback, see `Callback.state_dict`."""

HOOKS = (
    *("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end"),
    *("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    *("on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end"),
    *("on_predict_begin", "on_predict_end", "on_predict_batch_begin", "on_predict_batch_end"),
)

_ALIASES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class Callback:
    """Base of all callbacks: objects whose methods training, evaluation and prediction call.

    Subclass it and override the hooks you need. Hooks get plain Python floats in `logs`; one dictionary
    goes through all callbacks of a hook, so entries that a callback adds in `on_epoch_end` reach the history.
    Hooks that are not overridden cost nothing.

    Attributes:
        model: The model that is being trained; set before the first hook. Set `model.stop_training` to
            True to end training after the batch or epoch that is running.
        params: The arguments of the run: ``verbose``, ``epochs``, ``steps`` (batches an epoch, None if
            unknown), ``batch_size``, ``samples``, ``do_validation`` and ``metrics``.
        every: Set it, in the class or the object, to n > 1 if the hooks of batches shall be called only once
            for n batches: the steps between run without Python, several times as fast.
            ``on_*_batch_begin`` is then called before the first of n batches (0, n, 2n and so on),
            ``on_*_batch_end`` after the last of them (n - 1, 2n - 1 and so on) and after the last batch of
            the epoch. `batch` is the number of that batch and `logs` are those of that moment, as with
            ``every = 1``.

    Example:
        >>> class Greeter(Callback):
        ...     def on_epoch_begin(self, epoch, logs=None):
        ...         print("epoch", epoch)
        >>> Greeter().on_epoch_begin(0)
        epoch 0
    """

    # Set on the class, so that a subclass may leave out super().__init__().
    model: Any = None
    params: Params | None = None
    comes_last = False
    """Whether its hooks are called after those of all others that may change something."""
    every: int = 1
    """The hooks of batches are called once for so many batches."""
    added_logs: tuple[str, ...] = ()
    """Names that its `on_epoch_end` adds to the logs; an override of the method may add any."""

    def set_params(self, params: Params) -> None:
        """Take the arguments of the run; called before the first hook."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model; called before the first hook."""
        self.model = model

    def listens_to(self, hook: str) -> bool:
        """Return whether a hook does anything, so that no logs are made where none are read.

        Args:
            hook: Name of a hook, such as ``"on_train_batch_end"``.

        Returns:
            True if the class or the instance overrides the hook or its alias.

        Example:
            >>> Callback().listens_to("on_train_batch_end")
            False
        """
        names = [hook, _ALIASES.get(hook, hook)]
        return any(
            getattr(getattr(self, name), "__func__", None) is not getattr(Callback, name) for name in names
        )

    def batches_until_call(self, hook: str, done: int) -> int:
        """Return how many batches may be done until a hook of batches must be called, at least 1.

        It may be called earlier, too.

        Args:
            hook: Name of the hook, such as ``"on_train_batch_end"``.
            done: How many batches of the epoch are done.

        Example:
            >>> callback = Callback()
            >>> callback.every = 50
            >>> callback.batches_until_call("on_train_batch_end", 70)
            30
        """
        every = every_of(self)
        return every - done % every

    def check_names(self, names: LogNames) -> None:
        """Refuse names that the logs will never hold; called by `fit` before `on_train_begin`.

        Called once more after the first step where the names cannot be known before.

        Args:
            names: The names that the logs will hold.
        """

    def state_dict(self) -> State:
        """Return the values that a resumed run needs to continue; `BackupAndRestore` saves them.

        It may hold None, numbers, text, bytes, lists, tuples, dictionaries and NumPy's arrays, nested at
        will; it is written to disk before training continues.

        Returns:
            The state; empty, as here, where nothing needs to be kept.
        """
        return {}

    def load_state_dict(self, state: State) -> None:
        """Continue where another run was; called in a resumed run, after `on_train_begin` of all callbacks.

        A run that is resumed in the middle of an epoch calls it once more after `on_epoch_begin`: the
        effect of that hook is in the state already, as it is in the weights and in the learning rate.

        Args:
            state: What `state_dict` returned; never empty.
        """

    @property
    def wants_finite(self) -> bool:
        """Whether a training step must stop before its update unless loss and gradient are finite."""
        return False

    def on_nonfinite(self, error: NonFiniteError) -> None:
        """Act when a step was stopped before its update; called only where `wants_finite` is True.

        Args:
            error: The losses, weights and data that are not finite.
        """

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Act when `fit` starts; `logs` is empty."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Act when `fit` ends without an exception; `logs` are those of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Act before the first batch of an epoch, counted from 0; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Act after an epoch and its validation; `logs` has loss, metrics and their ``val_`` twins."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Act before a training step, counted from 0 in each epoch; `logs` is empty."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Act after a training step; `logs` has the averages of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Act before a training step: another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Act after a training step: another name of `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Act when `evaluate` or the validation of an epoch starts; `logs` is empty."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Act when `evaluate` or the validation of an epoch ends; `logs` has its results."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Act before a step of evaluation or validation; `logs` is empty."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Act after a step of evaluation or validation; `logs` has the averages so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Act when `predict` starts; `logs` is empty."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Act when `predict` ends; `logs` is empty."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Act before a batch is predicted; `logs` is empty."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Act after a batch was predicted; `logs` has its ``outputs``."""


def every_of(callback: Callback) -> int:
    """Return the attribute `every` of a callback, checked.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is less than 1.
    """
    every = callback.every
    return every if type(every) is int and every > 0 else whole(f"{type(callback).__name__}.every", every, 1)
