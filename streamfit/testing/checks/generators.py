"""Checks of functions that make generators: each generator is new, gives no more than asked, and ends."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sized
from typing import cast

from streamfit.streams import Feed, GeneratorSource, open_source
from streamfit.streams.items import Value
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.checks.contents import HELD_BYTES, LEAST_HELD, global_states, kept_globals
from streamfit.testing.comparison import bytes_of, copied, difference
from streamfit.testing.failure import brief_error, fail, skip, warn
from streamfit.testing.table import Check, Kind

_GENERATOR: tuple[Kind, ...] = ("generator",)
_READ = 4  # batches, to see whether global random states change


def check_fresh(checked: CheckedObject) -> str | None:
    """Check that each call of the factory makes a new generator, which shares no input with another one."""
    one, other = checked.iterable(), checked.iterable()
    if one is other and hasattr(one, "__next__"):
        fail(
            f"{checked.name}: it returns the same generator at every call, so two readers would share it and "
            "each would miss what the other one gets. Make the generator inside the function"
        )
    alone = len(_items(checked, checked.iterable()))
    if isinstance(one, Iterator):
        turns = _in_turns(checked, one, cast("Iterator[object]", other))
        if turns < alone:
            fail(
                f"{checked.name}: read alone, a generator gives {alone} batches; two that are read in turns "
                f"give {turns} each. They read from something that they share"
            )
    return None


def _in_turns(checked: CheckedObject, one: Iterator[object], other: Iterator[object]) -> int:
    """Count the batches that each of two generators gives when they are read in turns."""
    count = 0
    for _ in range(checked.limit):
        try:
            next(one), next(other)
        except StopIteration:
            break
        except Exception as error:
            fail(f"{checked.name}: two generators read in turns: {brief_error(error)}", error)
        count += 1
    return count


def _items(checked: CheckedObject, iterable: Iterable[object]) -> list[object]:
    items: list[object] = []
    try:
        items.extend(itertools.islice(iter(iterable), checked.limit))
    except Exception as error:
        fail(f"{checked.name}: it raised {brief_error(error)} after {len(items)} batches", error)
    return items


def check_equal(checked: CheckedObject) -> str | None:
    """Check that two generators of the factory give the same batches.

    Two passes over one object may differ: that is how data loaders of other libraries shuffle.
    """
    passes = checked.iterable() is checked.iterable()
    words = ("in one pass", "in the next") if passes else ("from the first generator", "from the second")
    for number, (one, other) in enumerate(zip(_values(checked), _values(checked), strict=False)):
        found = difference(one, other, words)
        if found and passes:
            return f"its passes differ, as those of shuffled data do: in batch {number}, {found}"
        if found:
            fail(
                f"{checked.name}: batch {number} is not the same from two generators: {found}."
                f"{_global_draws(checked)} Seed what is drawn, so that a run can be repeated; or expect this "
                "check to fail"
            )
    return None


def _global_draws(checked: CheckedObject) -> str:
    """Write which global random states change while the first batches are read; empty if none does."""
    before = global_states()
    for _ in itertools.islice(checked.iterable(), _READ):
        pass
    used = [name for name, state in global_states().items() if state != before[name]]
    return f" It draws from the global random state of {' and '.join(used)}." if used else ""


def _values(checked: CheckedObject) -> Iterator[Value]:
    source = checked.source()
    for ticket in checked.tickets(source):
        yield checked.load(source, ticket)


def check_own_batches(checked: CheckedObject) -> str | None:
    """Check that the next batch does not overwrite an earlier one."""
    source = checked.source()
    held: list[tuple[int, Value, Value]] = []
    room = HELD_BYTES
    for ticket in checked.tickets(source):
        for number, handed, copy in held:
            found = difference(copy, handed, ("when it came", f"after batch {ticket.number} came"))
            if found:
                fail(
                    f"{checked.name}: batch {number} was overwritten by a later one: {found}. Batches are "
                    "made ahead of the one that is used: yield new arrays, not a buffer that is used again, "
                    "or copies of it: buffer.copy()"
                )
        value = source.load(ticket)
        held.append((ticket.number, value, copied(value)))
        room -= bytes_of(value)
        if room < 0 and len(held) > LEAST_HELD:
            break
    return None


class _CountingIterator:
    """Count the items that are taken from an iterator."""

    def __init__(self, iterator: Iterator[object]) -> None:
        self.iterator, self.taken = iterator, 0

    def __iter__(self) -> _CountingIterator:
        return self

    def __next__(self) -> object:
        self.taken += 1
        return next(self.iterator)


def check_as_asked(checked: CheckedObject) -> str | None:
    """Check that only the batches that are used are taken, also when a thread reads ahead."""
    available = len(_items(checked, checked.iterable()))
    for ahead in (0, 2):
        wanted = max(1, min(3, available))
        counted = _CountingIterator(iter(checked.iterable()))
        source = GeneratorSource(counted, targets=False, text=True)
        with Feed(source, None, ahead=ahead, total=wanted, alike="nothing") as feed:
            delivered = sum(1 for _ in feed.run(wanted))
        if (counted.taken, delivered) != (wanted, wanted):
            fail(f"{checked.name}: {counted.taken} batches were taken where {wanted} were asked for")
    return None


def check_end(checked: CheckedObject) -> str | None:
    """Check that a generator that has ended gives nothing more."""
    iterator = iter(checked.iterable())
    count = sum(1 for _ in itertools.islice(iterator, checked.limit + 1))
    if count > checked.limit:
        skip(f"it did not end within {checked.limit} batches")
    for _ in range(2):
        if next(iterator, None) is not None:
            fail(
                f"{checked.name}: it ended after {count} batches and then gave another one; an iterator that "
                "has raised StopIteration must go on raising it"
            )
    return f"ends after {count} batches"


def check_close(checked: CheckedObject) -> str | None:
    """Check that a generator can be closed early."""
    iterator = iter(checked.iterable())
    if not hasattr(iterator, "close"):
        skip("it has no close()")
    next(iterator, None)
    try:
        iterator.close()
    except Exception as error:
        fail(f"{checked.name}: closing it after one batch raised {brief_error(error)}", error)
    return None


def check_passes(checked: CheckedObject) -> str | None:
    """Check that an iterable gives the same number of batches in every pass."""
    thing = checked.iterable()
    if hasattr(type(thing), "__len__"):
        try:
            len(cast("Sized", thing))
        except Exception as error:
            warn(
                f"{checked.name}: len() of it raises {brief_error(error)}. Training that asks how many steps "
                "an epoch has ends with that: let __len__ return a whole number, or leave it out"
            )
    if hasattr(thing, "__next__"):
        skip("a generator is read once")
    counts = [len(_items(checked, thing)) for _ in range(2)]
    if counts[0] != counts[1]:
        fail(f"{checked.name}: it gave {counts[0]} batches in the first pass and {counts[1]} in the second")
    with kept_globals():
        declared = open_source(thing, targets=False).batches(0)
    if declared is not None and counts[0] != min(declared, checked.limit):
        fail(f"{checked.name}: its length is {declared}, and it yields {counts[0]} batches")
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        "fresh",
        "Each call makes a new generator.",
        check_fresh,
        _GENERATOR,
        hint=(
            "def batches():  # makes its own input at each call\n"
            "    for start in range(0, len(x), 32):\n"
            "        yield x[start : start + 32], y[start : start + 32]"
        ),
    ),
    Check(
        "equal",
        "Two generators give the same batches.",
        check_equal,
        _GENERATOR,
        ("fresh", "content"),
        hint=("def batches():\n    rng = np.random.default_rng(1)  # seeded, and made at each call"),
    ),
    Check(
        "own_batches",
        "A batch is not overwritten by later ones.",
        check_own_batches,
        _GENERATOR,
        ("content",),
        hint=("yield buffer.copy(), y"),
    ),
    Check(
        "as_asked",
        "No more batches are taken than are asked for.",
        check_as_asked,
        _GENERATOR,
        ("content",),
        hint=(
            "for batch in batches:  # one item of the input for each batch that is asked for\n    yield batch"
        ),
    ),
    Check(
        "end",
        "After its end it gives nothing more.",
        check_end,
        _GENERATOR,
        ("fresh",),
        hint=(
            "def __next__(self):\n"
            "    if self.at >= self.count:\n"
            "        raise StopIteration  # also at every later call"
        ),
    ),
    Check(
        "close",
        "It can be closed early.",
        check_close,
        _GENERATOR,
        ("fresh",),
        hint=("try:\n    yield batch\nfinally:  # not except: closing raises GeneratorExit at the yield"),
    ),
    Check(
        "passes",
        "An iterable gives as many batches in every pass.",
        check_passes,
        _GENERATOR,
        ("fresh",),
        hint=("def __iter__(self):  # a new iterator for each pass\n    return iter(self.batches())"),
    ),
)
