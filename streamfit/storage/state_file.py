"""Training states in safetensors files: arrays as tensors, everything else as JSON in the metadata.

A file is written whole or not at all, and has a digest over its content: a file that was damaged on disk is
refused and never trained on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from streamfit._base.plain import pack, unpack
from streamfit._base.specs import Array
from streamfit.storage.checksum import digest
from streamfit.storage.files import checked_path, existing_path, read_tensors, serialized, write_whole


def _metadata(arrays: dict[str, Array], facts: str) -> dict[str, str]:
    return {"format": "streamfit training state", "facts": facts, "digest": digest(arrays, facts)}


def write_state(
    arrays: dict[str, Array], facts: Mapping[str, object], filepath: str | os.PathLike[str]
) -> None:
    """Write a training state; a crash at any moment leaves the old file or the new one.

    Args:
        arrays: Arrays by name.
        facts: Values of the kinds that `pack` takes; arrays among them become tensors too.
        filepath: Path that ends in ``.safetensors``.

    Raises:
        TypeError: A value among the facts cannot be kept.
    """
    tensors = dict(arrays)
    plain = json.dumps(pack(facts, "the training state", tensors))
    metadata = _metadata(tensors, plain)
    tensors = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}
    write_whole(checked_path(filepath), serialized(tensors, metadata))


def read_state(filepath: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a training state.

    Returns:
        The arrays and the facts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or no training state.
    """
    path = existing_path(filepath)
    try:
        metadata, arrays = read_tensors(path)
        facts = metadata["facts"]
        whole = metadata == _metadata(arrays, facts)
    except Exception as error:
        raise ValueError(f"{path} is not a whole training state: {type(error).__name__}: {error}") from error
    if not whole:
        raise ValueError(f"{path} is damaged: its content does not match its digest; use an older backup")
    loaded: dict[str, Any] = unpack(json.loads(facts), arrays)
    return {name: array for name, array in arrays.items() if not name.startswith("fact/")}, loaded
