"""`PublicCall`: which function of `streamfit.ops` a user called on tensors, so that a graph can be described.

An operation has settings and kernels in it, and one function may use several operations. What can be written
into a file and done again is the call of the function: its name and its arguments.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from streamfit._base.tree import flatten, transform
from streamfit.ops.core import Tensor, is_tracing

P = ParamSpec("P")
T = TypeVar("T")

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The functions that a description may name."""


class PublicCall:
    """One call of a public function of `ops` on tensors, outside of layers.

    Args:
        name: Name of the function.
        arguments: Its arguments, tensors among them.
        options: Its arguments by name.

    Attributes:
        results: The tensors that it returned.
    """

    def __init__(self, name: str, arguments: tuple[object, ...], options: Mapping[str, object]) -> None:
        self.name, self.arguments, self.options = name, arguments, dict(options)
        self.results: list[Tensor] = []

    @property
    def inputs(self) -> list[Tensor]:
        """List the tensors among the arguments."""
        return [leaf for leaf in flatten([self.arguments, self.options]) if isinstance(leaf, Tensor)]

    def on(self, known: Mapping[Tensor, Tensor]) -> PublicCall:
        """Return the same call on other tensors, without its results."""

        def other(leaf: object) -> object:
            return known.get(leaf, leaf) if isinstance(leaf, Tensor) else leaf

        return PublicCall(self.name, transform(other, self.arguments), transform(other, self.options))


class _Current(threading.local):
    active = False


_current = _Current()


def recorded(function: Callable[P, T]) -> Callable[P, T]:
    """Return a public function of `ops`; tensors that a user's call of it returns know the call."""
    name = function.__name__

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if _current.active or is_tracing():
            return function(*args, **kwargs)
        _current.active = True
        try:
            result = function(*args, **kwargs)
        finally:
            _current.active = False
        tensors = [leaf for leaf in flatten(result) if isinstance(leaf, Tensor) and leaf.node is not None]
        if tensors:
            made = PublicCall(name, args, kwargs)
            made.results = [tensor for tensor in tensors if tensor.call is None]
            for tensor in made.results:
                tensor.call = made
        return result

    FUNCTIONS[name] = call
    return call
