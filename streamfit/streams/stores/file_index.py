"""`FileIndex`: what was found out about many files, kept on disk, so that nothing is looked at twice.

An index is a file of plain numbers in the user's cache folder. It belongs to the list of files, and to each
file as it was: its size, the time when it was written, its number on the disk. If any of these differs, the
files are looked at again. Where there is no such folder, nothing is kept. To be without it, set
``STREAMFIT_FILE_INDEX=0`` in the environment.

Guarantee kept here: a damaged or old index is not used, and what is read of a file is checked against it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.stores.paths import FileMark

_FORMAT = "1"
_KEPT = 200  # files with an index; the oldest are removed
_FROM = 16  # fewer files are looked at as quickly


class FileIndex:
    """The index of some files.

    Args:
        files: Their paths.
        marks: What each is known by now.
        settings: What else the found numbers depend on, such as format, columns and filters.
    """

    def __init__(self, files: Sequence[str], marks: Sequence[FileMark], settings: str) -> None:
        words = json.dumps([_FORMAT, settings, [os.path.abspath(path) for path in files]])
        self._name = f"{hashlib.blake2b(words.encode(), digest_size=16).hexdigest()}.npz"
        self._marks = np.array([(mark.size, mark.modified, mark.inode) for mark in marks], np.uint64)
        self._wanted = len(files) >= _FROM

    def load(self) -> dict[str, Array] | None:
        """Return the numbers that were saved, or None where there are none for these files as they are."""
        if not self._wanted:
            return None
        for folder in _folders():
            with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                with open(folder / self._name, "rb") as file, np.load(file, allow_pickle=False) as found:
                    arrays = {name: found[name] for name in found.files}
                marks = arrays.pop("marks")
                if marks.dtype == self._marks.dtype and np.array_equal(marks, self._marks):
                    return arrays
        return None

    def save(self, arrays: dict[str, Array]) -> None:
        """Keep numbers for the next time, where there is a place for them."""
        if not self._wanted:
            return
        for folder in _folders():
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                part = folder / f".{self._name}.{secrets.token_hex(4)}"
                try:
                    with open(part, "xb") as file:
                        np.savez(file, allow_pickle=False, marks=self._marks, **arrays)
                    os.replace(part, folder / self._name)
                finally:
                    part.unlink(missing_ok=True)
                _prune(folder)
                return


def _folders() -> Iterator[Path]:
    if os.environ.get("STREAMFIT_FILE_INDEX", "1").strip() == "0":
        return
    with contextlib.suppress(RuntimeError):  # there is no home
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        home = named if named.is_absolute() else Path.home() / ".cache"
        if home.is_absolute():
            yield home / "streamfit" / "files"


def _prune(folder: Path) -> None:
    """Remove the indexes that were written longest ago."""
    found = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[_KEPT:]:
        path.unlink(missing_ok=True)
