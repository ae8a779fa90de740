"""Structures: lists, tuples and dicts of leaves, as users nest arrays and tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from streamfit._base.checks import is_mapping


def flatten(structure: Any) -> list[Any]:
    """List the leaves; dictionaries are walked in the order of their sorted keys.

    Example:
        >>> flatten({"b": 1, "a": [2, (3, 4)]})
        [2, 3, 4, 1]
    """
    if is_mapping(structure):
        return [leaf for key in sorted(structure, key=str) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in flatten(item)]
    return [structure]


def pack(structure: Any, leaves: list[Any]) -> Any:
    """Put `leaves` into the shape of `structure`, in the order of `flatten`.

    Example:
        >>> pack({"b": 0, "a": [0, 0]}, [1, 2, 3])
        {'b': 3, 'a': [1, 2]}
    """
    return _fill(structure, iter(leaves))


def _fill(structure: Any, leaves: Iterator[Any]) -> Any:
    if is_mapping(structure):
        filled = {key: _fill(structure[key], leaves) for key in sorted(structure, key=str)}
        return {key: filled[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        items = [_fill(item, leaves) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    return next(leaves)


def transform(function: Callable[[Any], Any], structure: Any) -> Any:
    """Apply `function` to each leaf and keep the structure.

    Example:
        >>> transform(str, (1, [2]))
        ('1', ['2'])
    """
    return pack(structure, [function(leaf) for leaf in flatten(structure)])
