"""Paths, globs and folders as lists of files, and the marks by which a changed file is known."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""A file, a glob such as ``'train/*.parquet'``, a folder, or several of them."""


def find_files(paths: Paths, endings: Sequence[str], caller: str) -> list[str]:
    """Return the files that `paths` name, in a fixed order.

    Files of a folder (and of the folders in it) and of a glob are sorted by name, numbers by their value:
    ``part-2`` comes before ``part-10``. Those of a list stay in its order. Names that begin with a dot or an
    underscore are left out in folders, as other programs do; links to folders are not followed.

    Args:
        paths: A file, a glob, a folder, or several of them.
        endings: Endings of the files that count in folders, such as ``('.parquet',)``.
        caller: What the user called, for messages.

    Raises:
        TypeError: `paths` are no paths.
        FileNotFoundError: A file is not there, a glob matches none, or a folder has none of these.
        ValueError: The list is empty, or names a file twice.
    """
    if isinstance(paths, (str, os.PathLike)):
        found = _files_of(os.fspath(paths), endings, caller)
    else:
        if not isinstance(paths, Iterable) or isinstance(paths, bytes) or hasattr(paths, "read"):
            raise TypeError(f"{caller} needs a path, a glob, a folder or a list of them, got {paths!r}")
        if is_mapping(paths) or hasattr(paths, "columns"):
            raise TypeError(
                f"{caller} needs paths, got a {type(paths).__name__}; what is open or in memory goes to "
                "files.table(...) or source(...)"
            )
        found = []
        for path in paths:
            if not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"{caller} needs paths, got {path!r} in the list")
            found += _files_of(os.fspath(path), endings, caller)
    if not found:
        raise ValueError(f"{caller}: the list of paths is empty")
    counts = Counter(map(os.path.abspath, found))
    if len(counts) < len(found):
        twice = next(path for path in found if counts[os.path.abspath(path)] > 1)
        raise ValueError(f"{caller}: {twice!r} is named twice, so its samples would come twice in a pass")
    return found


def absolute(files: Iterable[str]) -> list[str]:
    """Return paths that stay right when the program, or a worker, changes its folder."""
    return [os.path.abspath(path) for path in files]


def _files_of(path: str, endings: Sequence[str], caller: str) -> list[str]:
    if os.path.isdir(path):
        found = sorted(_below(path, tuple(endings)), key=natural)
        if not found:
            raise FileNotFoundError(
                f"{caller}: the folder {path!r} has no file that ends in {_words(endings)}"
            )
        return found
    if os.path.lexists(path):
        return [path]
    if glob.has_magic(path):
        found = sorted(
            (name for name in glob.iglob(path, recursive=True) if os.path.isfile(name)), key=natural
        )
        if not found:
            raise FileNotFoundError(f"{caller}: no file matches {path!r}")
        return found
    advice = ""
    if path.startswith("~"):
        advice = f"; write os.path.expanduser({path!r})"
    elif "://" in path:
        advice = "; only files that the system shows in a folder can be read: copy or mount it"
    raise FileNotFoundError(f"{caller}: there is no file {path!r}{advice}")


def _below(folder: str, endings: tuple[str, ...]) -> Iterable[str]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "._"]
        for name in names:
            if name[0] not in "._" and name.lower().endswith(endings):
                yield os.path.join(where, name)


def natural(path: str) -> list[tuple[int, int, str]]:
    """Return a key to sort names by, in which numbers count by their value.

    Example:
        >>> sorted(["part-10", "part-9", "part-b"], key=natural)
        ['part-9', 'part-10', 'part-b']
    """
    words = re.split(r"(\d+)", path)
    return [(0, int(word), word) if word.isdecimal() else (1, 0, word) for word in words if word]


def _words(endings: Sequence[str]) -> str:
    return " or ".join(map(repr, endings))


@dataclass(frozen=True, slots=True)
class FileMark:
    """What a file is known by: another file in its place, or one that was written to, has another mark."""

    size: int
    modified: int
    inode: int

    @classmethod
    def of(cls, path: str) -> FileMark:
        """Return the mark of a file now.

        Raises:
            OSError: It is not there.
        """
        return cls.of_stat(os.stat(path))

    @classmethod
    def of_stat(cls, found: os.stat_result) -> FileMark:
        """Return the mark of a file that the system was asked about."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)

    def check(self, path: str) -> None:
        """Check that a file is still the one that had this mark.

        Raises:
            DataError: It was replaced, changed or removed.
        """
        try:
            now = FileMark.of(path)
        except OSError as error:
            raise DataError(f"{path!r} cannot be read any more: {error.strerror}") from None
        if now != self:
            what = "replaced" if now.inode != self.inode else "changed"
            raise DataError(
                f"{path!r} was {what} after it was opened (it had {self.size:,} bytes and has {now.size:,}); "
                "files must stay as they are while they are read: write new ones under other names"
            )
