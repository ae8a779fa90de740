"""Numbers in a dtype for whole numbers, exactly: what it cannot hold is an error and is never cut off."""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array


def exact(array: Array, dtype: np.dtype[np.generic], what: str) -> Array:
    """Return numbers in a dtype for whole numbers (or truth values).

    Args:
        array: Whole numbers, truth values, or floats that hold whole numbers. An array that has the dtype is
            returned as it is.
        dtype: Of kind i, u or b.
        what: What to call the array in messages.

    Raises:
        SampleError: A number is not whole, or beyond what `dtype` holds. It says which one.
        DataError: The array holds no numbers.

    Example:
        >>> exact(np.array([1.0, 2.0**53]), np.dtype("int64"), "x").tolist()
        [1, 9007199254740992]
        >>> exact(np.array([[1.0], [2.5]]), np.dtype("int64"), "x")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        streamfit._base.errors.SampleError: x takes whole numbers (int64), but row 1 holds 2.5; ...
    """
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in "iufb":
        raise DataError(f"{what} takes whole numbers ({dtype}), got an array of dtype {array.dtype}")
    if not np.can_cast(array.dtype, dtype, "safe"):
        least, most = (0, 1) if dtype.kind == "b" else _range(dtype)
        fits = _floats_fit(array, least, most) if array.dtype.kind == "f" else _whole_fit(array, least, most)
        if not fits.all():
            raise _error(array, int(np.argmin(fits)), dtype, what, least, most)
    return array.astype(dtype)


def _range(dtype: np.dtype[np.generic]) -> tuple[int, int]:
    info = np.iinfo(dtype)  # type: ignore[type-var]
    return int(info.min), int(info.max)


def _floats_fit(array: Array, least: int, most: int) -> Array:
    if array.dtype.itemsize < 4:  # float16 cannot hold the bounds
        array = array.astype(np.float32)
    with np.errstate(invalid="ignore"):
        # most + 1 is a power of two, which floats hold; most itself may be rounded up to it.
        fits: Array = (array >= least) & (array < float(most + 1)) & (np.floor(array) == array)
    return fits


def _whole_fit(array: Array, least: int, most: int) -> Array:
    lowest, highest = _range(array.dtype) if array.dtype.kind in "iu" else (0, 1)
    fits = np.ones(array.shape, bool)
    if lowest < least:
        fits &= array >= array.dtype.type(least)
    if highest > most:
        fits &= array <= array.dtype.type(most)
    return fits


def _error(
    array: Array, place: int, dtype: np.dtype[np.generic], what: str, least: int, most: int
) -> SampleError:
    value = array.reshape(-1)[place].item()
    whole = array.dtype.kind != "f" or value == np.floor(value)
    advice = (
        f"they must lie in [{least}, {most}]"
        if whole and np.isfinite(value)
        else "round them first, for example np.rint(x).astype('int64')"
    )
    kind = "truth values" if dtype.kind == "b" else "whole numbers"
    row = row_of(place, array.shape)
    return SampleError(f"{what} takes {kind} ({dtype}), but row {row} holds {value}; {advice}", row)


def row_of(place: int, shape: tuple[int, ...]) -> int:
    """Return which row a value stands in, given its place among all values of an array of this shape.

    Example:
        >>> row_of(7, (4, 3)), row_of(2, (5,))
        (2, 2)
    """
    return place // math.prod(shape[1:])
