"""Models written to and read from file objects, such as `io.BytesIO`.

A file object has no ending that says the form: models are written in the own form, and when one is read its
first bytes say which form it has. In between is a file of a folder that only this user can read.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_HDF5 = b"\x89HDF\r\n\x1a\n"


@contextmanager
def written(file: BinaryIO) -> Iterator[Path]:
    """Yield a path to write a model to; what is there behind the block is copied to a file object."""
    with tempfile.TemporaryDirectory(prefix="streamfit-") as folder:
        path = Path(folder) / "model.streamfit"
        yield path
        with path.open("rb") as source:
            shutil.copyfileobj(source, file)


@contextmanager
def read(file: BinaryIO) -> Iterator[Path]:
    """Yield the path of a file with the rest of a file object, whose ending says its form."""
    with tempfile.TemporaryDirectory(prefix="streamfit-") as folder:
        path = Path(folder) / "model"
        with path.open("wb") as target:
            shutil.copyfileobj(file, target)
        yield path.rename(path.with_suffix(_ending(path)))


def _ending(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(_HDF5)) == _HDF5:
            return ".h5"
    try:
        with zipfile.ZipFile(path) as archive:
            of_keras = "config.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        of_keras = False  # the reader of the own form says what is wrong
    return ".keras" if of_keras else ".streamfit"
