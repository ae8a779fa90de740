"""`zarr`: arrays in Zarr stores (folders or zip archives), read in runs of rows that follow their chunks."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Protocol

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.optional import require
from streamfit._base.specs import Array
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stores.array_store import ArrayForm, ArrayStore, MissingChunks
from streamfit.streams.stores.columns import Columns
from streamfit.streams.stores.open_files import OpenFiles
from streamfit.streams.stores.paths import Paths, natural
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.streams.stores.zarr_files import FolderTree, Tree, ZarrArray, ZipTree, array_in, check_chunk

_METADATA = ("zarr.json", ".zgroup", ".zarray")
_SHOWN = 100  # names in a message


def zarr(
    paths: Paths,
    x: Columns = "x",
    y: Columns | None = "y",
    sample_weight: str | None = None,
    *,
    missing_chunks: MissingChunks = "error",
    name: str = "zarr",
) -> Pipeline:
    """Make a pipeline of the rows of arrays in Zarr stores, of version 2 or 3.

    Rows are read in runs of whole chunks, about 2 MiB of them. `shuffle` permutes these runs and shuffles
    their rows within as many of them as fit into 64 MiB, or hold ``buffer_size`` rows, so each chunk is
    decoded once in a pass. Text becomes `str` objects. Codecs are zstd, blosc, gzip, zlib, shuffle, delta,
    transpose, crc32c, shards and texts; others are refused, among them those that make objects. Needs the
    extra ``zarr``.

    Args:
        paths: A store (a folder such as ``cells.zarr``, or a zip archive), a glob, a folder with such stores,
            or several of them.
        x: The arrays of x, by their paths in the store: a name (``""`` for a store that is one array); names,
            for a dictionary of them; or a dictionary from inputs to names, where several names for one input
            become a matrix.
        y: Those of y, likewise (several become a matrix), or None.
        sample_weight: The array of sample_weight, or None.
        missing_chunks: What chunks mean that are not there: ``'error'``, or ``'fill'`` for the fill value of
            the array. The Zarr library leaves out chunks that hold nothing else, unless they are written with
            ``config={"write_empty_chunks": True}``; so a chunk that was lost looks the same.
        name: What to call the data in messages.

    Raises:
        FileNotFoundError: There is no such store.
        ValueError: An array is not there, or an argument is none of these.
        DataError: A store cannot be read, has codecs or links that are refused, or arrays of one store differ
            in their number of rows.

    Example:
        >>> import pathlib, tempfile
        >>> import zarr as z
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "cells.zarr")
        >>> group = z.open_group(path, mode="w")
        >>> _ = group.create_array("x", data=np.ones((4, 2), "float32"), chunks=(2, 2))
        >>> _ = group.create_array("y", data=np.arange(1, 5), chunks=(2,))
        >>> zarr(path)
        zarr('zarr', 1 file, 4 rows)
        >>> next(iter(zarr(path).batch(2)))
        (array([[1., 1.],
               [1., 1.]], dtype=float32), array([1, 2]))
        >>> holder.cleanup()
    """
    zarr_package()
    files = find_stores(paths)
    return Pipeline(StoreRows(ZarrStore(files, x, y, sample_weight, missing_chunks, name)), name)


def zarr_package() -> ModuleType:
    """Return Zarr.

    Raises:
        MissingExtraError: It is not installed; the message names the extra.
    """
    return require("zarr", "zarr")


def find_stores(paths: Paths) -> list[str]:
    """Return the Zarr stores that `paths` name, in a fixed order.

    Raises:
        TypeError: `paths` are no paths.
        FileNotFoundError: A store is not there, or a folder has none.
        ValueError: The list is empty, or names a store twice.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if not isinstance(paths, Iterable):
        raise TypeError(f"zarr() needs a path, a glob, a folder or a list of them, got {paths!r}")
    found: list[str] = []
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"zarr() needs paths, got {path!r} in the list")
        found += _stores_at(os.fspath(path))
    if not found:
        raise ValueError("zarr(): the list of paths is empty")
    if len(set(found)) < len(found):
        twice = next(path for path in found if found.count(path) > 1)
        raise ValueError(f"zarr(): {twice!r} is named twice, so its samples would come twice in a pass")
    return found


def _stores_at(path: str) -> list[str]:
    if _is_store(path):
        return [path]
    if os.path.isdir(path):
        inside = [os.path.join(path, name) for name in os.listdir(path) if name[0] not in "._"]
        what = f"the folder {path!r} is no Zarr store and has none in it"
    elif os.path.exists(path):
        raise DataError(f"{path!r} is no Zarr store: neither a folder with metadata nor a zip archive")
    else:
        inside = glob.glob(path, recursive=True) if glob.has_magic(path) else []
        what = f"there is no store {path!r}"
    found = sorted(filter(_is_store, inside), key=natural)
    if not found:
        raise FileNotFoundError(f"zarr(): {what}")
    return found


