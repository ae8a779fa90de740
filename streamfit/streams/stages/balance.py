"""`balance`: as many samples of each class as its share says.

Guarantee kept here: in any number of passes that follow one another, two samples of a class come equally
often, up to a difference of one. So with m of the n samples of a class in a pass, each sample comes at least
once in any ceil(n / m) passes.

The samples of a class stand in an order that the seed decides, and pass p takes m of them from place
``p * m`` on, around the end as often as need be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from streamfit._base.checks import number
from streamfit._base.errors import DataError
from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.streams.order import Order
from streamfit.streams.stages.recent import Recent
from streamfit.streams.stages.resampled import Resampled, checksum
from streamfit.streams.stages.stage import Pass, Stage

How = Literal["oversample", "undersample"]
Label = int | float | str

_MOST = 1 << 52


class Balanced(Resampled):
    """Draw samples such that each class has its share, in a shuffled order.

    The numbers of the classes take 1 byte for each sample (4 with more than 256 classes), and a table of
    samples by class 4 bytes (8 from 2**31 samples on).

    Args:
        stage: What to draw from.
        numbers: uint8 or int32 (n,): the number of the class of each sample.
        classes: The label of each class.
        weights: The share of each class, by its label; None for equal shares. 0 leaves a class out.
        how: ``'oversample'`` leaves out no sample of a class that has a share; ``'undersample'`` takes none
            twice.
        seed: A seed for the draws; None follows the run.

    Raises:
        ValueError: The weights do not fit the classes.
    """

    def __init__(
        self,
        stage: Stage,
        numbers: Array,
        classes: Sequence[Label],
        weights: Mapping[Label, float] | None = None,
        how: How = "oversample",
        seed: int | None = None,
    ) -> None:
        super().__init__(stage, "balance()", len(numbers), seed)
        if how not in ("oversample", "undersample"):
            raise ValueError(f"how={how!r}: write 'oversample' or 'undersample'")
        self.numbers, self.how = numbers, how
        self.available = np.bincount(numbers, minlength=len(classes))
        shares = checked_shares(classes, weights)
        self.taken = taken_of(self.available, shares, how, classes)
        self._ends = np.cumsum(self.taken)
        self._starts = np.cumsum(self.available) - self.available
        self._written = f"{len(classes)} classes #{checksum(numbers, list(classes), self.taken)}"
        self._tables, self._windows = Recent(), Recent()

    def __repr__(self) -> str:
        given = self._written + ("" if self.how == "oversample" else f", how={self.how!r}")
        return f"balance({given}{'' if self.own_seed is None else f', seed={self.own_seed}'})"

    @property
    def weights(self) -> Array:
        """How often a sample comes in a pass on average, float64 (n,)."""
        found: Array = (self.taken / np.maximum(self.available, 1))[self.numbers]
        return found

    def size(self, p: Pass) -> int:
        """Return the number of draws."""
        return int(self._ends[-1])

    def copies(self, p: Pass) -> int:
        """Return a number that the numbers of all copies are below."""
        return self.counts(p)[1]

    def counts(self, p: Pass) -> tuple[int, int]:
        """Return how many different samples a pass has, and how often one comes at most."""
        distinct, most = np.minimum(self.taken, self.available), -(-self.taken // self.available)
        return int(distinct.sum()), int(most.max())

    def draw(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the sample at each position, and the number of its copy."""
        order = Order(self.size(p), self.key(p))
        first, count = int(positions[0]) if len(positions) else 0, len(positions)
        consecutive = bool((np.diff(positions) == 1).all())
        draws = order.ids(first, count) if consecutive else order.at(positions)
        chosen = np.searchsorted(self._ends, draws, side="right")
        within = draws - (self._ends - self.taken)[chosen]
        available = self.available[chosen]
        table = self._tables.get(self._fixed_key(p), lambda: self._table(p))
        windows = self._windows.get(p.number, lambda: self._first(p.number))
        places = table[self._starts[chosen] + (windows[chosen] + within) % available]
        return places.astype(np.int64), within // available

    def _fixed_key(self, p: Pass) -> int:
        """Return the key of what is the same in all passes."""
        if self.own_seed is not None:
            return derive(self.own_seed, "classes")
        return derive(p.seed, "classes", self.salt)

    def _table(self, p: Pass) -> Array:
        """Return the samples, class by class, those of a class in an order that depends on the seed alone."""
        kind = np.int32 if self.count <= 1 << 31 else np.int64
        shuffled = Order(self.count, self._fixed_key(p)).ids(0, self.count).astype(kind)
        found: Array = shuffled[np.argsort(self.numbers[shuffled], kind="stable")]
        return found

    def _first(self, number: int) -> Array:
        """Return for each class the place in its order where a pass begins."""
        pairs = zip(self.taken.tolist(), self.available.tolist(), strict=True)
        return np.array([number * taken % available for taken, available in pairs], np.int64)


def checked_shares(classes: Sequence[Label], weights: Mapping[Label, float] | None) -> Array:
    """Return the share of each class, float64 (classes,); not divided by their sum.

    Raises:
        ValueError: A class has no share, or a share no class; or all are 0.
    """
    if weights is None:
        return np.ones(len(classes))
    missing = [label for label in classes if label not in weights]
    unknown = [label for label in weights if label not in set(classes)]
    if missing or unknown:
        raise ValueError(
            f"weights={dict(weights)!r}: "
            + (f"there is no weight for class {missing[0]!r}" if missing else "")
            + (" and " if missing and unknown else "")
            + (f"there is no class {unknown[0]!r}" if unknown else "")
            + "; write one for each class, 0 to leave a class out"
        )
    found = np.array([number(f"weights[{label!r}]", weights[label], 0.0) for label in classes])
    if not np.isfinite(found).all() or not found.any():
        raise ValueError(f"weights={dict(weights)!r}: each must be finite, and one of them above 0")
    return found


def taken_of(available: Array, shares: Array, how: How, classes: Sequence[Label]) -> Array:
    """Return how many samples of each class a pass has.

    Raises:
        DataError: A class with a share would have none, or there would be more than 2**52.

    Example:
        >>> taken_of(np.array([90, 10]), np.ones(2), "oversample", [0, 1]).tolist()
        [90, 90]
        >>> taken_of(np.array([90, 10]), np.array([3, 1]), "undersample", [0, 1]).tolist()
        [30, 10]
    """
    used = shares > 0
    ratios = available[used] / shares[used]
    wanted = np.rint(shares * (ratios.max() if how == "oversample" else ratios.min()))
    if not wanted.sum() <= _MOST:
        raise DataError(f"a pass would have {wanted.sum():.3g} samples; write weights that differ less")
    if bool((wanted[used] < 1).any()):
        label = classes[int(np.flatnonzero(used & (wanted < 1))[0])]
        raise DataError(
            f"class {label!r} would have less than one sample in a pass; give it more weight, or 0 to leave "
            "it out, or write how='oversample'"
        )
    # What rounding may have added or lost: the class that decides has all of its samples once.
    bound = np.maximum if how == "oversample" else np.minimum
    return np.where(used, bound(wanted, available), 0).astype(np.int64)
