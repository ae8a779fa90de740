"""Descriptions of the layers of a stack, and the layers that are made of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from streamfit import layers
from streamfit._base.configs import Config
from streamfit._base.errors import UnknownNameError
from streamfit._base.names import did_you_mean
from streamfit.layers.base import Layer


def described(stack: Sequence[Layer]) -> list[Config]:
    """Return ``{"class_name": ..., "config": ...}`` for each layer."""
    return [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in stack]


def made_again(descriptions: object, known: Mapping[str, type]) -> list[Layer]:
    """Return new layers for descriptions; `known` holds classes by name, besides those of `streamfit.layers`.

    Raises:
        ValueError: Something else than descriptions.
        UnknownNameError: A class has no such name.

    Example:
        >>> [layer.name for layer in made_again([{"class_name": "Flatten", "config": {"name": "f"}}], {})]
        ['f']
    """
    if not isinstance(descriptions, (list, tuple)):
        raise ValueError(f"layers must be a list of descriptions as get_config returns, got {descriptions!r}")
    classes = {name: getattr(layers, name) for name in layers.__all__} | dict(known)
    return [_made_again(description, classes) for description in descriptions]


def _made_again(description: object, classes: Mapping[str, type]) -> Layer:
    if not (isinstance(description, Mapping) and "class_name" in description):
        raise ValueError(f"a layer is described by {{'class_name': ..., 'config': ...}}, got {description!r}")
    name = str(description["class_name"])
    if name not in classes:
        raise UnknownNameError(
            f"Unknown layer: {name!r}.{did_you_mean(name, classes)} Pass the class of your own layer in "
            f"custom_objects={{{name!r}: {name}}}"
        )
    cls = cast("type[Layer]", classes[name])
    return cls.from_config(dict(description.get("config") or {}))
