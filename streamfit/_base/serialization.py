"""Objects as plain values for JSON, and back: the form of Keras 3.

``{"module": ..., "class_name": ..., "config": ..., "registered_name": ...}`` stands for an object. Nothing
that a description names is imported: a class is one of this library (`known_objects`) or one that the user
registered or passes (`custom_objects`).
"""

from __future__ import annotations

import enum
import inspect
import threading
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, TracebackType
from typing import Any, Self

import numpy as np

from streamfit._base import known_objects
from streamfit._base.custom_objects import (
    CustomObjectScope,
    custom_object,
    get_registered_name,
    is_registered,
)
from streamfit._base.errors import UnknownNameError
from streamfit._base.loading import reserve
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array

_Description = Mapping[str, Any]  # of a file, whose values are checked where they are read

_PLAIN = (type(None), bool, int, float, str)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)
_MOST_LEVELS = 200
_WORDS = {
    "layers": "layer",
    "losses": "loss",
    "metrics": "metric",
    "optimizers": "optimizer",
    "models": "model",
}


class _SharedObjects:
    """Objects that were described, with their numbers, and those that were made of descriptions."""

    def __init__(self) -> None:
        self.described: dict[int, tuple[int, object]] = {}
        self.made: dict[object, object] = {}

    def number(self, item: object) -> int:
        """Return the number of an object, which stays alive as long as it has it."""
        return self.described.setdefault(id(item), (len(self.described), item))[0]


class _Sharing(threading.local):
    shared: _SharedObjects | None = None


_sharing = _Sharing()


class ObjectSharingScope:
    """Let objects that are described more than once inside the block be one object again."""

    def __enter__(self) -> Self:
        self._before, _sharing.shared = _sharing.shared, _SharedObjects()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _sharing.shared = self._before


def serialize_keras_object(item: object) -> Any:
    """Return plain values, fit for JSON, of which `deserialize_keras_object` makes an equal object.

    Args:
        item: None, numbers, text, bytes, lists, tuples, dictionaries, slices, arrays; an object with
            `get_config`, a function with a name. A member of an `enum.Enum` is its value.

    Raises:
        TypeError: It is none of these.
        ValueError: It is, or holds, a function without a name.

    Example:
        >>> from streamfit import layers
        >>> serialize_keras_object({"rate": layers.Dropout(0.5, name="d")})["rate"]["class_name"]
        'Dropout'
    """
    if isinstance(item, _PLAIN):
        return item
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, enum.Enum):
        return serialize_keras_object(item.value)
    if isinstance(item, Mapping):
        return {str(key): serialize_keras_object(value) for key, value in item.items()}
    if isinstance(item, tuple):
        return _marked("__tuple__", {"value": [serialize_keras_object(value) for value in item]})
    if isinstance(item, (list, set, frozenset)):
        return [serialize_keras_object(value) for value in item]
    special = _serialized_special(item)
    if special is not None:
        return special
    if isinstance(item, _FUNCTIONS) or inspect.isclass(item):
        return serialized_function(item)
    if hasattr(item, "get_config"):
        return _serialized_object(item)
    raise TypeError(
        f"{item!r} of type {type(item).__name__} cannot be described in plain values; give its class a "
        "get_config() that returns the arguments of an equal object, and a from_config(config)"
    )


def _marked(name: str, config: object) -> dict[str, object]:
    return {"class_name": name, "config": config}


def _serialized_special(item: object) -> dict[str, object] | str | None:
    if isinstance(item, bytes):
        return _marked("__bytes__", {"value": item.decode("latin-1")})
    if isinstance(item, np.ndarray):
        return _marked("__numpy__", {"value": item.tolist(), "dtype": item.dtype.name})
    if isinstance(item, slice):
        parts = {name: serialize_keras_object(getattr(item, name)) for name in ("start", "stop", "step")}
        return _marked("__slice__", parts)
    if item is Ellipsis:
        return _marked("__ellipsis__", {})
    if isinstance(item, np.dtype):
        return str(item.name)
    return None


