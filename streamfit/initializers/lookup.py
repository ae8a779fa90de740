"""Initializers by name or other identifier."""

from __future__ import annotations

from collections.abc import Callable

from streamfit._base.configs import resolve
from streamfit._base.specs import Array
from streamfit.initializers.initializer import registry


def get(identifier: object) -> Callable[..., Array]:
    """Return the initializer that `identifier` names or describes.

    Args:
        identifier: A name such as ``'glorot_uniform'``, a class, an instance, a description as
            ``{'class_name': ..., 'config': ...}``, or a function ``(shape, dtype) -> array``.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: `identifier` is none of these.

    Example:
        >>> get("he_normal")
        HeNormal(seed=None)
    """
    found: Callable[..., Array] = resolve(registry, identifier)
    return found
