"""The user's own classes and functions, under the names by which descriptions of models refer to them.

A description never names code to import. What it refers to is an object of this library, or one that the user
has registered or passes as `custom_objects`.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_registered: dict[str, object] = {}
_names: dict[object, str] = {}


class _Scopes(threading.local):
    objects: tuple[Mapping[str, object], ...] = ()


_scopes = _Scopes()


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Return a decorator that makes a class or a function known to `load_model` and its like.

    Args:
        package: The package that it belongs to, part of its name.
        name: By default its own name. The registered name is ``"package>name"``.

    Returns:
        A decorator that returns its argument. Registering another object under the same name replaces the
        first, as running a cell of a notebook again does.

    Raises:
        ValueError: A class has no `get_config`, so that nothing could be made of its description.

    Example:
        >>> @register_keras_serializable("tutorial")
        ... def shifted_relu(x):
        ...     return x
        >>> get_registered_name(shifted_relu)
        'tutorial>shifted_relu'
    """

    def register(item: T) -> T:
        own = name if name is not None else getattr(item, "__name__", "")
        if inspect.isclass(item) and not hasattr(item, "get_config"):
            raise ValueError(
                f"Cannot register a class that does not have a get_config() method: {own}; define "
                "get_config, "
                "which returns the arguments that make an equal object"
            )
        full = f"{package}>{own}"
        before = _registered.get(full)
        if before is not None:
            _names.pop(before, None)
        _registered[full], _names[item] = item, full
        return item

    return register


def get_registered_name(item: Any) -> str:
    """Return the registered name of a class or a function; its own name where it is not registered.

    Example:
        >>> get_registered_name(dict)
        'dict'
    """
    return _names.get(item) or str(getattr(item, "__name__", type(item).__name__))


def is_registered(item: object) -> bool:
    """Return whether a class or a function is registered."""
    try:
        return item in _names
    except TypeError:  # it has no hash
        return False


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, object] | None = None,
    module_objects: Mapping[str, object] | None = None,
) -> Any:
    """Return the class or the function that is known under a name, or None.

    Args:
        name: A registered name, or a key of `custom_objects`.
        custom_objects, module_objects: Further objects by name; scopes and registered objects come first.
    """
    for objects in (*reversed(_scopes.objects), _registered, custom_objects or {}, module_objects or {}):
        if name in objects:
            return objects[name]
    return None


def custom_object(name: str) -> Any:
    """Return the user's object for a name in a description: registered, in a scope, or None.

    A name without its package finds a registered object too, if no other has that name.
    """
    found = get_registered_object(name)
    if found is None and ">" not in name:
        same = [item for full, item in _registered.items() if full.partition(">")[2] == name]
        found = same[0] if len(same) == 1 else None
    return found


class CustomObjectScope:
    """Make objects known by name inside a block, on this thread.

    Args:
        custom_objects: Classes and functions by name.

    Example:
        >>> from streamfit import activations
        >>> with CustomObjectScope({"mine": abs}):
        ...     activations.get("mine")
        <built-in function abs>
    """

    def __init__(self, custom_objects: Mapping[str, object] | None = None) -> None:
        self.custom_objects = dict(custom_objects or {})
        self._before: list[tuple[Mapping[str, object], ...]] = []

    def __enter__(self) -> Self:
        self._before.append(_scopes.objects)
        _scopes.objects = (*_scopes.objects, self.custom_objects)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _scopes.objects = self._before.pop()


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, object]:
    """Return the dictionary of all registered objects; what is added to it is known from then on."""
    return _registered
