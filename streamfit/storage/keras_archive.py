"""The ``.keras`` file of Keras 3: a zip of a description, weights in HDF5, and vocabularies as lines of text.

Read and written in memory; see `streamfit.storage.hdf5` for the weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamfit.storage.archive import Content, read_archive, write_archive
from streamfit.storage.hdf5 import Hdf5Content, check_installed, hdf5_bytes, read_hdf5

KERAS_ENDING = ".keras"
KERAS_VERSION = "3.15.1"
"""The release whose form is written."""
ASSETS = "assets/"
_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_PART = r"(?!\.{1,2}(?:/|$))[^/\\\x00]+"
_NAMES = re.compile(rf"metadata\.json|config\.json|model\.weights\.h5|assets/{_PART}(?:/{_PART})*")


@dataclass
class KerasFile:
    """What is in a ``.keras`` file.

    Attributes:
        config: The description of the model, as Keras has it.
        weights: Weights of layers and of the optimizer.
        assets: Other members by path, without ``assets/`` in front.
        size: Bytes of the file that it was read from; 0 for one that was not.
    """

    config: dict[str, Any]
    weights: Hdf5Content
    assets: dict[str, bytes] = field(default_factory=dict)
    size: int = 0


def write_keras_file(path: Path, content: KerasFile) -> None:
    """Write a ``.keras`` file, whole or not at all.

    Raises:
        MissingExtraError: h5py is not installed.
    """
    # The date is that of the members, a constant: equal models give equal files.
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": "1980-01-01@00:00:00",
        "written_by": "streamfit",
    }
    members: dict[str, Content] = {
        _METADATA: [json.dumps(metadata).encode()],
        _CONFIG: [json.dumps(content.config).encode()],
        _WEIGHTS: [hdf5_bytes(content.weights)],
    }
    members.update((f"{ASSETS}{name}", [data]) for name, data in content.assets.items())
    write_archive(path, members)


def read_keras_file(path: Path) -> KerasFile:
    """Read a ``.keras`` file.

    Raises:
        FileNotFoundError: There is no such file.
        MissingExtraError: h5py is not installed.
        ValueError: It is no such file, or is damaged.
    """
    check_installed()
    members, size = read_archive(path, _NAMES, "model file of Keras")
    if _CONFIG not in members or _WEIGHTS not in members:
        raise ValueError(f"{path} is no model file of Keras 3: it has the members {sorted(members)}")
    config = parsed_object(members[_CONFIG], f"{path}: the member {_CONFIG!r}")
    weights = read_hdf5(members[_WEIGHTS], f"{path}: {_WEIGHTS}")
    return KerasFile(config, weights, _assets(members), size)


def _assets(members: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix(ASSETS): data for name, data in members.items() if name.startswith(ASSETS)}


def parsed_object(text: str | bytes, where: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Raises:
        ValueError: It is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{where} is damaged: it is no JSON object")
    return found
