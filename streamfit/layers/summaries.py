"""What layers that adapt to numbers keep of them: moments, and a sketch of their quantiles.

Both are made in one pass, in bounded memory, and summaries of parts of the data can be merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.exact import row_of
from streamfit._base.specs import Array


def finite_numbers(value: object, what: str) -> Array:
    """Return numbers as float64, all of them finite.

    Args:
        value: An array or a list of them; batch axis first.
        what: What to call it in messages.

    Raises:
        DataError: It holds no numbers.
        SampleError: A number is NaN or infinite. It says which one.

    Example:
        >>> finite_numbers([[1, 2]], "x")
        array([[1., 2.]])
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what} must be numbers, got an array of dtype {array.dtype}")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        place = int(np.argmin(np.isfinite(numbers)))
        row = row_of(place, numbers.shape) if numbers.ndim else 0
        raise SampleError(
            f"{what}: row {row} holds {numbers.reshape(-1)[place]}; leave such samples out, or fill in what "
            "is missing, for example with np.nan_to_num",
            row,
        )
    return numbers


class Moments:
    """Count, mean and variance of numbers, in float64, one for each element of the kept axes.

    Parts are merged by the formula of Chan, Golub and LeVeque (1979), which adds no large numbers of
    different sign: the result depends on how the data are cut into batches by no more than rounding.

    Example:
        >>> moments = Moments()
        >>> moments.add(np.array([[1.0], [3.0]]), (0,))
        >>> moments.add(np.array([[5.0]]), (0,))
        >>> moments.count, moments.mean, moments.variance.round(3)
        (3, array([3.]), array([2.667]))
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Array = np.zeros(())
        self._squares: Array = np.zeros(())  # sum of the squares of the differences from the mean

    @property
    def variance(self) -> Array:
        """Return the mean of the squares of the differences from the mean."""
        found: Array = self._squares / max(self.count, 1)
        return found

    def add(self, numbers: Array, axes: Sequence[int]) -> None:
        """Take the numbers of a batch in.

        Args:
            numbers: float64.
            axes: The axes to average over.
        """
        part, over = Moments(), tuple(axes)
        part.count = math.prod(numbers.shape[axis] for axis in over)
        if part.count:
            part.mean = numbers.mean(over)
            part._squares = np.square(numbers - np.expand_dims(part.mean, over)).sum(over)
            self.merge(part)

    def merge(self, other: Moments) -> None:
        """Take in what another summary has seen."""
        count = self.count + other.count
        if not other.count:
            return
        share = other.count / count
        apart = other.mean - self.mean
        self.mean = self.mean + apart * share if self.count else other.mean
        self._squares = self._squares + other._squares + np.square(apart) * (self.count * share)
        self.count = count


class QuantileSketch:
    """Quantiles of numbers, by at most `epsilon` of their count wrong in rank, in bounded memory.

    Numbers are kept in levels: one of level h stands for 2**h numbers. When a level holds more than ``32 /
    epsilon`` of them, they are sorted, and every other one goes up a level, the odd and the even ones in turn
    (Manku, Rajagopalan and Lindsay, 1998). So one level adds at most ``epsilon / 64`` to the error, and there
    are fewer than 64 levels whatever the data. The result depends on the order of the numbers and not on how
    they are cut into batches; up to ``32 / epsilon`` numbers it is exact.

    Args:
        epsilon: The largest error, as a share of the count.

    Example:
        >>> sketch = QuantileSketch(0.01)
        >>> sketch.add(np.arange(1, 101))
        >>> sketch.bounds(4)
        [25.0, 50.0, 75.0]
    """

    def __init__(self, epsilon: float) -> None:
        self._most = 2 * math.ceil(16 / epsilon)
        self._levels: list[Array] = []
        self._odd: list[bool] = []  # which ones go up next

    def add(self, numbers: Array, level: int = 0) -> None:
        """Take numbers in, each of which stands for ``2**level``."""
        while len(self._levels) <= level:
            self._levels.append(np.empty(0))
            self._odd.append(False)
        flat = numbers.reshape(-1)
        while len(flat):  # in pieces of a fixed size, whatever comes at once
            kept = self._levels[level]
            room = self._most - len(kept)
            kept, flat = np.concatenate([kept, flat[:room]]), flat[room:]
            if len(kept) == self._most:
                kept.sort()
                odd = self._odd[level]
                self._odd[level] = not odd
                self._levels[level] = np.empty(0)
                self.add(kept[int(odd) :: 2], level + 1)
            else:
                self._levels[level] = kept

    def merge(self, other: QuantileSketch) -> None:
        """Take in what another sketch, of the same epsilon, has seen."""
        for level, numbers in enumerate(other._levels):
            self.add(numbers, level)

    @property
    def kept(self) -> int:
        """Count the numbers that are kept."""
        return sum(map(len, self._levels))

    def bounds(self, bins: int) -> list[float]:
        """Return the bounds between bins that hold equal shares of the numbers, in ascending order.

        As in Keras, the i-th number in order is the quantile i / count, quantiles between are interpolated,
        and less numbers than bins are all bounds, but for the largest.
        """
        numbers = np.concatenate([*self._levels, np.empty(0)])
        weights = np.repeat(2.0 ** np.arange(len(self._levels)), [len(level) for level in self._levels])
        order = np.argsort(numbers, kind="stable")
        numbers, weights = numbers[order], weights[order]
        if len(numbers) < bins:
            found: list[float] = numbers[:-1].tolist()
            return found
        ranks = np.cumsum(weights)
        found = np.interp(np.arange(1, bins) / bins, ranks / ranks[-1], numbers).tolist()
        return found
