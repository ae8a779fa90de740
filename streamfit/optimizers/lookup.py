"""Find the optimizer that a user named or described."""

from __future__ import annotations

import inspect

from streamfit._base.configs import resolve
from streamfit.optimizers.optimizer import Optimizer, registry


def get(identifier: object) -> Optimizer:
    """Return the optimizer that `identifier` describes.

    Args:
        identifier: A name such as ``'adam'``, a class, an instance, or a description as
            ``{'class_name': ..., 'config': ...}``.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: `identifier` is none of these.

    Example:
        >>> get("adam").name
        'adam'
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, dict):
        made: Optimizer = resolve(registry, identifier)
        return made
    if isinstance(identifier, str) or (inspect.isclass(identifier) and issubclass(identifier, Optimizer)):
        found: Optimizer = registry.get(identifier)
        return found
    raise TypeError(
        f"optimizer must be a name, an Optimizer or its class, got {identifier!r} of type "
        f"{type(identifier).__name__}"
    )
