"""Weights in safetensors files: written whole or not at all, read without running anything."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save

from streamfit._base.specs import Array
from streamfit.saving.digest import digest

_ENDING = ".safetensors"
_FORMAT = "streamfit weights"
Paths = Sequence[tuple[str, Any]]


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


def save_weights(weights: Paths, filepath: Any, overwrite: bool) -> None:
    """Write weights; a crash at any moment leaves the old file or the new one.

    Args:
        weights: (path within the file, variable).
        filepath: Path that ends in ``.safetensors``.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: Another ending.
        FileExistsError: The file exists and `overwrite` is false.
    """
    path = checked_path(filepath)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")
    arrays = {name: weight.numpy() for name, weight in weights}
    write_whole(path, save(arrays, _metadata(arrays)))


def _metadata(arrays: dict[str, Array]) -> dict[str, str]:
    return {"format": _FORMAT, "digest": digest(arrays)}


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


def load_weights(weights: Paths, filepath: Any) -> None:
    """Read weights; nothing is changed unless everything fits.

    Args:
        weights: (path within the file, variable).
        filepath: A file that `save_weights` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or its weights are not the model's.
    """
    path = checked_path(filepath)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    _check_digest(metadata, arrays, path)
    _check(dict(weights), arrays, path)
    for name, weight in weights:
        weight.assign(arrays[name])


def _check_digest(metadata: dict[str, str], arrays: dict[str, Array], path: Path) -> None:
    """Compare what was read with what was written; files of other programs have no digest."""
    ours = "digest" in metadata or metadata.get("format") == _FORMAT
    if ours and metadata != _metadata(arrays):
        raise ValueError(f"{path} is damaged: its content does not match its digest; use another copy")


def _check(weights: dict[str, Any], arrays: dict[str, Array], path: Path) -> None:
    missing, extra = [n for n in weights if n not in arrays], [n for n in arrays if n not in weights]
    if missing or extra:
        raise ValueError(
            f"{path} was written for another model: it holds {len(arrays)} weights, the model has "
            f"{len(weights)}; missing in the file: {missing[:5]}, not in the model: {extra[:5]}"
        )
    for name, weight in weights.items():
        if arrays[name].shape != weight.value.shape:
            raise ValueError(
                f"weight {name} has shape {arrays[name].shape} in {path}, but {weight.value.shape} in the "
                "model"
            )
