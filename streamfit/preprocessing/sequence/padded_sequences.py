"""`pad_sequences`: lists of different lengths as one array, as Keras makes it.

Guarantee kept here: the array holds the values that it was given; what its dtype cannot hold is an error.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from streamfit._base.checks import whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array

Side = Literal["pre", "post"]
Row = Sequence[object] | Array


def pad_sequences(
    sequences: Sequence[Row],
    maxlen: int | None = None,
    dtype: npt.DTypeLike = "int32",
    padding: Side = "pre",
    truncating: Side = "pre",
    value: float | str = 0.0,
) -> Array:
    """Make one array of sequences of different lengths.

    Args:
        sequences: Lists or arrays; their elements are numbers, or arrays of one shape.
        maxlen: Length of the result; longer sequences are cut. None for the longest sequence.
        dtype: Its dtype; `object` for text of any length.
        padding: Whether shorter sequences are filled up in front (``'pre'``) or behind (``'post'``).
        truncating: Whether longer ones lose their beginning (``'pre'``) or their end (``'post'``).
        value: What to fill up with.

    Returns:
        Array of shape (n, maxlen, ...).

    Raises:
        ValueError: `padding`, `truncating` or `maxlen` is none of these.
        DataError: An element of `sequences` is no sequence, its elements have another shape, or `dtype` does
            not hold a value: floats in a whole-number dtype, which Keras cuts without a word.

    Example:
        >>> pad_sequences([[1], [2, 3, 4]], padding="post")
        array([[1, 0, 0],
               [2, 3, 4]], dtype=int32)
        >>> pad_sequences([[1], [2, 3, 4]], maxlen=2)
        array([[0, 1],
               [3, 4]], dtype=int32)
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise ValueError(f"{name}={side!r}: write 'pre' or 'post'")
    rows = _rows(sequences)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    if maxlen is None:
        if not rows:
            raise DataError("sequences is empty, so the length is not known; give maxlen")
        maxlen = int(lengths.max())
    else:
        maxlen = whole("maxlen", maxlen, 1)
    kind = np.dtype(dtype)
    if kind.kind in "US" and not kind.itemsize:  # of no length; NumPy makes arrays of single characters
        kind = np.dtype(f"{kind.kind}1")
    flat = _joined_at_once(rows, kind) if lengths.any() else np.zeros(0, kind)
    if flat is None:
        flat = _joined([_cut(row, maxlen, truncating) for row in rows], kind)
    elif len(flat) and int(lengths.max()) > maxlen:
        flat = flat[_kept(lengths, maxlen, truncating)]
    filled = np.full((len(rows), maxlen, *flat.shape[1:]), _filler(value, kind), kind)
    places, shown = np.arange(maxlen), np.minimum(lengths, maxlen)[:, None]
    filled[places < shown if padding == "post" else places >= maxlen - shown] = flat
    return filled


def _rows(sequences: Sequence[Row]) -> list[Row]:
    if isinstance(sequences, (str, bytes)) or not hasattr(sequences, "__len__"):
        raise DataError(f"sequences must be a list of sequences, got a {type(sequences).__name__}")
    rows = list(sequences)
    if set(map(type, rows)) <= {list, tuple}:
        return rows
    for place, row in enumerate(rows):
        sliced = hasattr(row, "__len__") and hasattr(row, "__getitem__")
        if isinstance(row, (str, bytes)) or not sliced or getattr(row, "shape", None) == ():
            raise DataError(f"sequence {place} is {row!r:.60} ({type(row).__name__}), no list or array")
    return rows


def _cut(row: Row, maxlen: int, truncating: Side) -> Row:
    if len(row) <= maxlen:
        return row
    return row[-maxlen:] if truncating == "pre" else row[:maxlen]


def _kept(lengths: Array, maxlen: int, truncating: Side) -> Array:
    """Return which elements stay of rows that lie one behind the other."""
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1])
    if truncating == "pre":
        kept: Array = places >= np.repeat(ends - maxlen, lengths)
    else:
        kept = places < np.repeat(ends - lengths + maxlen, lengths)
    return kept


def _filler(value: float | str, kind: np.dtype[np.generic]) -> Array:
    if isinstance(value, str) and kind.kind not in "OUST":
        raise DataError(f"dtype {kind} does not hold value={value!r}; write dtype=object for text")
    return _converted(value, kind, "value")


def _joined(rows: list[Row], kind: np.dtype[np.generic]) -> Array:
    """Return the elements of all rows, one row behind the other, in the dtype of the result."""
    filled = [(place, row) for place, row in enumerate(rows) if len(row)]
    found = [_converted(row, kind, f"sequence {place}") for place, row in filled]
    for (place, _), array in zip(filled, found, strict=True):
        if array.shape[1:] != found[0].shape[1:]:
            raise DataError(
                f"an element of sequence {place} has shape {array.shape[1:]}, one of sequence {filled[0][0]} "
                f"has {found[0].shape[1:]}; give all elements one shape"
            )
    return np.concatenate(found)


def _joined_at_once(rows: list[Row], kind: np.dtype[np.generic]) -> Array | None:
    """Return the same for lists of whole numbers and for arrays of one dtype; None for anything else."""
    kinds = set(map(type, rows))
    try:
        if kinds <= {list, tuple}:
            flat = np.asarray(list(itertools.chain.from_iterable(rows)))
            exact = flat.ndim == 1 and flat.dtype.kind in "iu"  # others may have been changed already
        else:
            arrays = [row for row in rows if type(row) is np.ndarray]
            exact = len(arrays) == len(rows) and len({(row.dtype, row.shape[1:]) for row in arrays}) == 1
            flat = np.concatenate(arrays) if exact else np.zeros(0)
        return _converted(flat, kind, "") if exact and kind.kind in "iuf" else None
    except ValueError:  # elements of several shapes, or too large ones: of which sequence, is found later
        return None


def _converted(values: object, kind: np.dtype[np.generic], what: str) -> Array:
    """Return values in a dtype.

    Raises:
        DataError: The dtype does not hold them; floats may be rounded to shorter floats.
    """
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # what is lost is found below
            found = np.asarray(values, kind)
        given = found if kind.kind == "O" else np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{what}: dtype {kind} does not hold {values!r:.60}: {error}") from error
    if given.dtype == kind:
        return found
    if (given.dtype.kind, kind.kind) == ("f", "f"):
        lost = np.isinf(found) != np.isinf(given)
    elif given.dtype.kind in "biufc" and kind.kind in "biufc":
        lost = found != given
    elif kind.kind in "US":
        lost = found != given.astype(kind.type)
    else:
        return found
    if lost.any():
        example, advice = given[lost].flat[0], "dtype=object" if kind.kind in "US" else "a dtype that does"
        advice = "dtype='float32'" if given.dtype.kind == "f" and kind.kind in "iu" else advice
        raise DataError(f"{what}: dtype {kind} does not hold {example!r}; write {advice}")
    return found
