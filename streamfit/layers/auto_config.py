"""The config of a class that does not define `get_config`: the arguments that an object was made with.

Without it such a class would be described without its own arguments, and be made again with their defaults,
which are other numbers and no error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from streamfit._base.configs import Config, accepted
from streamfit._base.serialization import deserialize_keras_object, serialize_keras_object

T = TypeVar("T")

_MISSING = "arguments that have no description"
Arguments = tuple[tuple[object, ...], Mapping[str, object]]
_COMMON = ("name", "dtype", "trainable")


def remembers_arguments(cls: type) -> bool:
    """Return whether a class has an ``__init__`` of its own for which no `get_config` was written.

    Example:
        >>> from streamfit.layers import Dense
        >>> class Twice(Dense):
        ...     def __init__(self, units):
        ...         super().__init__(2 * units)
        >>> remembers_arguments(Dense), remembers_arguments(Twice)
        (False, True)
    """
    known: bool | None = cls.__dict__.get("_remembers_arguments")
    if known is None:
        order = cls.__mro__
        init = next(place for place, base in enumerate(order) if "__init__" in vars(base))
        config = next((place for place, base in enumerate(order) if "get_config" in vars(base)), len(order))
        known = init < config and order[init] is not object
        cls._remembers_arguments = known  # type: ignore[attr-defined]
    return known


def described(cls: type, arguments: Arguments | Config) -> Config:
    """Return the arguments that an object of a class was made with, as plain values by name.

    Raises:
        TypeError: One of them has no description, or they have no names.
    """
    if isinstance(arguments, dict):
        if _MISSING in arguments:
            raise TypeError(arguments[_MISSING])
        return arguments
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    bound = signature.bind(None, *arguments[0], **arguments[1])
    found: Config = {}
    for name, value in list(bound.arguments.items())[1:]:
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            raise TypeError(_advice(cls, f"its arguments *{name} have no names"))
        named = value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
        for key, item in named.items():
            try:
                found[key] = serialize_keras_object(item)
            except (TypeError, ValueError) as error:
                raise TypeError(_advice(cls, f"its argument {key} cannot be described: {error}")) from error
    return found


def _advice(cls: type, reason: str) -> str:
    return (
        f"{cls.__name__} has no get_config of its own, and {reason}. Define get_config(self), which returns "
        f"{{**super().get_config(), ...}} with the arguments of {cls.__name__}"
    )


def with_described_arguments(cls: type, state: dict[str, object]) -> dict[str, object]:
    """Return the state of a layer that is copied or pickled, with plain values in the place of arguments.

    Arguments without a description do not travel: they may be what cannot be copied, such as an open file.
    """
    arguments = state.get("_arguments")
    if isinstance(arguments, tuple):
        try:
            return {**state, "_arguments": described(cls, arguments)}
        except TypeError as error:
            return {**state, "_arguments": {_MISSING: str(error)}}
    return state


def made(cls: type[T], config: Config) -> T:
    """Make an object of a description of its arguments."""
    make: Callable[..., T] = cls
    if cls.__module__.startswith("streamfit."):
        return make(**accepted(cls, config))
    if remembers_arguments(cls):
        own: T = _made_of_own_arguments(cls, config)
        return own
    return make(**config)


def _made_of_own_arguments(cls: Any, config: Config) -> Any:
    takes = _taken(cls)
    given = {
        key: deserialize_keras_object(value) for key, value in config.items() if takes is None or key in takes
    }
    made = cls(**given)
    for key in _COMMON:
        if key in config and key not in given:
            if key == "trainable":
                made.trainable = bool(config[key])
            else:
                object.__setattr__(made, "_name" if key == "name" else key, config[key])
    return made


def _taken(cls: Any) -> set[str] | None:
    """Return the names of the arguments that a class takes; None for any."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}
