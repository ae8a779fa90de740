"""Public names of saving and loading: models in files, objects as plain values, your own classes by name."""

from __future__ import annotations

from streamfit._base.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from streamfit._base.serialization import deserialize_keras_object, serialize_keras_object
from streamfit.models import load_model, save_model

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "register_keras_serializable",
    "save_model",
    "serialize_keras_object",
]
