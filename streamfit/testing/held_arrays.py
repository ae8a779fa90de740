"""`HeldArrays`: the rows of arrays and lists in the attributes of an object, to be found again in its
batches.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from streamfit._base.specs import Array

_MOST_BYTES, _MOST_ROWS = 64 << 20, 200_000


@dataclass(frozen=True, slots=True)
class HeldArray:
    """The rows of one attribute.

    Attributes:
        name: Its name.
        rows: A hash for each row.
        same: The identity of the array.
        increasing: Whether the first values of its rows increase.
        numbers: Whether it is a list of whole numbers, which may be an order and no samples.
    """

    name: str
    rows: list[Hashable]
    same: int
    increasing: bool
    numbers: bool

    def places(self) -> dict[Hashable, int]:
        """Return the place of each row that comes once; empty if that is not most of them."""
        found = {row: at for at, row in enumerate(self.rows)}
        return found if len(found) == len(self.rows) else {}


@dataclass(frozen=True, slots=True)
class HeldArrays:
    """The attributes whose rows may be those of x, and of y."""

    x: list[HeldArray]
    y: list[HeldArray]


def row_hashes(array: Array) -> list[Hashable]:
    """Return a hash for each row of an array; zeros behind its values, as of padding, do not count.

    Example:
        >>> one, other = row_hashes(np.array([[1, 2, 0], [1, 2, 3]]))
        >>> one == row_hashes(np.array([[1, 2]]))[0], one == other
        (True, False)
    """
    if array.dtype.hasobject:
        return [hash(repr(row)) for row in array.tolist()]
    width = array.nbytes // max(1, len(array))
    data = np.ascontiguousarray(array).tobytes()
    return [hash(data[at * width : (at + 1) * width].rstrip(b"\0")) for at in range(len(array))]


def held_arrays(thing: object, x: Array | None, y: Array | None) -> HeldArrays:
    """Return the attributes of an object that have rows like those of x and y, with the same dtype."""
    held = list(_attributes(thing))
    return HeldArrays(_like(held, x), _like(held, y))


def _like(held: list[tuple[str, object, Array]], wanted: Array | None) -> list[HeldArray]:
    if wanted is None or wanted.dtype.kind not in "biuf":
        return []
    width = int(np.prod(wanted.shape[1:], dtype=int))
    found = []
    for name, owner, array in held:
        if not width or array.size % width or not array.size or array.size // width > _MOST_ROWS:
            continue
        rows = array.reshape(-1, width)
        with np.errstate(all="ignore"):
            cast = rows.astype(wanted.dtype)
        increasing = bool((np.diff(rows[:, 0]) > 0).all())
        numbers = array.ndim == 1 and array.dtype.kind in "iu"
        found.append(HeldArray(name, row_hashes(cast), id(owner), increasing, numbers))
    return found


def index_lists(thing: object) -> dict[str, list[int]]:
    """Return the arrays and lists of whole numbers of an object by name, nested ones in one list."""
    found = {}
    for name, _, array in _attributes(thing):
        if array.dtype.kind in "iu" and 2 < array.size <= _MOST_ROWS:
            found[name] = [int(value) for value in array.reshape(-1)]
    return found


def _attributes(thing: object) -> Iterator[tuple[str, object, Array]]:
    for name, value in getattr(thing, "__dict__", {}).items():
        inner = list(value.items())[:64] if isinstance(value, dict) else []
        for shown, entry in [
            (f"self.{name}", value),
            *((f"self.{name}[{key!r}]", one) for key, one in inner),
        ]:
            array = _as_numbers(entry)
            if array is not None:
                yield shown, entry, array


def _as_numbers(value: object) -> Array | None:
    """Return an array, a (nested) list or a data frame as an array of numbers; None for anything else."""
    if isinstance(value, (list, tuple)):
        if not value or len(value) > _MOST_ROWS:
            return None
    elif isinstance(value, np.ndarray):
        if value.nbytes > _MOST_BYTES:
            return None
    elif not (hasattr(value, "to_numpy") and hasattr(value, "iloc")):
        return None
    try:
        array = np.asarray(value)
    except Exception:  # ragged lists, and foreign objects
        return None
    return array if array.ndim and array.dtype.kind in "biuf" else None
