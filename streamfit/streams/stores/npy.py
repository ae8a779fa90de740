"""`npy`: arrays in files of the format ``.npy``, one or many, as the base of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit.streams.arrays import ArraySource
from streamfit.streams.open_shards import FileShard
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.sharded_rows import ShardedArray
from streamfit.streams.stages import ArrayRows
from streamfit.streams.stores.npy_header import FIRST_READ, Header, bytes_needed, parse_header
from streamfit.streams.stores.paths import FileMark, Paths, find_files

Arrays = Paths | Mapping[str, Paths] | Sequence[Paths]
"""The files of one array; or of several inputs: a dictionary, or a list of lists."""

Sharded = ShardedArray | dict[str, ShardedArray] | list[ShardedArray] | None


def npy(
    x: Arrays,
    y: Arrays | None = None,
    sample_weight: Arrays | None = None,
    *,
    name: str = "data",
) -> Pipeline:
    """Read arrays from ``.npy`` files that need not fit in memory.

    The files of an array are joined along their first axis, in order; they are shards of one array and may
    have any number of rows, also none. `x`, `y` and `sample_weight` need the same number of rows in all, and
    need not be cut at the same places. Nothing is loaded before it is used: single rows are gathered from
    memory maps, runs of rows are read from the file. ``shuffle()`` orders all samples, in constant memory.

    Args:
        x: One array: a path, a folder, a pattern such as ``'train/x_*.npy'``, or a list
            of these. Several inputs: a dictionary of arrays, or a list with a list of files for each. A list
            is read in its order; the files of a folder (and of folders in it) or of a pattern come in natural
            order, ``x_2.npy`` before ``x_10.npy``.
        y: Targets, likewise, or None.
        sample_weight: Weights, likewise, or None.
        name: What to call the data in messages.

    Returns:
        A pipeline of samples, with the dtypes of the files.

    Raises:
        FileNotFoundError: A file is not there, or a folder or a pattern has none.
        DataError: A file is no array, holds Python objects (nothing is ever unpickled), is in
            Fortran order, or is shorter or longer than its header says; the files of an array differ in dtype
            or in the shape of a row; arrays differ in their number of rows, or have none. While the data are
            read: a file was cut off, replaced, or written to.

    Example:
        >>> import os, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> for i, rows in enumerate((3, 4)):
        ...     np.save(os.path.join(folder.name, f"x_{i}.npy"), np.full((rows, 2), i, "float32"))
        >>> np.save(os.path.join(folder.name, "y.npy"), np.arange(7))
        >>> data = npy(os.path.join(folder.name, "x_*.npy"), os.path.join(folder.name, "y.npy"))
        >>> data
        source('data', 7 samples)
        >>> [y.tolist() for x, y in data.batch(4)]
        [[0, 1, 2, 3], [4, 5, 6]]
        >>> folder.cleanup()
    """
    parts = (x, "x"), (y, "y"), (sample_weight, "sample_weight")
    return pipeline_of([_array(part, role) for part, role in parts], name)


def pipeline_of(parts: Sequence[Sharded], name: str) -> Pipeline:
    """Return a pipeline over x, y and sample_weight in files."""
    return Pipeline(ArrayRows(ArraySource(*parts, shuffle=False, name=name, text=True)), name)


def _array(given: Arrays | None, role: str) -> Sharded:
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {key: _of_files(files, f"{role}[{key!r}]") for key, files in given.items()}
    if isinstance(given, (list, tuple)) and any(not isinstance(entry, (str, os.PathLike)) for entry in given):
        return [_of_files(files, f"{role}[{index}]") for index, files in enumerate(given)]
    return _of_files(cast(Paths, given), role)


def _of_files(given: Paths, name: str) -> ShardedArray:
    if hasattr(given, "dtype"):
        raise TypeError(f"{name} is a {type(given).__name__}, not a path; arrays in memory go to source(...)")
    paths = map(os.path.abspath, find_files(given, (".npy",), f"npy({name}=...)"))
    return join(map(of_file, paths), name)


@dataclass(frozen=True, slots=True)
class Member:
    """An array in a file.

    Args:
        path: The file.
        where: The same in words, with the name of a member.
        header: What the array is.
        shard: Where its rows are.
    """

    path: str
    where: str
    header: Header
    shard: FileShard


def of_file(path: str) -> Member:
    """Look at the header of a ``.npy`` file.

    Raises:
        DataError: It cannot be read, or holds no array that can be read row by row.
    """
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(fd)
        return member(fd, path, repr(path), found, 0, found.st_size)
    except OSError as error:
        raise DataError(f"{path!r} cannot be read: {error.strerror}") from error
    finally:
        if fd >= 0:
            os.close(fd)


def member(fd: int, path: str, where: str, found: os.stat_result, begin: int, size: int) -> Member:
    """Look at an array that lies in the bytes [begin, begin + size) of an open file."""
    start = os.pread(fd, min(size, FIRST_READ), begin)
    needed = bytes_needed(start, where)
    if needed > len(start):
        start = os.pread(fd, min(size, needed), begin)
    header = parse_header(start, size, where)
    return Member(
        path,
        where,
        header,
        FileShard(path, FileMark.of_stat(found), begin + header.length, size - header.length),
    )


def join(members: Iterator[Member], name: str) -> ShardedArray:
    """Join arrays along their first axis.

    Raises:
        DataError: They differ in dtype or in the shape of a row.
    """
    first = next(members)
    found = [first]
    dtype, tail = first.header.dtype, first.header.tail
    for each in members:
        if each.header.dtype != dtype or each.header.tail != tail:
            raise DataError(
                f"{name}: {each.where} has dtype {each.header.dtype} and rows of shape {each.header.tail}, "
                f"where dtype {dtype} and rows of shape {tail} were due, as in {first.where}"
            )
        found.append(each)
    used = [each for each in found if each.header.rows]
    return ShardedArray(
        [each.shard for each in used], [each.header.rows for each in used], tail, np.dtype(dtype)
    )