def serialized_function(function: object) -> dict[str, object]:
    """Return the description of a function, or of a class given as such: its name.

    Raises:
        ValueError: It is a lambda.
    """
    name = getattr(function, "__name__", "")
    if name == "<lambda>":
        raise ValueError(
            "a lambda has no name by which it could be found again, and its code is not saved, since loading "
            "it would mean arbitrary code execution; define a function with `def` and decorate it with "
            "@streamfit.saving.register_keras_serializable()"
        )
    kind = "class" if inspect.isclass(function) else "function"
    module = known_objects.module_of(function) or "builtins"
    return {
        "module": module,
        "class_name": kind,
        "config": get_registered_name(function),
        "registered_name": kind,
    }


def _serialized_object(item: Any) -> dict[str, object]:
    cls = type(item)
    module = known_objects.module_of(cls)
    own = is_registered(cls) or module is None
    config = item.get_config()
    if module is None:
        _check_config(cls, config)
    described: dict[str, object] = {
        "module": module or cls.__module__,
        "class_name": getattr(item, "described_class_name", cls.__name__),
        "config": serialize_keras_object(config),
        "registered_name": get_registered_name(cls) if own else None,
    }
    if hasattr(item, "get_build_config"):
        build = item.get_build_config()
        if build is not None:
            described["build_config"] = serialize_keras_object(build)
    if hasattr(item, "get_compile_config"):
        compiled = item.get_compile_config()
        if compiled is not None:
            described["compile_config"] = serialize_keras_object(compiled)
    if _sharing.shared is not None:
        described["shared_object_id"] = _sharing.shared.number(item)
    return described


def _check_config(cls: type, config: object) -> None:
    """Refuse the config of a class of the user's of which no object could be made again.

    Raises:
        TypeError: It lacks an argument that the class needs.
    """
    own = getattr(cls, "from_config", None)
    inherited = own is None or str(getattr(own, "__module__", "")).startswith("streamfit.")
    if not inherited or not isinstance(config, Mapping):
        return
    try:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    except (TypeError, ValueError):
        return
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [p.name for p in parameters if p.kind in plain and p.default is inspect.Parameter.empty]
    if lacking := [name for name in needed if name not in config]:
        raise TypeError(
            f"get_config of {cls.__name__} lacks {', '.join(map(repr, lacking))}, without which no object "
            "can be made "
            f"be made again: return {{**super().get_config(), {lacking[0]!r}: self.{lacking[0]}}}"
        )


def deserialize_keras_object(
    config: object,
    custom_objects: Mapping[str, object] | None = None,
    safe_mode: bool = True,
    **options: object,
) -> Any:
    """Make an object of the result of `serialize_keras_object`.

    Args:
        config: The result.
        custom_objects: Your own classes and functions by name.
        safe_mode: Accepted for Keras' sake; code in a description is never run.
        options: ``module_objects``, accepted for Keras' sake.

    Raises:
        UnknownNameError: It names a class or a function that is not known.
        TypeError, ValueError: It is no such description.

    Example:
        >>> from streamfit import layers
        >>> layer = deserialize_keras_object(serialize_keras_object(layers.Dense(3, name="low")))
        >>> layer.name, layer.units
        ('low', 3)
    """
    if unknown := [name for name in options if name != "module_objects"]:
        raise TypeError(f"deserialize_keras_object has no argument {unknown[0]!r}")
    with CustomObjectScope(custom_objects):
        return _made(config, 0)


def _made(config: object, level: int) -> Any:
    if level > _MOST_LEVELS:
        raise ValueError(f"the description is nested deeper than {_MOST_LEVELS} levels")
    if isinstance(config, _PLAIN) or callable(config):
        return config
    if isinstance(config, (list, tuple)):
        return [_made(value, level + 1) for value in config]
    if not isinstance(config, Mapping):
        raise TypeError(
            f"a description consists of plain values, got {config!r} of type {type(config).__name__}"
        )
    if "class_name" not in config or "config" not in config:
        return {key: _made(value, level + 1) for key, value in config.items()}
    name = config["class_name"]
    if name in _SPECIAL:
        return _SPECIAL[name](config["config"], level + 1)
    if name in ("function", "class"):
        return _function(config)
    return _object(config)


def _text_of(config: object, where: str) -> str:
    if not isinstance(config, str):
        raise TypeError(
            f"Expected 'config' to be a non-null str in the description of a {where}, got {config!r}"
        )
    return config


