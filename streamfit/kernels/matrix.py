"""Kernels that more than one package needs: filling, adding, copying vectors."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel


@kernel
def fill_zero(out: Array) -> None:
    """Set every element of the vector `out` to zero."""
    for i in range(out.shape[0]):
        out[i] = 0


@kernel
def copy_into(x: Array, out: Array) -> None:
    """Copy the vector `x` into `out`, converting its dtype."""
    for i in range(x.shape[0]):
        out[i] = x[i]


@kernel
def add_into(x: Array, out: Array) -> None:
    """Add the vector `x` to `out`."""
    for i in range(x.shape[0]):
        out[i] += x[i]
