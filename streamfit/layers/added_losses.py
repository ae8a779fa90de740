"""Losses that layers add while they are called, beside those of weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit.ops.batch_size import batch_size
from streamfit.ops.core import Constant, Tensor, Value, as_operand, is_symbolic, is_tracing, recorder


class _CallLosses(threading.local):
    losses: list[Value] | None = None


_of_call = _CallLosses()


class Adding(Protocol):
    """A layer, as it keeps the losses of its last call on arrays."""

    _added_losses: list[Value]


@contextmanager
def collected(layer: Adding) -> Iterator[None]:
    """Keep in `layer` what it and layers inside it add, unless a layer around it is being called."""
    if _of_call.losses is not None or is_tracing():
        yield
        return
    found: list[Value] = []
    _of_call.losses = found
    try:
        yield
    finally:
        _of_call.losses = None
    object.__setattr__(layer, "_added_losses", found)


def add(name: str, loss: object) -> None:
    """Add a loss of layer `name` to the loss of the step that is traced, or to those of the call.

    Raises:
        TypeError: It is no number of the graph.
        ShapeError: It is no scalar.
        ValueError: It is called outside a layer's `call`.
    """
    if not isinstance(loss, (Tensor, np.ndarray, np.generic)):
        raise TypeError(f"add_loss of layer {name!r} takes a scalar tensor or array, got {loss!r}")
    if loss.shape != ():
        raise ShapeError(
            f"add_loss of layer {name!r} takes a scalar, got shape {tuple(loss.shape)}; write ops.sum(loss), "
            "which grows with the batch, or ops.mean(loss)"
        )
    known = recorder()
    if known is not None:
        value = as_operand(loss)
        known.losses.append(value if isinstance(value, Tensor) else Constant(value))
    elif _of_call.losses is not None and not is_symbolic(loss):
        _of_call.losses.append(as_operand(loss))
    elif not is_tracing():  # else a graph is being built: the calls are traced again for each program
        raise ValueError(
            f"add_loss of layer {name!r} only counts inside its call(self, inputs), where it is traced: call "
            "it there, or put the formula into a layer or into a loss"
        )


def penalty_on_output(regularizer: Callable[[Value], Value], output: Value) -> Value:
    """Return what a regularizer says of an output, divided by the number of samples, as in Keras 3.

    Example:
        >>> from streamfit.regularizers import L2
        >>> float(penalty_on_output(L2(0.5), np.array([[1.0, 2.0], [3.0, 4.0]])))
        7.5
    """
    penalty = regularizer(output)
    return penalty if not output.shape else ops.divide(penalty, ops.maximum(batch_size(output), 1.0))
