"""`SplitSide`: what is kept of the samples of a training or a validation set to hold the two together."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams import Source, Ticket, open_source
from streamfit.streams.items import Value
from streamfit.streams.leaves import is_arraylike, is_structure, leaves, rebuild
from streamfit.testing.checked_object import SEED, CheckedObject
from streamfit.testing.comparison import Form, content_of, form_of, parts_of
from streamfit.testing.failure import fail
from streamfit.testing.kinds import checked_object
from streamfit.testing.settings import CheckSettings, SampleKey
from streamfit.testing.table import Kind

_BATCH = 256  # of arrays
_AGAIN = 4  # batches of a second pass


class Spread:
    """Extent, mean and deviation of the values of one array over all its batches."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, array: Array) -> None:
        """Add the values of a batch; those that are not finite are left out."""
        values = np.asarray(array, np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            self._count += values.size
            self._sum += float(values.sum())
            self._squares += float((values**2).sum())

    @property
    def mean(self) -> float:
        """Return the mean of all values."""
        return self._sum / max(1, self._count)

    @property
    def deviation(self) -> float:
        """Return the standard deviation of all values."""
        return float(np.sqrt(max(0.0, self._squares / max(1, self._count) - self.mean**2)))


class SplitSide:
    """One of the two sets of samples.

    Args:
        role: ``'train'`` or ``'validation'``.
        data: What the checks take; a tuple of arrays is (x, y) or (x, y, sample_weight).
        kind: Its kind, as for `run_checks`.
        most: How many samples are looked at.
        seconds: For how long.
        key: Called with x and y of a sample; returns what identifies it.
        group: Called with x and y of a sample; returns its group.

    Attributes:
        samples: The digest of x with y of each sample; `inputs`: of x alone.
        whole: Whether all samples were looked at; `fractions`: whether x holds numbers that are not whole.
    """

    def __init__(
        self,
        role: str,
        data: object,
        kind: Kind | None,
        most: int,
        seconds: float,
        key: SampleKey | None,
        group: Callable[..., Hashable] | None,
    ) -> None:
        self.role, self._most, self._seconds = role, most, seconds
        self._key, self._group = key, group
        self._checked = _checked(role, data, kind)
        self.samples: list[bytes] = []
        self.inputs: list[bytes] = []
        self.keys: list[Hashable] = []
        self.groups: Counter[Hashable] = Counter()
        self.labels: Counter[Hashable] | None = Counter()
        self.places: list[tuple[int, int]] = []
        self.spreads: dict[str, Spread] = {}
        self.form: dict[str, Form] = {}
        self.whole = self.fractions = False

    def read(self) -> None:
        """Read the samples.

        Raises:
            CheckFailure: It cannot be opened, or a batch cannot be loaded.
        """
        try:
            source = self._checked.source()
        except DataError as error:  # arrays of no samples
            fail(f"split: {self.role} cannot be read: {error}", error)
        until = time.monotonic() + self._seconds
        for ticket in source.tickets(0):
            if len(self.samples) >= self._most or (self.samples and time.monotonic() > until):
                return
            self._add(ticket, self._checked.load(source, ticket))
        self.whole = True

    def _add(self, ticket: Ticket, value: Value) -> None:
        x, y, _ = value
        self.form = self.form or form_of(value)
        for name, array in leaves(x, "x"):
            if array.dtype.kind in "biuf":
                self.spreads.setdefault(name, Spread()).add(array)
                self.fractions = self.fractions or bool((array != np.floor(array)).any())
        inputs = digests(leaves(x, "x"))
        self.inputs += inputs
        targets = digests(leaves(y, "y"))
        self.samples += [a + b for a, b in zip(inputs, targets, strict=True)] if targets else inputs
        self.places += [(ticket.number, row) for row in range(len(inputs))]
        found = labels_of(y)
        if found is None or self.labels is None:
            self.labels = None
        else:
            self.labels.update(found)
        for row in range(len(inputs)) if self._key or self._group else ():
            one_x, one_y = _row(x, row), _row(y, row)
            if self._key is not None:
                self.keys.append(self._key(one_x, one_y))
            if self._group is not None:
                self.groups[self._group(one_x, one_y)] += 1

    def again(self) -> list[bytes]:
        """Return the digests of x of the first batches of a second pass."""
        source = self._checked.source()
        source.end_pass(0)
        source.begin_pass(1)
        found: list[bytes] = []
        for ticket in itertools.islice(source.tickets(1), _AGAIN):
            found += digests(leaves(self._checked.load(source, ticket)[0], "x"))
        return found

    def draws(self) -> bool | None:
        """Return whether samples change from pass to pass; None if that cannot be told."""
        later = self.again()
        known = set(self.inputs)
        strange = sum(digest not in known for digest in later)
        if self.whole:
            return strange > len(later) // 2
        return False if strange < len(later) else None

    def beyond(self) -> int:
        """Count the samples of a `Sequence` that are behind its last batch."""
        source = self._checked.source()
        count = source.batches(0) if self._checked.kind == "sequence" else None
        if not count:
            return 0
        try:
            size, rest = (len(parts_of(_load(source, at))[0][1]) for at in (0, count))
        except Exception:  # usually there is nothing to load
            return 0
        return rest if 0 < rest < size else 0

    def looked_at(self) -> str:
        """Describe how much was looked at.

        Returns:
            ``all 90 samples of train``, or ``the first 4,096 samples of train``.
        """
        extent = "all" if self.whole else "the first"
        return f"{extent} {len(self.samples):,} samples of {self.role}"


def _load(source: Source, index: int) -> Value:
    return source.load(Ticket(0, index, index, source.key(0)))


def _checked(role: str, data: object, kind: Kind | None) -> CheckedObject:
    settings = CheckSettings()
    arrays = (data,) if is_arraylike(data) else data
    if isinstance(arrays, (tuple, list)) and 1 <= len(arrays) <= 3 and _holds_arrays(arrays[0]):

        def make() -> Source:
            size = min(_BATCH, max(1, len(leaves(arrays[0])[0][1])))
            return open_source(*arrays, batch_size=size, seed=SEED, name=role)

        return CheckedObject(make, "source", role, settings)
    checked = checked_object(data, kind, settings)
    checked.name = role
    return checked


def _holds_arrays(value: object) -> bool:
    return is_arraylike(value) or is_structure(value)


def _row(part: object, row: int) -> object:
    return rebuild(part, lambda array, _: array[row], "")


def digests(arrays: list[tuple[str, Array]]) -> list[bytes]:
    """Return a digest for each row, equal for equal numbers of any dtype of whole or of real numbers.

    Example:
        >>> digests([("x", np.array([1, 2], "uint8"))]) == digests([("x", np.array([1, 2]))])
        True
    """
    wide = [_widened(array) for _, array in arrays]
    count = min(map(len, wide), default=0)
    return [
        hashlib.blake2b(b"|".join(content_of(array[row]) for array in wide), digest_size=12).digest()
        for row in range(count)
    ]


def _widened(array: Array) -> Array:
    if array.dtype.kind in "biu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return array.astype(np.float64) + 0.0  # one zero: -0.0 + 0.0 is 0.0
    return array.astype(object) if array.dtype.kind in "US" else array


def labels_of(y: object) -> list[Hashable] | None:
    """Return the class of each sample; None where y holds no classes.

    Example:
        >>> labels_of(np.eye(3)[[2, 0]]), labels_of(np.array([0.5, 1.0]))
        ([2, 0], None)
    """
    parts = leaves(y, "y")
    if len(parts) != 1:
        return None
    array: Array = parts[0][1]
    if array.ndim == 2 and array.shape[1] > 1:
        one_hot = array.dtype.kind in "biuf" and bool(((array == 0) | (array == 1)).all())
        if not one_hot or not bool((array.sum(axis=1) == 1).all()):
            return None
        return list(array.argmax(axis=1).tolist())
    if array.ndim > 2 or array.dtype.kind not in "biuUSOf":
        return None
    if array.dtype.kind == "f" and not bool((array == np.round(array)).all()):
        return None
    return list(array.ravel().tolist())


def equal_pairs(samples: Iterable[Hashable]) -> int:
    """Count the pairs of samples that are equal.

    Example:
        >>> equal_pairs([b"a", b"b", b"a", b"a"])
        3
    """
    return sum(count * (count - 1) // 2 for count in Counter(samples).values())
