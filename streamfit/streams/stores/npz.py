"""`npz`: arrays in archives of the format ``.npz``, one or many, as the base of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from streamfit._base.errors import DataError
from streamfit.streams.open_shards import FileShard
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.sharded_rows import ShardedArray
from streamfit.streams.stores.npy import Member, Sharded, join, member, pipeline_of
from streamfit.streams.stores.npz_store import Archive, NpzStore, names_of, read_header
from streamfit.streams.stores.paths import FileMark, Paths, find_files
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.streams.stores.zip_members import find_member, open_archive

Names = str | Sequence[str] | Mapping[str, str]
"""The name of one array of each archive, or the names of several inputs: a list, or a dictionary."""


def npz(
    paths: Paths,
    x: Names = "x",
    y: Names | None = "y",
    sample_weight: Names | None = None,
    *,
    name: str = "data",
) -> Pipeline:
    """Read arrays by name from ``.npz`` archives that need not fit in memory.

    The arrays of one name are joined over all archives, in order, as those of `npy` are. Archives that
    ``np.savez`` wrote hold arrays as they are, and are read in place, as fast as ``.npy`` files; their
    checksums are not compared. Those of ``np.savez_compressed`` can only be decoded as a whole: each archive
    is a block that must fit in memory, and ``shuffle()`` orders blocks, and samples in a window of blocks.

    Args:
        paths: A path, a folder (its ``.npz`` files), a pattern, or a list of these; ordered as for `npy`.
        x: The name of an array; names, for a dictionary of them; or a dictionary from inputs to names.
        y: The name of the targets, likewise, or None.
        sample_weight: The name of the weights, likewise, or None.
        name: What to call the data in messages.

    Returns:
        A pipeline of samples, with the dtypes of the files.

    Raises:
        FileNotFoundError: A file is not there, or a folder or a pattern has none.
        DataError: A file is no archive, or has no array of a name; its arrays differ in their
            number of rows; what an archive says of its sizes cannot be true; and as for `npy`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> folder = tempfile.TemporaryDirectory()
        >>> for i, rows in enumerate((3, 4)):
        ...     part = os.path.join(folder.name, f"part_{i}.npz")
        ...     np.savez(part, pixels=np.zeros((rows, 8)), label=np.arange(rows))
        >>> data = npz(folder.name, x="pixels", y="label")
        >>> [y.tolist() for x, y in data.batch(4)]
        [[0, 1, 2, 0], [1, 2, 3]]
        >>> folder.cleanup()
    """
    parts = [_checked(part) for part in (x, y, sample_weight)]
    wanted = [each for part in parts for each in names_of(part)]
    archives, stored = [], True
    for path in map(os.path.abspath, find_files(paths, (".npz",), "npz()")):
        archive, as_they_are = _arrays(path, wanted)
        archives.append(archive)
        stored = stored and as_they_are
    joined = {each: join((archive[each] for archive in archives), repr(each)) for each in wanted}
    if not stored:
        return Pipeline(StoreRows(NpzStore(archives, parts, name)), name)
    return pipeline_of([_filled(part, joined) for part in parts], name)


def _checked(part: Names | None) -> str | dict[str, str] | None:
    if part is None or isinstance(part, str):
        return part
    names = dict(part) if isinstance(part, Mapping) else {each: each for each in part}
    if not names or not all(isinstance(each, str) for each in names.values()):
        raise TypeError(f"arrays are called by their names, such as 'x' or ['a', 'b'], got {part!r}")
    return names


def _filled(part: str | dict[str, str] | None, joined: Mapping[str, ShardedArray]) -> Sharded:
    if part is None or isinstance(part, str):
        return None if part is None else joined[part]
    return {key: joined[array] for key, array in part.items()}


def _arrays(path: str, names: Sequence[str]) -> tuple[Archive, bool]:
    """Look at arrays of an archive: what they are, and whether they lie there uncompressed."""
    where, stored = repr(path), True
    try:
        with open(path, "rb") as file, open_archive(file, where) as archive:
            arrays: Archive = {}
            for each in names:
                found, stat = find_member(archive, file, each, where), os.fstat(file.fileno())
                inside, begin, size = f"{where}, array {each!r}", found.begin, found.info.file_size
                if found.stored:
                    arrays[each] = member(file.fileno(), path, inside, stat, begin, size)
                    continue
                header, stored = read_header(archive, found.info, inside), False
                shard = FileShard(path, FileMark.of_stat(stat), begin, found.info.compress_size)
                arrays[each] = Member(path, inside, header, shard)
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror}") from error
    rows = {each: found.header.rows for each, found in arrays.items()}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{each!r} {count:,}" for each, count in rows.items())
        raise DataError(f"the arrays of {where} differ in their number of rows: {counts}")
    return arrays, stored
