"""Nested structures: lists, tuples and mappings of leaves, as users nest arrays and tensors.

Leaves, and the results of functions that keep a structure, are `Any`: types cannot express that a result has
the structure of an argument, nor which leaves a structure of the user's has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

T = TypeVar("T")

_LEAF, _MAPPING, _SERIES = range(3)


@functools.lru_cache(256)
def _kind(cls: type) -> int:
    """Return what objects of a class are; asking `Mapping` each time would take most of the time."""
    if issubclass(cls, (dict, Mapping)):
        return _MAPPING
    return _SERIES if issubclass(cls, (list, tuple)) else _LEAF


def flatten(structure: object) -> list[Any]:
    """List the leaves; mappings are walked in the order of their sorted keys.

    Example:
        >>> flatten({"b": 1, "a": [2, (3, 4)]})
        [2, 3, 4, 1]
    """
    cls: type = type(structure)
    kind = _kind(cls)
    if kind == _LEAF:
        return [structure]
    if kind == _SERIES:
        return [leaf for item in cast(Sequence[object], structure) for leaf in flatten(item)]
    mapping = cast(Mapping[object, object], structure)
    return [leaf for key in sorted(mapping, key=str) for leaf in flatten(mapping[key])]


def pack(structure: object, leaves: Iterable[object]) -> Any:
    """Put `leaves` into the shape of `structure`, in the order of `flatten`.

    Example:
        >>> pack({"b": 0, "a": [0, 0]}, [1, 2, 3])
        {'b': 3, 'a': [1, 2]}
    """
    return _fill(structure, iter(leaves))


def _fill(structure: object, leaves: Iterator[object]) -> object:
    cls: type = type(structure)
    kind = _kind(cls)
    if kind == _LEAF:
        return next(leaves)
    if kind == _SERIES:
        items = [_fill(item, leaves) for item in cast(Sequence[object], structure)]
        return cls(*items) if hasattr(cls, "_fields") else cls(items)
    mapping = cast(Mapping[object, object], structure)
    filled = {key: _fill(mapping[key], leaves) for key in sorted(mapping, key=str)}
    return {key: filled[key] for key in mapping}


def transform(function: Callable[[Any], object], structure: object) -> Any:
    """Apply `function` to each leaf and keep the structure.

    Example:
        >>> transform(str, (1, [2]))
        ('1', ['2'])
    """
    return pack(structure, [function(leaf) for leaf in flatten(structure)])


def map_entries(container: Any, function: Callable[[Any, object], object]) -> Any:
    """Apply ``function(entry, key)`` to each entry of one list, tuple or mapping, without going deeper.

    Mappings become dicts, subclasses of lists become lists, and named tuples keep their class.

    Example:
        >>> map_entries({"a": 1, "b": None}, lambda entry, key: (key, entry))
        {'a': ('a', 1), 'b': ('b', None)}
        >>> map_entries((3, 4), lambda entry, key: entry * key)
        (0, 4)
    """
    if isinstance(container, (dict, Mapping)):
        return {key: function(container[key], key) for key in container}
    entries = [function(entry, index) for index, entry in enumerate(container)]
    return as_tuple(type(container), entries) if isinstance(container, tuple) else entries


def part_of(items: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Return the items whose names begin with a prefix, without it.

    Example:
        >>> part_of({"weight/a": 1, "hyper": 2}, "weight/")
        {'a': 1}
    """
    return {name.removeprefix(prefix): item for name, item in items.items() if name.startswith(prefix)}


def as_tuple(kind: type, items: Sequence[object]) -> tuple[object, ...]:
    """Return `items` as a named tuple where `kind` is one, else as a plain tuple.

    Example:
        >>> as_tuple(tuple, [3, 4])
        (3, 4)
    """
    named: tuple[object, ...] = kind(*items) if hasattr(kind, "_fields") else tuple(items)
    return named
