"""`ArrayStore`: named arrays in files, whose rows are read in runs that follow their chunks.

Shared by HDF5 and Zarr. Guarantees kept here: all arrays of a file have the same number of rows; all files
have one dtype and shape for each array; a block has a bounded size; chunks that are not there are an error,
unless the user says that they hold the fill value.
"""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array, Spec
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.columns import Columns, TableForm
from streamfit.streams.stores.paths import FileMark, absolute
from streamfit.streams.stores.store import BYTES_OF_TEXT, Store, StoreBlock

MissingChunks = Literal["error", "fill"]

BLOCK_BYTES = 2 << 20
"""Rows are read together up to that, or a chunk."""
MOST_BYTES = 1 << 30
"""What a chunk, or a row, may take when it is decoded; more is taken for an attack or a mistake."""
_MOST_BLOCKS = 10_000_000


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """An array in a file.

    Args:
        shape: Its shape; the first axis are the samples.
        dtype: Its dtype in memory; object for text.
        chunk: The shape of its chunks, None where it has none.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    chunk: tuple[int, ...] | None = None

    @property
    def row_bytes(self) -> int:
        """The bytes of a row in memory, roughly for text."""
        return math.prod(self.shape[1:]) * self.itemsize

    @property
    def itemsize(self) -> int:
        """The bytes of a value in memory, roughly for text."""
        return BYTES_OF_TEXT if self.dtype == object else self.dtype.itemsize


class ArrayStore(Store):
    """Runs of rows of arrays in files.

    Args:
        files: The files.
        x: The arrays of x: a name, names for a dictionary, or a dictionary from inputs to names.
        y: Those of y, or None.
        sample_weight: The array of sample_weight, or None.
        missing_chunks: What chunks mean that are not there.
        name: What to call the data in messages.

    Attributes:
        format: The function that makes it.
        item: What an array is called.
        form: Which arrays make x, y and sample_weight.
    """

    format = "arrays"
    item = "array"

    def __init__(
        self,
        files: Sequence[str],
        x: Columns,
        y: Columns | None,
        sample_weight: str | None,
        missing_chunks: MissingChunks,
        name: str,
    ) -> None:
        if missing_chunks not in ("error", "fill"):
            raise ValueError(f"missing_chunks={missing_chunks!r}: write 'error' or 'fill'")
        self.name, self.files, self.fills = name, absolute(files), missing_chunks == "fill"
        self._marks = [[(path, FileMark.of(path)) for path in self._watched(file)] for file in files]
        names = self._wanted(x, y, sample_weight)
        self.form = TableForm(names, x, y, sample_weight, repr(files[0]))
        self._forms = [self._checked(number) for number in range(len(files))]
        self._compare()
        self._sizes = np.array([self._rows(number) for number in range(len(files))])
        self._lengths, self._files, self._starts = self._find_blocks()

    # -- of a format --------------------------------------------------------------------------------

    def _watched(self, path: str) -> list[str]:
        """Return the files whose change is an error."""
        return [path]

    @abstractmethod
    def _available(self, path: str) -> list[str]:
        """Return the names of arrays in a file, for messages."""

    @abstractmethod
    def _form_of(self, path: str, name: str) -> ArrayForm | None:
        """Return the form of an array, after everything that is suspicious was refused; None without it.

        Raises:
            DataError: It cannot be read, or has what is refused.
        """

    @abstractmethod
    def _read(self, path: str, name: str, start: int, stop: int) -> Array:
        """Read rows of an array; text as objects.

        Raises:
            DataError: They cannot be read.
        """

    # -- when it is made ----------------------------------------------------------------------------

    def _wanted(self, x: Columns, y: Columns | None, sample_weight: str | None) -> list[str]:
        """Return the names of the arrays that are used."""
        found: dict[str, None] = {}
        for role, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            for name in _flat(part):
                if not isinstance(name, str):
                    raise ValueError(f"{role}: {name!r} is no name of a {self.item}")
                if name not in found and self._form_of(self.files[0], name) is None:
                    known = self._available(self.files[0])
                    other = f"; {role}=None reads without" if role != "x" else ""
                    raise ValueError(
                        f"{role}: {self.files[0]!r} has no {self.item} {name!r}.{did_you_mean(name, known)} "
                        f"It has {known}{other}"
                    )
                found[name] = None
        return list(found)

    def _checked(self, number: int) -> dict[str, ArrayForm]:
        path, found = self.files[number], {}
        for name in self.form.names:
            form = self._form_of(path, name)
            if form is None:
                raise DataError(f"{path!r} has no {self.item} {name!r}, which {self.files[0]!r} has")
            if not form.shape:
                raise DataError(f"{path!r}: {name!r} is a single value; its first axis must be the samples")
            chunk = form.itemsize * math.prod(form.chunk or (0,))
            for what, size in (("a chunk", chunk), ("a row", form.row_bytes)):
                if size > MOST_BYTES:
                    raise DataError(
                        f"{path!r}: {what} of {name!r} takes {size:,} bytes, more than {MOST_BYTES:,}; write "
                        "it with smaller chunks, of some MB"
                    )
            found[name] = form
        return found

    def _compare(self) -> None:
        first = self._forms[0]
        for path, forms in zip(self.files, self._forms, strict=True):
            for name, form in forms.items():
                one, other = (first[name].shape[1:], first[name].dtype), (form.shape[1:], form.dtype)
                if one != other:
                    raise DataError(
                        f"{path!r}: {name!r} has dtype {other[1]} and shape {other[0]} in each row, and "
                        f"dtype {one[1]} and shape {one[0]} in {self.files[0]!r}; all files need one form"
                    )

    def _rows(self, number: int) -> int:
        lengths = {name: form.shape[0] for name, form in self._forms[number].items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"{self.files[number]!r}: arrays differ in their number of rows: {lengths}")
        return next(iter(lengths.values()))

    def _find_blocks(self) -> tuple[Array, Array, Array]:
        """Return rows, file and first row of each block."""
        lengths, files, starts = [], [], []
        for number, rows in enumerate(self._sizes.tolist()):
            size = self._block_rows(number)
            if rows // size > _MOST_BLOCKS:
                raise DataError(
                    f"{self.files[number]!r} says that it has {rows:,} rows, which are more than "
                    f"{_MOST_BLOCKS:,} blocks; write larger chunks, of some MB"
                )
            begins = np.arange(0, rows, size)
            starts.append(begins)
            lengths.append(np.minimum(rows - begins, size))
            files.append(np.full(len(begins), number))
        if not sum(map(len, lengths)):
            raise DataError(
                f"{self.format}(): there are no rows in {len(self.files):,} files ({self.files[0]!r}, ...)"
            )
        found = [np.concatenate(part).astype(np.int64) for part in (lengths, files, starts)]
        return found[0], found[1], found[2]

    def _block_rows(self, number: int) -> int:
        """Return how many rows are read together: whole chunks of the array that takes most."""
        forms = self._forms[number].values()
        largest = max(forms, key=lambda form: form.row_bytes)
        chunk = largest.chunk[0] if largest.chunk else 1
        return max(1, BLOCK_BYTES // max(1, self.row_bytes) // chunk) * chunk

    # -- a store ------------------------------------------------------------------------------------

    @property
    def lengths(self) -> Array:
        """The rows of each block."""
        return self._lengths

    @property
    def specs(self) -> Element:
        """The specs of a row."""
        return self.form.specs(
            {name: Spec(form.shape[1:], form.dtype) for name, form in self._forms[0].items()}
        )

    @property
    def row_bytes(self) -> int:
        """The bytes of a row, roughly."""
        return sum(form.row_bytes for form in self._forms[0].values())

    def read(self, block: int) -> StoreBlock:
        """Read a run of rows of each array."""
        file, start = int(self._files[block]), int(self._starts[block])
        path, stop = self.files[file], start + int(self._lengths[block])
        self._check_marks(file)
        found: dict[str, Array] = {}
        for name, form in self._forms[file].items():
            try:
                array = self._read(path, name, start, stop)
            except DataError as error:
                raise DataError(f"{self.where(block)}: {error}") from None
            if array.shape != (stop - start, *form.shape[1:]) or array.dtype.newbyteorder("=") != form.dtype:
                raise DataError(
                    f"{self.where(block)}: {name!r} gives {array.dtype} of shape {array.shape}, where "
                    f"{form.dtype} of shape {(stop - start, *form.shape[1:])} was due"
                )
            found[name] = array.astype(form.dtype, copy=False)
        self._check_marks(file)  # it may have been replaced in the middle
        return StoreBlock(self.form.element(found))

    def _check_marks(self, file: int) -> None:
        for path, mark in self._marks[file]:
            mark.check(path)

    def where(self, block: int, row: int | None = None) -> str:
        """Say where a run of rows is."""
        start, path = int(self._starts[block]), self.files[int(self._files[block])]
        if row is not None:
            return f"{path!r}, row {start + row}"
        return f"{path!r}, rows {start} to {start + int(self._lengths[block]) - 1}"

    def identity(self) -> dict[str, object]:
        """Return names of files, rows and arrays."""
        return {
            "files": [os.path.basename(path) for path in self.files[:1000]],
            "rows": int(self._lengths.sum()),
            "blocks": len(self._lengths),
            "arrays": {name: f"{form.dtype} {form.shape[1:]}" for name, form in self._forms[0].items()},
        }

    def text(self) -> str:
        """Return the store as it is written in a pipeline."""
        files = f"{len(self.files):,} file{'s' * (len(self.files) > 1)}"
        return f"{self.format}({self.name!r}, {files}, {int(self._lengths.sum()):,} rows)"


def _flat(part: Columns | None) -> list[object]:
    if part is None or isinstance(part, str):
        return [] if part is None else [part]
    entries: Mapping[str, str | Sequence[str]] | Sequence[str] = part
    if is_mapping(entries):
        return [name for entry in entries.values() for name in _flat(entry)]
    return list(entries)
