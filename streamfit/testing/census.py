"""`Census`: which samples come in which batch and row of two passes, known by hashes of their values.

Guarantees kept here: samples are gathered once for each checked object, with the hooks between the passes
as in training; a slow pipeline is asked for a few batches only; the object of the user is not changed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams import Source, Ticket
from streamfit.streams.items import Value
from streamfit.streams.leaves import leaves
from streamfit.testing.checked_object import SEED, CheckedObject, data_of
from streamfit.testing.comparison import difference, parts_of
from streamfit.testing.failure import CheckFailure, brief_error, fail
from streamfit.testing.held_arrays import HeldArrays, held_arrays, index_lists, row_hashes

_BATCHES, _SECONDS = 1024, 0.3  # of one pass, while batches are quick
_SLOW_BATCHES = 16
_LONG_SECONDS, _LEAST = 1.0, 4  # after that time a pass ends with this number of batches
_DEFAULT_LIMIT = 32
_KEPT_ROWS = 4096  # of which some columns are kept, to tell how likely equal samples are
_KEPT_COLUMNS = 64
_IDENTIFYING = 0.8  # share of different labels with which a label tells which sample it is


@dataclass(slots=True)
class BatchSamples:
    """The samples of one batch: a hash for each row of x, of y, and of all; y is None without targets.

    A row of x is blank where all its values are the same one, as in a black image.
    """

    ticket: Ticket
    x: list[Hashable]
    y: list[Hashable] | None
    all: list[Hashable]
    keys: list[Hashable] | None
    blank: list[bool]

    @property
    def number(self) -> int:
        """Number of the batch in its pass."""
        return self.ticket.number


@dataclass(frozen=True, slots=True)
class NotFinite:
    """Values of one array of a batch that are NaN or infinite: where the first is, how many there are, and
    whether the samples of the batch all have one in that column.
    """

    batch: int
    name: str
    at: tuple[int, ...]
    value: float
    count: int
    size: int
    column: bool


@dataclass(slots=True)
class PassSamples:
    """The samples of one pass.

    Attributes:
        batches: Those that were loaded, in order.
        whole: Whether these are all batches of the pass.
        counted: Whether the source knows how many batches a pass has.
        not_finite: The values that are NaN or infinite.
        error: What a load raised, which ended the pass.
    """

    batches: list[BatchSamples] = field(default_factory=list)
    whole: bool = False
    counted: bool = False
    not_finite: list[NotFinite] = field(default_factory=list)
    error: CheckFailure | None = None

    def sizes(self) -> list[int]:
        """List the numbers of samples of the batches."""
        return [len(batch.all) for batch in self.batches]


@dataclass(frozen=True, slots=True)
class SamplePlace:
    """Where a sample is."""

    batch: int
    row: int

    def __str__(self) -> str:
        return f"row {self.row} of batch {self.batch}"


@dataclass(slots=True)
class Census:
    """What two passes hold.

    Attributes:
        passes: One or two passes; the second one is missing where it cannot be read without changing the
        object. held: Rows of the arrays and lists of the object before the first pass, which occur as x or
        as y. indices: Lists of numbers in the object by name, before the first pass and before the second
        one. kept: Names of the held arrays that are the same before the second pass.
        values: The first rows of x and y as numbers, to tell how likely samples are equal by chance.
        draws: Whether x is drawn anew when a batch is loaded again, or in each pass.
        ours: Whether a source of the library forms the batches.
    """

    passes: list[PassSamples]
    held: HeldArrays
    indices: list[dict[str, list[int]]]
    kept: set[str]
    values: Array
    draws: bool
    ours: bool

    @property
    def whole(self) -> bool:
        """Whether two passes were seen whole."""
        return len(self.passes) == 2 and all(one.whole for one in self.passes)

    def known_by(self) -> str:
        """Return what a sample is known by: ``'key'``, ``'all'``, ``'y'``; empty if it is not known."""
        if self.passes[0].batches and self.passes[0].batches[0].keys is not None:
            return "key"
        if not self.draws:
            return "all"
        labels = [one for batch in self.passes[0].batches for one in batch.y or ()]
        return "y" if labels and len(set(labels)) > _IDENTIFYING * len(labels) else ""

    def samples(self, number: int, by: str = "") -> list[tuple[Hashable, SamplePlace]]:
        """List what the samples of a pass are known by, with their places."""
        return [
            (one, SamplePlace(batch.number, row))
            for batch in self.passes[number].batches
            for row, one in enumerate(_known(batch, by or self.known_by()))
        ]


def _known(batch: BatchSamples, by: str) -> list[Hashable]:
    known = {"key": batch.keys, "x": batch.x, "y": batch.y, "all": batch.all}[by]
    return known or []


@dataclass(slots=True)
class _Begun:
    """The first pass, and what the object held then; no hook has run after it. The source is None for a
    generator, which is read once.
    """

    source: Source | None
    first: PassSamples
    value: Value | None
    numbers: Array
    held: HeldArrays
    indices: dict[str, list[int]]
    draws: bool


_BEGUN: WeakKeyDictionary[CheckedObject, _Begun] = WeakKeyDictionary()
_MADE: WeakKeyDictionary[CheckedObject, Census] = WeakKeyDictionary()


def first_pass(checked: CheckedObject) -> PassSamples:
    """Return the first pass, without the hooks after it, which may change what other checks read."""
    return _begun(checked).first


def census_of(checked: CheckedObject) -> Census:
    """Return the census of an object, which is taken at the first call."""
    if checked not in _MADE:
        _MADE[checked] = _taken(checked, _begun(checked))
    return _MADE[checked]


def _begun(checked: CheckedObject) -> _Begun:
    if checked not in _BEGUN:
        source = checked.source()
        thing = data_of(source)
        indices = index_lists(thing)
        _hook(partial(source.begin_pass, 0))
        values: list[Value] = []
        tables: list[Array] = []
        first = _pass(checked, source, 0, values, tables)
        value = values[0] if values else None
        draws = checked.kind != "generator" and value is not None and _draws(source, first, value)
        held = held_arrays(thing, *map(_only, value[:2])) if value is not None else HeldArrays([], [])
        once = checked.kind == "generator" and not source.traits.rewinds
        kept = None if once else source
        _BEGUN[checked] = _Begun(kept, first, value, _joined(tables), held, indices, draws)
    return _BEGUN[checked]


def _taken(checked: CheckedObject, begun: _Begun) -> Census:
    source, first, held, draws = begun.source, begun.first, begun.held, begun.draws
    passes, indices = [first], [begun.indices]
    kept: set[str] = set()
    second = None if first.error else _second(checked, source)
    if second is not None:
        passes.append(_pass(checked, second, 1 if second is source else 0))
        after = data_of(second)
        indices.append(index_lists(after))
        wanted = _only(begun.value[0]) if begun.value is not None else None
        later = {each.name: each.rows for each in held_arrays(after, wanted, None).x}
        kept = {each.name for each in held.x if later.get(each.name) == each.rows}
        draws = draws or _all_differ(*passes)
    ours = checked.kind in ("source", "stream") and type(source).__module__.startswith("streamfit.")
    return Census(passes, held, indices, kept, begun.numbers, draws, ours)


def _pass(
    checked: CheckedObject,
    source: Source,
    data_epoch: int,
    values: list[Value] | None = None,
    tables: list[Array] | None = None,
) -> PassSamples:
    """Load a pass, or its first batches where that takes long.

    The first batch is added to `values`, and some columns of the first rows to `tables`.
    """
    found = PassSamples(counted=source.batches(data_epoch) is not None)
    limit = checked.settings.limit
    most = max(_BATCHES, limit) if limit >= _DEFAULT_LIMIT else limit
    began, rows = time.monotonic(), 0
    tickets = _tickets(source, data_epoch)
    while True:
        count, seconds = len(found.batches), time.monotonic() - began
        if count >= most or (seconds > _LONG_SECONDS and count >= _LEAST):
            break
        if seconds > _SECONDS and count >= _SLOW_BATCHES:
            break
        try:
            ticket = next(tickets, None)
            if ticket is None:
                found.whole = True
                break
            value = checked.load(source, ticket)
        except CheckFailure as error:
            found.error = error
            break
        except Exception:  # another check tells why batches cannot be listed
            break
        found.batches.append(_batch(checked, ticket, value))
        found.not_finite += _not_finite(ticket, value)
        if values is not None and not values:
            values.append(value)
        if tables is not None and rows < _KEPT_ROWS:
            tables += _table(value)
            rows += len(found.batches[-1].all)
    if source.batches(data_epoch) == len(found.batches):
        found.whole = True
    return found


def _tickets(source: Source, data_epoch: int) -> Iterator[Ticket]:
    yield from source.tickets(data_epoch)


def _batch(checked: CheckedObject, ticket: Ticket, value: Value) -> BatchSamples:
    x, y, weight = (_part_hashes(part) for part in value)
    sides = [side for side in (x, y, weight) if side is not None]
    key = checked.settings.key
    keys: list[Hashable] | None = None
    if key is not None:
        try:
            keys = [key(*(_row(part, at) for part in value[:2])) for at in range(len(sides[0]))]
        except Exception as error:
            fail(
                f"{checked.name}: key(x, y) raised {brief_error(error)} for a sample of batch "
                f"{ticket.number}",
                error,
            )
    every: list[Hashable] = [hash(row) for row in zip(*sides, strict=False)]
    return BatchSamples(ticket, x or [], y, every, keys, _blank_rows(value[0], len(every)))


def _blank_rows(part: object, count: int) -> list[bool]:
    """Return for each row of x whether all its values are the same; never where it has one value only."""
    arrays = [array.reshape(len(array), -1)[:count] for _, array in leaves(part) if array.size]
    if sum(array.shape[1] for array in arrays) < 2:
        return [False] * count
    return [bool(one) for one in np.all([(array == array[:, :1]).all(axis=1) for array in arrays], axis=0)]


def _not_finite(ticket: Ticket, value: Value) -> Iterator[NotFinite]:
    for name, array in parts_of(value):
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            wrong = ~np.isfinite(array)
            at = tuple(int(axis) for axis in np.argwhere(wrong)[0])
            column = array.ndim > 1 and len(array) > 1 and bool(np.moveaxis(wrong, 0, -1)[at[1:]].all())
            found = float(array[at].real)
            yield NotFinite(ticket.number, name, at, found, int(wrong.sum()), array.size, column)


def _part_hashes(part: object) -> list[Hashable] | None:
    hashes = [row_hashes(array) for _, array in leaves(part)]
    if len(hashes) < 2:
        return hashes[0] if hashes else None
    return [hash(row) for row in zip(*hashes, strict=False)]


def _row(part: object, at: int) -> object:
    """Return one sample of x or y, in the same structure."""
    if isinstance(part, dict):
        return {name: _row(entry, at) for name, entry in part.items()}
    if isinstance(part, (list, tuple)):
        return type(part)(_row(entry, at) for entry in part)
    return part[at] if isinstance(part, np.ndarray) else part


def _only(part: object) -> Array | None:
    """Return the array of a part that has only one."""
    arrays = [array for _, array in leaves(part)]
    return arrays[0] if len(arrays) == 1 else None


def _draws(source: Source, first: PassSamples, value: Value) -> bool:
    """Return whether the first batch is another one when it is loaded again, under other global seeds."""
    try:
        again = source.load(first.batches[0].ticket)
        return difference(value, again) is not None
    except Exception:
        return False


def _second(checked: CheckedObject, source: Source | None) -> Source | None:
    """Return the source of a second pass; None if it cannot be had without changing the object."""
    if source is None:
        return checked.source()
    own = checked.copies() or (checked.factory and checked.made_alike() is None)
    if checked.kind in ("sequence", "source") and not own:
        return None
    if _hook(partial(source.end_pass, 0)) or _hook(partial(source.begin_pass, 1)):
        return None
    return source


def _hook(hook: Callable[[], None]) -> bool:
    """Call a hook from the one global seed; return whether it raised, which another check reports."""
    random.seed(SEED)
    np.random.seed(SEED % 2**32)
    try:
        hook()
    except Exception:
        return True
    return False


def _all_differ(one: PassSamples, other: PassSamples) -> bool:
    """Return whether hardly any x of a whole pass comes in the next one; chance leaves a few as they are."""
    first, second = ({x for batch in each.batches for x in batch.x} for each in (one, other))
    return one.whole and other.whole and len(first & second) <= len(first) / 10


def _table(value: Value) -> list[Array]:
    """Return some columns of the rows of a batch as one table of numbers; none where its parts differ."""
    flat = [_columns(array) for _, array in parts_of(value) if len(array)]
    if not flat or len({len(each) for each in flat}) > 1:
        return []
    return [np.concatenate(flat, axis=1)]


def _joined(tables: list[Array]) -> Array:
    width = min((table.shape[1] for table in tables), default=0)
    return np.concatenate([table[:, :width] for table in tables])[:_KEPT_ROWS] if tables else np.zeros((0, 0))


def _columns(array: Array) -> Array:
    """Return at most so many columns of an array, spread over all; of objects their hashes."""
    if array.dtype.kind not in "biuf":
        return np.array([hash(repr(row)) % 2**50 for row in array.tolist()], float)[:, None]
    flat = array.reshape(len(array), -1)
    places = np.unique(np.linspace(0, flat.shape[1] - 1, min(flat.shape[1], _KEPT_COLUMNS)).astype(int))
    return np.asarray(flat[:, places], float)


def chance_of_equality(values: Array) -> float:
    """Estimate how likely two samples are equal by chance, from how often their columns are.

    As many columns are taken as vary independently (the rank), those that are equal most often.

    Example:
        >>> chance_of_equality(np.ones((8, 2))), chance_of_equality(np.arange(8.0)[:, None])
        (1.0, 0.0)
    """
    count = len(values)
    if count < 2 or not values.shape[1]:
        return 1.0
    finite = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    chances = []
    for column in finite.T:
        times = np.unique(column, return_counts=True)[1]
        chances.append(float((times * (times - 1)).sum()) / (count * (count - 1)))
    spread = np.abs(finite).max(axis=0)
    rank = int(np.linalg.matrix_rank((finite - finite[0]) / np.where(spread > 0, spread, 1)))
    return float(np.prod(sorted(chances)[-rank:])) if rank else 1.0


def pairs_equal_in_part(values: Array) -> int:
    """Count the pairs of samples that are equal in one half of their columns, whichever half has fewer.

    Samples that are equal by chance have many near relatives; samples that were repeated have none.

    Example:
        >>> pairs_equal_in_part(np.array([[1, 2], [1, 3], [2, 2], [2, 3]])), pairs_equal_in_part(np.eye(2))
        (2, 0)
    """
    finite = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    distinct = [len(np.unique(column)) for column in finite.T]
    order = [int(at) for at in np.argsort(distinct)[::-1] if distinct[at] > 1]
    halves = [half for half in (order[::2], order[1::2]) if half]
    counts = (np.unique(finite[:, half], axis=0, return_counts=True)[1] for half in halves)
    return min((int((times * (times - 1)).sum()) // 2 for times in counts), default=0)
