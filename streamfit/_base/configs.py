"""Configurations: an object is described by the arguments that make an equal object.

A class that keeps each argument of its ``__init__`` in an attribute of the same name derives from
`Configurable` and needs no `get_config` of its own.
"""

from __future__ import annotations

import inspect
from typing import Any, Self, cast

import numpy as np

from streamfit._base.custom_objects import custom_object, get_registered_name, is_registered
from streamfit._base.known_objects import kind_of
from streamfit._base.names import Registry, describe_callable
from streamfit._base.serialization import deserialize_keras_object, object_of

Config = dict[str, object]
"""The arguments of an object by name, as plain Python values; ``cls(**config)`` makes an equal one."""


class Configurable:
    """Describe an object by the arguments of its ``__init__``.

    Example:
        >>> class Scale(Configurable):
        ...     def __init__(self, factor=1.0):
        ...         self.factor = factor
        >>> Scale(2.0).get_config()
        {'factor': 2.0}
        >>> Scale.from_config({"factor": 3.0}).factor
        3.0
    """

    def get_config(self) -> Config:
        """Return the arguments of an equal object, as plain Python values."""
        return {name: describe(getattr(self, name)) for name in arguments_of(type(self))}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make an object from the result of `get_config`; that of Keras' class of this name is one too."""
        return cls(**(accepted(cls, config) if cls.__module__.startswith("streamfit.") else config))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({given})"


def arguments_of(cls: type) -> list[str]:
    """List the argument names of ``cls(...)``, with those that pass through ``**kwargs`` to a base class.

    Example:
        >>> class Base:
        ...     def __init__(self, name=None): ...
        >>> class Special(Base):
        ...     def __init__(self, size, **kwargs): ...
        >>> arguments_of(Special)
        ['size', 'name']
    """
    names: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names += [p.name for p in parameters if p.kind in plain and p.name not in names]
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    return names


_HARMLESS: dict[str, object] = {
    "arguments": {},
    "autocast": True,
    "axis": -1,
    "data_format": "channels_last",
    "encoding": "utf-8",
    "is_legacy_optimizer": False,
    "multi_label": False,
    "oov_method": "floormod",
    "optional": False,
    "ragged": False,
    "renorm": False,
    "sparse": False,
    "summation_method": "interpolation",
    "synchronized": False,
    "use_ema": False,
    "use_locking": False,
    "vocabulary_dtype": "int64",
}
"""Arguments of Keras' classes that ours do not have, with the value that changes nothing."""
_NO_EFFECT = ("ema_momentum", "jit_compile", "name", "renorm_momentum", "vocabulary_size")
"""Such arguments that change nothing whatever they are, as long as those above do not."""


def accepted(cls: type, config: Config) -> Config:
    """Return the part of a config, perhaps of Keras, that a class of this library takes.

    Raises:
        ValueError: It asks for something that the class does not have.

    Example:
        >>> from streamfit.layers import Dropout
        >>> accepted(Dropout, {"rate": 0.5, "quantization_config": None})
        {'rate': 0.5}
    """
    takes = set(arguments_of(cls))
    found: Config = {}
    for key, value in config.items():
        if key in takes:
            found[key] = deserialize_keras_object(value) if key == "dtype" else value
        elif key in ("batch_input_shape", "batch_shape") and value is not None and "input_shape" in takes:
            if isinstance(value, (list, tuple)):
                found["input_shape"] = tuple(value[1:])
        elif value is not None and key not in _NO_EFFECT and _HARMLESS.get(key, key) != value:
            raise ValueError(
                f"{cls.__name__} has no argument {key!r}, which the description sets to {value!r}; it takes "
                f"{', '.join(sorted(takes))}"
            )
    return found


def describe(value: object) -> object:
    """Turn an argument into plain Python values: numbers, strings, lists, dictionaries.

    A `Configurable` becomes ``{"class_name": ..., "config": ...}``, a function its name; what is registered
    has its registered name.

    Example:
        >>> describe((1, np.float32(0.5))), describe(abs)
        ([1, 0.5], 'abs')
    """
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if hasattr(value, "get_config") and not inspect.isclass(value):
        cls = type(value)
        own = {"registered_name": get_registered_name(cls)} if is_registered(cls) else {}
        return {"class_name": cls.__name__, "config": value.get_config(), **own}
    if is_registered(value):
        return get_registered_name(value)
    return describe_callable(value) if callable(value) else value


def resolve(registry: Registry[Any], identifier: object) -> Any:
    """Turn the identifier that a user wrote into an object.

    Args:
        registry: The registry in which names are looked up.
        identifier: A name, a class, a dictionary as `describe` returns it, an instance, or a function.

    Raises:
        UnknownNameError: The name is not registered.
        TypeError: The identifier is none of these.
    """
    if isinstance(identifier, dict):
        return _from_description(registry, identifier)
    found = registry.get(identifier)
    if not (callable(found) or isinstance(found, Configurable)):
        raise TypeError(
            f"{registry.kind} must be a name, an instance, a class or a function, "
            f"got {identifier!r} of type {type(identifier).__name__}"
        )
    return found


def _from_description(registry: Registry[Any], description: Config) -> Any:
    if "class_name" not in description:
        raise ValueError(
            f"a dictionary that describes a {registry.kind} looks like "
            f"{{'class_name': ..., 'config': ...}}, got the keys {sorted(description, key=str)}"
        )
    name = str(description["class_name"])
    if name in ("function", "class"):
        return deserialize_keras_object(description)
    own = custom_object(str(description.get("registered_name") or name))
    layer = kind_of(str(description.get("module") or "")) == "layers"
    if own is None and (layer or (not registry.has(name) and description.get("module"))):
        return deserialize_keras_object(description)  # of another kind, such as a layer as an activation
    return object_of(
        registry.find(name) if own is None else own, cast(Config, description.get("config") or {})
    )
