"""`PredictionWriter`: takes the outputs of `predict`, batch by batch, to where they are wanted.

Guarantees kept here: nothing is cast, broadcast, cut off or left out; what does not fit is an error before a
row of the batch is written; rows that were written stay.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import NoFileError, ShapeError
from streamfit._base.npy_writer import NpyWriter
from streamfit._base.specs import Array
from streamfit.ops.core import Tensor
from streamfit.streams.leaves import leaves
from streamfit.streams.rows import mapping_below

_ENDING = ".npy"
_SEARCH = 10_000  # effort to find out whether two arrays share memory


class OutputPlace(ABC):
    """Where the rows of one output go.

    Attributes:
        rows: How many rows were written.
    """

    def __init__(self) -> None:
        self.rows = 0

    @abstractmethod
    def check(self, rows: Array, number: int) -> None:
        """Raise unless the rows of batch `number` fit."""

    @abstractmethod
    def write(self, rows: Array) -> None:
        """Write rows behind those that are there."""

    @abstractmethod
    def result(self) -> Array:
        """Return all rows that were written."""

    def expect(self, samples: int) -> None:  # noqa: B027 - optional
        """Raise if so many rows do not fit."""

    def check_complete(self) -> None:  # noqa: B027 - optional
        """Raise if rows are missing."""

    def close(self) -> None:  # noqa: B027 - optional
        """Bring what was written to its file."""


class NewPlace(OutputPlace):
    """An array that is made here.

    Args:
        samples: How many rows there will be; None if that is not known.
    """

    def __init__(self, samples: int | None) -> None:
        super().__init__()
        self._samples = samples
        self._parts: list[Array] = []  # where the number of rows is not known
        self._array: Array | None = None
        self._row_shape: tuple[int, ...] | None = None

    def check(self, rows: Array, number: int) -> None:
        """Refuse rows that cannot be joined with those of the first batch."""
        before = self._row_shape
        if before is not None and rows.shape[1:] != before:
            raise ShapeError(
                f"predict joins the outputs of all batches, but a sample of batch {number} has an output of "
                f"shape {rows.shape[1:]}, and those before it {before}; pad the data to one length, "
                "or take the outputs batch by batch: model.predict_batches(...)"
            )

    def write(self, rows: Array) -> None:
        """Copy rows to the array, or keep them."""
        self._row_shape = rows.shape[1:]
        if self._samples is None or rows.dtype.kind not in "biuf":
            self._parts.append(rows)
        else:
            if self._array is None:
                self._array = _allocated((self._samples, *rows.shape[1:]), rows.dtype)
            self._array[self.rows : self.rows + len(rows)] = rows
        self.rows += len(rows)

    def result(self) -> Array:
        """Return the array; fewer rows where a callback has stopped the run."""
        if self._array is None:
            return np.concatenate(self._parts)
        return self._array if self.rows == len(self._array) else self._array[: self.rows].copy()


def _allocated(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        error.add_note(
            "predict: outputs that do not fit in memory can be written to a file, out='predictions.npy', or "
            "taken batch by batch: model.predict_batches(...)"
        )
        raise


class ArrayPlace(OutputPlace):
    """An array of the user's.

    Args:
        array: The array.
        label: How the user writes it, for messages.

    Raises:
        ValueError: It cannot be written to, or what is written would be lost.
    """

    def __init__(self, array: Array, label: str) -> None:
        super().__init__()
        self.array, self._label = array, label
        if not array.flags.writeable:
            mapped = isinstance(array, np.memmap)
            hint = "open it with mode='r+'" if mapped else "pass an array that can be written to"
            raise ValueError(f"predict: {label} is read-only; {hint}")
        if _is_copied_on_write(array):
            raise ValueError(
                f"predict: {label} is a memory map that is copied on write (mode 'c'): nothing would come "
                "into its file; open it with mode='r+'"
            )
        if not array.ndim:
            raise ShapeError(f"predict: {label} has no axis of samples; its shape must be (samples, ...)")

    def expect(self, samples: int) -> None:
        """Refuse another number of rows than there are samples."""
        if len(self.array) != samples:
            raise ShapeError(
                f"predict: {self._label} has {len(self.array)} rows, but the data have {samples} samples; "
                f"pass an array of {samples} rows"
            )

    def check(self, rows: Array, number: int) -> None:
        """Refuse rows of another shape or dtype, and more rows than there is room for."""
        array, end = self.array, self.rows + len(rows)
        if array.dtype != rows.dtype:
            raise TypeError(
                f"predict: {self._label} has dtype {array.dtype}, but this output of the model has "
                f"{rows.dtype}, and predictions are not cast; make it with "
                f"np.empty({(len(array), *rows.shape[1:])}, {str(rows.dtype)!r})"
            )
        if array.shape[1:] != rows.shape[1:]:
            raise ShapeError(
                f"predict: {self._label} has shape {array.shape}, so a row has {array.shape[1:]}, but the "
                f"output for a sample of batch {number} has shape {rows.shape[1:]}"
            )
        if end > len(array):
            raise ShapeError(
                f"predict: {self._label} has {len(array)} rows, but batch {number} ends at sample {end}: the "
                "data have more samples than it has rows; pass a larger array, or steps="
            )

    def write(self, rows: Array) -> None:
        """Copy rows to the array."""
        self.array[self.rows : self.rows + len(rows)] = rows
        self.rows += len(rows)

    def check_complete(self) -> None:
        """Refuse data that ended before the array was full."""
        if self.rows < len(self.array):
            raise ShapeError(
                f"predict: the data ended after {self.rows} samples, but {self._label} has {len(self.array)} "
                f"rows; pass an array of {self.rows} rows"
            )

    def result(self) -> Array:
        """Return the array, or its rows up to where a callback has stopped the run."""
        return self.array if self.rows == len(self.array) else self.array[: self.rows]

    def close(self) -> None:
        """Bring a memory map to its file."""
        mapping = mapping_below(self.array)
        if mapping is not None:
            mapping.flush()


class NpyPlace(OutputPlace):
    """A new ``.npy`` file.

    Args:
        path: The file.
        label: How the user writes it, for messages.

    Raises:
        ValueError: The path has another ending.
        FileExistsError: There is such a file.
        NoFileError: There is no such folder.
    """

    def __init__(self, path: str | os.PathLike[str], label: str) -> None:
        super().__init__()
        self.path, self._label = Path(os.fspath(path)), label
        self._writer: NpyWriter | None = None
        if self.path.suffix != _ENDING:
            raise ValueError(
                f"predict: {label}={str(path)!r}: predictions are written as a NumPy file; its name must end "
                f"in {_ENDING!r}"
            )
        if os.path.lexists(self.path):
            raise FileExistsError(
                f"predict: {label}={str(path)!r}: there is such a file, and it is not overwritten; remove "
                "it, or write to it with out=np.load(path, mmap_mode='r+')"
            )
        if not self.path.parent.is_dir():
            raise NoFileError(f"predict: {label}={str(path)!r}: there is no folder {str(self.path.parent)!r}")

    def check(self, rows: Array, number: int) -> None:
        """Make the file for the rows of the first batch; refuse rows of another shape, and text."""
        if self._writer is None:
            if rows.dtype.kind not in "biufc":
                raise TypeError(
                    f"predict: {self._label}: this output of the model is text, which a NumPy file holds "
                    "only with pickle; pass an array of dtype object, or use model.predict_batches(...)"
                )
            self._row_shape = rows.shape[1:]
        elif rows.shape[1:] != self._row_shape:
            raise ShapeError(
                f"predict: a sample of batch {number} has an output of shape {rows.shape[1:]}, and those "
                f"before it {self._row_shape}, which do not fit one array ({self._label}={str(self.path)!r})"
            )

    def write(self, rows: Array) -> None:
        """Append rows to the file."""
        if self._writer is None:
            self._writer = NpyWriter(self.path, rows.shape[1:], rows.dtype)
        self._writer.append(rows)
        self.rows += len(rows)

    def result(self) -> Array:
        """Return a memory map of the file; an array where there is nothing to map."""
        array: Array = np.load(self.path, mmap_mode="r+" if self.rows and all(self._row_shape) else None)
        return array

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


class PredictionWriter:
    """Take the outputs of batch after batch to their places.

    Args:
        out: What the user passed: None, an array, the path of a file, or a list or a dictionary of these.
        x: The data, which must not be overwritten while they are read.

    Raises:
        TypeError: `out` is something else.
        ValueError: An array or a path that cannot be written to, or arrays that share memory.
    """

    def __init__(self, out: object, x: object) -> None:
        self._given: OutputPlace | list[OutputPlace] | dict[object, OutputPlace] | None
        if is_mapping(out):
            self._given = {key: _place(entry, f"out[{key!r}]") for key, entry in out.items()}
        elif isinstance(out, (list, tuple)):
            self._given = [_place(entry, f"out[{at}]") for at, entry in enumerate(out)]
        else:
            self._given = None if out is None else _place(out, "out")
        self._places: list[OutputPlace] = []
        _refuse_one_place_twice(self._all_given(), x)

    def _all_given(self) -> list[OutputPlace]:
        given = self._given
        if given is None:
            return []
        if isinstance(given, OutputPlace):
            return [given]
        return list(given.values()) if isinstance(given, dict) else given

    def begin(self, names: Sequence[str], outputs: Sequence[Tensor], samples: int | None) -> None:
        """Begin, once the outputs of the model are known; later calls do nothing.

        Args:
            names: Names of the outputs.
            outputs: The outputs.
            samples: How many samples there are; None if that is not known.

        Raises:
            ValueError: There are more or fewer places than outputs, or another number of rows than samples.
        """
        if self._places or not outputs:
            return
        if self._given is None:
            self._places = [NewPlace(samples if tensor.spec.batched else None) for tensor in outputs]
            return
        places = self._ordered(list(names))
        if samples is not None:
            for place in places:
                place.expect(samples)
        self._places = places

    def _ordered(self, names: list[str]) -> list[OutputPlace]:
        given = self._given
        if isinstance(given, dict):
            if set(given) != set(names):
                raise ValueError(
                    f"predict: out has the keys {sorted(map(str, given))}, but the outputs of the model are "
                    f"{sorted(names)}; pass one array or path for each"
                )
            return [given[name] for name in names]
        places = self._all_given()
        if len(places) != len(names):
            wanted = f"a list of {len(names)}, in this order" if len(names) > 1 else "one array or path"
            raise ValueError(
                f"predict: out holds {len(places)} array{'s' if len(places) != 1 else ''}, but the model has "
                f"{len(names)} output{'s' if len(names) != 1 else ''} ({', '.join(names)}); pass {wanted}"
            )
        return places

    def add(self, outputs: Sequence[Array], number: int) -> None:
        """Write the outputs for one batch, in the order of the outputs.

        Args:
            outputs: The outputs; they are kept where the number of samples is not known.
            number: Number of the batch, for messages.

        Raises:
            ShapeError: They do not fit; nothing of the batch was written.
            TypeError: Their dtype is another.
        """
        for place, rows in zip(self._places, outputs, strict=True):
            place.check(rows, number)
        for place, rows in zip(self._places, outputs, strict=True):
            place.write(rows)

    def check_complete(self) -> None:
        """Check that each array of the user's is full.

        Raises:
            ShapeError: One is not.
        """
        for place in self._places:
            place.check_complete()

    def results(self) -> list[Array]:
        """Return the array of each output, after the end."""
        return [place.result() for place in self._places]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._given is not None:
            rows = min((place.rows for place in self._places), default=0)
            error.add_note(
                f"predict: the outputs of the first {rows} samples were written to out and stay there"
            )
        with ExitStack() as stack:  # each is closed, whatever happens at another
            for place in self._places:
                stack.callback(place.close)


def _place(entry: object, label: str) -> OutputPlace:
    if isinstance(entry, np.ndarray):
        return ArrayPlace(entry, label)
    if isinstance(entry, (str, os.PathLike)):
        return NpyPlace(entry, label)
    raise TypeError(
        f"predict: {label} must be a NumPy array, a memory map or the path of a .npy file, got "
        f"{type(entry).__name__}; for anything else write model.predict_batches(...) in a loop"
    )


def _is_copied_on_write(array: Array) -> bool:
    base: object = array
    while isinstance(base, np.ndarray):
        if getattr(base, "mode", None) == "c":
            return True
        base = base.base
    return False


def _refuse_one_place_twice(places: Sequence[OutputPlace], x: object) -> None:
    paths = [place.path.absolute() for place in places if isinstance(place, NpyPlace)]
    if len(set(paths)) < len(paths):
        raise ValueError("predict: two paths of out are the same; write a file for each output")
    arrays = [place.array for place in places if isinstance(place, ArrayPlace)]
    if not arrays:
        return
    if any(_share(one, other) for one, other in combinations(arrays, 2)):
        raise ValueError("predict: two arrays of out share memory, so one output would overwrite the other")
    inputs = [array for _, array in leaves(x) if isinstance(array, np.ndarray)]
    if any(_share(array, other) for array in arrays for other in inputs):
        raise ValueError("predict: out shares memory with x, which would be overwritten while it is read")


def _share(one: Array, other: Array) -> bool:
    try:
        return np.shares_memory(one, other, max_work=_SEARCH)  # type: ignore[arg-type] # any number
    except np.exceptions.TooHardError:
        return True
