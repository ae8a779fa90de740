"""`Series`: a batch of time series in one flat array, of equal or of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array


@dataclass(frozen=True)
class Series:
    """A batch of series; all kernels read and write this form.

    Args:
        values: The series one behind the other, each (steps, channels) in C order; float32, flat.
        starts: Where each begins in `values`, int64 (n,).
        steps: How many steps each has, int64 (n,).
        channels: Numbers in a step.
        flat: Whether the user's series have no axis of channels.
        single: Whether they are one array (n, steps[, channels]).
    """

    values: Array
    starts: Array
    steps: Array
    channels: int
    flat: bool = False
    single: bool = True

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def of(cls, series: object) -> Series:
        """Copy a batch: an array (n, steps[, channels]), or a list of arrays of different lengths.

        Raises:
            DataError: These are no series. A `SampleError` names the row of the one that is none.
        """
        if isinstance(series, np.ndarray) and series.dtype != object:
            _check_dtype(series.dtype)
            if series.ndim not in (2, 3):
                raise DataError(
                    f"series must have shape (n, steps, channels) or (n, steps), got {series.shape}"
                )
            flat = series.ndim == 2
            count, steps = series.shape[:2]
            made = cls.empty(np.full(count, steps), 1 if flat else series.shape[2], flat)
            made.values[:] = series.reshape(-1)
            return made
        return _of_list([np.asarray(each) for each in cast("Sequence[Array]", series)])

    @classmethod
    def empty(cls, steps: Array, channels: int, flat: bool = False, single: bool = True) -> Series:
        """Return memory for series of these lengths."""
        ends = np.cumsum(steps * channels, dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        starts = ends - steps * channels
        return cls(np.empty(total, np.float32), starts, steps.astype(np.int64), channels, flat, single)

    def like(self, steps: Array, channels: int | None = None) -> Series:
        """Return memory for other series of the same form."""
        return Series.empty(steps, self.channels if channels is None else channels, self.flat, self.single)

    def one(self, row: int) -> Array:
        """Return one series as a view, (steps[, channels])."""
        start, steps = int(self.starts[row]), int(self.steps[row])
        values = self.values[start : start + steps * self.channels]
        return values if self.flat else values.reshape(steps, self.channels)

    def part(self, rows: Array) -> Series:
        """Return a copy of some of the series."""
        made = self.like(self.steps[rows])
        for place, row in enumerate(rows.tolist()):
            made.one(place)[...] = self.one(row)
        return made

    def value(self) -> Array | list[Array]:
        """Return the batch: one array where all lengths are equal, else a list of arrays."""
        if len(self) and bool((self.steps == self.steps[0]).all()):
            shape = len(self), int(self.steps[0])
            return self.values.reshape(shape if self.flat else (*shape, self.channels))
        if not len(self) and self.single:
            return self.values.reshape((0, 0) if self.flat else (0, 0, self.channels))
        return [self.one(row) for row in range(len(self))]


def _of_list(arrays: list[Array]) -> Series:
    if not arrays:
        raise DataError("there are no series in this batch, so their channels are not known")
    first = arrays[0]
    for row, array in enumerate(arrays):
        if array.ndim not in (1, 2):
            raise SampleError(
                f"a series must have shape (steps, channels) or (steps,), got {array.shape}", row
            )
        if array.dtype != first.dtype or array.ndim != first.ndim or array.shape[1:] != first.shape[1:]:
            raise SampleError(
                f"series of one batch must have one dtype and as many channels, got {first.dtype} "
                f"{first.shape} and {array.dtype} {array.shape}",
                row,
            )
    _check_dtype(first.dtype)
    flat = first.ndim == 1
    steps = np.array([len(array) for array in arrays], np.int64)
    made = Series.empty(steps, 1 if flat else first.shape[1], flat)
    np.concatenate([array.reshape(-1) for array in arrays], out=made.values)
    return replace(made, single=False)


def _check_dtype(dtype: np.dtype[np.generic]) -> None:
    if dtype != np.float32:
        raise DataError(
            f"series must be of dtype float32, got {dtype}; convert them: series.astype('float32')"
        )
