"""The header of an array in the format ``.npy``, read with suspicion.

Guarantees kept here: nothing is unpickled; no memory is taken that depends on what a header says; a header
that does not fit the size of its file is refused.
"""

from __future__ import annotations

import functools
import io
import math
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.lib import format as npy

from streamfit._base.errors import DataError

MOST_BYTES = 16 << 10
"""The longest header that is read; NumPy itself refuses text of more than 10,000 characters."""

FIRST_READ = 256
"""How many bytes to read at first: most headers have 128."""

_PREFIX = {1: "<H", 2: "<I", 3: "<I"}


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Args:
        rows: The length of the first axis.
        tail: The shape of a row.
        dtype: Of its values.
        length: Bytes of the header, which the values lie behind.
    """

    rows: int
    tail: tuple[int, ...]
    dtype: np.dtype[np.generic]
    length: int

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return self.dtype.itemsize * math.prod(self.tail)


def parse_header(start: bytes, size: int, where: str) -> Header:
    """Read a header.

    Args:
        start: The first bytes of the array, as many as `bytes_needed` says, or all there are.
        size: The bytes of the whole array, header and values.
        where: The file in words.

    Raises:
        DataError: It is no header of an array that can be read row by row, or the size does not fit.
    """
    header = _parse(start[: bytes_needed(start, where)], where)
    expected = header.length + header.rows * header.row_bytes
    if size != expected:
        raise DataError(
            f"{where} has {size:,} bytes, and its header says {expected:,} (shape "
            f"{(header.rows, *header.tail)}, dtype {header.dtype}): "
            + ("it is cut off; write it again" if size < expected else "it holds more than one array")
        )
    return header


def bytes_needed(start: bytes, where: str) -> int:
    """Return the length of a header, at most `MOST_BYTES`.

    Args:
        start: The first bytes of the array, 12 or all there are.
        where: The file in words.

    Raises:
        DataError: This is no header of a version that is known.
    """
    prefix = npy.MAGIC_PREFIX
    if not start.startswith(prefix) or len(start) < npy.MAGIC_LEN:
        what = "is empty" if not start else "is no .npy file (it does not begin like one)"
        raise DataError(f"{where} {what}; write it with np.save")
    version = start[len(prefix)], start[len(prefix) + 1]
    form = _PREFIX.get(version[0])
    if form is None or version[1]:
        raise DataError(
            f"{where} has version {version[0]}.{version[1]} of the format .npy; 1.0 to 3.0 are known"
        )
    begin = npy.MAGIC_LEN + struct.calcsize(form)
    if len(start) < begin:
        raise DataError(f"{where} is cut off within its header; write it again")
    length = begin + int(struct.unpack_from(form, start, npy.MAGIC_LEN)[0])
    if length > MOST_BYTES:
        raise DataError(f"{where} has a header of {length:,} bytes; more than {MOST_BYTES:,} are not read")
    return length


@functools.lru_cache(maxsize=64)
def _parsed(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Parse a whole header; shards of one data set mostly have the same bytes."""
    version = header[len(npy.MAGIC_PREFIX)]
    if version == 3:  # as version 2, in UTF-8: only names of fields may have letters that are not ASCII
        text = header[npy.MAGIC_LEN :]
        text.decode("ascii")
        header = npy.magic(2, 0) + text
    file = io.BytesIO(header)
    read = npy.read_array_header_1_0 if npy.read_magic(file)[0] == 1 else npy.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape, fortran, dtype = read(file)
    return tuple(map(int, shape)), bool(fortran), dtype


def _parse(header: bytes, where: str) -> Header:
    try:
        shape, fortran, dtype = _parsed(header)
    except UnicodeDecodeError:
        raise DataError(
            f"{where} has a structured dtype, which is no number; save each field as an array of its own"
        ) from None
    except Exception as error:  # the text of a header is parsed as Python, and it may hold anything
        raise DataError(
            f"{where} has a header that cannot be read: {type(error).__name__}: {error}"
        ) from None
    if dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, which are pickles: loading them runs code of whoever wrote the "
            "file. Save an array of a numeric dtype: np.save(path, array.astype('float32'))"
        )
    if not shape:
        raise DataError(f"{where} holds a single value; its first axis must be the samples")
    if min(shape) < 0 or dtype.itemsize == 0 or (shape[0] and 0 in shape[1:]):
        raise DataError(f"{where} has shape {shape} and dtype {dtype}: its rows hold no values")
    if fortran and shape[0] > 1 and math.prod(shape[1:]) > 1:
        raise DataError(
            f"{where} is in Fortran order, where the values of a row do not lie together; save it as "
            "np.save(path, np.ascontiguousarray(array))"
        )
    return Header(shape[0], shape[1:], dtype, len(header))
