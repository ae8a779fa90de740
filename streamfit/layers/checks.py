"""Checks of the arguments that layers take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Self, TypeVar, overload

import numpy as np

from streamfit import activations, regularizers
from streamfit._base.checks import integer, real
from streamfit._base.errors import ArgumentError
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


def count(name: str, value: object) -> int:
    """Return `value` as a whole number of at least 1; unlike `length`, refuse floats and booleans.

    Raises:
        ArgumentError: It is no such number.

    Example:
        >>> count("input_dim", 3)
        3
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """Return `value` if it is one of the texts that an argument takes.

    Raises:
        ValueError: It is none of them.

    Example:
        >>> one_of("output_mode", "int", ("int", "count"))
        'int'
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}, got {value!r}")
    return str(value)


DENSE_ROWS = (
    "Rows of zeros and ones are dense; for large tables write output_mode='int' and put an Embedding "
    "behind the "
    "layer"
)


def dense_only(sparse: object, ragged: object = False, instead: str = DENSE_ROWS) -> None:
    """Refuse ``sparse=True`` and ``ragged=True``, which Keras has for TensorFlow alone.

    Args:
        sparse, ragged: The arguments.
        instead: What there is in the place of sparse tensors, a sentence.

    Raises:
        ValueError: One of them is true.
    """
    if sparse:
        raise ValueError(
            f"there are no sparse tensors here: leave sparse=True out, or write sparse=False. {instead}"
        )
    if ragged:
        raise ValueError(
            "there are no ragged tensors here: sequences are padded to one length; leave ragged=True out, or "
            "write ragged=False"
        )


def hash_key(salt: object) -> list[int] | None:
    """Return a salt as the two numbers that SipHash takes; None for none.

    Args:
        salt: A whole number in [0, 2**64), which counts twice, or two of them.

    Raises:
        ValueError: It is something else.

    Example:
        >>> hash_key(7), hash_key((1, 2)), hash_key(None)
        ([7, 7], [1, 2], None)
    """
    if salt is None:
        return None
    given = salt if isinstance(salt, (list, tuple)) else (salt, salt)
    numbers = [number for number in map(integer, given) if number is not None and 0 <= number < 1 << 64]
    if len(given) != 2 or len(numbers) != 2:
        raise ValueError(f"salt must be a whole number in [0, 2**64), or two of them, got {salt!r}")
    return numbers


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
