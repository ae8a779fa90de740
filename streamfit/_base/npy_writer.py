"""`NpyWriter`: rows appended to a ``.npy`` file, for arrays whose length is not known before."""

from __future__ import annotations

import io
import os
from types import TracebackType
from typing import Self

import numpy as np

from streamfit._base.specs import Array


class NpyWriter:
    """Write rows to a new file in NumPy's format, one call after the other.

    After each call the header counts the rows that are written. So the file holds a valid array at every
    moment, also when the program is killed. Rows go to the file by ordinary writes: a full disk is an OSError
    here, and not the end of the process as it is in a memory map.

    Args:
        path: The file; there must be none of that name.
        row_shape: Shape of one row.
        dtype: Dtype of the rows.

    Attributes:
        rows: How many rows the file has.

    Raises:
        FileExistsError: There is a file of that name.
        TypeError: Arrays of this dtype are no plain bytes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "rows.npy")
        ...     with NpyWriter(path, (2,), np.dtype("int64")) as writer:
        ...         writer.append(np.array([[1, 2], [3, 4]]))
        ...         writer.append(np.array([[5, 6]]))
        ...     np.load(path).tolist()
        [[1, 2], [3, 4], [5, 6]]
    """

    def __init__(
        self, path: str | os.PathLike[str], row_shape: tuple[int, ...], dtype: np.dtype[np.generic]
    ) -> None:
        if dtype.hasobject or dtype.kind not in "biufc":
            raise TypeError(f"a .npy file of {dtype} would need pickle, which can run code when it is loaded")
        self._row_shape, self._dtype, self.rows = row_shape, dtype, 0
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by `close`
        self._write(self._header())
        self._header_bytes = self._file.tell()

    def append(self, rows: Array) -> None:
        """Write rows behind those that the file has.

        Raises:
            ValueError: Their shape or dtype is another.
            OSError: The disk is full, for example. The file keeps the rows that it had.
        """
        if rows.dtype != self._dtype or rows.shape[1:] != self._row_shape:
            raise ValueError(
                f"rows of shape {rows.shape[1:]} and dtype {rows.dtype} do not fit a file of rows of shape "
                f"{self._row_shape} and dtype {self._dtype}"
            )
        if rows.size:
            self._write(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
        self.rows += len(rows)  # the rows come first: a header never counts rows that are not there
        self._write_header()

    def _header(self) -> bytes:
        described = np.lib.format.dtype_to_descr(self._dtype)
        shape = (self.rows, *self._row_shape)
        header = io.BytesIO()
        # NumPy leaves room for the first axis of any length, so that this header can be written again.
        np.lib.format.write_array_header_1_0(
            header, {"descr": described, "fortran_order": False, "shape": shape}
        )
        return header.getvalue()

    def _write_header(self) -> None:
        header = self._header()
        assert len(header) == self._header_bytes
        self._file.seek(0)
        self._write(header)
        self._file.seek(0, os.SEEK_END)

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Cut off a part of a row that a failed write has left, and bring the file to the disk."""
        if self._file.closed:
            return
        with self._file:
            row_bytes = self._dtype.itemsize * int(np.prod(self._row_shape, dtype=np.int64))
            self._file.truncate(self._header_bytes + self.rows * row_bytes)
            os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
