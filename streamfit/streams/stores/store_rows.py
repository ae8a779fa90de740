"""`StoreRows`: the samples of a store as the base of a pipeline."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element, map_leaves, named_leaves, split
from streamfit.streams.stages.stage import Pass, Runs, Stage
from streamfit.streams.stores.block_cache import BlockCache
from streamfit.streams.stores.store import Store, StoreBlock, first_rows
from streamfit.streams.traits import SourceTraits


class StoreRows(Stage):
    """The samples of a store: element i is the sample with the id i.

    Args:
        store: Where they lie.

    Single samples are taken from blocks that were read last. A feed does not read like that: it reads blocks
    ahead, see `BlockReader`.
    """

    def __init__(self, store: Store) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.store = store
        self.cache = BlockCache()
        self._starts = first_rows(store.lengths)

    def __repr__(self) -> str:
        return self.store.text()

    def specs(self) -> Element:
        """Return the specs of a sample, where the store knows them."""
        return self.store.specs

    def size(self, p: Pass) -> int:
        """Return the number of samples."""
        return int(self._starts[-1])

    def space(self, p: Pass) -> int:
        """Return the number of samples, which their ids are below."""
        return int(self._starts[-1])

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of samples: their positions."""
        return positions

    def runs(self, p: Pass) -> Runs:
        """Return the lengths of the blocks."""
        return Runs(self.store.lengths, self.store.row_bytes)

    def identity(self) -> dict[str, object]:
        """Return what makes these data others than other data."""
        return self.store.identity()

    def blocks_of(self, ids: Array) -> tuple[Array, Array]:
        """Return the block of each sample, and its row in it."""
        blocks = np.searchsorted(self._starts, ids, "right") - 1
        return blocks, ids - self._starts[blocks]

    def read(self, number: int) -> StoreBlock:
        """Read a block, and check that it has the samples that it should have.

        Raises:
            DataError: It cannot be read, or holds more or fewer samples than when the store was made.
        """
        store = self.store
        block = store.read(number)
        for name, leaf in named_leaves(block.rows):
            found, wanted = len(np.asarray(leaf)), int(store.lengths[number])
            if found != wanted:
                raise DataError(
                    f"{store.where(number)}: {name} has {found} samples, and had {wanted} when the data were "
                    "opened; do not change files that are read"
                )
        return block

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Return samples by id."""
        return split(self.stacked(p, ids)) if len(ids) else []

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Return samples by id as one batch, in fresh arrays."""
        blocks, rows = self.blocks_of(ids)
        gather: Gather | None = None
        for number in dict.fromkeys(blocks.tolist()):
            block = self.cache.get(number, self.read)
            places = np.flatnonzero(blocks == number)
            for place in places if block.bad else ():
                reason = block.bad.get(int(rows[place]))
                if reason is not None:
                    raise SampleError(f"{self.store.where(number, int(rows[place]))}: {reason}", int(place))
            gather = gather or Gather(block.rows, len(ids))
            gather.put(block.rows, rows[places], places, functools.partial(self.store.where, number))
        assert gather is not None
        return gather.rows

    def open(self) -> None:
        """Open the files of the store."""
        self.store.open()

    def close(self) -> None:
        """Close them, and forget what was read."""
        self.store.close()
        self.cache.clear()


class Gather:
    """Rows from several blocks, put into arrays that were made for them.

    Args:
        like: The rows of a block, which say structure, shapes and dtypes.
        count: How many rows there will be.
    """

    def __init__(self, like: Element, count: int) -> None:
        self._leaves: list[Array] = []
        self._names = [name for name, _ in named_leaves(like)]

        def make(leaf: object) -> Array:
            array = np.asarray(leaf)
            made = np.empty((count, *array.shape[1:]), array.dtype)
            self._leaves.append(made)
            return made

        self.rows: Element = map_leaves(like, make)

    def put(
        self, rows: Element, taken: Array | slice, places: Array | slice, where: Callable[[], str]
    ) -> None:
        """Put the rows `taken` of a block to these places.

        Raises:
            DataError: They differ in structure, shape or dtype from the rows that came first.
        """
        found = list(named_leaves(rows))
        if [name for name, _ in found] != self._names:
            raise DataError(f"{where()}: the parts are {[name for name, _ in found]}, before: {self._names}")
        for made, (name, leaf) in zip(self._leaves, found, strict=True):
            array = np.asarray(leaf)
            if array.dtype != made.dtype or array.shape[1:] != made.shape[1:]:
                raise DataError(
                    f"{where()}: {name} has dtype {array.dtype} and shape {array.shape[1:]} in each sample, "
                    f"and before dtype {made.dtype} and shape {made.shape[1:]}; all files need one form"
                )
            made[places] = array[taken]
