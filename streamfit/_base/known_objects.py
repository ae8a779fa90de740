"""The classes and functions of this library that descriptions may refer to, by kind and name.

Each package of such objects adds its public ones, so that nothing is ever imported because a file names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_KINDS: dict[str, dict[str, object]] = {}
_ALSO = {"Functional": "Model"}
"""Names that Keras gives a class of ours."""


def provide(kind: str, namespace: Mapping[str, Any], names: Iterable[str]) -> None:
    """Add the objects of a package.

    Args:
        kind: The last word of the package's name, such as ``"layers"``.
        namespace: Its objects by name.
        names: Those that are public.

    Example:
        >>> provide("examples", {"abs": abs}, ["abs"])
        >>> find("abs", "examples"), find("abs", "layers")
        (<built-in function abs>, None)
    """
    found = {name: namespace[name] for name in names if name != "get"}
    _KINDS.setdefault(kind, {}).update((name, item) for name, item in found.items() if callable(item))


def find(name: str, kind: str | None = None) -> Any:
    """Return the object of a name, among those of one kind or of all, or None."""
    name = _ALSO.get(name, name)
    kinds = _KINDS.values() if kind is None else [_KINDS.get(kind, {})]
    return next((objects[name] for objects in kinds if name in objects), None)


def kind_of(module: str) -> str | None:
    """Return the kind that a module's name stands for; None if it stands for none.

    Example:
        >>> kind_of("keras.src.layers.core.dense"), kind_of("os")
        ('layers', None)
    """
    words = module.split(".")
    if words[0] not in ("streamfit", "keras", "tf_keras", "tensorflow"):
        return None
    if len(words) == 1 or "engine" in words:
        return "models"  # Keras has its models in the package itself, or in a part called so
    if "schedules" in words:
        return "schedules" if "schedules" in _KINDS else "optimizers"
    return next((word for word in words[1:] if word in _KINDS), None)


def names(kind: str) -> list[str]:
    """List the names of one kind."""
    return sorted(_KINDS.get(kind, ()))


def module_of(item: object) -> str | None:
    """Return the public module of a class or a function of this library; None for others."""
    name = getattr(item, "__name__", None)
    for kind, objects in _KINDS.items():
        if name in objects and objects[name] is item:
            return f"streamfit.{kind}"
    return None
