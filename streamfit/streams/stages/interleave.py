"""`interleave`: the elements of several inputs in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.specs import Array
from streamfit.streams.stages.branches import Reading
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.joined import Joined
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Stage, known_size, parts_of

_CELLS = 1 << 18  # inputs times positions that are worked on at once: 2 MB for each array of these


class Interleave(Joined):
    """`block_length` elements of each input in turn; an input that has ended is left out.

    Args:
        stages: The inputs.
        block_length: How many elements of one input come before those of the next.
    """

    def __init__(self, stages: Sequence[Stage], block_length: int = 1) -> None:
        super().__init__(stages, "interleave()")
        self.block_length = whole("block_length", block_length, 1)

    def __repr__(self) -> str:
        block = "" if self.block_length == 1 else f", block_length={self.block_length}"
        return f"interleave([{', '.join(stage.text() for stage in self.inputs)}]{block})"

    def text(self) -> str:
        """Return the pipeline up to this stage, as it is written."""
        return repr(self)

    def locate(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the number of the input at each position, and the position in it.

        Round t has the elements from t * block_length on of each input. How many elements come before a
        round is a sum over the inputs, so the round of a position is found by bisection, without a table.
        """
        sizes = np.array([known_size(stage, p) for stage in self.inputs], np.int64)
        step = max(1, _CELLS // len(sizes))
        parts = [positions[at : at + step] for at in range(0, len(positions), step)] or [positions]
        found = [_located(sizes, self.block_length, part) for part in parts]
        return np.concatenate([part[0] for part in found]), np.concatenate([part[1] for part in found])

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Read inputs in turn; the place is whose turn it is, how far its block is, and all their places."""
        if self.traits.seekable:
            yield from super().iterate(p, place, runner)
            return
        turn, done, places = parts_of(place, 0, 0, None)
        reading = Reading([(stage, p) for stage in self.inputs], places, runner)
        count = len(self.inputs)
        try:
            while reading.left:
                found = reading.take(turn) if turn in reading.left else None
                if found is None:
                    turn, done = (turn + 1) % count, 0
                    continue
                element, done = self.checked(turn, found[0]), done + 1
                if done == self.block_length:
                    turn, done = (turn + 1) % count, 0
                yield element, (turn, done, tuple(reading.places))
        finally:
            reading.close()


def _located(sizes: Array, block: int, positions: Array) -> tuple[Array, Array]:
    """Return the number of the input at each position, and the position in it."""
    ascending = np.sort(sizes)
    sums = np.concatenate([[0], np.cumsum(ascending)])

    def before(rounds: Array) -> Array:
        ended = np.searchsorted(ascending, rounds * block)
        found: Array = sums[ended] + (len(sizes) - ended) * rounds * block
        return found

    low = np.zeros(len(positions), np.int64)
    high = low + -(-int(ascending[-1]) // block)
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        passed = before(middle) <= positions
        low, high = np.where(passed, middle, low), np.where(passed, high, middle)
    counts = np.clip(sizes[:, None] - low * block, 0, block)
    ends = np.cumsum(counts, axis=0)
    offset = positions - before(low)
    numbers = (ends <= offset).sum(axis=0)
    columns = np.arange(len(positions))
    return numbers, low * block + offset - (ends - counts)[numbers, columns]
