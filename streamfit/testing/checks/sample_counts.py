"""Checks of how often each sample comes: repeated and lost samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from itertools import groupby

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams import Source, Ticket
from streamfit.testing.census import Census, SamplePlace, census_of, chance_of_equality, pairs_equal_in_part
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.checks.sample_orders import equal_batches
from streamfit.testing.comparison import parts_of
from streamfit.testing.failure import skip, warn
from streamfit.testing.held_arrays import HeldArray, row_hashes
from streamfit.testing.table import KINDS, Check

_UNLIKELY = 0.05
_NEAR = 2  # as many pairs are nearly equal as are equal: then equal samples are in the data
_EXCESS = 0.02  # share of samples that come more often than held; a text has some such pairs of words
_CLASS = 8  # samples of each label at least, on average, where labels are classes
_LONG = 8  # samples in a row, which also such data do not repeat by chance
_OFTEN = 32  # a sample that comes more often is common in the data, and has too many pairs
_SHOWN = 3
_BEYOND = 7  # batches behind the last one, where nothing but a constant can be
Repeats = list[tuple[SamplePlace, SamplePlace]]


def check_no_repeats(checked: CheckedObject) -> str | None:
    """Check that no sample comes twice in an epoch."""
    census = census_of(checked)
    drawn = checked.source().samplings(0) if checked.kind in ("source", "stream") else []
    if drawn:
        skip(f"samples are drawn: {'; '.join(map(str, drawn))}")
    first = census.passes[0]
    if not first.counted and not first.whole:
        skip("it has no end, or does not know it, so that samples may come again")
    if not census.known_by():
        skip("samples are drawn anew, and nothing tells which is which; pass key=")
    samples, repeats = _repeats(census)
    if not repeats or not _by_pipeline(census, samples, repeats):
        return None
    batches = {again.batch for again, _ in repeats}
    last = first.batches[-1].number
    rare = 0 if batches == {last} else _classes_made_up(census)
    if rare:
        return f"the samples of {rare} rare classes are repeated, so that all classes come as often"
    times = set(Counter(samples).values())
    if census.ours and len(times) == 1:
        return f"each sample comes {min(times)} times"  # a stage that repeats
    shown = ", ".join(f"{again} is {one}" for again, one in repeats[:_SHOWN])
    more = ", ..." if len(repeats) > _SHOWN else ""
    if batches == {last} and first.whole:
        of = " of the first one" if {one.batch for _, one in repeats} == {0} else ""
        text = f"the last batch, {last}, repeats {len(repeats)} samples{of}: {shown}{more}. Let it be shorter"
    else:
        text = (
            f"{len(repeats)} of {len(samples)} samples in an epoch are repeated: {shown}{more}. They count "
            "more than others, and others may never come. If they are drawn on purpose, as for equal "
            "classes, say so in expected_failures"
        )
    warn(f"{checked.name}: {text}{_never(census, first.whole)}")


def _repeats(census: Census) -> tuple[list[Hashable], Repeats]:
    """Return what all samples of pass 0 are known by, and the repeated ones; not those of whole equal
    batches.
    """
    apart = equal_batches(census)
    blank = {
        SamplePlace(batch.number, row)
        for batch in census.passes[0].batches
        for row, one in enumerate(batch.blank)
        if one and census.known_by() == "all"
    }
    samples = [(one, at) for one, at in census.samples(0) if at.batch not in apart and at not in blank]
    seen: dict[Hashable, SamplePlace] = {}
    repeats = []
    for one, at in samples:
        first = seen.setdefault(one, at)
        if first != at:
            repeats.append((at, first))
    return [one for one, _ in samples], repeats


def _by_pipeline(census: Census, samples: list[Hashable], repeats: Repeats) -> bool:
    """Return whether the pipeline repeats samples, rather than the data hold equal ones."""
    by = census.known_by()
    held = census.held.y if by == "y" else census.held.x
    if by == "key" or any(_holds(census, each, "y" if by == "y" else "x") for each in held):
        return True
    if by == "y":
        return _in_runs(samples)
    for each in [one for one in held if not one.numbers]:
        more = _more_often(census, each)
        if more is not None and (not more or more > _EXCESS * len(samples)):
            return bool(more)
    count = len(samples)
    expected = chance_of_equality(census.values) * count * (count - 1) / 2
    if len(repeats) <= 3 * expected + 1 - (expected < _UNLIKELY):
        return _in_runs(samples, 2 if expected < 1 else _LONG)
    near = pairs_equal_in_part(census.values) * (count / max(1, min(count, len(census.values)))) ** 2
    if near > _NEAR * sum(times * (times - 1) // 2 for times in Counter(samples).values()):
        return _in_runs(samples, _LONG)
    return True


def _classes_made_up(census: Census) -> int:
    """Return how many classes are repeated to come as often as the others, of which none is; else 0."""
    if census.known_by() != "all" or not census.passes[0].whole:
        return 0
    labels = [one for one, _ in census.samples(0, "y")]
    pairs = Counter(set(zip(labels, [one for one, _ in census.samples(0)], strict=False)))
    counts, distinct = Counter(labels), Counter(label for label, _ in pairs)
    if not counts or len(counts) > len(labels) / _CLASS:
        return 0
    rare = [label for label in counts if distinct[label] < counts[label]]
    spread = max(counts.values()) - min(counts.values())
    as_often = spread <= len(census.passes[0].batches)
    return len(rare) if as_often and len(rare) < len(counts) else 0


def _more_often(census: Census, held: HeldArray) -> int | None:
    """Return how many samples come more often than they are held; None if other ones come, too."""
    rows, xs = Counter(held.rows), [one for one, _ in census.samples(0, "x")]
    if 2 * len(held.rows) < len(xs) or not rows.keys() >= set(xs):
        return None  # fewer rows are a list of the values that may come
    times = Counter(zip(xs, (one for one, _ in census.samples(0, "all")), strict=False))
    return sum(max(0, count - rows[x]) for (x, _), count in times.items())


def _holds(census: Census, held: HeldArray, by: str = "x") -> bool:
    """Return whether all samples are rows of an array whose rows all differ, so that no two are equal by
    chance.
    """
    places, count = held.places(), len(census.samples(0, by))
    return (
        len(places) > 2
        and not (held.numbers and by == "x")
        and 2 * len(places) >= count
        and all(one in places for one, _ in census.samples(0, by))
    )


def _in_runs(samples: list[Hashable], least: int = 2) -> bool:
    """Return whether neighbours repeat neighbours more often than equal samples would by chance.

    Args:
        samples: What they are known by, in order.
        least: How many samples in a row must be repeated, or two from the first to the last one, where the
            end wraps around. Neighbours that are equal do not count: a measurement may stand still.
    """
    places: dict[Hashable, list[int]] = {}
    for at, one in enumerate(samples):
        places.setdefault(one, []).append(at)
    count = len(samples)
    if len(places) < 2 * count / 3:  # a few values, perhaps in a period
        return False
    rare = [each for each in places.values() if len(each) <= _OFTEN]
    pairs = {(i, j) for each in rare for n, i in enumerate(each) for j in each[n + 1 :]}
    lengths: dict[tuple[int, int], int] = {}
    for i, j in sorted(pairs):
        moved = i > 0 and samples[i] != samples[i - 1]
        lengths[i, j] = (lengths.get((i - 1, j - 1), 0) if moved else 0) + 1
    runs = sum(length >= least for length in lengths.values())
    runs += any(lengths.get((at, count - 1)) == at + 1 for at in range(1, least - 1))
    chance = len(pairs) / max(1, count * (count - 1) / 2)
    return runs > 0 and len(pairs) * chance < _UNLIKELY * runs


def _never(census: Census, whole: bool) -> str:
    """Tell how many of the rows that the object holds never come, if it holds them."""
    for held in census.held.x:
        if whole and _holds(census, held):
            come = {one for one, _ in census.samples(0, "x")}
            lost = len(held.rows) - len(come)
            if lost:
                return f". {lost} of the {len(held.rows)} rows of {held.name} do not come at all"
    return ""


def check_none_lost(checked: CheckedObject) -> str | None:
    """Check that all samples come: those behind the last batch, and those that the object holds."""
    census = census_of(checked)
    first = census.passes[0]
    if not first.whole:
        skip("a pass is too long or too slow to be read whole")
    if checked.kind == "sequence":
        note = _tail(checked, census)
        if note:
            return note
    if checked.kind in ("sequence", "generator") and not census.draws:
        note = _held(checked, census)
        if note:
            return note
    return _between_passes(checked, census)


def _tail(checked: CheckedObject, census: Census) -> str | None:
    """Warn of samples that the index behind the last one would give."""
    source = checked.source()
    count = source.batches(0)
    if count is None:
        return None
    rest = _filled_rows_at(source, count)
    size = census.passes[0].sizes()[0]
    if not rest or len(rest) > size:
        return None
    if (
        len(rest) == size
    ):  # a computed sequence has no end; one with arrays made in advance has empty rows here
        empty = set(_filled_rows_at(source, count + _BEYOND))
        rest = [one for one in rest if one not in empty] if len(empty) == 1 else []
        if not 0 < len(rest) < size:
            return None
    lost = set(rest) - {one for one, _ in census.samples(0, "x")}
    if not lost:
        return None  # it wraps around
    if len(census.passes) == 2 and lost & {one for one, _ in census.samples(1, "x")}:
        return f"{len(rest)} samples are left out, others in each epoch"
    warn(
        f"{checked.name}: index {count} would give {len(rest)} more samples, which are never used: "
        "__len__ rounds down. Let it round up"
    )


def _filled_rows_at(source: Source, index: int) -> list[Hashable]:
    """Return a hash of each row of x at an index, without rows that are as np.empty has made them."""
    rows = []
    for number in range(2):
        with _memory_filled_with(number):
            rows.append(_rows_at(source, index))
    return [one for one, other in zip(*rows, strict=False) if one == other]


@contextmanager
def _memory_filled_with(number: int) -> Iterator[None]:
    """Make np.empty and np.empty_like fill their arrays inside the block, to see what is left as it is."""
    originals = {name: getattr(np, name) for name in ("empty", "empty_like")}

    def filling(make: Callable[..., Array]) -> Callable[..., Array]:
        def filled(*args: object, **options: object) -> Array:
            made = make(*args, **options)
            if made.dtype.kind in "biufc":
                made.fill(number)
            return made

        return filled

    try:
        for name, make in originals.items():
            setattr(np, name, filling(make))
        yield
    finally:
        for name, make in originals.items():
            setattr(np, name, make)


def _rows_at(source: Source, index: int) -> list[Hashable]:
    """Return a hash of each row of x at an index; none if no batch is there."""
    try:
        value = source.load(Ticket(0, index, index, source.key(0)))
        count = min(len(array) for _, array in parts_of(value))
        hashes = [row_hashes(array[:count]) for _, array in parts_of((value[0], None, None))]
    except Exception:  # usually there is nothing to load
        return []
    return hashes[0] if len(hashes) == 1 else [hash(row) for row in zip(*hashes, strict=False)]


def _held(checked: CheckedObject, census: Census) -> str | None:
    """Warn of rows of the arrays and lists of an object that do not come."""
    come = [{one for one, _ in census.samples(number, "x")} for number in range(len(census.passes))]
    for held in census.held.x:
        places = held.places()
        if len(places) < 3 or not come[0] <= set(places):
            continue
        labels = {one for one, _ in census.samples(0, "y")}
        labels = labels if labels <= set(places) else set()  # of a forecast: later rows of the same array
        lost = [row for row in places if row not in come[0] and row not in labels]
        size = max(census.passes[0].sizes())
        between = _whole_batches_between([row in come[0] for row in places], size)
        if not lost or (len(lost) >= len(places) / 2 and not between):
            continue  # more would be data of another split
        if len(come) == 2 and come[1] & set(lost):
            return f"{len(lost)} of {len(places)} rows of {held.name} are left out, others in each epoch"
        rows = [places[row] for row in lost]
        listed = [each for each in census.indices[0].values() if len(each) == len(come[0])]
        if any(set(rows).isdisjoint(each) for each in listed):
            continue  # the object lists the rows that it takes
        if between:
            warn(
                f"{checked.name}: {len(lost)} of {len(places)} rows of {held.name} never come: "
                f"{between}. Does an index count twice, or does __len__ not count all batches?"
            )
        if len(lost) > size:
            continue  # that is a split rather than a batch that was forgotten
        shown = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
        if len(set(census.samples(0, "x"))) == len(come[0]):
            warn(
                f"{checked.name}: {len(come[0])} of {len(places)} rows of {held.name} are delivered; rows "
                f"{shown} never come. Does __len__ round down, or does an index begin at 1?"
            )
    return None


def _whole_batches_between(come: list[bool], size: int) -> str:
    """Describe rows that never come and lie between others like skipped batches; empty if they do not.

    Example:
        >>> _whole_batches_between([True, True, False, False, True, True, False, False], 2)
        'rows 2 to 3, 6 to 7'
    """
    runs: dict[bool, list[range]] = {True: [], False: []}
    at = 0
    for comes, group in groupby(come):
        length = len(list(group))
        runs[comes].append(range(at, at + length))
        at += length
    lost = runs[False]
    lengths = [len(run) for run in (*runs[True], *lost) if run.stop < len(come)]  # the last may be shorter
    if size < 2 or len(lost) < 2 or any(length % size for length in lengths):
        return ""
    if any(len({len(run) for run in each if run.stop < len(come)}) > 1 for each in runs.values()):
        return ""
    shown = ", ".join(f"{run.start} to {run.stop - 1}" for run in lost[:_SHOWN])
    return f"rows {shown}{', ...' if len(lost) > _SHOWN else ''}"


def _between_passes(checked: CheckedObject, census: Census) -> str | None:
    """Warn of samples of the first epoch that the next one does not have."""
    if not census.whole or not census.known_by():
        return None
    by = "x" if census.known_by() == "all" else census.known_by()
    places = dict(reversed(census.samples(0, by)))
    first, second = (Counter(one for one, _ in census.samples(number, by)) for number in (0, 1))
    lost = [one for one in places if one not in second]
    new = [one for one in second if one not in first]
    alike = max(new, key=second.__getitem__, default=None)
    if lost and alike is not None and second[alike] > max(1, len(lost) / 2, *first.values()):
        at = next(place for one, place in census.samples(1, by) if one == alike)
        warn(
            f"{checked.name}: {len(lost)} samples of the first epoch do not come in the next one, and "
            f"{second[alike]} times the very same sample comes in their place, first in {at} of pass 1: does "
            "an index run past the end there, so that rows stay as np.zeros has made them?"
        )
    if not lost or len(lost) > len(first) / 2:
        return None
    if new:
        return f"{len(lost)} samples of an epoch come in another form or not at all in the next one"
    warn(
        f"{checked.name}: {len(lost)} samples of the first epoch do not come in the next one, among them "
        f"{places[lost[0]]}, and no others in their place. Does on_epoch_end lose or overwrite some?"
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "no_repeats",
        "No sample comes twice in an epoch.",
        check_no_repeats,
        KINDS,
        ("content", "own_arrays", "own_batches", "batches_differ"),
        hint=(
            "rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]\n"
            "return self.x[rows], self.y[rows]  # the last batch may be shorter"
        ),
    ),
    Check(
        "none_lost",
        "All samples come in an epoch.",
        check_none_lost,
        KINDS,
        ("content", "own_arrays", "own_batches", "batches_differ"),
        hint="def __len__(self):\n    return -(-len(self.x) // self.batch_size)  # rounded up",
    ),
)
