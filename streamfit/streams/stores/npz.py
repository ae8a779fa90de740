"""`npz`: arrays in archives of the format ``.npz``, one or many, as the base of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from streamfit._base.errors import DataError
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.sharded_rows import ShardedArray
from streamfit.streams.stores.npy import Member, Sharded, join, member, pipeline_of
from streamfit.streams.stores.paths import Paths, find_files
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
    ``np.savez`` wrote hold arrays as they are, and are read in place, as fast as ``.npy`` files.

    Args:
        paths: A path, a folder (its ``.npz`` files), a pattern, or a list of these; ordered as for `npy`.
        x: The name of an array; for several inputs a list of names, or a dictionary from the name of an input
            to the name of its array.
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
    wanted = [each for part in (x, y, sample_weight) for each in _names(part)]
    found = map(os.path.abspath, find_files(paths, (".npz",), "npz()"))
    archives = [_arrays(path, wanted) for path in found]
    parts = (x, "x"), (y, "y"), (sample_weight, "sample_weight")
    return pipeline_of([_array(part, role, archives) for part, role in parts], name)


def _array(part: Names | None, role: str, archives: Sequence[Mapping[str, Member]]) -> Sharded:
    def of(array: str, name: str) -> ShardedArray:
        return join((arrays[array] for arrays in archives), name)

    if part is None or isinstance(part, str):
        return None if part is None else of(part, role)
    if isinstance(part, Mapping):
        return {key: of(array, f"{role}[{key!r}]") for key, array in part.items()}
    return [of(array, f"{role}[{index}]") for index, array in enumerate(part)]


def _names(part: Names | None) -> list[str]:
    if part is None:
        return []
    if isinstance(part, str):
        return [part]
    names = list(part.values() if isinstance(part, Mapping) else part)
    if not names or not all(isinstance(each, str) for each in names):
        raise TypeError(f"arrays are called by their names, such as 'x' or ['a', 'b'], got {part!r}")
    return names


def _arrays(path: str, names: Sequence[str]) -> dict[str, Member]:
    """Look at arrays of an archive, without reading their values."""
    where = repr(path)
    try:
        with open(path, "rb") as file, open_archive(file, where) as archive:
            arrays: dict[str, Member] = {}
            for each in names:
                found, stat = find_member(archive, file, each, where), os.fstat(file.fileno())
                inside = f"{where}, array {each!r}"
                arrays[each] = member(file.fileno(), path, inside, stat, found.begin, found.info.file_size)
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror}") from error
    rows = {each: found.header.rows for each, found in arrays.items()}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{each!r} {count:,}" for each, count in rows.items())
        raise DataError(f"the arrays of {where} differ in their number of rows: {counts}")
    return arrays
