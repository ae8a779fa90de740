"""`TerminateOnNaN`: ends training when the loss is no number any more, or before it harms the weights.

Guarantee kept here, with `before_update`: a batch whose loss or gradient is NaN or infinite leaves weights,
the optimizer, its count of steps and the running results as the batch before left them.
"""

from __future__ import annotations

import math

from streamfit._base.errors import NonFiniteError
from streamfit._base.telling import tell
from streamfit.training.callbacks.base import Callback, Logs
from streamfit.training.trainable import Trainable
from streamfit.training.user_warnings import warn

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Stop training after the batch in which the loss became NaN or infinite, or before it is applied.

    By default, as in Keras, the average loss of the epoch is checked after each step, when the weights
    have already been changed. With `before_update` each step checks its own loss and its gradient
    between computing the gradient and using it. Then a batch whose loss or gradient holds NaN or Inf
    changes nothing: weights, optimizer, `iterations` and running results stay as the batch before left them,
    `on_train_batch_end` is not called for it, and the epoch ends. A warning names the epoch (pass over the
    data), the batch, its sample ids, which losses and which weights' gradients are not finite, and whether
    the data of the batch or the weights were so before. The gradient is checked before it is clipped.
    Steps that run joined stay joined; the batches after the bad one go back to the stream.

    Args:
        raise_error: Whether to raise in place of stopping; `on_train_end` is not called then.
        before_update: Whether to stop before the batch is applied.

    Raises:
        RuntimeError: The loss is NaN or infinite and `raise_error` is True. With `before_update` it is a
            `NonFiniteError`, whose attributes name the losses, weights and data.

    Example:
        >>> import numpy as np
        >>> import streamfit as sf
        >>> model = sf.Sequential([sf.layers.Dense(1, input_shape=(2,), name="dense")])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((12, 2)), np.ones((12, 1))
        >>> x[9, 1] = np.nan
        >>> guard = TerminateOnNaN(raise_error=True, before_update=True)
        >>> try:
        ...     model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[guard])
        ... except sf.NonFiniteError as error:
        ...     print(error.batch, error.ids, error.weights, error.data)
        2 [ 8  9 10 11] ['dense/kernel', 'dense/bias'] ['x']
        >>> model.optimizer.iterations, all(np.isfinite(weight).all() for weight in model.get_weights())
        (2, True)
    """

    model: Trainable

    def __init__(self, raise_error: bool = False, *, before_update: bool = False) -> None:
        super().__init__()
        self.raise_error, self.before_update = raise_error, before_update

    @property
    def wants_finite(self) -> bool:
        """Whether a training step must stop before its update unless loss and gradient are finite."""
        return self.before_update

    def listens_to(self, hook: str) -> bool:
        """Return whether a hook does anything: before the update the step itself checks."""
        return super().listens_to(hook) and not (self.before_update and hook == "on_train_batch_end")

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Check the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. "
                "Look at the data of this batch, or lower the learning rate."
            )
        tell(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True

    def on_nonfinite(self, error: NonFiniteError) -> None:
        """Raise the error with `raise_error`, else warn and stop training.

        Raises:
            NonFiniteError: With `raise_error`.
        """
        if self.raise_error:
            raise error
        warn(f"Training stopped: {error}")
        self.model.stop_training = True
