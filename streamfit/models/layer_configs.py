"""Descriptions of the layers of a stack, and the layers that are made of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamfit._base.configs import Config
from streamfit._base.custom_objects import CustomObjectScope
from streamfit._base.serialization import deserialize_keras_object, serialize_keras_object
from streamfit.layers.base import Layer


def described(stack: Sequence[Layer]) -> list[Config]:
    """Return the description of each layer; see `serialize_keras_object`."""
    return [serialize_keras_object(layer) for layer in stack]


def made_again(descriptions: object, known: Mapping[str, object]) -> list[Layer]:
    """Return new layers for descriptions; `known` holds the user's classes and functions by name.

    Raises:
        ValueError: Something else than descriptions of layers.
        UnknownNameError: A class has no such name.

    Example:
        >>> [layer.name for layer in made_again([{"class_name": "Flatten", "config": {"name": "f"}}], {})]
        ['f']
    """
    if not isinstance(descriptions, (list, tuple)):
        raise ValueError(f"layers must be a list of descriptions as get_config returns, got {descriptions!r}")
    with CustomObjectScope(known):
        return [_made_again(description) for description in descriptions]


def _made_again(description: object) -> Layer:
    if not (isinstance(description, Mapping) and "class_name" in description):
        raise ValueError(f"a layer is described by {{'class_name': ..., 'config': ...}}, got {description!r}")
    layer = deserialize_keras_object({"config": {}, **description})
    if not isinstance(layer, Layer):
        raise ValueError(
            f"{description['class_name']!r} is described as a layer, but is a {type(layer).__name__}"
        )
    return layer
