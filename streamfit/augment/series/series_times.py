"""Transforms that take the steps of a series from other steps: warps, slices, crops, permutations.

Sources: Um et al. (see `series_values`) for time warping and permutation; Le Guennec, Malinowski and
Tavenard, "Data augmentation for time series classification using convolutional neural networks", AALTD 2016,
for slices that are stretched.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.errors import SampleError
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.parameters import probability
from streamfit.augment.series.series_batch import Series
from streamfit.augment.series.series_kernels import take_between, take_steps
from streamfit.augment.series.series_transform import SeriesTransform, amount
from streamfit.augment.series.series_values import by_length, spline_basis

_SLOWEST = 0.1  # of the mean speed: time never stands still or runs back


class TimeWarp(SeriesTransform):
    """Let time run faster here and slower there: a smooth curve of speeds, summed up.

    The first and the last step stay where they are. Steps in between are interpolated linearly.

    Args:
        scale: The standard deviation of the speeds around 1; none is below 0.1.
        knots: How many speeds are drawn between those of the first and of the last step.
    """

    name = "series.time_warp"

    def __init__(self, scale: float = 0.2, knots: int = 4) -> None:
        self.scale, self.knots = number("scale", scale, 0), whole("knots", knots, 0)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Take the steps at the warped times."""
        knots = 1 + self.scale * draws.normal("speeds", (self.knots + 2,))
        begins = _begins(series.steps)
        positions = np.empty(begins[-1])
        for rows, steps in by_length(series):
            # Summed in the order of the knots: a product of matrices rounds by how many rows it has.
            basis = spline_basis(steps, self.knots)
            speeds = sum(knots[rows, k, None] * basis[:, k] for k in range(self.knots + 2))
            times = np.cumsum(np.maximum(speeds, _SLOWEST), axis=1)
            times -= times[:, :1]
            last = times[:, -1:].copy()
            times *= np.divide(steps - 1, last, out=np.zeros_like(last), where=last > 0)
            positions[begins[rows][:, None] + np.arange(steps)] = np.minimum(times, steps - 1)
        return _between(series, series.steps, positions, begins)


class WindowSlice(SeriesTransform):
    """Take a part of each series at a random place, and stretch it to the length of the series.

    Args:
        fraction: How long the part is, above 0 and up to 1; a pair (lowest, highest) draws it.
    """

    name = "series.window_slice"

    def __init__(self, fraction: float | tuple[float, float] = 0.9) -> None:
        self.fraction = amount("fraction", fraction)
        if not 0 < self.fraction[0] <= self.fraction[1] <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, got {fraction!r}")

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Take the steps of the parts."""
        last = np.maximum(series.steps - 1, 0)
        spans = draws.uniform("fraction", *self.fraction) * last
        firsts = draws.uniform("first", 0, last - spans)
        begins = _begins(series.steps)
        inside = np.arange(begins[-1]) - np.repeat(begins[:-1], series.steps)
        rate = np.divide(spans, last, out=np.zeros(len(series)), where=last > 0)
        positions = np.repeat(firsts, series.steps) + inside * np.repeat(rate, series.steps)
        return _between(series, series.steps, np.minimum(positions, np.repeat(last, series.steps)), begins)


class SeriesCrop(SeriesTransform):
    """Take so many steps of each series, from a random place on.

    Args:
        steps: How many.
        padding: What a series that is shorter is filled up with behind its end; None for an error.
        at: ``'random'``, or ``'start'`` or ``'center'`` for validation.

    Raises:
        SampleError: When called: a series is shorter, and `padding` is None.

    Example:
        >>> from streamfit import augment
        >>> augment.series.crop(3, padding=0)([np.ones(2, "float32"), np.ones(7, "float32")]).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    """

    name = "series.crop"

    def __init__(self, steps: int, padding: float | None = None, at: str = "random") -> None:
        self.steps = whole("steps", steps, 1)
        self.padding = None if padding is None else number("padding", padding)
        if at not in ("random", "start", "center"):
            raise ValueError(f"at={at!r}: write 'random', 'start' or 'center'")
        self.at = at

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Take the steps."""
        spare = series.steps - self.steps
        if self.padding is None and (spare < 0).any():
            row = int((spare < 0).argmax())
            raise SampleError(
                f"{self!r}: a series has {series.steps[row]} steps; crop fewer, or write padding=0", row
            )
        spare = np.maximum(spare, 0)
        if self.at == "random":
            firsts = draws.whole("first", 0, spare + 1)
        else:
            firsts = spare // 2 if self.at == "center" else np.zeros(len(series), np.int64)
        places = (firsts[:, None] + np.arange(self.steps)).reshape(-1)
        return _taken(series, np.full(len(series), self.steps), places, self.padding or 0.0)


class Permutation(SeriesTransform):
    """Cut each series into segments of equal lengths, up to a step, and change their order.

    Args:
        segments: How many.
    """

    name = "series.permutation"

    def __init__(self, segments: int = 4) -> None:
        self.segments = whole("segments", segments, 2)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Take the steps of the segments."""
        order = draws.uniform("order", shape=(self.segments,)).argsort(axis=1, kind="stable")
        edges = series.steps[:, None] * np.arange(self.segments + 1) // self.segments
        parts = [
            np.arange(edges[row, k], edges[row, k + 1]) for row in range(len(series)) for k in order[row]
        ]
        places = np.concatenate(parts) if parts else np.empty(0, np.int64)
        return _taken(series, series.steps, places, 0.0)


class TimeShift(SeriesTransform):
    """Move each series in time.

    Args:
        most: How far at most, forward and back, as a fraction of the series.
        wrap: Whether what leaves at one end comes back at the other.
        padding: What the steps that become free are filled with, else.
        p: The probability.
    """

    name = "series.time_shift"

    def __init__(self, most: float = 0.1, wrap: bool = False, padding: float = 0.0, p: float = 1.0) -> None:
        self.most, self.wrap, self.padding = probability("most", most), bool(wrap), number("padding", padding)
        self.p = probability("p", p)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Take the steps from where they were."""
        far = np.floor(series.steps * self.most).astype(np.int64)
        shifts = draws.whole("shift", -far, far + 1) * draws.chance("active", self.p)
        begins = _begins(series.steps)
        places = np.arange(begins[-1]) - np.repeat(begins[:-1] + shifts, series.steps)
        if self.wrap:
            places %= np.repeat(series.steps, series.steps)
        return _taken(series, series.steps, places, self.padding)


def _begins(steps: Array) -> Array:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(steps, dtype=np.int64)])


def _between(series: Series, steps: Array, positions: Array, begins: Array) -> Series:
    made = series.like(steps)
    take_between(series.values, series.starts, series.steps, positions, series.channels, made.values, begins)
    return made


def _taken(series: Series, steps: Array, places: Array, fill: float) -> Series:
    made = series.like(steps)
    filled = np.array([fill], np.float32)
    take_steps(
        series.values,
        series.starts,
        series.steps,
        places,
        series.channels,
        filled,
        made.values,
        _begins(steps),
    )
    return made
