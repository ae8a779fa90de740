"""Safetensors files: written whole or not at all, read without running anything."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from safetensors import safe_open

from streamfit._base.specs import Array

_ENDING = ".safetensors"


def checked_path(filepath: Any) -> Path:
    """Return the path of a safetensors file.

    Raises:
        ValueError: It has another ending.
    """
    path = Path(os.fspath(filepath))
    if path.suffix != _ENDING:
        raise ValueError(
            f"weights are written as safetensors; the path must end in {_ENDING!r}, got {str(path)!r}. "
            f"Write {path.name.split('.')[0] + _ENDING!r}."
        )
    return path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that at any moment there is the old one or the new one, in the end on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def existing_path(filepath: Any) -> Path:
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
    """Return the metadata and the arrays of a file; what a damaged file raises is the reader's."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        return file.metadata() or {}, arrays
