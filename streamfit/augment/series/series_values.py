"""Transforms of the values of series: noise, factors, signs and masks.

Sources: Um et al., "Data augmentation of wearable sensor data for Parkinson's disease monitoring using
convolutional neural networks", ICMI 2017 (jitter, scaling, magnitude warping, with their standard
deviations); Park et al., "SpecAugment", Interspeech 2019 (masks of steps and channels).
"""

from __future__ import annotations

import functools

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.parameters import probability
from streamfit.augment.series.series_batch import Series
from streamfit.augment.series.series_kernels import add_noise, multiply_curves
from streamfit.augment.series.series_transform import SeriesTransform, amount


class Jitter(SeriesTransform):
    """Add normally distributed noise to each number.

    Args:
        scale: Its standard deviation, in the unit of the series; a pair (lowest, highest) draws one for each
            series.

    Example:
        >>> from streamfit import augment
        >>> noise = augment.series.jitter(0.1)(np.zeros((100, 3), "float32"), seed=1)
        >>> bool(0.09 < noise.std() < 0.11)
        True
    """

    name = "series.jitter"

    def __init__(self, scale: float | tuple[float, float] = 0.05) -> None:
        self.scale = amount("scale", scale)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Add the noise."""
        return with_noise(draws, series, draws.uniform("scale", *self.scale))


def with_noise(draws: SampleDraws, series: Series, scales: Array) -> Series:
    """Add noise of a standard deviation for each series, in place."""
    sizes = series.steps * series.channels
    most = int(sizes.max(initial=0))
    if most:
        words = draws.hashes("noise", most).reshape(len(series), most)
        add_noise(series.values, series.starts, sizes, words, scales)
    return series


class Scaling(SeriesTransform):
    """Multiply each channel by a factor of its own.

    Args:
        scale: The standard deviation of the factors around 1.
    """

    name = "series.scaling"

    def __init__(self, scale: float = 0.1) -> None:
        self.scale = number("scale", scale, 0)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Multiply."""
        knots = 1 + self.scale * draws.normal("factor", (1, series.channels))
        for rows, steps in by_length(series):
            multiply_curves(series.values, series.starts[rows], np.ones((steps, 1)), knots[rows])
        return series


class MagnitudeWarp(SeriesTransform):
    """Multiply each channel by a smooth curve: a cubic spline through random values at even distances.

    Args:
        scale: The standard deviation of these values around 1.
        knots: How many of them there are between the first step and the last one, which have values too.
    """

    name = "series.magnitude_warp"

    def __init__(self, scale: float = 0.2, knots: int = 4) -> None:
        self.scale, self.knots = number("scale", scale, 0), whole("knots", knots, 0)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Multiply."""
        knots = 1 + self.scale * draws.normal("knots", (self.knots + 2, series.channels))
        for rows, steps in by_length(series):
            multiply_curves(series.values, series.starts[rows], spline_basis(steps, self.knots), knots[rows])
        return series


class SeriesFlip(SeriesTransform):
    """Reverse each series, or change its sign, with a probability.

    Args:
        axis: ``'time'``: the last step comes first; ``'sign'``: all values are negated.
        p: The probability.
    """

    name = "series.flip"

    def __init__(self, axis: str = "time", p: float = 0.5) -> None:
        if axis not in ("time", "sign"):
            raise ValueError(f"axis={axis!r}: write 'time' or 'sign'")
        self.axis, self.p = axis, probability("p", p)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Flip some of the series."""
        for row in np.flatnonzero(draws.chance("flip", self.p)).tolist():
            one = series.one(row)
            one[...] = one[::-1].copy() if self.axis == "time" else -one
        return series