def _is_store(path: str) -> bool:
    if os.path.isdir(path):
        return any(os.path.isfile(os.path.join(path, name)) for name in _METADATA)
    return path.endswith(".zip") and os.path.isfile(path)


class ZarrStore(ArrayStore):
    """Rows of arrays in Zarr stores; for its arguments see `zarr`."""

    format = "zarr"

    def __init__(
        self,
        files: Sequence[str],
        x: Columns,
        y: Columns | None,
        sample_weight: str | None,
        missing_chunks: MissingChunks,
        name: str,
    ) -> None:
        self._open_files = OpenFiles(_ZarrFile, per_thread=False)
        super().__init__(files, x, y, sample_weight, missing_chunks, name)
        self._open_files.clear()

    def _watched(self, path: str) -> list[str]:
        if not os.path.isdir(path):
            return [path]
        return [os.path.join(path, name) for name in _METADATA if os.path.isfile(os.path.join(path, name))]

    def _available(self, path: str) -> list[str]:
        return self._open_files.get(path).names()

    def _form_of(self, path: str, name: str) -> ArrayForm | None:
        return self._open_files.get(path).form(name)

    def _read(self, path: str, name: str, start: int, stop: int) -> Array:
        return self._open_files.get(path).rows(name, start, stop, fills=self.fills)

    def close(self) -> None:
        """Close the files."""
        self._open_files.clear()


class ReadableArray(Protocol):
    """What is used of an array of the Zarr library."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Its dtype."""
        ...

    def __getitem__(self, rows: slice, /) -> object:
        """Return some of its rows."""
        ...


class _ZarrFile:
    """An open store."""

    def __init__(self, path: str, other: _ZarrFile | None) -> None:
        self._path = path
        folder = os.path.isdir(path)
        self._tree: Tree = FolderTree(path) if folder else ZipTree(path)
        storage = zarr_package().storage
        self._store: object = (
            storage.LocalStore(path, read_only=True) if folder else storage.ZipStore(path, mode="r")
        )
        self._found: dict[str, tuple[ZarrArray, ReadableArray, bytes]] = {}

    def names(self) -> list[str]:
        """Return the names of arrays, up to a hundred."""
        found = []
        for key in self._tree.keys():  # noqa: SIM118 - it is no mapping
            name = key.rpartition("/")[0]
            try:
                known = array_in(self._tree, name, repr(self._path))
            except DataError:
                continue
            if known is not None:
                found.append(name)
            if len(found) == _SHOWN:
                break
        return sorted(found)

    def form(self, name: str) -> ArrayForm | None:
        """Return the form of an array, None without it."""
        if array_in(self._tree, name, repr(self._path)) is None:
            return None
        said, array = self._array(name)
        dtype = np.dtype(object) if said.text or array.dtype.kind in "UT" else array.dtype.newbyteorder("=")
        if dtype.kind != "O" and not (dtype.kind in "biuf" and dtype.itemsize <= 8):
            raise DataError(
                f"{name!r} of {self._path!r} holds {array.dtype}, which are no numbers and no text"
            )
        return ArrayForm(said.shape, dtype, said.chunk)

    def _array(self, name: str) -> tuple[ZarrArray, ReadableArray]:
        """Return an array as it describes itself, and as the Zarr library reads it."""
        said = array_in(self._tree, name, repr(self._path))
        if said is None:
            raise DataError(f"{name!r} is not there any more")
        content = self._tree.read(said.metadata, 0, self._tree.size(said.metadata) or 0)
        known = self._found.get(name)
        if known is not None:
            if known[2] != content:
                raise DataError(f"{said.metadata!r} was changed after it was opened")
            return known[0], known[1]
        try:
            array = zarr_package().open_array(
                store=self._store, path=name, mode="r", zarr_format=said.version
            )
        except Exception as error:  # codecs and the library raise of any kind
            raise self._damaged(name, error) from None
        self._found[name] = said, array, content
        return said, array

    def rows(self, name: str, start: int, stop: int, *, fills: bool) -> Array:
        """Read rows, after a look at their chunks."""
        said, array = self._array(name)
        for key in said.keys(start, stop):
            if self._tree.size(key) is not None:
                check_chunk(self._tree, said, key, 80 if said.text else array.dtype.itemsize)
            elif not fills:
                raise DataError(
                    f"{name!r} has no chunk {key!r}. If it holds the fill value alone, and so was not "
                    "written, pass missing_chunks='fill'; else it was lost"
                )
        try:
            found = np.asarray(array[start:stop])
        except Exception as error:  # as above
            raise DataError(f"{name!r} cannot be read: {type(error).__name__}: {error}") from None
        return found.astype(object) if found.dtype.kind in "UTO" else found

    def _damaged(self, name: str, error: BaseException) -> DataError:
        return DataError(f"{name!r} of {self._path!r} cannot be read: {type(error).__name__}: {error}")