def _function(config: _Description) -> object:
    name = _text_of(config["config"], str(config["class_name"]))
    found = custom_object(name)
    if found is None:
        kind = known_objects.kind_of(str(config.get("module") or ""))
        found = known_objects.find(name, kind) if kind else known_objects.find(name)
        if found is not None:
            _check_registered(name, config.get("registered_name"), (name, str(config["class_name"])))
    if found is None:
        raise UnknownNameError(
            f"Unknown function: {name!r}. If it is yours, pass custom_objects={{{name!r}: {name}}}, or "
            "decorate it "
            "with @streamfit.saving.register_keras_serializable()"
        )
    return found


def _check_registered(name: str, registered: object, allowed: tuple[str, ...]) -> None:
    """Refuse a description of something registered, of which only a namesake in this library is known."""
    if registered and registered not in allowed:
        raise UnknownNameError(
            f"{name!r} is described as registered under the name {registered!r}, which is not known here, so "
            f"it was resolved to a Keras built-in, another object of the same name; register it, or pass "
            f"custom_objects={{{registered!r}: ...}}"
        )


def class_of(config: _Description) -> Any:
    """Return the class that a description names.

    Raises:
        UnknownNameError: It is not known.
    """
    name, registered = str(config["class_name"]), config.get("registered_name")
    module = str(config.get("module") or "")
    for key in (registered, name):
        found = custom_object(str(key)) if key else None
        if found is not None:
            return found
    kind = known_objects.kind_of(module)
    found = known_objects.find(name, kind)
    if found is not None and (kind is not None or not module):
        _check_registered(name, registered, (name,))
        return found
    where = f" of module {module!r}" if module else ""
    word, known = _WORDS.get(kind or "layers", "class"), known_objects.names(kind or "layers")
    raise UnknownNameError(
        f"Unknown {word}: {name!r}{where}.{did_you_mean(name, known)} Nothing that a file names is imported: "
        f"if the class is yours, pass custom_objects={{{name!r}: {name}}}, or decorate it with "
        "@streamfit.saving.register_keras_serializable()"
    )


def _object(config: _Description) -> object:
    name = config["class_name"]
    if name == "DTypePolicy" or name == "Policy":
        return _policy(config["config"])
    if not isinstance(config["config"], Mapping):
        raise TypeError(
            f"Expected 'config' to be a dict in the description of {name!r}, got {config['config']!r}"
        )
    number = config.get("shared_object_id")
    made_before = {} if _sharing.shared is None else _sharing.shared.made
    if number is not None and number in made_before:
        return made_before[number]
    cls = class_of(config)
    made = object_of(cls, config["config"])
    build, compiled = config.get("build_config"), config.get("compile_config")
    if build and hasattr(made, "build_from_config"):
        made.build_from_config(_made(build, 0))
    if compiled and hasattr(made, "compile_from_config"):
        made.compile_from_config(compiled)
    if number is not None:
        made_before[number] = made
    return made


def object_of(cls: Any, config: Mapping[str, object]) -> Any:
    """Return the object of a class that a config describes.

    Raises:
        TypeError: It is no class.
    """
    if hasattr(cls, "from_config"):
        return cls.from_config(dict(config))
    if not inspect.isclass(cls):
        raise TypeError(f"{cls!r} is described as an object with a config, but is no class")
    return cls(**config)


def _policy(config: object) -> str:
    name = str(config.get("name") if isinstance(config, Mapping) else config)
    if name not in ("float32", "float64", "int32", "int64", "string"):  # the last three of what layers return
        raise ValueError(f"the dtype policy {name!r} is not known here; layers compute in float32 or float64")
    return name


def _array(config: _Description, level: int) -> Array:
    dtype = np.dtype(str(config["dtype"]))
    if dtype.kind not in "biufU":
        raise ValueError(f"a description holds arrays of numbers or text, got the dtype {dtype}")
    found = np.array(config["value"], dtype=object)
    reserve(found.size * dtype.itemsize, f"an array of {dtype}")
    return found.astype(dtype)


_SPECIAL: dict[object, Callable[[_Description, int], object]] = {
    "__tuple__": lambda config, level: tuple(_made(value, level) for value in config["value"]),
    "__bytes__": lambda config, level: str(config["value"]).encode("latin-1"),
    "__numpy__": _array,
    "__tensor__": _array,
    "__ellipsis__": lambda config, level: Ellipsis,
    "__slice__": lambda config, level: slice(
        *(_made(config[part], level) for part in ("start", "stop", "step"))
    ),
}
