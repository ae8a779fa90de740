"""Checks of data that change in the middle of a pass: through loads, through a thread, or with time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable

from streamfit.streams import Source, Ticket
from streamfit.testing.checked_object import CheckedObject, Loads, data_of, place
from streamfit.testing.comparison import difference
from streamfit.testing.failure import fail
from streamfit.testing.object_state import changed, state_of
from streamfit.testing.table import Check

_LOADS, _SECONDS = 256, 0.75  # loads of one object at most, and seconds that they take at most
_WATCHED, _LOOKS = 0.2, 5  # seconds for which nothing is loaded
_LISTED = 3


def check_steady(checked: CheckedObject) -> str | None:
    """Check that the data stay as they are while nobody loads them."""
    source = checked.source()
    loads = [(ticket, checked.load(source, ticket)) for ticket, _ in checked.few()]
    watched = [data_of(source), checked.original()]
    before = [state_of(thing) for thing in watched]
    names: list[str] = []
    for _ in range(_LOOKS):
        time.sleep(_WATCHED / _LOOKS)
        names = _names(changed(old, state_of(thing)) for old, thing in zip(before, watched, strict=True))
        if names:
            _refuse_difference(checked, source, loads, names)
    _refuse_difference(checked, checked.source(), loads, names)
    return None


def _names(lists: Iterable[list[str]]) -> list[str]:
    return sorted({name for names in lists for name in names})


def _refuse_difference(checked: CheckedObject, source: Source, loads: Loads, names: list[str]) -> None:
    for ticket, value in loads:
        found = difference(
            value, checked.load(source, ticket, " a while later"), ("at first", "a while later")
        )
        if found:
            why = f" Meanwhile {_listed(names)} changed." if names else ""
            fail(
                f"{checked.name}: {place(ticket)} changes while nobody loads it: {found}.{why} Does a thread "
                "write to the data set, or does a load look at the clock? What changes in the middle of an "
                "epoch reaches some of its batches: collect it apart, and take it over in on_epoch_end"
            )


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"self.{name}" for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def check_unchanged(checked: CheckedObject) -> str | None:
    """Check that no number of loads changes later loads of the same pass."""
    loads, source = checked.expected(), checked.source()
    count, before, until = source.batches(0), state_of(data_of(source)), time.monotonic() + _SECONDS
    for done, (ticket, value) in enumerate(itertools.islice(itertools.cycle(loads), _LOADS)):
        if done == len(loads):
            _load_last(source, count)
        if done >= 2 * len(loads) and time.monotonic() > until:
            break
        found = difference(value, checked.load(source, ticket), ("at first", f"after {done} loads"))
        if found:
            _fail_changed(checked, ticket, found, changed(before, state_of(data_of(source))))
    if source.batches(0) != count:
        fail(
            f"{checked.name}: its number of batches was {count} and is {source.batches(0)} later in "
            "the same epoch; change it in on_epoch_end"
        )
    return None


def _load_last(source: Source, count: int | None) -> None:
    """Load the last batch of the pass: some objects prepare the next pass there."""
    if count is not None:
        for ticket in itertools.islice(source.tickets(0, count - 1), 1):
            source.load(ticket)


def _fail_changed(checked: CheckedObject, ticket: Ticket, found: str, names: list[str]) -> None:
    why = f" Loading has changed {_listed(names)}." if names else ""
    fail(
        f"{checked.name}: {place(ticket)} changes in the middle of an epoch: {found}.{why} Each worker "
        "changes a copy of its own, and after a crash batches are loaded again: change the data set in "
        "on_epoch_end"
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "steady",
        "The data stay as they are while nobody loads.",
        check_steady,
        needs=("repeatable",),
        hint=(
            "def on_epoch_end(self):\n"
            "    self.rows.extend(self.arrived)  # what a thread has collected meanwhile\n"
            "    self.arrived.clear()"
        ),
    ),
    Check(
        "unchanged",
        "Loads do not change what later loads give.",
        check_unchanged,
        needs=("any_order",),
        hint=("def on_epoch_end(self):\n    self.difficulty += 1  # between epochs, not in __getitem__"),
    ),
)
