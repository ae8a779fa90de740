"""Model files of this library: a zip of plain members, written whole or not at all, read with suspicion.

Members are not compressed, so that a file never holds more than its size; their names are known.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamfit.storage.files import whole_file

Content = Sequence[bytes | memoryview]
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that zip knows: equal models give equal files
_READABLE = 0o644 << 16
_CHUNK = 1 << 24


def write_archive(path: Path, members: Mapping[str, Content]) -> None:
    """Write a zip of members; a crash at any moment leaves the old file or the new one.

    Args:
        path: The file.
        members: Parts of each member by its name.
    """
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, parts in members.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = _READABLE
            with archive.open(info, "w", force_zip64=True) as member:
                for part in parts:
                    view = memoryview(part)
                    for start in range(0, len(view), _CHUNK):
                        member.write(view[start : start + _CHUNK])


def read_archive(path: Path, names: re.Pattern[str], what: str) -> tuple[dict[str, bytes], int]:
    """Read all members of a zip.

    Args:
        path: The file.
        names: What the name of a member must match.
        what: What the file should be, for messages.

    Returns:
        The members by name, and the size of the file in bytes.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such zip, is damaged, or has members that it should not have.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would mean to wait
        raise ValueError(f"{path} is no regular file, so no {what}")
    with open(path, "rb") as file:
        state = os.fstat(file.fileno())
        try:
            with zipfile.ZipFile(file) as archive:
                check_members(path, archive, names, state.st_size)
                return {info.filename: archive.read(info) for info in archive.infolist()}, state.st_size
        except (
            zipfile.BadZipFile,
            EOFError,
            NotImplementedError,
            RuntimeError,
            OSError,
            OverflowError,
        ) as error:
            raise ValueError(
                f"{path} is not a whole {what}: {error or type(error).__name__}; use another copy"
            ) from error


def check_members(path: Path, archive: zipfile.ZipFile, names: re.Pattern[str], size: int) -> None:
    """Refuse a zip with members that a model file does not have.

    Raises:
        ValueError: A name that is unknown or there twice, a member that is compressed, encrypted or no
        file, or
            members larger than the file.
    """
    seen: set[str] = set()
    total = 0
    for info in archive.infolist():
        mode = info.external_attr >> 16
        if info.filename in seen:
            raise ValueError(f"{path} has two members called {info.filename!r}")
        if info.orig_filename != info.filename or not names.fullmatch(info.filename):
            raise ValueError(f"{path} has a member {info.orig_filename!r}, which no model file has")
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            raise ValueError(f"{path}: the member {info.filename!r} is no regular file")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ValueError(
                f"{path}: the member {info.filename!r} is compressed or encrypted; model files are not"
            )
        seen.add(info.filename)
        total += info.file_size
    if total > size:
        raise ValueError(f"{path} says that its members have {total} bytes, more than its {size}")
