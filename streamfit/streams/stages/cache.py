"""`cache`: the elements of one pass, kept in memory and given again in every later pass.

Guarantee kept here: what is before a cache is always read at pass 0. So every pass gives what the first one
gave, wherever it is loaded and whether or not it was kept: memory changes the time and nothing else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from streamfit._base.checks import whole_or_none
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element, collate
from streamfit.streams.stages.memo import Memo, memo_here
from streamfit.streams.stages.pass_stage import PassStage
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Stage, parts_of


class Cache(PassStage):
    """Keep elements in memory, in each process that loads.

    An iterator is read to its end before the first element comes, and then any number of passes can be read;
    the random numbers of maps before the cache then do not follow the seed of the run.

    Args:
        stage: Whose elements to keep.
        max_bytes: How many bytes of arrays each process keeps at most; None for any number.
    """

    def __init__(self, stage: Stage, max_bytes: int | None = None) -> None:
        if stage.traits.endless:
            raise ValueError(f"cache() of {stage.text()}, which has no end; write .cache() before .repeat()")
        super().__init__((stage,), replace(stage.traits, rewinds=True))
        self.max_bytes = whole_or_none("max_bytes", max_bytes, 1)
        self._token, self._memo = uuid.uuid4().hex, Memo(self.max_bytes)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_memo"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._memo = memo_here(self._token, self.max_bytes)

    def __repr__(self) -> str:
        return f"cache({'' if self.max_bytes is None else f'max_bytes={self.max_bytes}'})"

    def with_inputs(self, inputs: tuple[Stage, ...], salt: int) -> Stage:
        """Return a copy that reads other stages, with a memory of its own."""
        other = super().with_inputs(inputs, salt)
        assert isinstance(other, Cache)
        other._token, other._memo = uuid.uuid4().hex, Memo(self.max_bytes)
        return other

    def inner(self, p: Pass) -> Pass:
        """Return pass 0; an iterator, which is read once, cannot follow the seed of each run either."""
        return Pass(p.seed if self.input.traits.rewinds else 0, 0)

    # -- seekable -----------------------------------------------------------------------------------

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load those elements that are not kept."""
        if self.traits.batched:
            return [self.load(p, name, None) for name in ids.tolist()]
        found = [self._memo.find(p.seed, name) for name in ids.tolist()]
        missing = [place for place, element in enumerate(found) if element is None]
        if missing:
            for place, element in zip(missing, super().fetch(p, ids[missing]), strict=True):
                self._memo.keep(p.seed, int(ids[place]), element)
                found[place] = (element,)
        return [element[0] for element in found if element is not None]

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id as one batch."""
        return collate(self.fetch(p, ids), ids)

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch, or some of its samples, unless it is kept."""
        key = batch_id, None if members is None else np.asarray(members).tobytes()
        found = self._memo.find(p.seed, key)
        if found is None:
            found = (super().load(p, batch_id, members),)
            self._memo.keep(p.seed, key, found[0])
        return found[0]

    # -- in order -----------------------------------------------------------------------------------

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Yield what is kept, then read on; the place is how many elements came, and that of the input."""
        if self.traits.seekable:
            yield from runner.compute(self, p, place)
            return
        count, inner = parts_of(place, 0, None)
        q = self.inner(p)
        if not self.input.traits.rewinds:
            self._read_all(q, runner)
        while (kept := self._memo.find(q.seed, count)) is not None:
            filtered, *rest = cast("tuple[int, Element, Place]", kept[0])
            runner.filtered += filtered
            if not rest:  # the end
                return
            element, inner = rest
            count += 1
            yield element, (count, inner)
        for element, behind in self._read(q, count, inner, runner):
            count += 1
            yield element, (count, behind)

    def _read(
        self, q: Pass, count: int, inner: Place, runner: ElementRunner
    ) -> Iterator[tuple[Element, Place]]:
        """Read the input from an element on and keep it, with the number of samples filtered out before."""
        before = runner.filtered
        for element, behind in self.input.iterate(q, inner, runner):
            self._keep(q, count, (runner.filtered - before, element, behind))
            before = runner.filtered
            count += 1
            yield element, behind
        self._keep(q, count, (runner.filtered - before,))

    def _keep(self, q: Pass, count: int, entry: Element) -> None:
        if not self._memo.keep(q.seed, count, entry) and not self.input.traits.rewinds:
            raise DataError(
                f"{self.text()}: max_bytes={self.max_bytes} is full after {count} elements, and the iterator "
                "cannot be read again; make it larger, or write .take(...) before .cache()"
            )

    def _read_all(self, q: Pass, runner: ElementRunner) -> None:
        if self._memo.find(q.seed, "whole") is not None:
            return
        if self._memo.find(q.seed, "begun") is not None:
            raise DataError(
                f"{self.text()}: reading was interrupted, and the iterator cannot be read again; make the "
                "pipeline anew with a fresh iterator"
            )
        self._memo.keep(q.seed, "begun", None)
        pulled, filtered = runner.pulled, runner.filtered
        runner.pulled = None  # nothing of it is given back: it is kept here
        try:
            for _ in self._read(q, 0, None, runner):
                pass
        finally:
            runner.pulled, runner.filtered = pulled, filtered
        self._memo.keep(q.seed, "whole", None)
