"""Constraints by name or other identifier."""

from __future__ import annotations

from collections.abc import Callable

from streamfit._base.configs import resolve
from streamfit.constraints.constraint import registry
from streamfit.ops.core import Tensor, Value


def get(identifier: object) -> Callable[[Tensor], Value] | None:
    """Return the constraint that `identifier` names or describes.

    Args:
        identifier: A name such as ``'max_norm'`` or ``'MaxNorm'`` (with the default arguments), a class, an
            instance, a description as ``{'class_name': ..., 'config': ...}``, a function composed of `ops`,
            or None.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: `identifier` is none of these.

    Example:
        >>> get("max_norm")
        MaxNorm(max_value=2.0, axis=0)
    """
    if identifier is None:
        return None
    found: Callable[[Tensor], Value] = resolve(registry, identifier)
    return found
