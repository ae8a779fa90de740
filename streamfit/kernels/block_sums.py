"""Sums over the blocks of a section, along a fixed binary tree: what each block added up for itself.

Blocks may not add to one array, since they run at the same time, and the order in which they end is not
known. So each has its own row, and the rows are added pair by pair: the first and the second, the third and
the fourth, then these sums, and so on. The tree depends on the number of rows alone, so the bits are the
same for any number of threads. It is also more exact than to add one row after the other: the rounding error
grows with the logarithm of their number.
"""

from __future__ import annotations

import itertools

from streamfit._base.specs import Array
from streamfit.kernels.calls import Call
from streamfit.kernels.decorator import kernel

_AT_A_TIME = 1024  # columns whose rows stay in the cache until their sum is done


@kernel
def sum_rows(parts: Array, total: Array, begin: int, end: int) -> None:
    """Write the sums of the columns from `begin` to `end` to `total`; `parts` then holds partial sums."""
    rows = parts.shape[0]
    for first in range(begin, end, _AT_A_TIME):
        last = min(first + _AT_A_TIME, end)
        width = 1
        while width < rows:
            for row in range(0, rows - width, 2 * width):
                for column in range(first, last):
                    parts[row, column] += parts[row + width, column]
            width *= 2
        for column in range(first, last):
            total[column] = parts[0, column]


def sum_of_blocks(parts: Array, total: Array, pieces: int = 1) -> list[list[Call]]:
    """Return the blocks of a section that computes total = parts.sum(0); they change `parts`.

    Args:
        parts: A row of each block, shape (rows, n), at least one row.
        total: Shape (n,), of the same dtype.
        pieces: How many blocks the columns are cut into; any number gives the same bits.

    Raises:
        ValueError: The shapes do not fit, or `pieces` is less than 1.

    Example:
        >>> import numpy as np
        >>> from streamfit.kernels import run
        >>> parts, total = np.arange(6.0).reshape(3, 2), np.zeros(2)
        >>> for block in sum_of_blocks(parts, total, pieces=2):
        ...     run(block)
        >>> total
        array([6., 9.])
    """
    if parts.ndim != 2 or not len(parts) or total.shape != parts.shape[1:] or total.dtype != parts.dtype:
        raise ValueError(
            f"parts must have shape (rows, n) with at least one row and total shape (n,), of one dtype; got "
            f"{parts.shape} {parts.dtype} and {total.shape} {total.dtype}"
        )
    if pieces < 1:
        raise ValueError(f"pieces must be at least 1, got {pieces}")
    edges = [len(total) * i // pieces for i in range(pieces + 1)]
    return [[(sum_rows, (parts, total, begin, end))] for begin, end in itertools.pairwise(edges)]
