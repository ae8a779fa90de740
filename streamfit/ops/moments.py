"""Variance and standard deviation, composed of other operations."""

from __future__ import annotations

from streamfit.ops.arithmetic import subtract
from streamfit.ops.axes import Axis
from streamfit.ops.casting import floating
from streamfit.ops.core import Operand, Value
from streamfit.ops.elementwise import sqrt, square
from streamfit.ops.public_calls import recorded
from streamfit.ops.reductions import mean


@recorded
def var(x: Operand, axis: Axis = None, keepdims: bool = False) -> Value:
    """Compute the mean squared distance from the mean, in two passes.

    Args:
        x: Array or tensor.
        axis: One axis, several, or None for all.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`, floats.

    Raises:
        ValueError: There is no such axis.

    Example:
        >>> var([1.0, 3.0])
        array(1., dtype=float32)
    """
    value = floating(x)
    return mean(square(subtract(value, mean(value, axis, keepdims=True))), axis, keepdims)


@recorded
def std(x: Operand, axis: Axis = None, keepdims: bool = False) -> Value:
    """Compute the square root of `var`; its slope at 0 is not defined.

    Args:
        x: Array or tensor.
        axis: One axis, several, or None for all.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`, floats.

    Raises:
        ValueError: There is no such axis.

    Example:
        >>> std([1.0, 5.0])
        array(2., dtype=float32)
    """
    return sqrt(var(x, axis, keepdims))
