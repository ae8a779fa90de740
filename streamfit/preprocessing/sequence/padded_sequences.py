"""`pad_sequences`: lists of different lengths as one array, as Keras makes it.

Guarantee kept here: the array holds the values that it was given; what its dtype cannot hold is an error.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from streamfit._base.checks import whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array

Side = Literal["pre", "post"]


def pad_sequences(
    sequences: Sequence[Any],
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
    rows, lengths = _rows(sequences)
    if maxlen is None:
        if not rows:
            raise DataError("sequences is empty, so the length is not known; give maxlen")
        maxlen = int(lengths.max())
    else:
        maxlen = whole("maxlen", maxlen, 1)
        rows = [row if len(row) <= maxlen else _cut(row, maxlen, truncating) for row in rows]
        lengths = np.minimum(lengths, maxlen)
    kind = np.dtype(dtype)
    if kind.kind in "US" and not kind.itemsize:  # of no length; NumPy makes arrays of single characters
        kind = np.dtype(f"{kind.kind}1")
    flat = _joined(rows, kind)
    filled = np.full((len(rows), maxlen, *flat.shape[1:]), _filler(value, kind), kind)
    places = np.arange(maxlen)
    inside = places < lengths[:, None] if padding == "post" else places >= maxlen - lengths[:, None]
    filled[inside] = flat
    return filled


def _rows(sequences: Sequence[Any]) -> tuple[list[Any], Array]:
    if isinstance(sequences, (str, bytes)) or not hasattr(sequences, "__len__"):
        raise DataError(f"sequences must be a list of sequences, got a {type(sequences).__name__}")
    rows = list(sequences)
    for place, row in enumerate(rows):
        if isinstance(row, (str, bytes)) or not hasattr(row, "__len__") or not hasattr(row, "__getitem__"):
            raise DataError(f"sequence {place} is {row!r:.60} ({type(row).__name__}), no list or array")
    return rows, np.fromiter(map(len, rows), np.int64, len(rows))


def _cut(row: Any, maxlen: int, truncating: Side) -> Any:
    return row[-maxlen:] if truncating == "pre" else row[:maxlen]


def _filler(value: float | str, kind: np.dtype[Any]) -> Array:
    if isinstance(value, str) and kind.kind not in "OUST":
        raise DataError(f"dtype {kind} does not hold value={value!r}; write dtype=object for text")
    return _converted(value, kind, "value")


def _joined(rows: list[Any], kind: np.dtype[Any]) -> Array:
    """Return the elements of all rows, one row behind the other, in the dtype of the result."""
    rows = [(place, row) for place, row in enumerate(rows) if len(row)]
    if not rows:
        return np.zeros(0, kind)
    at_once = _joined_at_once([row for _, row in rows], kind)
    if at_once is not None:
        return at_once
    found = [_converted(row, kind, f"sequence {place}") for place, row in rows]
    for (place, _), array in zip(rows, found, strict=True):
        if array.shape[1:] != found[0].shape[1:]:
            raise DataError(
                f"an element of sequence {place} has shape {array.shape[1:]}, one of sequence "
                f"{rows[0][0]} has "
                f"{found[0].shape[1:]}; give all elements one shape"
            )
    return np.concatenate(found)


def _joined_at_once(rows: list[Any], kind: np.dtype[Any]) -> Array | None:
    """Return the same for lists of whole numbers and for arrays of one dtype; None for anything else."""
    if kind.kind not in "iuf":
        return None
    if all(type(row) is list for row in rows):
        try:
            flat = np.asarray(list(itertools.chain.from_iterable(rows)))
        except ValueError:  # elements of several shapes
            return None
        if flat.ndim != 1 or flat.dtype.kind not in "iu":
            return None
    elif all(type(row) is np.ndarray and row.dtype == rows[0].dtype for row in rows):
        if any(row.shape[1:] != rows[0].shape[1:] for row in rows):
            return None
        flat = np.concatenate(rows)
    else:
        return None
    try:
        return _converted(flat, kind, "")
    except DataError:  # it is raised again with the number of the sequence
        return None


def _converted(values: Any, kind: np.dtype[Any], what: str) -> Array:
    """Return values in a dtype.

    Raises:
        DataError: The dtype does not hold them; floats may be rounded to shorter floats.
    """
    try:
        with np.errstate(invalid="ignore"):  # what is not finite is found below
            found = np.asarray(values, kind)
        given = found if kind.kind == "O" else np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{what}: dtype {kind} does not hold {values!r:.60}: {error}") from error
    if given.dtype == kind or (given.dtype.kind, kind.kind) == ("f", "f"):
        return found
    if given.dtype.kind in "biuf" and kind.kind in "biufc":
        lost = found != given
    elif kind.kind in "US":
        lost = found != given.astype(kind.type)
    else:
        return found
    if lost.any():
        example, advice = given[lost].flat[0], "dtype=object" if kind.kind in "US" else "a dtype that does"
        advice = "dtype='float32'" if given.dtype.kind == "f" else advice
        raise DataError(f"{what}: dtype {kind} does not hold {example!r}; write {advice}")
    return found
