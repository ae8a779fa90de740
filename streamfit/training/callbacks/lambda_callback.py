"""`LambdaCallback`: a callback made of functions."""

from __future__ import annotations

from collections.abc import Callable

from streamfit._base.checks import whole
from streamfit._base.names import did_you_mean
from streamfit.training.callbacks.base import HOOKS, Callback

__all__ = ["LambdaCallback"]

Hook = Callable[..., object]


class LambdaCallback(Callback):
    """Call a function at each hook that is given one.

    Functions are called with positional arguments: ``(epoch, logs)``, ``(batch, logs)`` or ``(logs)``, as the
    hook of `Callback` has them.

    Args:
        on_epoch_begin: Called with ``(epoch, logs)``.
        on_epoch_end: Called with ``(epoch, logs)``.
        on_train_begin: Called with ``(logs)``.
        on_train_end: Called with ``(logs)``.
        on_train_batch_begin: Called with ``(batch, logs)``.
        on_train_batch_end: Called with ``(batch, logs)``.
        every: The functions of batches are called once for so many batches, see `Callback`.
        hooks: Any other hook by its name, such as ``on_test_end=...`` or ``on_batch_end=...``.

    Raises:
        TypeError: A name is no hook, or a value cannot be called.

    Example:
        >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
        >>> callback.on_epoch_end(3, {"loss": 0.5})
        3 0.5
    """

    def __init__(
        self,
        on_epoch_begin: Hook | None = None,
        on_epoch_end: Hook | None = None,
        on_train_begin: Hook | None = None,
        on_train_end: Hook | None = None,
        on_train_batch_begin: Hook | None = None,
        on_train_batch_end: Hook | None = None,
        *,
        every: int = 1,
        **hooks: Hook | None,
    ) -> None:
        super().__init__()
        self.every = whole("every", every, 1)
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if name not in HOOKS:
                raise TypeError(f"LambdaCallback has no hook {name!r}.{did_you_mean(name, HOOKS)}")
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"{name} must be a function, got {function!r}")
            setattr(self, name, function)
