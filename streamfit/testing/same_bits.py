"""`assert_same_bits`: two trainings have the same weights, losses and order, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from streamfit.streams.leaves import brief
from streamfit.testing.comparison import difference, same_bits

Leaf = tuple[str, object]


def assert_same_bits(one: object, other: object) -> None:
    """Check that two results have the same bits.

    Args:
        one: A model, a history, an array, a number, or a list, tuple or dict of these; or a function
            without arguments that returns one, such as a training run.
        other: The same.

    Raises:
        AssertionError: They differ; the message names the first place.

    Example:
        >>> assert_same_bits({"w": np.zeros(2)}, {"w": np.zeros(2)})
        >>> assert_same_bits([1.0, float("nan")], [1.0, 2.0])
        Traceback (most recent call last):
        AssertionError: result[1] is nan in the first and 2.0 in the second
    """
    first, second = (list(_leaves("result", _result(thing))) for thing in (one, other))
    names = [name for name, _ in first], [name for name, _ in second]
    if names[0] != names[1]:
        alone = [name for name in names[0] + names[1] if (name in names[0]) != (name in names[1])]
        raise AssertionError(f"{alone[0]} is in one of the two results only")
    for (name, left), (_, right) in zip(first, second, strict=True):
        _compare(name, left, right)


def _result(thing: object) -> object:
    is_object = hasattr(thing, "get_weights") or hasattr(thing, "history")
    return thing() if callable(thing) and not is_object else thing


def _leaves(name: str, thing: object) -> Iterator[Leaf]:
    if hasattr(thing, "get_weights"):
        yield from _leaves(f"{name}.weights", list(thing.get_weights()))
    elif hasattr(thing, "history") and hasattr(thing, "receipts"):
        yield from _leaves(f"{name}.history", thing.history)
        counts = [(r.epoch, r.planned, r.delivered, r.digest) for r in thing.receipts]
        yield from _leaves(f"{name}.receipts", counts)
    elif isinstance(thing, dict):
        for key in sorted(thing, key=str):
            yield from _leaves(f"{name}[{key!r}]", thing[key])
    elif isinstance(thing, (list, tuple)):
        for index, entry in enumerate(thing):
            yield from _leaves(f"{name}[{index}]", entry)
    else:
        yield name, thing


def _compare(name: str, one: object, other: object) -> None:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        found = difference((one, None, None), (other, None, None), ("in the first", "in the second"))
        if found:
            raise AssertionError(f"{name} differs: {found}".replace("differs: x", "differs: value", 1))
        return
    numbers = isinstance(one, (float, np.generic)) and isinstance(other, (float, np.generic))
    alike = (
        same_bits(np.asarray(one), np.asarray(other))
        if numbers
        else type(one) is type(other) and one == other
    )
    if not alike:
        values: tuple[Any, Any] = (one, other)  # anything that a result may hold
        shown = [repr(value) if np.ndim(value) == 0 else brief(value) for value in values]
        raise AssertionError(f"{name} is {shown[0]} in the first and {shown[1]} in the second")
