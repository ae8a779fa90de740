"""`window`: elements that are stacks of consecutive elements, for time series."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element, collate, map_leaves
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Stage, known_size, parts_of


class Window(Stage):
    """Stacks of `size` elements: numbers ``shift * i, shift * i + stride, ...`` make window i.

    Args:
        stage: Whose elements, single samples.
        size: Elements in a window.
        shift: How many elements further the next window begins; None for `size`.
        stride: How far the elements of a window lie apart.
        drop_remainder: Whether windows that the input has too few elements for are left out.
    """

    def __init__(
        self,
        stage: Stage,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = True,
    ) -> None:
        if stage.traits.batched:
            raise ValueError(
                "window() needs single samples; write it before .batch(...), or after .unbatch()"
            )
        if stage.traits.has_gaps:
            raise ValueError(
                "window() behind split(): the parts of a split have gaps, so a window would hold samples "
                "that do not follow one another; cut a series with .take(n) and .skip(n)"
            )
        super().__init__((stage,), stage.traits.counted)
        self.length = whole("size", size, 1)
        self.shift = self.length if shift is None else whole("shift", shift, 1)
        self.stride = whole("stride", stride, 1)
        self.drop_remainder = truth("drop_remainder", drop_remainder)
        self.span = (self.length - 1) * self.stride + 1
        if self.shift < self.span:  # a sample is in several windows: two parts of these would share samples
            self.traits = replace(self.traits, fixed_ids=False)

    def __repr__(self) -> str:
        given = "" if self.shift == self.length else f", shift={self.shift}"
        given += "" if self.stride == 1 else f", stride={self.stride}"
        return f"window({self.length}{given}{'' if self.drop_remainder else ', drop_remainder=False'})"

    def size(self, p: Pass) -> int | None:
        """Return the number of windows."""
        size = self.input.size(p)
        if size is None:
            return None
        if self.drop_remainder:
            return max(0, (size - self.span) // self.shift + 1)
        return -(-size // self.shift)

    def space(self, p: Pass) -> int:
        """Return the number of windows, which their ids are below."""
        return known_size(self, p)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of windows: their positions."""
        return positions

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load windows by id."""
        total = known_size(self.input, p)
        found = []
        for start in (ids * self.shift).tolist():
            positions = np.arange(start, min(total, start + self.span), self.stride)
            found.append(self.input.stacked(p, self.input.ids(p, positions)))
        return found

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load windows by id as one batch; an element of several windows is loaded once."""
        starts = ids * self.shift
        if not len(ids) or int(starts.max()) + self.span > known_size(self.input, p):
            return super().stacked(p, ids)
        positions = (starts[:, None] + np.arange(0, self.span, self.stride)).ravel()
        single, places = np.unique(positions, return_inverse=True)
        loaded = self.input.stacked(p, self.input.ids(p, single))
        shape = len(ids), self.length
        # With return_inverse the places may have the shape of the input or be flat, by version of NumPy.
        places = places.reshape(shape)
        return map_leaves(loaded, lambda leaf: np.asarray(leaf)[places])

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Read elements and keep those that a later window needs.

        The place is that in front of the first element of the next window, and how many elements to drop.
        """
        if self.traits.seekable:
            yield from super().iterate(p, place, runner)
            return
        front, drop = parts_of(place, None, 0)
        kept: deque[tuple[Element, Place]] = deque()  # elements, with the place in front of each
        for element, behind in self.input.iterate(p, front, runner):
            if drop:
                drop -= 1
            else:
                kept.append((element, front))
            front = behind
            if len(kept) == self.span:
                window = self._stack(kept)
                drop = self._advance(kept)
                yield window, (kept[0][1] if kept else front, drop)
        while kept and not self.drop_remainder:
            window = self._stack(kept)
            drop = self._advance(kept)
            yield window, (kept[0][1] if kept else front, drop)

    def _stack(self, kept: deque[tuple[Element, Place]]) -> Element:
        return collate([kept[at][0] for at in range(0, len(kept), self.stride)])

    def _advance(self, kept: deque[tuple[Element, Place]]) -> int:
        """Drop the elements before the next window; return how many more are to be dropped."""
        gone = min(self.shift, len(kept))
        for _ in range(gone):
            kept.popleft()
        return self.shift - gone
