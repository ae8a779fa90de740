"""Checks of the arguments that layers take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar, overload

from streamfit import activations, regularizers
from streamfit._base.checks import integer, real
from streamfit.ops.core import Value

Given = TypeVar("Given", contravariant=True)
Kept = TypeVar("Kept", covariant=True)


class Checked(Generic[Given, Kept]):
    """A setting of a layer that is checked, and perhaps converted, whenever it is set.

    Args:
        check: Turns the name and the given value into the value to keep, or raises.

    Example:
        >>> class Scaled:
        ...     units = Checked(length)
        >>> scaled = Scaled()
        >>> scaled.units = 3.0
        >>> scaled.units
        3
    """

    def __init__(self, check: Callable[[str, Given], Kept]) -> None:
        self._check, self._name = check, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, layer: None, owner: type) -> Self: ...

    @overload
    def __get__(self, layer: object, owner: type) -> Kept: ...

    def __get__(self, layer: object, owner: type) -> Self | Kept:
        if layer is None:
            return self
        kept: Kept = getattr(layer, f"_{self._name}")
        return kept

    def __set__(self, layer: object, value: Given) -> None:
        setattr(layer, f"_{self._name}", self._check(self._name, value))


def length(name: str, value: object) -> int:
    """Return `value` as a whole number of at least 1.

    Raises:
        ValueError: It is no such number.

    Example:
        >>> length("units", 3)
        3
    """
    number = integer(value)
    if number is None or number < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def rate(name: str, value: object) -> float:
    """Return `value` as a number in [0, 1).

    Raises:
        ValueError: It is no such number.

    Example:
        >>> rate("rate", 0.5)
        0.5
    """
    number = real(value)
    if number is None or not 0 <= number < 1:
        raise ValueError(f"{name} must be a number in [0, 1), the share that is dropped, got {value!r}")
    return number


def fraction(name: str, value: object) -> float:
    """Return `value` as a number in [0, 1].

    Raises:
        ValueError: It is no such number.

    Example:
        >>> fraction("momentum", 0.99)
        0.99
    """
    number = real(value)
    if number is None or not 0 <= number <= 1:
        raise ValueError(f"{name} must be a number in [0, 1], got {value!r}")
    return number


def at_least_zero(name: str, value: float) -> float:
    """Return `value` as a float that is zero or positive.

    Raises:
        ValueError: It is negative or NaN.

    Example:
        >>> at_least_zero("stddev", 1)
        1.0
    """
    if not value >= 0:
        raise ValueError(f"{name} must be zero or positive, got {value!r}")
    return float(value)


def activation_function(name: str, value: object) -> activations.Activation:
    """Return the activation that `value` names or is.

    Example:
        >>> activation_function("activation", "relu").__name__
        'relu'
    """
    return activations.get(value)


def output_regularizer(name: str, value: object) -> Callable[[Value], Value] | None:
    """Return the regularizer of outputs that `value` names or is, or None.

    Example:
        >>> output_regularizer("activity_regularizer", "l2")
        L2(l2=0.01)
    """
    return regularizers.get(value)
