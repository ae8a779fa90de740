"""`WindowGroups`: where windows begin in a series that consists of several, or has gaps."""

from __future__ import annotations

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array


class WindowGroups:
    """The windows inside of runs of elements that belong together.

    Args:
        groups: The group of each element, (n,): whole numbers or text. Neighbours of one group are a series;
            elements with a negative number are in no window. Or bool: those that are False are in none.
        span: From the first element of a window to the last one that belongs to it, and 1.
        shift: How many elements further the next window begins.

    Raises:
        ValueError: They are none of these, or the elements of a group lie in several places.

    Example:
        >>> groups = WindowGroups([4, 4, 4, 7, 7, 7, 7], span=3, shift=1)
        >>> groups.starts(np.arange(groups.windows(7))).tolist()
        [0, 3, 4]
    """

    def __init__(self, groups: object, span: int, shift: int) -> None:
        labels = np.asarray(groups)
        if labels.ndim != 1 or not (labels.dtype.kind in "biuUSO" or labels.size == 0):
            raise ValueError(
                "groups must be one whole number, text or bool for each sample, of shape (n,), got "
                f"{labels.dtype} of shape {labels.shape}"
            )
        self.samples, self.shift = len(labels), shift
        edges = np.flatnonzero(labels[1:] != labels[:-1]) + 1
        first = np.concatenate([np.zeros(min(1, len(labels)), np.int64), edges])
        behind = np.append(first[1:], len(labels))[: len(first)]
        kept = _inside(labels[first])
        first, behind = first[kept], behind[kept]
        if labels.dtype != bool:
            _check_together(labels[first], first)
        counts = np.maximum(0, (behind - first - span) // shift + 1)
        self._first = first[counts > 0]
        self._ends = np.cumsum(counts[counts > 0])
        self._series = len(first)

    def __repr__(self) -> str:
        return f"<{self._series:,} series>"

    def windows(self, samples: int) -> int:
        """Return the number of windows.

        Raises:
            DataError: There are not as many samples as groups were given for.
        """
        if samples != self.samples:
            raise DataError(
                f"window(groups=...) has the groups of {self.samples:,} samples, and there are {samples:,}; "
                "give one for each sample"
            )
        return int(self._ends[-1]) if len(self._ends) else 0

    def starts(self, windows: Array) -> Array:
        """Return the first element of each of these windows, int64."""
        series = self._ends.searchsorted(windows, "right")
        before = np.concatenate([[0], self._ends])[series]
        found: Array = self._first[series] + (windows - before) * self.shift
        return found

    def before(self, positions: Array) -> Array:
        """Return how many windows begin in front of each position, int64."""
        ends = np.concatenate([[0], self._ends])
        series = self._first.searchsorted(positions, "left")  # those that begin in front of it
        last = np.maximum(series - 1, 0)
        if not len(self._first):
            return np.zeros(len(positions), np.int64)
        inside = -(-(positions - self._first[last]) // self.shift)
        return np.where(series > 0, np.minimum(ends[last] + inside, ends[last + 1]), 0)


def _inside(labels: Array) -> Array:
    """Return which runs are in windows, bool."""
    if labels.dtype == bool:
        return labels
    if labels.dtype.kind == "i":
        return labels >= 0
    return np.ones(len(labels), bool)


def _check_together(labels: Array, first: Array) -> None:
    new = np.ones(len(labels), bool)
    new[1:] = labels[1:] != labels[:-1]  # what lies between two runs of one group is in no window
    kept = np.flatnonzero(new)
    found, counts = np.unique(labels[kept], return_counts=True)
    if (counts > 1).any():
        label = found[counts.argmax()]
        one, other = first[kept][labels[kept] == label][:2]
        raise ValueError(
            f"group {label} begins at sample {one} and again at sample {other}: sort the samples by group "
            "and time, so that those of a series follow one another"
        )
