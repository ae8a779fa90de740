"""What stands for the modules that Keras saves with: short functions over what streamfit has for the same.

They are looked up when they are called, and the error names what streamfit does not have.
"""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from keras_tests.missing import MissingError


def _ours(name: str, module: str = "streamfit.saving") -> Callable[..., Any]:
    def call(*args: Any, **settings: Any) -> Any:
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise MissingError(f"{module} has no {name}") from error
        return function(*args, **settings)

    return call


def _save_weights(model: Any, filepath: Any, **settings: Any) -> None:
    model.save_weights(filepath, **settings)


def _load_weights(model: Any, filepath: Any, **settings: Any) -> None:
    model.load_weights(filepath, **settings)


class _Names:
    """The registered names of classes and functions."""

    def __getitem__(self, item: object) -> Any:
        return _ours("get_registered_name")(item)


@contextlib.contextmanager
def _safe_mode(safe_mode: bool = True) -> Iterator[None]:
    if not safe_mode:
        raise MissingError("streamfit has no unsafe mode: it never runs code of a file")
    yield


class _Encoder:
    """Writes plain values as JSON: in streamfit what descriptions of objects are made of."""

    def encode(self, item: Any) -> str:
        return json.dumps(_ours("serialize_keras_object")(item))


def _decode(text: str) -> Any:
    return _ours("deserialize_keras_object")(json.loads(text))


SAVING: dict[str, dict[str, Any]] = {
    "legacy.saving.legacy_h5_format": {
        "load_model_from_hdf5": _ours("load_model"),
        "save_model_to_hdf5": _ours("save_model"),
    },
    "legacy.saving.json_utils": {"Encoder": _Encoder, "decode": _decode},
    "saving.object_registration": {"GLOBAL_CUSTOM_NAMES": _Names()},
    "saving.saving_api": {"load_weights": _load_weights, "save_weights": _save_weights},
    "saving.saving_lib": {
        "_CONFIG_FILENAME": "config.json",
        "_METADATA_FILENAME": "metadata.json",
        "load_weights_only": _load_weights,
        "save_weights_only": _save_weights,
    },
    "saving.serialization_lib": {
        "ObjectSharingScope": _ours("ObjectSharingScope", "streamfit._base.serialization"),
        "SafeModeScope": _safe_mode,
    },
}
