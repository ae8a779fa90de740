"""`SeriesTransform`: the base of all transforms of time series and waveforms, `chain` and `maybe`."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from streamfit._base.checks import is_mapping, number
from streamfit._base.errors import DataError
from streamfit._base.keys import seed_of_call
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.parameters import interval, probability
from streamfit.augment.series.series_batch import Series


class SeriesTransform(ABC):
    """A transform of batches of series, whose random numbers depend on the keys of the samples alone.

    It is given to `map`: ``source(x, y).map(augment.series.jitter(0.1)).batch(32)``. Then seed, pass and id
    of a sample make up its key, so the draws are the same on threads, on processes and after a resume, and
    differ from pass to pass. Called by hand it takes a `seed`.

    Series are float32, of shape (steps, channels) or (steps,); those of a batch may have different lengths.
    Targets stay as they are. A subclass defines `apply`; its attributes are its arguments.

    Attributes:
        name: How users write it.
    """

    name = ""

    @abstractmethod
    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Return the transformed series.

        Args:
            draws: Where random numbers come from.
            series: The series; their memory belongs to this transform, so it may write into it.
        """

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{self.name}({given})"

    def __call__(self, series: object, *, seed: int | np.random.Generator | None = None) -> object:
        """Transform a batch, or one series (steps, channels).

        Args:
            series: An array (n, steps, channels), a list of series, or one series (steps, channels); series
                without an axis of channels only in lists.
            seed: A whole number; equal seeds give equal results. Or a generator, such as ``self.rng(index)``
                of a `Sequence`, which draws one; None draws a fresh one.
        """
        words = np.array([seed_of_call(seed)], np.uint64)
        one = isinstance(series, np.ndarray) and series.dtype != object and series.ndim == 2
        batch = [series] if one else series
        keys = SampleDraws(words).hashes("rows", len(batch))  # type: ignore[arg-type]
        made = self.transformed(batch, keys)
        return made[0] if one else made

    def transform_batch(self, x: object, y: object, keys: Array) -> tuple[object, object]:
        """Transform x of a batch; `map` calls this.

        Args:
            x: The series.
            y: The targets, which stay.
            keys: The key of each sample, uint64 (n,).
        """
        if is_mapping(x):
            raise DataError(
                f"{self!r}: x is a dictionary with the keys {list(x)}; transform one entry in a function of "
                "your own: .map(lambda x, rng: {**x, 'name': ...})"
            )
        return self.transformed(x, keys), y

    def transformed(self, x: object, keys: Array) -> Array | list[Array]:
        """Return series behind this transform."""
        return self.apply(SampleDraws(keys), Series.of(x)).value()


class SeriesChain(SeriesTransform):
    """Transforms one after the other.

    Args:
        *transforms: The transforms.

    Example:
        >>> from streamfit import augment
        >>> augment.series.chain(augment.series.jitter(0.1), augment.series.flip())
        series.chain(series.jitter(scale=(0.1, 0.1)), series.flip(axis='time', p=0.5))
    """

    name = "series.chain"

    def __init__(self, *transforms: SeriesTransform) -> None:
        for transform in transforms:
            check_series_transform(self.name, transform)
        self.transforms = transforms

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.transforms))})"

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Transform by each."""
        for place, transform in enumerate(self.transforms):
            series = transform.apply(draws.of(place), series)
        return series


class SeriesMaybe(SeriesTransform):
    """Transform each series with a probability.

    Args:
        transform: The transform; one that keeps the number of steps.
        p: The probability.
    """

    name = "series.maybe"

    def __init__(self, transform: SeriesTransform, p: float = 0.5) -> None:
        check_series_transform(self.name, transform)
        self.transform, self.p = transform, probability("p", p)

    def apply(self, draws: SampleDraws, series: Series) -> Series:
        """Transform some of the series."""
        rows = np.flatnonzero(draws.chance("active", self.p))
        if not len(rows):
            return series
        made = self.transform.apply(draws.part(rows).of("inner"), series.part(rows))
        if made.channels != series.channels or not np.array_equal(made.steps, series.steps[rows]):
            raise ValueError(
                f"{self!r} changes the shape of some series only; write {self.transform!r} outside of maybe()"
            )
        for place, row in enumerate(rows.tolist()):
            series.one(row)[...] = made.one(place)
        return series


def check_series_transform(caller: str, transform: object) -> None:
    """Check what a transform is made of.

    Raises:
        TypeError: It is no transform of series.
    """
    if not isinstance(transform, SeriesTransform):
        raise TypeError(
            f"{caller}() takes transforms such as augment.series.jitter(0.1), got {transform!r} "
            f"({type(transform).__name__}); a function of your own is a stage: .map(function)"
        )


def amount(name: str, value: object, least: float = 0.0) -> tuple[float, float]:
    """Return the range that an amount is drawn from: a pair as it is, a number for that number alone.

    Raises:
        TypeError: It is neither.
        ValueError: It is below `least`, or the pair is not in order or not finite.

    Example:
        >>> amount("scale", 0.1), amount("scale", (0, 0.5))
        ((0.1, 0.1), (0.0, 0.5))
    """
    if isinstance(value, (tuple, list)):
        low, high = interval(name, value)
        number(name, low, least)
        return low, high
    found = number(name, value, least)
    return found, found
