"""Attributes of objects, differences between two states, and modules that are not the user's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

__all__ = ["attributes_of", "differences", "differing", "is_foreign"]


def attributes_of(thing: object) -> Iterator[tuple[str, object]]:
    """Yield the attributes of an object with their names, including those in slots.

    Example:
        >>> class Point:
        ...     __slots__ = ("x", "y")
        >>> point = Point()
        >>> point.x = 1
        >>> list(attributes_of(point))
        [('x', 1)]
    """
    yield from list(getattr(thing, "__dict__", {}).items())
    for kind in type(thing).__mro__:
        names = vars(kind).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else tuple(names):
            if name not in ("__dict__", "__weakref__") and hasattr(thing, name):
                yield name, getattr(thing, name)


def differing(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """List the names whose values differ between two states, or that only one of them has.

    Example:
        >>> differing({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4})
        ['b', 'c']
    """
    return [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]


def differences(
    before: Mapping[str, object], now: Mapping[str, object], absent: str = "not there"
) -> list[str]:
    """Describe for messages the differences between two states, with both values of each name.

    Args:
        before: Values by name.
        now: Values by name, at a later time.
        absent: The text for a name that one of them does not have.

    Example:
        >>> differences({"batch_size": 8, "seed": 1}, {"batch_size": 16, "seed": 1})
        ['batch_size was 8 and is 16']
    """
    return [
        f"{name} was {before.get(name, absent)!r} and is {now.get(name, absent)!r}"
        for name in differing(before, now)
    ]


def is_foreign(name: str) -> bool:
    """Return whether a module belongs to Python, to this library or to an installed package.

    Example:
        >>> is_foreign("json"), is_foreign("numpy.linalg"), is_foreign("my_pipeline")
        (True, True, False)
    """
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in ("streamfit", "numpy", "__main__", "__mp_main__"):
        return True
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
