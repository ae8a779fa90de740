"""The check that ends a training step before it changes anything, where loss or gradient are not finite.

Guarantee kept here: a step whose loss or gradient holds NaN or Inf writes no weight, no state of the
optimizer and no running result.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.ops.core import flat


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


def finite_check(loss: Array, gradient: Array) -> Call:
    """Return the call that stops a call loop unless a loss and a gradient are finite.

    Args:
        loss: float64 scalar.
        gradient: float32 or float64 vector.
    """
    whole = np.dtype(f"i{gradient.dtype.itemsize}")
    exponent = int(np.array(np.inf, gradient.dtype).view(whole))
    return check_finite, (flat(loss), gradient.view(whole), exponent)
