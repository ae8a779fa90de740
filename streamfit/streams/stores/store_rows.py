"""`StoreRows`: the samples of a store as the base of a pipeline."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element, named_leaves, split
from streamfit.streams.stages.stage import Pass, Runs, Stage
from streamfit.streams.stores.block_cache import BlockCache
from streamfit.streams.stores.row_form import RowForm
from streamfit.streams.stores.store import Store, StoreBlock, first_rows
from streamfit.streams.traits import SourceTraits

if TYPE_CHECKING:
    from streamfit.streams.stores.row_kernels import BlockFinder


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
        self._found: BlockFinder | None = None

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

    def notes(self, p: Pass) -> list[str]:
        """Say how many blocks there are, and how large a sample is."""
        lengths = self.store.lengths
        least, most = int(lengths.min()), int(lengths.max())
        blocks = "1 block" if len(lengths) == 1 else f"{len(lengths):,} blocks"
        rows = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        return [f"{blocks} of {rows} samples, about {self.store.row_bytes:,} bytes each"]

    def identity(self) -> dict[str, object]:
        """Return what makes these data others than other data."""
        return self.store.identity()

    @property
    def finder(self) -> BlockFinder:
        """What finds the blocks of many samples."""
        if self._found is None:
            # Imported here: a worker that only loads needs no compiler.
            from streamfit.streams.stores.row_kernels import BlockFinder

            self._found = BlockFinder(self._starts)
        return self._found

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_found": None}

    def first(self, block: int) -> int:
        """Return the id of the first sample of a block."""
        return int(self._starts[block])

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
        form: RowForm | None = None
        for number in dict.fromkeys(blocks.tolist()):
            block = self.cache.get(number, self.read)
            places = np.flatnonzero(blocks == number)
            for place in places if block.bad else ():
                reason = block.bad.get(int(rows[place]))
                if reason is not None:
                    raise SampleError(f"{self.store.where(number, int(rows[place]))}: {reason}", int(place))
            if form is None:
                form = RowForm(block.rows)
                made = form.empty(len(ids))
            leaves = form.leaves(block.rows, functools.partial(self.store.where, number))
            for leaf, out in zip(leaves, made, strict=True):
                out[places] = leaf[rows[places]]
        assert form is not None
        return form.build(made)

    def open(self) -> None:
        """Open the files of the store."""
        self.store.open()

    def close(self) -> None:
        """Close them, and forget what was read."""
        self.store.close()
        self.cache.clear()
