"""Calls of functions of `ops` in a graph, as Keras 3 describes them: operations with settings, and inputs.

`streamfit.ops` has settings among the arguments of a call; Keras has them in the config of the operation.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from streamfit._base.configs import Config
from streamfit.ops.public_calls import FUNCTIONS

_PLAIN = {
    "numpy": (
        *("absolute", "add", "cos", "divide", "dot", "equal", "exp", "expm1", "floor", "greater"),
        *("greater_equal", "less", "less_equal", "log", "log1p", "logical_and", "logical_not", "logical_or"),
        *("matmul", "maximum", "minimum", "multiply", "negative", "not_equal", "ones_like", "power", "sign"),
        *("sin", "sqrt", "square", "subtract", "tanh", "where", "zeros_like", "round"),
    ),
    "nn": (
        *("hard_sigmoid", "log_sigmoid", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign"),
    ),
}
_REDUCED = {"axis": "axis", "keepdims": "keepdims"}
_SETTINGS: dict[str, tuple[str, dict[str, str]]] = {
    **dict.fromkeys(("sum", "mean", "max", "min", "argmax", "argmin", "var", "std"), ("numpy", _REDUCED)),
    **{
        name: ("numpy", {"axis": "axis"})
        for name in ("concatenate", "stack", "take", "expand_dims", "squeeze")
    },
    **{name: ("nn", {"axis": "axis"}) for name in ("softmax", "log_softmax")},
    "broadcast_to": ("numpy", {"shape": "shape"}),
    "cast": ("core", {"dtype": "dtype"}),
    "clip": ("numpy", {"minimum": "x_min", "maximum": "x_max"}),
    "cumsum": ("numpy", {"axis": "axis"}),
    "elu": ("nn", {"alpha": "alpha"}),
    "gelu": ("nn", {"approximate": "approximate"}),
    "getitem": ("numpy", {}),
    "leaky_relu": ("nn", {"negative_slope": "negative_slope"}),
    "logsumexp": ("math", _REDUCED),
    "one_hot": ("nn", {"classes": "num_classes", "dtype": "dtype"}),
    "reshape": ("numpy", {"shape": "newshape"}),
    "split": ("numpy", {"parts": "indices_or_sections", "axis": "axis"}),
    "swap_axes": ("numpy", {"a": "axis1", "b": "axis2"}),
    "transpose": ("numpy", {"axes": "axes"}),
    **{name: (module, {}) for module, names in _PLAIN.items() for name in names},
}
_NAMES = {"getitem": "GetItem", "swap_axes": "Swapaxes"}
_OTHER_NAMES = {"TrueDivide": "divide", "Swish": "silu", "Abs": "absolute"}
_BOOKKEEPING = ("name", "trainable")
_HARMLESS: dict[str, object] = {"initial": None, "decimals": 0, "sparse": False, "dtype": None, "axis": -1}


def keras_class(name: str) -> str:
    """Return the name of Keras' class for a function of `ops`.

    Example:
        >>> keras_class("log_softmax"), keras_class("getitem")
        ('LogSoftmax', 'GetItem')
    """
    return _NAMES.get(name, "".join(word.capitalize() for word in name.split("_")))


_OF_CLASS = {**{keras_class(name): name for name in _SETTINGS}, **_OTHER_NAMES}


def function_of(class_name: str) -> str | None:
    """Return the name of the function of `ops` for a class of Keras' operations; None if there is none."""
    found = _OF_CLASS.get(class_name)
    return found if found in FUNCTIONS else None


def options_of(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by name that a config of Keras' operation gives a function of `ops`.

    Raises:
        ValueError: It sets something that the function does not have.
    """
    ours = {keras: own for own, keras in _SETTINGS[name][1].items()}
    found: dict[str, Any] = {}
    for key, value in config.items():
        if key in ours:
            if value is not None:
                found[ours[key]] = value
        elif key not in _BOOKKEEPING and _HARMLESS.get(key, key) != value:
            raise ValueError(f"the graph uses ops.{name} with {key}={value!r}, which it does not have")
    return found


def keras_operation(entry: Mapping[str, Any]) -> Config:
    """Return Keras' description of an entry of a graph that is a function of `ops`.

    Raises:
        ValueError: Keras has no such operation.
    """
    name = str(entry["class_name"])
    if name not in _SETTINGS:
        raise ValueError(
            f"the graph uses ops.{name}, which Keras has no operation for; save the model as .streamfit"
        )
    module, settings = _SETTINGS[name]
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    config: Config = {"name": entry["name"]}
    calls = []
    for call in entry["inbound_nodes"]:
        given = {**dict(zip(parameters, call["args"], strict=False)), **call["kwargs"]}
        own = {settings[key]: _setting(given[key]) for key in settings if key in given}
        own.update(
            (settings[key], parameters[key].default)
            for key in settings
            if key not in given and parameters[key].default is not inspect.Parameter.empty
        )
        config.update(own)
        rest = [_untupled(value) for key, value in given.items() if key not in settings]
        if name == "where":
            config.pop("dtype", None)
        calls.append({"args": rest, "kwargs": {}})
    return {
        "module": f"keras.src.ops.{module}",
        "class_name": keras_class(name),
        "config": config,
        "registered_name": keras_class(name),
        "name": entry["name"],
        "inbound_nodes": calls,
    }


def _setting(value: Any) -> Any:
    value = _untupled(value)
    return [-1 if item is None else item for item in value] if isinstance(value, list) else value


def _untupled(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return [_untupled(item) for item in value["config"]["value"]]
    return [_untupled(item) for item in value] if isinstance(value, list) else value


def as_key(arguments: Sequence[Any]) -> list[Any]:
    """Return the arguments of `getitem` with a tuple for a list of indices, as JSON has it."""
    return [arguments[0], *(tuple(item) if isinstance(item, list) else item for item in arguments[1:])]
