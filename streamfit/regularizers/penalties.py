"""Penalties on weights: functions from a weight to a scalar that is added to the loss."""

from __future__ import annotations

import math
from collections.abc import Callable

from streamfit import ops
from streamfit._base.checks import real
from streamfit._base.configs import Configurable, resolve
from streamfit._base.names import Registry
from streamfit.ops.core import Operand, Value


def _factor(name: str, value: float | None, default: float) -> float:
    number = default if value is None else real(value)
    if number is None or not 0 <= number < math.inf:
        raise ValueError(f"{name} must be a finite number that is zero or positive, got {value!r}")
    return number


class Regularizer(Configurable):
    """Base of all regularizers: called with a weight, returns a scalar.

    A function of a weight that returns a scalar can replace a regularizer.

    Example:
        >>> import numpy as np
        >>> class Sum(Regularizer):
        ...     def __call__(self, x):
        ...         return ops.sum(x)
        >>> float(Sum()(np.ones(3)))
        3.0
    """

    def __call__(self, x: Operand) -> Value:
        """Return the penalty for the weight `x`."""
        raise TypeError(f"{type(self).__name__} must define __call__(self, x)")


class L1(Regularizer):
    """Add ``l1 * sum(abs(w))`` to the loss.

    Args:
        l1: The factor, zero or positive.

    Raises:
        ValueError: The factor is negative or not finite.

    Example:
        >>> import numpy as np
        >>> float(L1(0.5)(np.array([1.0, -3.0])))
        2.0
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("l1", l1, 0.01)

    def __call__(self, x: Operand) -> Value:
        """Return the penalty for the weight `x`."""
        return ops.multiply(ops.sum(ops.abs(x)), self.l1)


class L2(Regularizer):
    """Add ``l2 * sum(w ** 2)`` to the loss (no half in front, as in Keras).

    Args:
        l2: The factor, zero or positive.

    Raises:
        ValueError: The factor is negative or not finite.

    Example:
        >>> import numpy as np
        >>> float(L2(0.5)(np.array([1.0, -3.0])))
        5.0
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("l2", l2, 0.01)

    def __call__(self, x: Operand) -> Value:
        """Return the penalty for the weight `x`."""
        return ops.multiply(ops.sum(ops.square(x)), self.l2)


class L1L2(Regularizer):
    """Add ``l1 * sum(abs(w)) + l2 * sum(w ** 2)`` to the loss.

    Args:
        l1: Factor of the first part; 0 by default, though 0.01 in `l1_l2`.
        l2: Factor of the second part.

    Raises:
        ValueError: A factor is negative or not finite.

    Example:
        >>> import numpy as np
        >>> float(L1L2(l1=1.0, l2=0.5)(np.array([1.0, -3.0])))
        9.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _factor("l1", l1, 0.0), _factor("l2", l2, 0.0)

    def __call__(self, x: Operand) -> Value:
        """Return the penalty for the weight `x`."""
        return ops.add(L1(self.l1)(x), L2(self.l2)(x))


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Make an `L1L2` with Keras' other defaults.

    Example:
        >>> l1_l2()
        L1L2(l1=0.01, l2=0.01)
    """
    return L1L2(l1, l2)


l1, l2 = L1, L2

_registry: Registry[type[Regularizer]] = Registry("regularizer")
_registry.register(L1, "l1")
_registry.register(L2, "l2")
_registry.register(L1L2, "l1_l2", "L1L2")


def get(identifier: object) -> Callable[[Value], Value] | None:
    """Return the regularizer that `identifier` names or describes.

    Args:
        identifier: ``'l1'``, ``'l2'`` or ``'l1_l2'`` (factors of 0.01), a class, an instance, a
            description as ``{'class_name': ..., 'config': ...}``, a function, or None.

    Raises:
        UnknownNameError: The name is unknown.
        TypeError: `identifier` is none of these.

    Example:
        >>> get("l2")
        L2(l2=0.01)
    """
    if identifier is None:
        return None
    found: Callable[[Value], Value] = resolve(_registry, identifier)
    return l1_l2() if isinstance(identifier, str) and isinstance(found, L1L2) else found
