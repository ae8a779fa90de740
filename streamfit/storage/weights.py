"""Weights in safetensors files, with a digest over their content."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamfit._base.specs import Array
from streamfit.storage.checksum import digest
from streamfit.storage.files import existing_path, read_tensors, serialized, write_whole

_FORMAT = "streamfit weights"
_LAYERS = "layers"
Layers = Mapping[str, Sequence[str]]
"""The paths of the weights of each layer, in their order, by name of the layer."""


def save_weights(weights: Sequence[tuple[str, Array]], path: Path, layers: Layers) -> None:
    """Write weights; a crash at any moment leaves the old file or the new one.

    Args:
        weights: (path within the file, array).
        path: The file; ends in ``.safetensors``.
        layers: Which of them belong to which layer.
    """
    arrays = dict(weights)
    write_whole(path, serialized(arrays, _metadata(arrays, json.dumps(layers))))


def _metadata(arrays: dict[str, Array], layers: str | None) -> dict[str, str]:
    facts = {"format": _FORMAT, "digest": digest(arrays, layers or "")}
    return facts if layers is None else {**facts, _LAYERS: layers}


def read_weights(path: Path) -> tuple[dict[str, Array], dict[str, list[str]]]:
    """Read a file that `save_weights` wrote, or one of another program.

    Returns:
        The arrays by path, and the paths of each layer; of no layer where the file does not say it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged.
    """
    path = existing_path(path)
    try:
        metadata, arrays = read_tensors(path)
    except Exception as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    _check_digest(metadata, arrays, path)
    ours = metadata.get("format") == _FORMAT and _LAYERS in metadata
    return arrays, layers_of(json.loads(metadata[_LAYERS]) if ours else None)


def layers_of(described: object) -> dict[str, list[str]]:
    """Return the paths of the weights of each layer as a file describes them; of none if it does not.

    Example:
        >>> layers_of({"dense": ["0000/kernel"]}), layers_of(None)
        ({'dense': ['0000/kernel']}, {})
    """
    if not isinstance(described, dict):
        return {}
    return {str(name): [str(path) for path in paths] for name, paths in described.items()}


def _check_digest(metadata: dict[str, str], arrays: dict[str, Array], path: Path) -> None:
    """Compare the content with the digest; files of other programs have none."""
    ours = "digest" in metadata or metadata.get("format") == _FORMAT
    if ours and metadata != _metadata(arrays, metadata.get(_LAYERS)):
        raise ValueError(f"{path} is damaged: its content does not match its digest; use another copy")
