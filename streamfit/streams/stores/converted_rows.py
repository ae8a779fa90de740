"""`ConvertedRows`: the samples of a store, their x converted a block at a time, where blocks are read.

For what is computed row by row, such as the lookup layers of a model: a call for 100,000 rows costs
little more than one for a batch of 32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit.streams.batch import Part
from streamfit.streams.items import as_item, unpack
from streamfit.streams.stages.elements import Element, map_leaves
from streamfit.streams.stores.store import StoreBlock
from streamfit.streams.stores.store_rows import StoreRows

_MOST_REFUSED = 100
"""How many samples of a block the function may refuse one by one; each takes a call for the whole block."""


class ConvertedRows(StoreRows):
    """The samples of a store with another x.

    Args:
        rows: The samples as they are.
        function: From x of some samples to x of as many; each row of the result depends on its row alone. It
            raises a `SampleError` for a row that it refuses.
    """

    def __init__(self, rows: StoreRows, function: Callable[[Part], Part]) -> None:
        super().__init__(rows.store)
        self.function = function

    def specs(self) -> Element:
        """Return None: only reading tells."""
        return None

    def read(self, number: int) -> StoreBlock:
        """Read and convert a block; samples that the function refuses are bad.

        Raises:
            DataError: It cannot be read, or the function refuses more than a few samples, or all.
        """
        block = super().read(number)
        x, y, weight = unpack(block.rows, targets=True, bare=True, maker=repr(self), text=True)
        bad, refused = dict(block.bad), 0
        count = int(self.store.lengths[number])
        while True:
            try:
                made = self.function(_filled(x, sorted(bad), count))
                return StoreBlock(as_item((made, y, weight)), bad)
            except SampleError as error:
                refused += 1
                if error.row is None or error.row in bad or refused > _MOST_REFUSED or len(bad) + 1 >= count:
                    raise SampleError(f"{error} ({self.store.where(number, error.row)})", error.row) from None
                bad[error.row] = str(error)
            except DataError as error:
                raise type(error)(f"{error} ({self.store.where(number)})") from None


def _filled(x: Part, bad: list[int], count: int) -> Part:
    """Return x with another sample in the place of each bad one."""
    if not bad:
        return x
    good = int(np.setdiff1d(np.arange(count), bad)[0]) if len(bad) < count else 0

    def replaced(leaf: object) -> object:
        array = np.array(leaf)
        array[bad] = array[good]
        return array

    filled: Part = map_leaves(x, replaced)  # type: ignore[assignment]
    return filled
