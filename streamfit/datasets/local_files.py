"""Files of data sets: where they are looked for, and what to say when they are not there."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

import numpy as np

from streamfit._base.errors import DataError, NoFileError
from streamfit._base.specs import Array

Split = tuple[Array, Array]
Splits = tuple[Split, Split]
"""Samples and targets for training, and those for tests."""


def find_local(path: str | os.PathLike[str], names: Sequence[str], address: str) -> str:
    """Return the path of a file or folder of a data set.

    Args:
        path: What the user gave: a path, or a name that is looked for here and in ``~/.keras/datasets``
            (``KERAS_HOME`` sets another folder than ``~/.keras``).
        names: Other names that the file may have in a folder that was given.
        address: Where it can be downloaded.

    Raises:
        NoFileError: There is none.
    """
    given = os.path.expanduser(os.fspath(path))
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    tried = [given]
    if not os.path.isabs(given):
        tried.append(os.path.join(home, "datasets", given))
    for place in tried:
        if os.path.isdir(place):
            inside = [os.path.join(place, name) for name in names]
            return next((found for found in inside if os.path.exists(found)), place)
        if os.path.exists(place):
            return place
    raise NoFileError(
        f"there is no file {' or '.join(map(repr, tried))}. This library does not download by itself: get "
        f"{address}, and write path= where it is, or put it into {os.path.join(home, 'datasets')!r}"
    )


def load_npz(path: str, names: Sequence[str], *, objects: bool = False) -> list[Array]:
    """Return arrays of an archive.

    Args:
        path: The archive.
        names: Those of the arrays.
        objects: Whether they are arrays of lists, which are pickled; see `unpickle`.

    Raises:
        DataError: It is no archive, or has no such arrays.
    """
    try:
        if objects:
            with zipfile.ZipFile(path) as archive:
                return [_pickled_array(archive, name) for name in names]
        with np.load(path, allow_pickle=False) as found:
            return [found[name] for name in names]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path!r} is no archive with the arrays {list(names)}: {type(error).__name__}: {error}; "
            "download it again"
        ) from None


def _pickled_array(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[version](file)
        if not dtype.hasobject:
            raise DataError(f"{archive.filename!r}: {name!r} is of dtype {dtype} and should hold lists")
        made = unpickle(file, f"{archive.filename!r}, array {name!r}")
    if not isinstance(made, np.ndarray) or made.shape != shape:
        raise DataError(f"{archive.filename!r}: {name!r} is not of the shape {shape} that it says")
    return made


_ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
}


class _ArraysAlone(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def unpickle(file: IO[bytes], where: str) -> object:
    """Return what was pickled, if that is numbers, text, lists, dictionaries and arrays alone.

    A pickle can name any function of any module to be called. Here a pickle that names others than those
    that arrays are made with is refused before anything is called.

    Args:
        file: The file.
        where: The file in words.

    Raises:
        DataError: It asks for something else, or is damaged.
    """
    try:
        return _ArraysAlone(file, encoding="bytes").load()
    except Exception as error:  # whatever bytes make of the module that reads them
        raise DataError(
            f"{where} is no data set as it was published: {type(error).__name__}: {error}; download it again"
        ) from None
