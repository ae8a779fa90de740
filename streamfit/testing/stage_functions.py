"""Pure functions for the stages of drawn pipelines, which also a plain list of samples can be given to.

They are at module level, so that worker processes import them, and that code that names them can be pasted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams import Sequence

Part = object
"""One part of a sample or of a batch: an array of whole numbers, or a tuple of such parts."""

NOISE = 1 << 32
"""`noisy` adds multiples of this, so that what was there before is known."""


def each(parts: tuple[Part, ...], convert: Callable[[Array], Array]) -> Part:
    """Convert each array of an element.

    Example:
        >>> each((np.array(1), (np.array(2),)), lambda array: array + 1)
        (array(2), (array(3),))
    """
    made = tuple(
        each_in(cast("tuple[Part, ...]", part), convert)
        if isinstance(part, tuple)
        else np.asarray(convert(np.asarray(part)))
        for part in parts
    )
    return made if len(made) > 1 else made[0]


def each_in(parts: tuple[Part, ...], convert: Callable[[Array], Array]) -> tuple[Part, ...]:
    """Convert each array of a tuple, which stays a tuple."""
    return tuple(each((part,), convert) for part in parts)


def negated(*parts: Part) -> Part:
    """Return the numbers with the other sign."""
    return each(parts, np.negative)


def increased(*parts: Part) -> Part:
    """Return the numbers, each one larger."""
    return each(parts, lambda array: array + 1)


def increased_in_place(*parts: Part) -> Part:
    """Add one to each number in the array that was given, as code in the wild does."""

    def increase(array: Array) -> Array:
        if not array.flags.writeable:
            return array + 1
        array += 1
        return array

    return each(parts, increase)


def noisy(*parts: Part, rng: np.random.Generator) -> Part:
    """Add a random multiple of `NOISE` to each number."""
    return each(parts, lambda array: array + NOISE * rng.integers(0, 100, array.shape))


def backwards(*parts: Part) -> Part:
    """Reverse the samples of a batch."""
    return each(parts, lambda array: array[::-1])


def as_many(number: Part) -> Part:
    """Return so many numbers as the sample says, at most three: samples of different shapes."""
    return np.arange(int(np.sum(known(np.asarray(number)))) % 4)


def no_third(*parts: Part) -> bool:
    """Tell whether the sum of a sample, without noise, is no multiple of three."""
    return total(parts) % 3 != 0


def known(array: Array) -> Array:
    """Return the numbers without noise.

    Example:
        >>> known(np.array([3, 3 + 7 * NOISE, -1]))
        array([         3,          3, 4294967295])
    """
    return array.astype(np.int64) % NOISE


def total(parts: tuple[Part, ...]) -> int:
    """Add up all numbers of a sample without noise."""
    return sum(
        total(cast("tuple[Part, ...]", part))
        if isinstance(part, tuple)
        else int(known(np.asarray(part)).sum())
        for part in parts
    )


class NumberBatches(Sequence):
    """Batches of the numbers 0, 1, 2 and so on.

    Args:
        sizes: Number of samples of each batch.

    Example:
        >>> [batch.tolist() for batch in (NumberBatches([2, 1])[0], NumberBatches([2, 1])[1])]
        [[0, 1], [2]]
    """

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Array:
        return np.arange(self.sizes[index]) + sum(self.sizes[:index])


class NumbersInOrder:
    """The numbers from 0 on as samples that can be read in order only, as often as one likes.

    Args:
        count: How many.

    Example:
        >>> [int(number) for number in NumbersInOrder(3)]
        [0, 1, 2]
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Array]:
        return (np.asarray(number) for number in range(self.count))
