"""The ``.streamfit`` file: a zip of a description as JSON, weights as safetensors, vocabularies as JSON
lists.

Reading it runs no code from it, imports nothing that it names and opens no other file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load

from streamfit._base.specs import Array
from streamfit.storage.archive import Content, read_archive, write_archive
from streamfit.storage.checksum import digest
from streamfit.storage.files import serialized

ENDING = ".streamfit"
VERSION = 1
"""Of the form of the file; a library reads files of its own version and of all before it."""
_FORMAT = "streamfit model"
_DESCRIPTION, _WEIGHTS = "model.json", "weights.safetensors"
_NAMES = re.compile(r"model\.json|weights\.safetensors|vocabularies/[0-9]{1,6}\.json", re.ASCII)
_VOCABULARY = "$vocabulary"
_LONG = 64


@dataclass
class ModelFile:
    """What is in a model file.

    Attributes:
        description: Plain values: the model, how it was compiled.
        arrays: Weights and the state of the optimizer by name.
        size: Bytes of the file that it was read from; 0 for one that was not.
    """

    description: dict[str, Any]
    arrays: dict[str, Array]
    size: int = 0


def write_model(path: Path, content: ModelFile) -> None:
    """Write a model file, whole or not at all; equal content gives equal bytes.

    Raises:
        TypeError: The description holds something else than plain values.
    """
    vocabularies: dict[str, bytes] = {}
    description = _without_vocabularies(content.description, vocabularies)
    text = json.dumps({"format": _FORMAT, "version": VERSION, **description}, indent=1).encode()
    arrays = {
        name: np.ascontiguousarray(array).reshape(array.shape) for name, array in content.arrays.items()
    }
    members: dict[str, Content] = {_DESCRIPTION: [text]}
    members.update((name, [data]) for name, data in vocabularies.items())
    members[_WEIGHTS] = serialized(arrays, {"digest": digest(arrays)})
    write_archive(path, members)


def _without_vocabularies(value: Any, found: dict[str, bytes]) -> Any:
    if isinstance(value, dict):
        if _VOCABULARY in value:
            raise TypeError(f"the key {_VOCABULARY!r} stands for something else in a model file")
        return {key: _without_vocabularies(item, found) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) >= _LONG and all(type(item) is str for item in value):
            name = f"vocabularies/{len(found)}.json"
            found[name] = json.dumps(value).encode()
            return {_VOCABULARY: name}
        return [_without_vocabularies(item, found) for item in value]
    return value


def read_model(path: Path) -> ModelFile:
    """Read a model file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no model file, is damaged, or is of a newer version.
    """
    members, size = read_archive(path, _NAMES, "model file of streamfit")
    if _DESCRIPTION not in members or _WEIGHTS not in members:
        raise ValueError(f"{path} is no model file of streamfit: it has the members {sorted(members)}")
    description = _parsed(path, _DESCRIPTION, members)
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is no model file of streamfit: its {_DESCRIPTION} does not say that it is one"
        )
    version = description.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(
            f"{path} is a model file of version {version!r}, this library reads versions up to {VERSION}; "
            "install "
            "the release of streamfit that wrote it, or a newer one"
        )
    arrays = _arrays(path, members[_WEIGHTS])
    return ModelFile(_with_vocabularies(path, description, members), arrays, size)


def _parsed(path: Path, name: str, members: Mapping[str, bytes]) -> Any:
    try:
        return json.loads(members[name])
    except (ValueError, RecursionError, KeyError) as error:
        raise ValueError(f"{path}: the member {name!r} is damaged: {error}") from error


def _with_vocabularies(path: Path, value: Any, members: Mapping[str, bytes]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_VOCABULARY}:
            found = _parsed(path, str(value[_VOCABULARY]), members)
            if not isinstance(found, list) or not all(type(item) is str for item in found):
                raise ValueError(f"{path}: the member {value[_VOCABULARY]!r} is no list of words")
            return found
        return {key: _with_vocabularies(path, item, members) for key, item in value.items()}
    return [_with_vocabularies(path, item, members) for item in value] if isinstance(value, list) else value


def _arrays(path: Path, data: bytes) -> dict[str, Array]:
    try:
        arrays: dict[str, Array] = load(data)
        size = int.from_bytes(data[:8], "little")
        facts = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except Exception as error:
        raise ValueError(f"{path}: the member {_WEIGHTS!r} is damaged: {error}") from error
    if facts.get("digest") != digest(arrays):
        raise ValueError(f"{path} is damaged: its weights do not match their digest; use another copy")
    return arrays
