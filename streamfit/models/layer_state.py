"""What layers of the user's keep in files beside weights and arguments: arrays and small files of their own.

A class with `save_own_variables(store)` puts arrays into a dictionary, and `load_own_variables(store)` takes
them from one; `save_assets(folder)` and `load_assets(folder)` write and read files in an empty folder. In a
model file both are plain data, at the path of the layer: what is done with them is up to the user's class.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamfit._base.specs import Array
from streamfit._base.tree import part_of
from streamfit.layers.base import Layer
from streamfit.models.keras_layout import layer_paths
from streamfit.models.model import Model

_VARIABLE, _ASSET = "own/", "asset/"
_PART = r"(?!\.{1,2}(?:/|$))[^/\\:\x00]+"
_FILE = re.compile(rf"{_PART}(?:/{_PART})*")


def has_own(layer: Layer, method: str) -> bool:
    """Return whether the class of a layer, or a base class of the user's, defines a method."""
    function = getattr(type(layer), method, None)
    return function is not None and not getattr(function, "__module__", "").startswith("streamfit.")


def _key(path: str, name: str) -> str:
    return f"{path}:{name}"  # there is no colon in the path of a layer


def state_arrays(model: Model) -> dict[str, Array]:
    """Return what `own_variables` and `assets_of` return, for a file that holds arrays alone."""
    found = {f"{_VARIABLE}{name}": array for name, array in own_variables(model).items()}
    files = assets_of(model).items()
    return {**found, **{f"{_ASSET}{name}": np.frombuffer(data, np.uint8) for name, data in files}}


def load_state(model: Model, arrays: Mapping[str, Array], where: str) -> None:
    """Give the user's layers what is in the arrays that `state_arrays` returned; others are not looked at.

    Raises:
        ValueError: It belongs to no layer.
    """
    load_own_variables(model, part_of(arrays, _VARIABLE), where)
    load_assets(model, {name: array.tobytes() for name, array in part_of(arrays, _ASSET).items()}, where)


def own_variables(model: Model) -> dict[str, Array]:
    """Return the arrays that `save_own_variables` of the user's layers give, by path and name.

    Raises:
        TypeError: Something is no array of numbers.
    """
    found: dict[str, Array] = {}
    for path, layer in layer_paths(model):
        if has_own(layer, "save_own_variables"):
            store: dict[str, Array] = {}
            layer.save_own_variables(store)
            for name, value in store.items():
                array = np.array(value)
                if array.dtype.kind not in "biuf":
                    raise TypeError(
                        f"save_own_variables of layer {layer.name!r} stores {name!r}, which is no array of "
                        f"numbers but of {array.dtype}; write text to a file in save_assets(folder)"
                    )
                found[_key(path, str(name))] = array
    return found


def load_own_variables(model: Model, arrays: Mapping[str, Array], where: str) -> None:
    """Give the user's layers the arrays that `own_variables` returned.

    Raises:
        ValueError: There are some of a layer that has no `load_own_variables`.
    """
    left = dict(arrays)
    for path, layer in layer_paths(model):
        if has_own(layer, "load_own_variables"):
            prefix = _key(path, "")
            names = [key for key in left if key.startswith(prefix)]
            layer.load_own_variables({key.removeprefix(prefix): left.pop(key) for key in names})
    _refuse(left, where, "load_own_variables")


def assets_of(model: Model) -> dict[str, bytes]:
    """Return the files that `save_assets` of the user's layers write, by the path of the layer and theirs.

    Raises:
        ValueError: One of them is no regular file.
    """
    found: dict[str, bytes] = {}
    for path, layer in layer_paths(model):
        save = getattr(layer, "save_assets", None)
        if save is None or not has_own(layer, "save_assets"):
            continue
        with tempfile.TemporaryDirectory(prefix="streamfit-") as folder:
            save(folder)
            for file in sorted(Path(folder).rglob("*")):
                if file.is_symlink() or not (file.is_file() or file.is_dir()):
                    raise ValueError(
                        f"save_assets of layer {layer.name!r} made {file.name!r}, no regular file"
                    )
                if file.is_file():
                    name = file.relative_to(folder).as_posix()
                    found[f"{path}/{name}" if path else name] = file.read_bytes()
    return found


def load_assets(model: Model, assets: Mapping[str, bytes], where: str) -> None:
    """Let `load_assets` of the user's layers read the files that `assets_of` returned, in a new folder.

    Raises:
        ValueError: A name leads out of the folder, or belongs to no layer that has a `load_assets`.
    """
    left = dict(assets)
    for name in left:
        if not _FILE.fullmatch(name):
            raise ValueError(f"{where} has an asset with the name {name!r}, which is no relative path")
    paths = layer_paths(model)
    for path, layer in sorted(paths, key=lambda each: -len(each[0])):  # an inner layer before its outer one
        load, prefix = getattr(layer, "load_assets", None), f"{path}/" if path else ""
        if load is None or not has_own(layer, "load_assets"):
            continue
        with tempfile.TemporaryDirectory(prefix="streamfit-") as folder:
            for name in [name for name in left if name.startswith(prefix)]:
                file = Path(folder) / name.removeprefix(prefix)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(left.pop(name))
            load(folder)
    _refuse(left, where, "load_assets")


def _refuse(left: Mapping[str, object], where: str, method: str) -> None:
    if left:
        name = next(iter(left))
        raise ValueError(f"{where} has {name!r}, but no layer of the model with this path has a {method}")
