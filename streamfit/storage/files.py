"""Safetensors files: written whole or not at all, read without running anything."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from safetensors import safe_open
from safetensors.numpy import save

from streamfit._base.specs import Array

_ENDING = ".safetensors"
_OPEN_FILES = "/proc/self/fd"


def checked_path(filepath: str | os.PathLike[str]) -> Path:
    """Return the path of a safetensors file.

    Raises:
        ValueError: It has another ending.
    """
    path = Path(os.fspath(filepath))
    if path.suffix != _ENDING:
        raise ValueError(
            f"weights are written as safetensors; the path must end in {_ENDING!r}, got {str(path)!r}. "
            f"Write {stem(path.name) + _ENDING!r}."
        )
    return path


def stem(name: str) -> str:
    """Take the ending of another format off a name, which may be a pattern with fields in it.

    Example:
        >>> stem("w.weights.h5"), stem("w.{epoch:02d}-{val_loss:.2f}")
        ('w', 'w.{epoch:02d}-{val_loss:.2f}')
    """
    while "." in name.strip(".") and (ending := name.rpartition(".")[2]).isalnum() and ending.islower():
        name = name.rpartition(".")[0]
    return name


def serialized(arrays: dict[str, Array], metadata: dict[str, str]) -> list[bytes | memoryview]:
    """Return the content of a safetensors file in two parts; equal arrays and metadata give equal bytes."""
    data = save(arrays, metadata)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(metadata.items()))  # else in an order that differs each time
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little") + text, memoryview(data)[8 + size :]]


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing; at any moment there is the old one or the new one, in the end on the disk.

    While it is written it has no name, where the file system allows that: a process that is killed leaves
    nothing, except in the moment after the file gets a name and before it replaces the old one.
    """
    path = path.resolve()  # what a link leads to is written, and the link stays
    name = path.parent / f".{path.name}.{secrets.token_hex(6)}"
    try:
        with _open_new(name) as file:
            with contextlib.suppress(FileNotFoundError):  # who may read the old file may read the new one
                os.fchmod(file.fileno(), stat.S_IMODE(os.stat(path).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            _give_name(file.fileno(), name)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync_folder(path.parent)


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file of parts, whole or not at all; see `whole_file`."""
    with whole_file(path) as file:
        for part in parts:
            file.write(part)


def _open_new(name: Path) -> BinaryIO:
    """Open a new file in the folder of `name`: without a name if that can be, else with this one."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir(_OPEN_FILES):
        with contextlib.suppress(OSError):  # not on this file system; any other error comes again below
            return open(os.open(name.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), "w+b")
    return open(name, "x+b")


def _give_name(fd: int, name: Path) -> None:
    """Give an open file its name, unless it has it."""
    if os.fstat(fd).st_nlink == 0:
        # The path needs no descriptor to start from; without one, Python would not follow the link.
        os.link(f"{_OPEN_FILES}/{fd}", name, src_dir_fd=fd, follow_symlinks=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def existing_path(filepath: str | os.PathLike[str]) -> Path:
    """Return the path of a safetensors file that is there.

    Raises:
        ValueError: It has another ending.
        FileNotFoundError: There is no such file.
    """
    path = checked_path(filepath)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the metadata and the arrays of a file; errors of a damaged file come from the reader."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        return file.metadata() or {}, arrays
