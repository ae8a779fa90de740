"""What a generator takes from its input: an input that counts, and the iterators that a generator holds.

Guarantee kept here: looking at an iterator takes nothing from it.
"""

from __future__ import annotations

import gc
import operator
from collections.abc import Callable, Iterable, Iterator, Sized
from types import FrameType
from typing import Protocol, cast

import numpy as np

from streamfit.streams.leaves import brief

# Iterators of Python that say what they read and where they are when they are pickled. Those of itertools
# are not among them: they no longer say it.
_PLACED = ("range_iterator", "longrange_iterator", "list_iterator", "tuple_iterator", "iterator")
_WRAPPERS = (enumerate, zip, map, filter)
_DEPTH = 4


class _Indexable(Protocol):
    def __getitem__(self, index: object, /) -> object: ...


class CountingInput:
    """The items that a generator reads, which remembers those that were taken.

    Args:
        items: An iterable that can be read again: a list, a range, an array, a `Sequence`.

    Attributes:
        taken: The numbers of the items that were taken, in this order. An item that is asked for by its
            number counts once; one that is iterated over counts each time.
        passes: How often it was iterated over.

    Example:
        >>> rows = CountingInput(range(5))
        >>> [row for row, _ in zip(rows, range(2))], rows.taken
        ([0, 1], [0, 1, 2])
    """

    def __init__(self, items: Iterable[object]) -> None:
        self.items = items
        self.taken: list[int] = []
        self.passes = 0
        self._asked: set[int] = set()

    def __iter__(self) -> Iterator[object]:
        self.passes += 1
        for number, item in enumerate(self.items):
            self.taken.append(number)
            yield item

    def __len__(self) -> int:
        return len(cast("Sized", self.items))

    def __getitem__(self, index: object) -> object:
        item = cast("_Indexable", self.items)[index]
        chosen = np.arange(len(self))[index]  # type: ignore[call-overload]
        for number in np.ravel(chosen).tolist():
            if number not in self._asked:
                self._asked.add(number)
                self.taken.append(number)
        return item


class ReadingFactory:
    """A function that makes generators which read the items of a user.

    Args:
        function: Called with the items, or with a `CountingInput` of them, as its only argument.
        items: The items.

    Raises:
        TypeError: `function` cannot be called, or `items` can be read only once.

    Example:
        >>> list(ReadingFactory(lambda rows: (2 * row for row in rows), range(3))())
        [0, 2, 4]
    """

    def __init__(self, function: object, items: object) -> None:
        if not callable(function):
            raise TypeError(f"source= needs a function that makes generators, not {brief(function)}")
        if not hasattr(items, "__iter__") and not hasattr(items, "__getitem__"):
            raise TypeError(f"source={brief(items)} holds no items; pass a list, a range or an array")
        if hasattr(items, "__next__"):
            raise TypeError("source= is read several times, and an iterator only once; pass list(iterator)")
        self.function: Callable[[object], object] = function
        self.items = cast("Iterable[object]", items)
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self) -> object:
        return self.function(self.items)


class HeldIterator:
    """An iterator that a generator holds, and how far it was read.

    Attributes:
        name: What the generator calls it.
        items: What it reads; None if it does not say.
        late: Whether only what it gives from now on is known: a range that is read does not say where it
            began from Python 3.12 on.
    """

    def __init__(self, name: str, iterator: object) -> None:
        self.name, self._iterator = name, iterator
        self.items: object = None
        self._first = self.left()
        place = _place(iterator)
        if place is not None and self._first:
            self.items = place[0]
        self.late = self.items is None or (place is not None and place[1] == 0)

    def left(self) -> int:
        """Return how many items are left; -1 if it does not say."""
        try:
            return operator.length_hint(self._iterator, -1)
        except Exception:  # code of a user's iterator runs here
            return -1

    def taken(self) -> int:
        """Return how many items were taken; only those since now, where it does not say what it reads."""
        whole = len(cast("Sized", self.items)) if self.items is not None else self._first
        return whole - self.left()


def _place(iterator: object) -> tuple[object, int] | None:
    """Return what a built-in iterator reads and how many items of it were taken."""
    if type(iterator).__name__ not in _PLACED or type(iterator).__module__ != "builtins":
        return None
    try:
        _, (items, *_), *_ = cast("tuple[object, tuple[object, ...], object]", iterator.__reduce__())
        left = operator.length_hint(iterator, -1)
        return (items, len(cast("Sized", items)) - left) if left >= 0 else None
    except (TypeError, ValueError):
        return None


def held_iterators(generator: object) -> list[HeldIterator]:
    """List the iterators in the variables of a generator, and of the generators that it reads.

    Example:
        >>> def batches(rows):
        ...     yield [next(rows), next(rows)]
        >>> generator = batches(iter([7, 8, 9]))
        >>> _ = next(generator)
        >>> [(held.name, held.taken()) for held in held_iterators(generator)]
        [('rows', 2)]
    """
    found: dict[int, HeldIterator] = {}
    _collect(generator, "", _DEPTH, found)
    return list(found.values())


def _collect(thing: object, name: str, depth: int, found: dict[int, HeldIterator]) -> None:
    if depth < 0 or id(thing) in found:
        return
    frame: object = getattr(thing, "gi_frame", None)
    if isinstance(frame, FrameType):
        for variable, value in list(frame.f_locals.items()):
            _collect(value, name if variable == ".0" else variable, depth - 1, found)
        for value in gc.get_referents(thing):  # also what its loops read, which has no name
            _collect(value, name, depth - 1, found)
    elif isinstance(thing, _WRAPPERS):
        made = cast("tuple[object, tuple[object, ...]]", thing.__reduce__())
        for value in made[1]:
            _collect(value, name, depth - 1, found)
    elif hasattr(thing, "__next__") and hasattr(type(thing), "__length_hint__"):
        held = HeldIterator(name, thing)
        if held.left() >= 0:
            found[id(thing)] = held
    elif hasattr(thing, "__next__") and hasattr(thing, "__dict__"):
        for variable, value in list(vars(thing).items()):
            _collect(value, variable, depth - 1, found)
