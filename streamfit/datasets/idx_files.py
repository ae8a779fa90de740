"""IDX, the format that MNIST is published in: a header with the shape, and bytes."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from typing import BinaryIO, cast

import numpy as np

from streamfit._base.errors import DataError, NoFileError
from streamfit._base.specs import Array

_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MOST_RATIO = 1032
"""Bytes that one byte of deflated data can stand for at most."""


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read a file in IDX format, such as ``train-images-idx3-ubyte.gz``.

    Args:
        path: The file; it may be compressed by gzip.

    Returns:
        The array that it holds, of the shape and dtype that its header says.

    Raises:
        NoFileError: There is no such file.
        DataError: It is no such file, was cut off, or goes on behind its array.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "labels-idx1-ubyte")
        >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> read_idx(path)
        array([7, 2, 1], dtype=uint8)
        >>> holder.cleanup()
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            most = os.fstat(raw.fileno()).st_size * (_MOST_RATIO if packed else 1)
        with gzip.open(name) if packed else open(name, "rb") as file:
            return _read(cast("BinaryIO", file), most, repr(name))
    except FileNotFoundError:
        raise NoFileError(f"there is no file {name!r}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name!r} is damaged or cut off: {error}; download it again") from None


def _read(file: BinaryIO, most: int, where: str) -> Array:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _DTYPES:
        raise DataError(f"{where} is no file in IDX format: it begins with {head!r}")
    lengths = file.read(4 * head[3])
    if len(lengths) < 4 * head[3]:
        raise DataError(f"{where} was cut off inside of its header; download it again")
    shape = struct.unpack(f">{head[3]}I", lengths)
    dtype = np.dtype(_DTYPES[head[2]])
    count = dtype.itemsize
    for length in shape:
        count *= length
    if count > most:
        raise DataError(f"{where} says that it holds {count:,} bytes, and is too short for them")
    data = file.read(count)
    if len(data) < count or file.read(1):
        raise DataError(
            f"{where} should hold {count:,} bytes and holds {'fewer' if len(data) < count else 'more'}"
        )
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
