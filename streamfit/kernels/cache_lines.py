"""Reading memory in order before it is used out of order."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined

_SECOND_CACHE = 1 << 20  # bytes, at most


@inlined
def load_lines(numbers: Array, start: int, length: int, unused: Array) -> None:
    """Read a number of each cache line, so that all are in the second cache.

    A row of a turned image lies across many rows of the image, which no processor foresees, and to wait for
    memory at each of them takes longer than all arithmetic. Read in order, lines come ahead of their use.
    What is too large for the second cache is left out.

    Args:
        numbers: Flat, of any dtype.
        start: Where to begin.
        length: How many numbers.
        unused: Gets a number of no use, so that the compiler leaves this loop in; float (at least 1,).
    """
    if length == 0 or length * numbers.itemsize > _SECOND_CACHE:
        return
    some = numbers[start : start + length]
    greatest = 0.0
    for k in range(0, length, 64 // numbers.itemsize):
        greatest = max(greatest, float(some[k]))
    unused[0] = greatest
