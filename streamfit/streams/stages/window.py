"""`window`: elements that are stacks of consecutive elements, for time series.

Guarantees kept here: a window holds elements that follow one another in the input, of one group; no element
behind the end is made up; each window comes once per pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array, Shape
from streamfit.streams.stages.bases import ArrayRows
from streamfit.streams.stages.elements import Element, collate, map_leaves
from streamfit.streams.stages.layouts import with_shapes
from streamfit.streams.stages.stage import (
    ElementRunner,
    Pass,
    Place,
    Runs,
    Stage,
    known_size,
    parts_of,
)
from streamfit.streams.stages.stage_order import only_orders
from streamfit.streams.stages.window_groups import WindowGroups

Horizon = int | list[int] | tuple[int, ...] | None


class Window(Stage):
    """Stacks of `size` elements: numbers ``shift * i, shift * i + stride, ...`` make window i.

    Args:
        stage: Whose elements, single samples.
        size: Elements in a window.
        shift: How many elements further the next window begins; None for `size`.
        stride: How far the elements of a window lie apart.
        drop_remainder: Whether windows that the input has too few elements for are left out.
        horizon: How many elements behind the last one of a window its target is, or several such numbers;
            None for windows of the targets, too.
        groups: The series that each element belongs to, (n,); no window has elements of two.
    """

    def __init__(
        self,
        stage: Stage,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = True,
        horizon: Horizon = None,
        groups: object = None,
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
        self.horizon = _horizon(horizon)
        reach = (self.length - 1) * self.stride
        self.inside = np.arange(self.length) * self.stride  # the elements of the window at 0
        self.ahead = reach + _ahead(self.horizon)  # and its targets
        self.span: int = max([reach, *self.ahead.tolist()]) + 1
        if not self.drop_remainder and (horizon is not None or groups is not None):
            raise ValueError("drop_remainder=False goes with neither horizon nor groups; leave it out")
        if groups is not None and not stage.traits.seekable:
            raise ValueError(
                "window(groups=...) needs samples that can be reached by number, which those behind a "
                "generator, a filter or unbatch() cannot; write it in front of these"
            )
        self.groups = None if groups is None else WindowGroups(groups, self.span, self.shift)
        if self.shift < self.span:  # a sample is in several windows: two parts of these would share samples
            self.traits = replace(self.traits, fixed_ids=False)

    def __repr__(self) -> str:
        given = "" if self.shift == self.length else f", shift={self.shift}"
        given += "" if self.stride == 1 else f", stride={self.stride}"
        given += "" if self.horizon is None else f", horizon={self.horizon}"
        given += "" if self.groups is None else f", groups={self.groups!r}"
        return f"window({self.length}{given}{'' if self.drop_remainder else ', drop_remainder=False'})"

    def specs(self) -> Element:
        """Return the specs of a window, where those of the input are known and no window is shorter."""
        found = self.input.specs()
        if found is None or not self.drop_remainder:
            return None
        windows = _with_steps(found, (self.length,))
        if self.horizon is None:
            return windows
        several = () if isinstance(self.horizon, int) else (len(self.ahead),)
        return _with_targets(windows, _with_steps(found, several))

    def size(self, p: Pass) -> int | None:
        """Return the number of windows."""
        size = self.input.size(p)
        if size is None:
            return None
        if self.groups is not None:
            return self.groups.windows(size)
        if self.drop_remainder:
            return max(0, (size - self.span) // self.shift + 1)
        return -(-size // self.shift)

    def space(self, p: Pass) -> int:
        """Return the number of windows, which their ids are below."""
        return known_size(self, p)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of windows: their positions."""
        return positions

    def runs(self, p: Pass) -> Runs | None:
        """Return how many windows begin in each block of files, where the input is read in blocks.

        A window counts as what is new in it, twice: `shuffle` then mixes those of as many blocks as are
        kept when samples are read one by one, and the ends of windows lie in further blocks.
        """
        runs = self.input.runs(p)
        if runs is None:
            return None
        edges = runs.edges
        if self.groups is None:
            before = np.minimum(-(-edges // self.shift), known_size(self, p))
        else:
            before = self.groups.before(edges)
        lengths = np.diff(before)
        return Runs(lengths[lengths > 0], 2 * self.shift * runs.row_bytes, runs.mixed)

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load windows by id."""
        total, starts = known_size(self.input, p), self._starts(ids).tolist()
        return [self._one(p, start, total, row) for row, start in enumerate(starts)]

    def _one(self, p: Pass, start: int, total: int, row: int) -> Element:
        positions = start + self.inside
        windows = self._load(p, positions[positions < total], lambda _: row)
        if self.horizon is None:
            return windows
        return self._joined(windows, self._load(p, start + self.ahead, lambda _: row), 0)

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load windows by id as one batch; an element of several windows is computed once."""
        starts = self._starts(ids)
        if not len(ids) or int(starts.max()) + self.span > known_size(self.input, p):
            return super().stacked(p, ids)
        places = [starts[:, None] + self.inside]
        if self.horizon is not None:
            places.append(starts[:, None] + self.ahead)
        if self.stride == 1 and isinstance(self.input, ArrayRows):
            windows, *targets = self.input.stacks(starts, self.length), *self._copied(p, places[1:])
        else:
            windows, *targets = self._copied(p, places) if self._cheap(p) else self._once(p, places)
        return self._joined(windows, targets[0], 1) if targets else windows

    def _starts(self, ids: Array) -> Array:
        return ids * self.shift if self.groups is None else self.groups.starts(ids)

    def _cheap(self, p: Pass) -> bool:
        """Return whether loading only copies rows, so that it costs least to copy a row for each window."""
        base = only_orders(self.input)
        if isinstance(base, ArrayRows):
            return not base.source.sliced  # what is sliced is read from a file for each row
        return base is not None and base.runs(p) is not None

    def _copied(self, p: Pass, places: list[Array]) -> list[Element]:
        found = []
        for rows in places:
            each = rows.shape[1]
            loaded = self._load(p, rows.ravel(), _divided_by(each))
            found.append(_shaped(loaded, rows.shape))
        return found

    def _once(self, p: Pass, places: list[Array]) -> list[Element]:
        joined = np.concatenate(places, axis=1)
        single, found = np.unique(joined.ravel(), return_inverse=True)
        # With return_inverse the places may have the shape of the input or be flat, by version of NumPy.
        found = found.reshape(joined.shape)
        loaded = self._load(p, single, lambda row: int((found == row).any(axis=1).argmax()))
        parts = np.split(found, [self.length], axis=1)[: len(places)]
        return [_taken(loaded, part) for part in parts]

    def _load(self, p: Pass, positions: Array, window_of: Callable[[int], int]) -> Element:
        """Load elements; an error about one of them names a window that it is in."""
        try:
            return self.input.stacked(p, self.input.ids(p, positions))
        except SampleError as error:
            if error.row is not None:
                error.row = window_of(error.row)
            raise

    def _joined(self, windows: Element, targets: Element, axis: int) -> Element:
        """Return windows with targets, which have one axis less where there is one for each window."""
        if isinstance(self.horizon, int):
            targets = map_leaves(targets, lambda leaf: np.asarray(leaf).squeeze(axis))
        return _with_targets(windows, targets)

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
        windows = collate([kept[at][0] for at in self.inside.tolist() if at < len(kept)])
        if self.horizon is None:
            return windows
        return self._joined(windows, collate([kept[at][0] for at in self.ahead.tolist()]), 0)

    def _advance(self, kept: deque[tuple[Element, Place]]) -> int:
        """Drop the elements before the next window; return how many more are to be dropped."""
        gone = min(self.shift, len(kept))
        for _ in range(gone):
            kept.popleft()
        return self.shift - gone


def _horizon(horizon: Horizon) -> int | tuple[int, ...] | None:
    if horizon is None:
        return None
    if not isinstance(horizon, (list, tuple)):
        return whole("horizon", horizon, 0)
    if not horizon:
        raise ValueError("horizon is empty; write for example horizon=1, or horizon=(1, 2, 3)")
    return tuple(whole("horizon", each, 0) for each in horizon)


def _ahead(horizon: int | tuple[int, ...] | None) -> Array:
    return np.array([] if horizon is None else horizon, np.int64).reshape(-1)


def _with_steps(specs: Element, steps: Shape) -> Element:
    return with_shapes(specs, lambda shape: (*steps, *shape))


def _with_targets(windows: Element, targets: Element) -> Element:
    """Return (x, y[, sample_weight]) of elements for the windows, and for their targets."""
    if type(windows) is not tuple:
        return windows, targets
    if not 1 <= len(windows) <= 3 or type(targets) is not tuple:
        raise DataError(
            f"window(horizon=...) needs x, (x, y) or (x, y, sample_weight), got {len(windows)} parts"
        )
    return (windows[0], *targets) if len(windows) == 1 else (windows[0], *targets[1:])


def _shaped(loaded: Element, shape: tuple[int, ...]) -> Element:
    return map_leaves(loaded, lambda leaf: _reshaped(np.asarray(leaf), shape))


def _taken(loaded: Element, places: Array) -> Element:
    return map_leaves(loaded, lambda leaf: np.asarray(leaf)[places])


def _divided_by(count: int) -> Callable[[int], int]:
    return lambda row: row // count


def _reshaped(rows: Array, shape: tuple[int, ...]) -> Array:
    return rows.reshape(*shape, *rows.shape[1:])
