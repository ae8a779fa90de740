"""Names of files, as a user writes them: a file, a folder, a pattern, or a list of these.

Guarantees kept here: files come in one order, whatever the file system says: that of a list, and within a
folder or a pattern the natural order, in which ``x_2`` comes before ``x_10``; no file is read twice.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence

from streamfit._base.errors import DataError

Path = str | os.PathLike[str]
_NUMBER = re.compile(r"(\d+)")


def natural_order(path: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Return a key that sorts numbers in names by their value.

    Example:
        >>> sorted(["x_10.npy", "x_2.npy", "x_02.npy"], key=natural_order)
        ['x_02.npy', 'x_2.npy', 'x_10.npy']
    """
    parts = [(part, part.isdecimal()) for part in _NUMBER.split(path) if part]
    return [(not digits, int(part) if digits else 0, "" if digits else part) for part, digits in parts], path


def is_path(value: object) -> bool:
    """Return whether a value is the name of a file."""
    return isinstance(value, (str, os.PathLike))


def find_files(given: Path | Sequence[Path], endings: tuple[str, ...], name: str) -> list[str]:
    """Return the absolute paths of files.

    Args:
        given: A file, a folder (its files with one of the endings, not those of folders in it), a pattern
            such as ``'train/x_*.npy'`` (``**`` stands for folders at any depth), or a list of these.
        endings: Endings of the files of a folder, in small letters: ``('.npy',)``.
        name: What to call them in messages.

    Raises:
        DataError: There is no such file, a folder holds none, or a file is given twice.

    Example:
        >>> find_files("nowhere/*.npy", (".npy",), "x")
        Traceback (most recent call last):
        streamfit._base.errors.DataError: x: no file matches 'nowhere/*.npy'
    """
    entries = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    if not entries:
        raise DataError(f"{name}: the list of files is empty")
    found = [path for entry in entries for path in _expand(os.fspath(entry), endings, name)]
    seen: set[str] = set()
    for path in found:
        if path in seen:
            raise DataError(f"{name}: {path!r} is given twice; each file is read once, so name it once")
        seen.add(path)
    return found


def _expand(path: str, endings: tuple[str, ...], name: str) -> list[str]:
    if "://" in path:
        raise DataError(f"{name}: {path!r} is an address, not a file; copy the file to a folder first")
    whole = os.path.abspath(path)
    if os.path.isdir(whole):
        inside = [entry for entry in os.listdir(whole) if entry.lower().endswith(endings) and entry[0] != "."]
        if not inside:
            raise DataError(
                f"{name}: the folder {path!r} holds no file that ends with {' or '.join(endings)}"
            )
        return [os.path.join(whole, entry) for entry in sorted(inside, key=natural_order)]
    if os.path.exists(whole):
        return [whole]
    if not glob.has_magic(path):
        raise DataError(f"{name}: there is no file {path!r}")
    matched = [match for match in glob.glob(whole, recursive=True) if not os.path.isdir(match)]
    if not matched:
        raise DataError(f"{name}: no file matches {path!r}")
    return sorted(matched, key=natural_order)
