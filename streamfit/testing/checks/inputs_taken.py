"""Checks that a generator uses every item that it takes from its input."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from streamfit.streams import GeneratorSource
from streamfit.streams.items import Value
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.comparison import copied, parts_of
from streamfit.testing.counting_input import CountingInput, HeldIterator, ReadingFactory, held_iterators
from streamfit.testing.failure import fail, skip, warn
from streamfit.testing.table import Check

_SECONDS = 2.0
_MOST_ITEMS = 1 << 14  # whose values are looked for in the batches
_SHOWN = 6
_NEARLY = 0.9
Keys = dict[str, list[bytes]]


@dataclass(slots=True)
class _Taken:
    """What was taken from an input for each batch.

    Attributes:
        input: Its name in messages.
        sizes: Samples of each batch.
        upto: How many items had been taken when each batch came.
        total: How many had been taken when the generator ended, or at the last batch that was looked at.
        items: The items that were taken, if known.
        numbers: Their numbers.
        ended: Whether the generator has ended.
        rows: The rows of all batches, by the name of their array.
        late: Whether items are known from the first batch on only.
    """

    input: str
    sizes: list[int] = field(default_factory=list)
    upto: list[int] = field(default_factory=list)
    total: int = 0
    items: list[object] | None = None
    numbers: Sequence[int] = ()
    ended: bool = False
    rows: Keys = field(default_factory=dict)
    late: bool = False

    @property
    def given(self) -> int:
        """The samples of all batches for which items were counted."""
        return sum(self.sizes[self.late :])

    def surplus(self) -> int | None:
        """Return how many items more than it has samples each full batch took; None if that varies.

        The first batch does not count, for which a generator may read a header or fill a buffer.
        """
        full = max(self.sizes, default=0)
        more = [
            now - before - size
            for before, now, size in zip(self.upto, self.upto[1:], self.sizes[1:], strict=False)
            if size == full
        ]
        if self.ended and self.upto and self.upto[-1] == self.total and len(more) > 2:
            more.pop()  # the items ended in the last batch, which could take no more
        return more[0] if len(more) > 1 and len(set(more)) == 1 else None


def check_inputs_used(checked: CheckedObject) -> str | None:
    """Check that every item that a generator takes from its input is in a batch."""
    if isinstance(checked.make, ReadingFactory):
        return _judge_counted(checked, *_with_counting_input(checked, checked.make))
    seen = _with_held_iterators(checked)
    if not seen:
        skip("its input cannot be seen; pass the items that it reads: source=rows")
    notes = [note for taken in seen if (note := _judge(checked, taken))]
    return notes[0] if notes else None


def _judge(checked: CheckedObject, taken: _Taken) -> str | None:
    """Fail where each batch loses items; warn where the end is lost."""
    surplus, full = taken.surplus(), max(taken.sizes, default=0)
    missing = _missing(taken)
    if surplus is not None and 0 < surplus < full and missing != []:
        text = (
            f"{checked.name}: it took {taken.total} items from {taken.input} and gave {taken.given} samples: "
            f"{_lost(taken, missing, surplus)}. They are never trained on. zip(rows, range(n)) takes a row "
            "before it sees that the range has ended, so use itertools.islice(rows, n); a loop that yields a "
            "full batch must put the row that it holds into the next one"
        )
        if 2 * surplus < full or missing:
            fail(text)
        warn(text)
    lost = taken.total - taken.upto[-1] if taken.ended and taken.upto else 0
    if surplus == 0 and 0 < lost < full:
        text = f"the last {lost} of {taken.total} items that it took from {taken.input} are in no batch"
        if missing is None and not isinstance(checked.make, ReadingFactory):
            return f"{text}, as where the order is drawn anew in each epoch"
        warn(
            f"{checked.name}: {text}: a last batch that is not full is dropped, in each epoch the same one "
            "if the items are not shuffled. Yield it too"
        )
    if missing and taken.ended:
        return f"{len(missing)} of {taken.total} items from {taken.input} are in no batch; are they filtered?"
    return None


def _lost(taken: _Taken, missing: list[int] | None, surplus: int) -> str:
    each = f"{surplus} more than it has samples for each batch"
    if not missing:
        return f"it takes {each}"
    shown = ", ".join(map(str, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
    return f"items {shown} were taken and are in no batch ({each})"


def _judge_counted(checked: CheckedObject, taken: _Taken, counter: CountingInput) -> str | None:
    if not taken.total:
        return "it takes no single items from its input, so that they cannot be counted"
    note = _judge(checked, taken)
    again = _given_twice(taken)
    if again and counter.passes <= 1:
        shown = ", ".join(map(str, again[:_SHOWN]))
        warn(
            f"{checked.name}: items that were taken once are in the batches more than once: {shown}"
            f"{', ...' if len(again) > _SHOWN else ''} ({len(again)} of {taken.total}). They weigh more than "
            "others; is a batch or a list of rows not emptied?"
        )
    whole = _length(counter)
    never = 0 if whole is None else whole - len(set(taken.numbers))
    if taken.ended and never > 0 and not note:
        warn(
            f"{checked.name}: {never} of the {whole} items of its input are never taken, though it ends. Is "
            "the number of batches rounded down?"
        )
    if counter.passes > 1:
        return f"it reads its input {counter.passes} times: with an iterator the second pass would be empty"
    ahead = max(now - given for now, given in zip(taken.upto, itertools.accumulate(taken.sizes), strict=True))
    if not note and ahead > 8 * max(taken.sizes):
        return f"it takes up to {ahead} items more than it has given"
    return note


def _length(counter: CountingInput) -> int | None:
    try:
        return len(counter)
    except TypeError:
        return None


# -- reading -----------------------------------------------------------------------------------------------


def _with_counting_input(checked: CheckedObject, make: ReadingFactory) -> tuple[_Taken, CountingInput]:
    counter = CountingInput(make.items)
    source = GeneratorSource(make.function(counter), name=checked.name, targets=False, text=True)
    taken = _Taken("its input")
    for value in _values(checked, source, taken):
        taken.upto.append(len(counter.taken))
        _add(taken, value)
    taken.total, taken.numbers = len(counter.taken), counter.taken
    if max(counter.taken, default=0) < _MOST_ITEMS:
        first = list(itertools.islice(make.items, max(counter.taken, default=-1) + 1))
        taken.items = [first[number] for number in counter.taken if number < len(first)]
    return taken, counter


def _with_held_iterators(checked: CheckedObject) -> list[_Taken]:
    generator = checked.iterable()
    reader = iter(generator)
    source = GeneratorSource(reader, name=checked.name, targets=False, text=True)
    held: list[tuple[HeldIterator, _Taken]] = []
    shared = _Taken("")
    for value in _values(checked, source, shared):
        _add(shared, value)
        if not held and len(shared.sizes) == 1:  # made at the first batch: what runs before it is not begun
            held = [(one, _Taken(_named(one), late=one.late)) for one in held_iterators(reader)]
        for one, taken in held:
            taken.upto.append(one.taken())
    for one, taken in held:
        taken.sizes, taken.rows, taken.ended = shared.sizes, shared.rows, shared.ended
        taken.total = one.taken()
        if one.items is not None and taken.total < _MOST_ITEMS:
            taken.items = list(itertools.islice(cast("Iterable[object]", one.items), taken.total))
            taken.numbers = range(taken.total)
    return [taken for _, taken in held]


def _named(held: HeldIterator) -> str:
    name = f"the iterator {held.name!r}" if held.name else "an iterator"
    return f"{name} after the first batch" if held.late else name


def _values(checked: CheckedObject, source: GeneratorSource, taken: _Taken) -> Iterable[Value]:
    """Load the first batches; note whether there are no more."""
    until = time.monotonic() + _SECONDS
    tickets = source.tickets(0)
    for _ in range(checked.limit):
        ticket = next(tickets, None)
        if ticket is None:
            taken.ended = True
            return
        yield copied(checked.load(source, ticket))
        if time.monotonic() > until:
            return
    taken.ended = next(tickets, None) is None


def _add(taken: _Taken, value: Value) -> None:
    parts = parts_of(value)
    taken.sizes.append(len(parts[0][1]))
    if taken.given < _MOST_ITEMS:
        for name, array in parts:
            taken.rows.setdefault(name, []).extend(_key(row) or b"" for row in array)


# -- which items are in the batches ------------------------------------------------------------------------


def _key(item: object) -> bytes | None:
    """Return bytes that are equal for a number or an array and its row in a batch, of whatever dtype."""
    try:
        return np.asarray(item, np.float32).ravel().tobytes()
    except (TypeError, ValueError):
        return None


def _keys_of(items: list[object]) -> Keys:
    """Return the keys of items as they are, and of each part of items that have several."""
    found: dict[str, list[bytes | None]] = {"item": [_key(item) for item in items]}
    first = items[0] if items else None
    if isinstance(first, (tuple, list)):
        for at in range(len(first)):
            found[f"[{at}]"] = [_part(item, at) for item in items]
    elif isinstance(first, dict):
        for name in first:
            found[f"[{name!r}]"] = [_part(item, name) for item in items]
    return {name: [key or b"" for key in keys] for name, keys in found.items() if None not in keys}


def _part(item: object, at: object) -> bytes | None:
    try:
        return _key(item[at])  # type: ignore[index]
    except (TypeError, LookupError):
        return None


def _matched(taken: _Taken) -> tuple[list[bytes], Counter[bytes]] | None:
    """Return the keys of the items, and how often each key is in the batches; None if they are not found.

    Items are known only where nearly all samples of the batches are distinct items.
    """
    if not taken.items or not taken.rows:
        return None
    pairs = [(keys, rows) for keys in _keys_of(taken.items).values() for rows in taken.rows.values()]
    best = max(pairs, key=lambda pair: len(set(pair[0]) & set(pair[1])), default=None)
    if best is None:
        return None
    items, rows = set(best[0]), set(best[1])
    found = len(items & rows) >= _NEARLY * len(rows) and len(rows) >= len(best[1]) / 2
    return (best[0], Counter(best[1])) if found and len(items) >= _NEARLY * len(set(taken.numbers)) else None


def _missing(taken: _Taken) -> list[int] | None:
    """List the numbers of items that are in no batch; None if items are not found by their values."""
    found = _matched(taken)
    if found is None:
        return None
    keys, rows = found
    upto = taken.total if taken.ended else taken.upto[-1]
    known = zip(taken.numbers, keys[:upto], strict=False)
    return sorted({number for number, key in known if key not in rows})


def _given_twice(taken: _Taken) -> list[int]:
    """List the numbers of items that are in the batches more often than they were taken."""
    found = _matched(taken)
    if found is None:
        return []
    keys, rows = found
    times = Counter(keys)
    return sorted({n for n, key in zip(taken.numbers, keys, strict=False) if rows[key] > times[key]})


CHECKS: tuple[Check, ...] = (
    Check(
        "inputs_used",
        "Every item that is taken from the input is in a batch.",
        check_inputs_used,
        ("generator",),
        ("fresh", "content"),
        hint=(
            "while batch := list(itertools.islice(rows, 8)):  # takes 8 rows, and never one more\n"
            "    yield np.stack(batch)"
        ),
    ),
)
