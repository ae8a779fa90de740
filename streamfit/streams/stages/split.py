"""`split`: two disjoint parts of the samples, such as training and validation data.

Guarantee kept here: which part a sample is in depends on its id, the number of samples, the fraction and the
seed of the split alone: it is the same in every pass, in every run, and whatever order the samples come in.
(Of many elements of one order for all passes it depends on the position in place of the id.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.errors import DataError
from streamfit._base.keys import derive, seed_from
from streamfit._base.specs import Array
from streamfit.streams.order import Order
from streamfit.streams.split_order import SplitOrder
from streamfit.streams.stages.recent import Recent
from streamfit.streams.stages.stage import OrderStage, Pass, Runs, Stage, known_size

FEW = 1 << 22
"""Fewer elements than this are split by a permutation of all, which takes a table."""


class Split(OrderStage):
    """One of two parts of the elements, in the order of the input.

    Args:
        stage: What to split.
        fraction: The share of the first part; it has ``round(n * fraction)`` elements.
        part: 0 for the first part, 1 for the second.
        seed: What chooses the elements of the parts.

    Fewer than 2**22 elements are split by a permutation of all; that takes a byte for each id and 8 bytes for
    each element of a pass. More are split chunk by chunk (`SplitOrder`). Where they come in one order in all
    passes (``source(...).split(...)``), any of them is found by arithmetic, without a table; behind a shuffle
    the tables are needed, so write ``.split(...)`` before ``.shuffle()``.

    Raises:
        ValueError: The input is read in order, or its ids do not stand for the same samples in each pass.
    """

    def __init__(self, stage: Stage, fraction: float, part: int, seed: int = 0) -> None:
        super().__init__((stage,), replace(stage.traits, has_gaps=True))
        if not stage.traits.seekable:
            raise ValueError(
                f"split() needs an input whose elements have numbers; {stage.text()} is read in order. Split "
                "before .filter(...) and .unbatch(), or pass arrays or a Sequence in place of an iterator"
            )
        if not stage.traits.fixed_ids:
            raise ValueError(
                f"split() after {stage.text()}: what an element is made of changes from pass to pass, so "
                "the parts would share samples; write .split(...) before .shuffle().batch(...), "
                ".repeat(...) and .zip(...)"
            )
        self.fraction = number("fraction", fraction, 0.0)
        if self.fraction > 1:
            raise ValueError(f"fraction={fraction}: write the share of the first part, such as 0.8")
        self.split_seed, self.part = seed_from(seed), whole("part", part, 0)
        self._parts, self._tables = Recent(), Recent()

    def __repr__(self) -> str:
        seed = f", seed={self.split_seed}" if self.split_seed else ""
        return f"split({self.fraction:g}{seed})[{self.part}]"

    @property
    def _key(self) -> int:
        return derive(self.split_seed, "split")

    def size(self, p: Pass) -> int:
        """Return the number of elements."""
        total = known_size(self.input, p)
        first = round(total * self.fraction)
        return total - first if self.part else first

    def runs(self, p: Pass) -> Runs | None:
        """Return how the elements lie in blocks: this part's share of each run, which is about right."""
        runs = self.input.runs(p)
        if runs is None:
            return None
        shares = np.cumsum(runs.lengths) / max(1, int(runs.lengths.sum())) * self.size(p)
        lengths = np.diff(np.rint(np.concatenate([[0.0], shares])).astype(np.int64))
        return replace(runs, lengths=lengths[lengths > 0])

    def _part_of_ids(self, p: Pass) -> Array:
        """Return for each id the part that it is in; 2 for ids that do not occur."""
        total = known_size(self.input, p)
        present = np.sort(self.input.ids(Pass(p.seed, 0), np.arange(total)))
        parts = np.full(self.input.space(p), 2, np.uint8)
        parts[present] = 1
        if total < FEW:
            first = Order(total, self._key).ids(0, round(total * self.fraction))
        else:
            order = SplitOrder(total, self.fraction, 0, self._key)
            first = order.at(np.arange(order.n))
        parts[present[first]] = 0
        return parts

    def _table(self, p: Pass) -> Array:
        """Return the ids of this part in the order of a pass."""
        total = known_size(self.input, p)
        parts = self._parts.get((p.seed, total), lambda: self._part_of_ids(p))
        ids = self.input.ids(p, np.arange(total))
        if bool((parts[ids] == 2).any()):
            raise DataError(
                f"{self.text()}: the input has other samples in pass {p.number} than in pass 0; write "
                ".split(...) before .take(...) and .skip(...)"
            )
        found: Array = ids[parts[ids] == self.part]
        return found

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids at these positions."""
        total = known_size(self.input, p)
        if total >= FEW and self.traits.fixed_order:
            order = SplitOrder(total, self.fraction, self.part, self._key)
            return self.input.ids(p, order.at(positions))
        key = (p.seed, 0 if self.traits.fixed_order else p.number, total)
        table: Array = self._tables.get(key, lambda: self._table(p))
        return table[positions]
