"""Find an initializer by what a user wrote."""

from __future__ import annotations

from collections.abc import Callable

from streamfit._base.configs import resolve
from streamfit._base.specs import Array
from streamfit.initializers.initializer import registry


def get(identifier: object) -> Callable[..., Array]:
    """Return the initializer that `identifier` stands for.

    Args:
        identifier: A name such as ``'glorot_uniform'``, a class, an instance, a description as
            ``{'class_name': ..., 'config': ...}``, or a function ``(shape, dtype) -> array``.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: It is nothing of that kind.

    Example:
        >>> get("he_normal")
        HeNormal(seed=None)
    """
    found: Callable[..., Array] = resolve(registry, identifier)
    return found
