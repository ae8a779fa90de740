"""Activations by name or other identifier, and the name of an activation."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from streamfit._base.configs import resolve
from streamfit._base.custom_objects import get_registered_name, is_registered
from streamfit._base.names import Registry, describe_callable
from streamfit._base.serialization import serialize_keras_object
from streamfit.activations import functions as known
from streamfit.ops.core import Value

Activation = Callable[[Value], Value]

_registry: Registry[Activation] = Registry("activation")
_FUNCTIONS: dict[str, Activation] = {
    "linear": known.linear,
    "relu": known.relu,
    "relu6": known.relu6,
    "leaky_relu": known.leaky_relu,
    "elu": known.elu,
    "selu": known.selu,
    "gelu": known.gelu,
    "sigmoid": known.sigmoid,
    "hard_sigmoid": known.hard_sigmoid,
    "log_sigmoid": known.log_sigmoid,
    "tanh": known.tanh,
    "hard_tanh": known.hard_tanh,
    "tanh_shrink": known.tanh_shrink,
    "softmax": known.softmax,
    "log_softmax": known.log_softmax,
    "softplus": known.softplus,
    "softsign": known.softsign,
    "silu": known.silu,
    "swish": known.silu,
    "hard_silu": known.hard_silu,
    "hard_swish": known.hard_silu,
    "mish": known.mish,
    "exponential": known.exponential,
}
for _name, _function in _FUNCTIONS.items():
    _registry.register(_function, _name)


def get(identifier: object) -> Activation:
    """Return the function that `identifier` names or describes.

    Args:
        identifier: A name such as ``'relu'``, a function, a layer, or None for `linear`.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: `identifier` is none of these.

    Example:
        >>> get(None) is get("linear")
        True
    """
    if identifier is None:
        return known.linear
    found: Activation = resolve(_registry, identifier)
    return found


def name_of(activation: Activation) -> str:
    """Return the name under which `get` finds `activation`, or else the function's own name.

    Example:
        >>> name_of(get("swish")), name_of(abs)
        ('silu', 'abs')
    """
    for name, function in _FUNCTIONS.items():
        if function is activation:
            return name
    return get_registered_name(activation) if is_registered(activation) else describe_callable(activation)


def serialize(activation: Activation) -> object:
    """Return plain values of which `get` makes the activation: its name, or the description of an object.

    Example:
        >>> serialize(get("relu"))
        'relu'
    """
    has_config = hasattr(activation, "get_config") and not inspect.isclass(activation)
    return serialize_keras_object(activation) if has_config else name_of(activation)


def names() -> list[str]:
    """List the names that `get` knows.

    Example:
        >>> "relu" in names()
        True
    """
    return list(_FUNCTIONS)
