"""`Sliced`: data that can be sliced and are never read completely, such as a data set in an HDF5 file.

Guarantees kept here: the object only has to return slices of rows; one read is never larger than a batch;
rows whose shape or dtype differs from the first row raise an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard

import cloudpickle
import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit._base.text import holds_text
from streamfit.streams.objects import refusal

_IN_MEMORY = ("__array_interface__", "__cuda_array_interface__", "__dlpack__", "to_numpy", "toarray")
_BATCHES = ("on_epoch_end", "on_epoch_begin", "num_batches")  # attributes of a sequence of batches


class Sliceable(Protocol):
    """The methods that are used of an object that can be sliced."""

    @property
    def shape(self) -> Sequence[int]:
        """Length of each axis; the first one are the samples."""
        ...

    def __len__(self) -> int:
        """Return the number of rows; some objects have a shape alone."""
        ...

    def __getitem__(self, rows: slice, /) -> ArrayLike:
        """Return some of the rows."""
        ...


def is_sliceable(value: Any) -> TypeGuard[Sliceable]:
    """Return whether `value` has a shape, a dtype and rows, and is not an array in memory.

    An object whose length or hooks show that it is a sequence of batches is not sliceable.
    """
    kind = type(value)
    if not (hasattr(kind, "__getitem__") and hasattr(value, "shape") and hasattr(value, "dtype")):
        return False
    if isinstance(value, np.generic) or any(hasattr(kind, name) for name in (*_IN_MEMORY, *_BATCHES)):
        return False
    shape = value.shape
    if not isinstance(shape, (tuple, list)) or not shape:
        return False
    try:
        return not hasattr(kind, "__len__") or len(value) == shape[0]
    except TypeError:
        return False


class Sliced:
    """Hold a range of rows of an object that can be sliced, without reading them.

    Args:
        of: The object: it has a shape, and ``of[start:stop]`` returns rows.
        name: Its name in messages.
        text: Whether the rows may hold text as well.

    Attributes:
        shape: Shape of the rows; the first axis are the samples.
        dtype: dtype of the first row, and so of all rows.

    Raises:
        DataError: The first row cannot be read, or holds no numbers.
    """

    def __init__(self, of: Sliceable, name: str, *, text: bool = False) -> None:
        self.of, self.name = of, name
        self.start, self.stop = 0, int(of.shape[0])
        self._tail: tuple[int, ...] = tuple(int(length) for length in of.shape[1:])
        self.dtype = np.dtype(np.float32)
        if self.stop:
            first = self._read(0, 1)
            self._tail, self.dtype = first.shape[1:], first.dtype
            if first.dtype.kind not in "biuf" and not (text and holds_text(first)):
                raise DataError(refusal(first, name))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the rows."""
        return (len(self), *self._tail)

    @property
    def ndim(self) -> int:
        """Count the axes."""
        return 1 + len(self._tail)

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice) -> Sliced:
        """Return the rows ``[start:stop]``, without reading them."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows are taken one after another, got {rows}")
        part: Sliced = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part.start, part.stop = self.start + start, self.start + max(start, stop)
        return part

    def rows(self, start: int, stop: int) -> Array:
        """Read the rows [start, stop).

        Raises:
            DataError: They cannot be read, or differ from the first row in shape or dtype.
        """
        rows = self._read(self.start + start, self.start + stop)
        if rows.shape != (stop - start, *self._tail) or rows.dtype != self.dtype:
            raise DataError(
                f"{self._label()}: rows {start} to {stop} have shape {rows.shape} and dtype {rows.dtype}, "
                f"where shape {(stop - start, *self._tail)} and dtype {self.dtype} were due"
            )
        return rows

    def _read(self, start: int, stop: int) -> Array:
        try:
            rows = self.of[start:stop]
            if isinstance(rows, np.ma.MaskedArray):
                if np.ma.is_masked(rows):
                    raise DataError(
                        f"{self._label()}: rows {start} to {stop} have masked values; fill them first, or "
                        "have them read as they are"
                    )
                rows = rows.data
            return np.asarray(rows)
        except (TypeError, AttributeError) as error:
            raise DataError(
                f"{self._label()} has a shape and a dtype, but [{start}:{stop}] gives no rows: {error}. Pass "
                "an array, or give the class a __getitem__ that takes slices"
            ) from error

    def _label(self) -> str:
        return f"{self.name} (a {type(self.of).__name__} of shape {tuple(self.of.shape)})"

    def __getstate__(self) -> dict[str, object]:
        """Return the state for worker processes.

        Raises:
            DataError: The object cannot be sent to worker processes.
        """
        try:
            cloudpickle.dumps(self.of)
        except Exception as error:  # code of the object's library runs here
            raise DataError(
                f"{self.name} is a {type(self.of).__module__}.{type(self.of).__qualname__}, which worker "
                "processes cannot share. Leave use_multiprocessing out; or read the file by its path, "
                "files.hdf5(path) or files.zarr(path); or write a Sequence that keeps the path and opens the "
                "file in __getitem__"
            ) from error
        return self.__dict__.copy()
