"""How a layer is built: once, by its first call or by the user's own call of `build`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from streamfit._base import uses
from streamfit._base.tree import transform
from streamfit.ops.core import Variable, recording, tracing


class BuildableLayer(Protocol):
    """What is needed of a layer to build it."""

    built: bool

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def weights(self) -> list[Variable]:
        """List its weights."""

    def build(self, input_shape: Any) -> None:
        """Create its weights."""


Own = TypeVar("Own", bound=BuildableLayer)
P = ParamSpec("P")
_DURING = "_is_building"


def building(build: Callable[Concatenate[Own, P], Any]) -> Callable[Concatenate[Own, P], None]:
    """Return `build` so that the layer is built behind it, whoever calls it.

    It runs in one thread at a time and outside of any trace, as weights are numbers. A class calls the
    `build` of its base class inside its own: the layer is built when the outermost one has returned.

    Args:
        build: The function as a class defines it.
    """

    @functools.wraps(build)
    def built(layer: Own, /, *args: P.args, **settings: P.kwargs) -> None:
        with uses.building, tracing(False), recording(None):
            if _DURING in vars(layer):
                build(layer, *args, **settings)
                return
            if layer.built and layer.weights:
                raise ValueError(
                    f"layer {layer.name!r} is built and has its weights; make a new layer for other inputs"
                )
            object.__setattr__(layer, _DURING, True)
            try:
                build(layer, *args, **settings)
            finally:
                object.__delattr__(layer, _DURING)
            object.__setattr__(layer, "built", True)

    vars(built)[_DURING] = True
    return built


def build_for(layer: BuildableLayer, inputs: object) -> None:
    """Build a layer for inputs of these shapes, unless another thread has."""
    with uses.building:
        if not layer.built:
            with tracing(False), recording(None):  # weights are numbers, also where `call` is traced
                layer.build(transform(lambda leaf: (None, *leaf.shape[1:]), inputs))
            object.__setattr__(layer, "built", True)


def marks_itself(build: Callable[P, None]) -> Callable[P, None]:
    """Leave a `build` as it is that may be called again, and that knows when its layer is built."""
    vars(build)[_DURING] = True
    return build


def wrap_build(cls: type) -> None:
    """Let the `build` that a class defines, if it does, mark its layers as built."""
    own = cls.__dict__.get("build")
    if callable(own) and _DURING not in vars(own):
        cls.build = building(own)  # type: ignore[attr-defined]
