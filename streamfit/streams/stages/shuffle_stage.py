"""`shuffle`: a full permutation where any element is quick to reach; else blocks, and windows of blocks.

Elements in files that are read block by block come in windows: the blocks are permuted, and the elements of
some blocks, as many as fit into memory, are permuted together. Elements that can only be read in order come
in permuted blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.keys import derive, generator, seed_from
from streamfit._base.specs import Array
from streamfit.streams.order import Order
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.recent import Recent
from streamfit.streams.stages.stage import (
    ElementRunner,
    OrderStage,
    Pass,
    Place,
    Runs,
    Stage,
    known_size,
    parts_of,
)
from streamfit.streams.window_order import WindowOrder

_BLOCK = 1024

WINDOW_BYTES = 64 << 20
"""How many bytes of decoded samples, and of what orders them, are shuffled among each other, if the user
names no number of samples.
"""


class Shuffle(OrderStage):
    """Change the order of the elements in each pass.

    Args:
        stage: What to shuffle.
        buffer_size: The least number of elements that are shuffled among each other, for inputs that are
            read in order (None for 1,024), or in blocks of files (None for as many as 64 MiB hold, at least
            a block). Any other input is always shuffled as a whole.
        seed: A seed for this stage alone; None follows the run.
        reshuffle_each_iteration: Whether each pass has an order of its own.
    """

    def __init__(
        self,
        stage: Stage,
        buffer_size: int | None = None,
        seed: int | None = None,
        reshuffle_each_iteration: bool = True,
    ) -> None:
        fixed = stage.traits.fixed_order and not reshuffle_each_iteration and seed is not None
        super().__init__((stage,), replace(stage.traits, fixed_order=fixed))
        self.buffer_size = None if buffer_size is None else whole("buffer_size", buffer_size, 1)
        self.seed = None if seed is None else seed_from(seed)
        self.anew = truth("reshuffle_each_iteration", reshuffle_each_iteration)
        self._orders = Recent()

    def __repr__(self) -> str:
        given = [] if self.buffer_size is None else [str(self.buffer_size)]
        given += [] if self.seed is None else [f"seed={self.seed}"]
        given += [] if self.anew else ["reshuffle_each_iteration=False"]
        return f"shuffle({', '.join(given)})"

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        return self.input.size(p)

    def key(self, p: Pass) -> int:
        """Return the key of the order of a pass."""
        number = p.number if self.anew else 0
        if self.seed is not None:  # so that two inputs can be shuffled alike
            return derive(self.seed, number, "shuffle")
        return derive(p.seed, number, "shuffle", self.salt)

    def windows(self, p: Pass) -> WindowOrder | None:
        """Return the order of a pass of an input that lies in blocks; None where it is a full permutation."""
        return self._orders.get((p.seed, p.number), lambda: self._windows(p))

    def _windows(self, p: Pass) -> WindowOrder | None:
        runs = self.input.runs(p)
        if runs is None:
            return None
        return WindowOrder(runs.lengths, runs.blocks_in(self.buffer_size, WINDOW_BYTES), self.key(p))

    def runs(self, p: Pass) -> Runs | None:
        """Return the number of elements in each window, which are in the same blocks."""
        windows, inner = self.windows(p), self.input.runs(p)
        if windows is None or inner is None:
            return None
        return Runs(np.diff(windows.starts), inner.row_bytes, mixed=True)

    def notes(self, p: Pass) -> list[str]:
        """Say how many elements are shuffled among each other, where it is not all of them."""
        windows, runs = self.windows(p), self.input.runs(p)
        if windows is None or runs is None or not windows.windows:
            return []
        size = int(np.diff(windows.starts).max())
        held = size * runs.row_bytes / 2**20
        together = min(windows.window, len(runs.lengths))
        return [f"{together:,} of {len(runs.lengths):,} blocks together: {size:,} elements, {held:,.1f} MiB"]

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids at these positions of the permutation."""
        if not len(positions):
            return self.input.ids(p, positions)
        windows = self.windows(p)
        if windows is not None:
            return self.input.ids(p, windows.at(positions))
        order = Order(known_size(self.input, p), self.key(p))
        first, count = int(positions[0]), len(positions)
        if int(positions[-1]) - first == count - 1 and bool((np.diff(positions) == 1).all()):
            return self.input.ids(p, order.ids(first, count))
        return self.input.ids(p, order.at(positions))

    def choose(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Read a block, yield it in a permuted order, read the next; the place is in front of the block."""
        number, inner, done = parts_of(place, 0, None, 0)
        size, key = self.buffer_size or _BLOCK, self.key(p)
        elements = self.input.iterate(p, inner, runner)
        while True:
            block: list[Element] = []
            behind: Place = inner
            for element, after in elements:
                block.append(element)
                behind = after
                if len(block) == size:
                    break
            order = generator(derive(key, number)).permutation(len(block))
            for at in range(done, len(block)):
                last = at == len(block) - 1
                yield block[order[at]], (number + 1, behind, 0) if last else (number, inner, at + 1)
            if len(block) < size:
                return
            number, inner, done = number + 1, behind, 0
