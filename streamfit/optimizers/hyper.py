"""Settings that kernels read while they run.

They are stored in one float64 vector of the optimizer, so that a changed learning rate counts from the next
step on and nothing is compiled or bound again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, overload

from streamfit._base.checks import as_float
from streamfit._base.specs import Array

LEARNING_RATE, WEIGHT_DECAY, CLIP = 0, 1, 2
FIRST_OWN = 3
"""The first index of the settings that only one kind of optimizer has."""
SIZE = 8


class HasHyper(Protocol):
    """An optimizer, as its settings see it."""

    hyper: Array

    def restructure(self) -> None:
        """Have the calls of a step made again before the next one."""


def at_least_zero(name: str, value: object) -> float:
    """Return `value` as a float that is zero or positive.

    Raises:
        ValueError: It is negative or NaN.

    Example:
        >>> at_least_zero("momentum", 1)
        1.0
    """
    found = as_float(name, value)
    if not found >= 0.0:
        raise ValueError(f"{name} must be zero or positive, got {value!r}")
    return found


def positive(name: str, value: object) -> float:
    """Return `value` as a positive float.

    Raises:
        ValueError: It is not positive.

    Example:
        >>> positive("clipnorm", 1)
        1.0
    """
    found = as_float(name, value)
    if not found > 0.0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return found


def share(name: str, value: object) -> float:
    """Return `value` as a float in [0, 1).

    Raises:
        ValueError: It is outside.

    Example:
        >>> share("beta_1", 0.9)
        0.9
    """
    found = as_float(name, value)
    if not 0.0 <= found < 1.0:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")
    return found


class Hyper:
    """An attribute of an optimizer that is stored in its vector `hyper`.

    Args:
        index: Its index in the vector.
        check: Turns a name and a value into a float, or raises.
    """

    def __init__(self, index: int, check: Callable[[str, object], float]) -> None:
        self._index, self._check, self._name = index, check, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, optimizer: None, owner: type) -> Hyper: ...

    @overload
    def __get__(self, optimizer: HasHyper, owner: type) -> float: ...

    def __get__(self, optimizer: HasHyper | None, owner: type) -> Hyper | float:
        return self if optimizer is None else float(optimizer.hyper[self._index])

    def __set__(self, optimizer: HasHyper, value: object) -> None:
        before, now = optimizer.hyper[self._index], self._check(self._name, value)
        optimizer.hyper[self._index] = now
        if (before == 0) != (now == 0):  # other kernels: momentum, for example, begins or ends
            optimizer.restructure()


class Flag:
    """A setting of an optimizer that is on or off, and decides which kernels compute a step."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    @overload
    def __get__(self, optimizer: None, owner: type) -> Flag: ...

    @overload
    def __get__(self, optimizer: HasHyper, owner: type) -> bool: ...

    def __get__(self, optimizer: HasHyper | None, owner: type) -> Flag | bool:
        return self if optimizer is None else bool(getattr(optimizer, self._name))

    def __set__(self, optimizer: HasHyper, value: object) -> None:
        before = getattr(optimizer, self._name, None)
        setattr(optimizer, self._name, bool(value))
        if before is not bool(value):
            optimizer.restructure()


def settings_of(kind: type) -> list[str]:
    """List the attributes of an optimizer's class that can be set.

    Example:
        >>> from streamfit.optimizers import SGD
        >>> "momentum" in settings_of(SGD), "iterations" in settings_of(SGD), "state" in settings_of(SGD)
        (True, True, False)
    """
    public = [(name, getattr(kind, name)) for name in dir(kind) if not name.startswith("_")]
    return [
        name
        for name, value in public
        if (value.fset is not None if isinstance(value, property) else hasattr(value, "__set__"))
    ]
