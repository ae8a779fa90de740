"""`BatchOrder`: which samples are in which batch of a pass, apart from how they are loaded.

Guarantee kept here: an order depends on its arguments and the pass alone, and any part of it can be computed
without the parts before it.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import numpy as np

from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.streams.shuffle import Shuffle

_CHUNK = 4096  # positions whose ids are computed in one call


class BatchOrder(ABC):
    """Base of all orders of samples and batches.

    Args:
        batch_size: Samples in a batch; the last batch of a pass may be smaller.
        drop_remainder: Whether a smaller last batch is left out.
        seed: Where the orders of the passes start from.

    Attributes:
        sequential: Whether every pass takes the samples as they lie.
    """

    sequential = False

    def __init__(self, batch_size: int, drop_remainder: bool = False, seed: int = 0) -> None:
        self.batch_size, self.drop_remainder, self.seed = batch_size, drop_remainder, seed

    def with_seed(self, seed: int) -> Self:
        """Return an equal order that starts from another seed."""
        other = copy.copy(self)
        other.seed = seed
        return other

    @abstractmethod
    def samples(self, number: int) -> int:
        """Return the number of samples of pass `number`, before a remainder is dropped."""

    @abstractmethod
    def ids(self, number: int, first: int, count: int) -> Array:
        """Return the ids at positions [first, first + count) of pass `number`, int64."""

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """Return what makes this order another than others: values for JSON, by the words of an error."""

    def used(self, number: int) -> int:
        """Return the number of samples that the batches of a pass hold."""
        samples = self.samples(number)
        return samples - samples % self.batch_size if self.drop_remainder else samples

    def batches(self, number: int) -> int:
        """Return the number of batches of pass `number`."""
        return -(-self.used(number) // self.batch_size)

    def chunks(self, number: int, start: int) -> Iterator[Array]:
        """Yield the ids from batch `start` on, many whole batches at a time, which costs less."""
        per_chunk = max(1, _CHUNK // self.batch_size) * self.batch_size
        used = self.used(number)
        for first in range(start * self.batch_size, used, per_chunk):
            yield self.ids(number, first, min(per_chunk, used - first))

    def batch_ids(self, number: int, start: int) -> Iterator[Array]:
        """Yield the ids of each batch from batch `start` on."""
        for ids in self.chunks(number, start):
            for offset in range(0, len(ids), self.batch_size):
                yield ids[offset : offset + self.batch_size]


class ShuffledOrder(BatchOrder):
    """All of `n` samples, as they lie or shuffled.

    Args:
        n: Number of samples.
        batch_size: Samples in a batch.
        shuffle: True for a new order of the samples in each pass, ``'batch'`` for a new order of whole
            batches (a smaller last batch stays last), False for none.
        seed: Where the orders start from.

    Example:
        >>> order = ShuffledOrder(5, 2, shuffle=False)
        >>> [ids.tolist() for ids in order.batch_ids(0, 1)]
        [[2, 3], [4]]
    """

    def __init__(self, n: int, batch_size: int, shuffle: Shuffle = True, seed: int = 0) -> None:
        super().__init__(batch_size, seed=seed)
        self.n, self.shuffle = n, shuffle
        self.sequential = shuffle is False

    def samples(self, number: int) -> int:
        """Return the number of samples."""
        return self.n

    def identity(self) -> dict[str, object]:
        """Return batch size and kind of shuffling."""
        return {"batch_size": self.batch_size, "shuffle": self.shuffle}

    def ids(self, number: int, first: int, count: int) -> Array:
        """Return the ids at these positions."""
        if self.shuffle is False:
            return np.arange(first, first + count)
        # Imported here: a worker that only loads needs no compiler.
        from streamfit.streams.order import Order

        key = derive(self.seed, number, "shuffle")
        if self.shuffle is True:
            return Order(self.n, key).ids(first, count)
        size, full = self.batch_size, self.n // self.batch_size
        whole = (first + count) // size - first // size
        starts = Order(full, key).ids(first // size, whole) * size
        ids = (starts[:, None] + np.arange(size)).reshape(-1)
        tail = np.arange(max(first, full * size), first + count)
        return np.concatenate((ids, tail)) if tail.size else ids
