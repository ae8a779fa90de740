"""The check that ends a training step before it changes anything, where loss or gradient are not finite.

Guarantee kept here: a step whose loss or gradient holds NaN or Inf writes no weight, no state of the
optimizer and no running result.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.ops.core import flat
from streamfit.ops.row_gradient import RowGradient


@kernel
def check_finite(loss: Array, bits: Array, exponent: int) -> None:
    """Stop the call loop when the loss or a number of the gradient is NaN or infinite.

    Args:
        loss: float64 (1,).
        bits: The gradient, its memory read as whole numbers of the same width.
        exponent: The bits that are all set in NaN and infinity, and in no finite number.
    """
    # Whole numbers are compared in vector registers, and no fast-math rule can change the result.
    mask = bits.dtype.type(exponent)
    found = 0
    for i in range(bits.shape[0]):
        if (bits[i] & mask) == mask:
            found = 1
    if found or not np.isfinite(loss[0]):
        raise FloatingPointError


@kernel
def check_finite_rows(bits: Array, count: Array, exponent: int) -> None:
    """Stop the call loop when a number of a table's gradient is NaN or infinite.

    Args:
        bits: Its rows, (n, width), their memory read as whole numbers of the same width.
        count: How many of them are valid, int64 (1,).
        exponent: As for `check_finite`.
    """
    mask = bits.dtype.type(exponent)
    found = 0
    for i in range(count[0]):
        for j in range(bits.shape[1]):
            if (bits[i, j] & mask) == mask:
                found = 1
    if found:
        raise FloatingPointError


def finite_check(loss: Array, gradient: Array) -> Call:
    """Return the call that stops a call loop unless a loss and a gradient are finite.

    Args:
        loss: float64 scalar.
        gradient: float32 or float64 vector.
    """
    whole, exponent = _whole(gradient)
    return check_finite, (flat(loss), whole, exponent)


def finite_check_of_rows(gradient: RowGradient) -> Call:
    """Return the call that stops a call loop unless the gradient of a table is finite."""
    whole, exponent = _whole(gradient.values)
    return check_finite_rows, (whole, gradient.count, exponent)


def _whole(values: Array) -> tuple[Array, int]:
    """Return the bits of floats as whole numbers, and those of the exponent of infinity."""
    kind = np.dtype(f"i{values.dtype.itemsize}")
    return values.view(kind), int(np.array(np.inf, values.dtype).view(kind))


FINITE_GUARDS = (check_finite, check_finite_rows)
"""The kernels that stop a step whose loss or gradient is not finite."""
