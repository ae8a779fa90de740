"""Weights in safetensors files, with a digest over their content."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from streamfit._base.specs import Array
from streamfit.ops import Variable
from streamfit.storage.checksum import digest
from streamfit.storage.files import checked_path, existing_path, read_tensors, serialized, write_whole

_FORMAT = "streamfit weights"


def save_weights(
    weights: Sequence[tuple[str, Array]], filepath: str | os.PathLike[str], overwrite: bool
) -> None:
    """Write weights; a crash at any moment leaves the old file or the new one.

    Args:
        weights: (path within the file, array).
        filepath: Path that ends in ``.safetensors``.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: Another ending.
        FileExistsError: The file exists and `overwrite` is false.
    """
    path = checked_path(filepath)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")
    arrays = dict(weights)
    write_whole(path, serialized(arrays, _metadata(arrays)))


def check_weights_path(filepath: str | os.PathLike[str]) -> None:
    """Raise the error that `save_weights` would raise for a path with another ending."""
    checked_path(filepath)


def _metadata(arrays: dict[str, Array]) -> dict[str, str]:
    return {"format": _FORMAT, "digest": digest(arrays)}


def read_weights(weights: Sequence[tuple[str, Variable]], filepath: str | os.PathLike[str]) -> list[Array]:
    """Read the arrays that belong to weights, in their order; nothing is returned unless everything fits.

    Args:
        weights: (path within the file, variable).
        filepath: A file that `save_weights` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or its weights are not the model's.
    """
    path = existing_path(filepath)
    try:
        metadata, arrays = read_tensors(path)
    except Exception as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    _check_digest(metadata, arrays, path)
    _check(dict(weights), arrays, path)
    return [arrays[name] for name, _ in weights]


def _check_digest(metadata: dict[str, str], arrays: dict[str, Array], path: Path) -> None:
    """Compare the content with the digest; files of other programs have none."""
    ours = "digest" in metadata or metadata.get("format") == _FORMAT
    if ours and metadata != _metadata(arrays):
        raise ValueError(f"{path} is damaged: its content does not match its digest; use another copy")


def _check(weights: dict[str, Variable], arrays: dict[str, Array], path: Path) -> None:
    missing, extra = [n for n in weights if n not in arrays], [n for n in arrays if n not in weights]
    if missing or extra:
        raise ValueError(
            f"{path} was written for another model: it holds {len(arrays)} weights, the model has "
            f"{len(weights)}; missing in the file: {missing[:5]}, not in the model: {extra[:5]}"
        )
    for name, weight in weights.items():
        if arrays[name].shape != weight.memory.shape:
            raise ValueError(
                f"weight {name} has shape {arrays[name].shape} in {path}, but {weight.memory.shape} in the "
                "model"
            )