class TimeMask(SeriesTransform):
    """Set runs of steps to a value: their length is drawn from 0 to a largest one, then their place.

    Args:
        most: The largest number of steps in a run; a float below 1 is a fraction of the series.
        count: How many runs, which may overlap.
        value: What they are set to; ``'mean'`` for the mean of the series.
    """

    name = "series.time_mask"

    def __init__(self, most: float = 0.2, count: int = 1, value: float | str = 0.0) -> None:
        self.most, self.count = _length("most", most), whole("count", count, 1)
        self.value = _mask_value(value)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Mask the runs."""
        firsts, ends = _runs(draws, series.steps, self.most, self.count)
        for row in range(len(series)):
            one = series.one(row)
            value = one.mean() if self.value == "mean" and one.size else self.value
            for first, end in zip(firsts[row], ends[row], strict=True):
                one[first:end] = value
        return series


class ChannelMask(SeriesTransform):
    """Set neighbouring channels, such as the frequencies of a spectrogram, to a value.

    Args:
        most: The largest number of channels in a run; it is drawn from 0 on. A float below 1 is a fraction.
        count: How many runs, which may overlap.
        value: What they are set to; ``'mean'`` for the mean of the series.
    """

    name = "series.channel_mask"

    def __init__(self, most: float = 0.2, count: int = 1, value: float | str = 0.0) -> None:
        self.most, self.count = _length("most", most), whole("count", count, 1)
        self.value = _mask_value(value)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Mask the runs."""
        firsts, ends = _runs(draws, np.full(len(series), series.channels), self.most, self.count)
        for row in range(len(series)):
            one = series.one(row).reshape(-1, series.channels)
            value = one.mean() if self.value == "mean" and one.size else self.value
            for first, end in zip(firsts[row], ends[row], strict=True):
                one[:, first:end] = value
        return series


class ChannelDropout(SeriesTransform):
    """Set each channel to a value with a probability, as if its sensor were dead; others stay as they are.

    Args:
        p: The probability.
        value: What it is set to.
    """

    name = "series.channel_dropout"

    def __init__(self, p: float = 0.1, value: float = 0.0) -> None:
        self.p, self.value = probability("p", p), number("value", value)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Drop some of the channels."""
        dead = draws.uniform("dead", shape=(series.channels,)) < self.p
        for row in np.flatnonzero(dead.any(axis=1)).tolist():
            series.one(row).reshape(-1, series.channels)[:, dead[row]] = self.value
        return series


def by_length(series: Series) -> list[tuple[Array, int]]:
    """Return the rows of the series of each length, with the length."""
    return [(np.flatnonzero(series.steps == steps), int(steps)) for steps in np.unique(series.steps)]


@functools.lru_cache(maxsize=32)
def spline_basis(steps: int, knots: int) -> Array:
    """Return what a value at each knot adds to each step: float64 (steps, knots + 2).

    The curve is the cubic spline through the values ("not a knot" at the ends, as SciPy has it); a straight
    line for no knots between the ends.
    """
    from scipy.interpolate import CubicSpline  # it takes a while to import

    places = np.linspace(0, max(steps - 1, 1), knots + 2)
    # Writeable, as kernels have it.
    basis: Array = np.ascontiguousarray(CubicSpline(places, np.eye(knots + 2))(np.arange(steps)))
    return basis


def _runs(
    draws: SampleDraws, lengths: Array, most: float, count: int
) -> tuple[list[list[int]], list[list[int]]]:
    longest = np.floor(lengths * most).astype(np.int64) if most < 1 else np.full(len(lengths), int(most))
    longest = np.minimum(longest, lengths)[:, None]
    sizes = draws.whole("size", 0, longest + 1, (count,))
    firsts = draws.whole("first", 0, lengths[:, None] - sizes + 1, (count,))
    return firsts.tolist(), (firsts + sizes).tolist()


def _length(name: str, value: object) -> float:
    found = number(name, value, 0)
    if found >= 1 and found != int(found):
        raise ValueError(f"{name} must be a whole number, or a fraction below 1, got {value!r}")
    return found


def _mask_value(value: float | str) -> float | str:
    if isinstance(value, str) and value != "mean":
        raise ValueError(f"value={value!r}: write a number or 'mean'")
    return value if isinstance(value, str) else number("value", value)
