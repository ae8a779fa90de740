"""The gradient of a table of which a batch reads a few rows: their numbers, and a gradient for each.

A table of a million rows has a gradient of a million rows, nearly all of them zero. A `RowGradient` holds the
others alone. Memory and time depend on how many rows are looked up, never on how many the table has.

The numbers ascend, and a row that was looked up several times gets its parts in the order of the lookups: the
gradient is to the bit that of the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.kernels.decorator import inlined

_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS

Take = Callable[[Sequence[int], npt.DTypeLike], Array]
"""Gives uninitialised memory of a shape and a dtype."""


@inlined
def _sort_by_digit(
    keys: Array, places: Array, keys_out: Array, places_out: Array, ends: Array, count: int, shift: int
) -> None:
    """Sort by one digit of the keys; equal digits keep their order (Knuth, volume 3, section 5.2.5)."""
    for d in range(ends.shape[0]):
        ends[d] = 0
    for k in range(count):
        ends[(keys[k] >> shift) & (_DIGITS - 1)] += 1
    total = 0
    for d in range(ends.shape[0]):
        size = ends[d]
        ends[d] = total
        total += size
    for k in range(count):
        digit = (keys[k] >> shift) & (_DIGITS - 1)
        keys_out[ends[digit]] = keys[k]
        places_out[ends[digit]] = places[k]
        ends[digit] += 1


@kernel
def find_rows(
    ids: Array,
    table_rows: int,
    rows: Array,
    count: Array,
    starts: Array,
    places: Array,
    work: Array,
    ends: Array,
) -> None:
    """List the rows that ids name, ascending, each once; ids out of range are left out.

    Args:
        ids: int64 (bags, m), of n numbers in all.
        table_rows: How many rows the table has.
        rows: Gets the row numbers, int64 (n,); the first count[0] are valid.
        count: Gets their number, int64 (1,).
        starts: Gets where the places of each row begin in `places`, int64 (n + 1,).
        places: Gets the bags that name each row, row by row, ascending, int64 (n,); a bag that names a row
            several times is there as often.
        work: int64 (3, n), to work in.
        ends: int64 (2048,), to work in.
    """
    n = 0
    for bag in range(ids.shape[0]):
        for k in range(ids.shape[1]):
            if 0 <= ids[bag, k] < table_rows:
                work[0, n] = ids[bag, k]
                places[n] = bag
                n += 1
    shift, sorted_in = 0, 0
    while (table_rows - 1) >> shift > 0:
        if sorted_in == 0:
            _sort_by_digit(work[0], places, work[1], work[2], ends, n, shift)
        else:
            _sort_by_digit(work[1], work[2], work[0], places, ends, n, shift)
        sorted_in = 1 - sorted_in
        shift += _DIGIT_BITS
    found = 0
    for k in range(n):
        key = work[sorted_in, k]
        if sorted_in:
            places[k] = work[2, k]
        if k == 0 or key != work[sorted_in, k - 1]:
            rows[found] = key
            starts[found] = k
            found += 1
    starts[found] = n
    count[0] = found


@kernel
def sum_rows(gy: Array, count: Array, starts: Array, places: Array, g: Array) -> None:
    """Add the rows of `gy` that belong to one row of the table, in the order of their places.

    Args:
        gy: The gradient of each bag, (bags, width).
        count: How many rows of the table were read, int64 (1,).
        starts: As `find_rows` has left it.
        places: As `find_rows` has left it.
        g: Gets the gradient of each row, (n, width).
    """
    for u in range(count[0]):
        first = places[starts[u]]
        for j in range(g.shape[1]):
            g[u, j] = gy[first, j]
        for k in range(starts[u] + 1, starts[u + 1]):
            place = places[k]
            for j in range(g.shape[1]):
                g[u, j] += gy[place, j]


@kernel
def merge_rows(
    rows_a: Array,
    count_a: Array,
    a: Array,
    rows_b: Array,
    count_b: Array,
    b: Array,
    rows: Array,
    count: Array,
    g: Array,
) -> None:
    """Merge two lists of rows into one; a row of both gets the sum of its gradients."""
    i, k, found = 0, 0, 0
    while i < count_a[0] or k < count_b[0]:
        in_a = i < count_a[0] and (k >= count_b[0] or rows_a[i] <= rows_b[k])
        in_b = k < count_b[0] and (i >= count_a[0] or rows_b[k] <= rows_a[i])
        rows[found] = rows_a[i] if in_a else rows_b[k]
        if in_a and in_b:
            for j in range(g.shape[1]):
                g[found, j] = a[i, j] + b[k, j]
        elif in_a:
            for j in range(g.shape[1]):
                g[found, j] = a[i, j]
        else:
            for j in range(g.shape[1]):
                g[found, j] = b[k, j]
        i += in_a
        k += in_b
        found += 1
    count[0] = found


@dataclass(frozen=True, slots=True)
class FoundRows:
    """The rows of a table that one lookup reads.

    Attributes:
        rows: Row numbers, ascending, int64 (n,); the first count[0] are valid.
        count: int64 (1,).
        starts: Where the places of each row begin in `places`, int64 (n + 1,).
        places: Which bags name each row, int64 (n,).
    """

    rows: Array
    count: Array
    starts: Array
    places: Array


@dataclass(frozen=True, slots=True)
class RowGradient:
    """The gradient of a table, without the rows that are zero because nothing has read them.

    Attributes:
        rows: Row numbers, ascending, int64 (n,); the first count[0] are valid.
        count: int64 (1,).
        values: The gradient of each of these rows, (n, width).
    """

    rows: Array
    count: Array
    values: Array


def find_calls(ids: Array, table_rows: int, take: Take, borrow: Take) -> tuple[FoundRows, list[Call]]:
    """Return the rows that `ids` will name, and the calls that find them.

    Args:
        ids: int64 (bags, m); see `RowLookup`.
        table_rows: How many rows the table has.
        take: Gives memory for what is found.
        borrow: Gives memory that only these calls need.

    Example:
        >>> from streamfit.kernels import run
        >>> found, calls = find_calls(np.array([[5], [2], [5]]), 10, np.empty, np.empty)
        >>> run(calls)
        >>> found.rows[: found.count[0]]
        array([2, 5])
    """
    n = ids.size
    found = FoundRows(*(take(shape, np.int64) for shape in ((n,), (1,), (n + 1,), (n,))))
    work, ends = borrow((3, n), np.int64), borrow((_DIGITS,), np.int64)
    arguments = (found.rows, found.count, found.starts, found.places, work, ends)
    return found, [(find_rows, (ids, table_rows, *arguments))]


def sum_calls(found: FoundRows, gy: Array, take: Take) -> tuple[RowGradient, list[Call]]:
    """Return the gradient of the rows that were found, and the calls that compute it.

    Args:
        found: From `find_calls`.
        gy: The gradient of each bag, (bags, width).
        take: Gives memory.
    """
    values = take((found.rows.shape[0], gy.shape[1]), gy.dtype)
    calls: list[Call] = [(sum_rows, (gy, found.count, found.starts, found.places, values))]
    return RowGradient(found.rows, found.count, values), calls


def merge_calls(a: RowGradient, b: RowGradient, take: Take) -> tuple[RowGradient, list[Call]]:
    """Return the sum of two gradients of one table, and the calls that compute it."""
    n, width = len(a.rows) + len(b.rows), a.values.shape[1]
    merged = RowGradient(take((n,), np.int64), take((1,), np.int64), take((n, width), a.values.dtype))
    arguments = (a.rows, a.count, a.values, b.rows, b.count, b.values)
    return merged, [(merge_rows, (*arguments, merged.rows, merged.count, merged.values))]
