"""Checks of what lies between batches: passes and their hooks, places to resume at, shards, augmentation."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from streamfit.streams import Source, Ticket
from streamfit.streams.items import Value
from streamfit.testing.comparison import copied, difference
from streamfit.testing.delivery import ids_of, pool_of
from streamfit.testing.elsewhere import unseen_settings
from streamfit.testing.failure import brief_error, fail, skip
from streamfit.testing.subject import SEED, Subject, place
from streamfit.testing.table import LOADED, Check
from streamfit.workers import Pool

_HOOKS = ("on_epoch_begin", "on_epoch_end")


def check_hooks(subject: Subject) -> str | None:
    """See that what `on_epoch_end` changes in the main process is seen by workers in the next pass."""
    names = [name for name in _HOOKS if _own_hook(subject.fresh(), name)]
    if not names:
        skip("it has no on_epoch_end of its own")
    if not subject.source().remote:
        skip("its batches are loaded in the main process only")
    here = _two_passes(subject, None)
    with pool_of(subject, "processes", 1) as pool:
        there = _two_passes(subject, pool)
    for (ticket, one), (_, other) in zip(here, there, strict=True):
        found = difference(one, other, ("in this process", "in a worker process"))
        if found:
            fail(
                f"{subject.name}: {place(ticket)} is not the same: {found}. Keep what {names[-1]} changes in "
                "the object itself: variables of a module or of the class outlive it, and workers may not "
                f"see them.{unseen_settings(subject)}"
            )
    if all(difference(a, b) is None for (_, a), (_, b) in _pairs(here)):
        return f"{names[-1]} changes no batch"
    return None


def _own_hook(thing: Any, name: str) -> bool:
    """Return whether a hook is defined by the user's class, not by the base class of this library."""
    hook = getattr(type(thing), name, None)
    return hook is not None and not getattr(hook, "__module__", "").startswith("streamfit.streams")


def _pairs(loads: list[tuple[Ticket, Value]]) -> Any:
    half = len(loads) // 2
    return zip(loads[:half], loads[half:], strict=False)


def _two_passes(subject: Subject, pool: Pool | None) -> list[tuple[Ticket, Value]]:
    """Load the first batches of two passes with the hooks between them; hooks start from one global seed."""
    source, loads = subject.source(), []
    for epoch in (0, 1):
        _call(subject, partial(source.begin_pass, epoch))
        tickets = list(itertools.islice(subject.listed(source, epoch), 8))
        loads += _load_all(subject, source, tickets, pool)
        _call(subject, partial(source.end_pass, epoch))
    return loads


def _call(subject: Subject, hook: Callable[[], None]) -> None:
    random.seed(SEED)
    np.random.seed(SEED)
    try:
        hook()
    except Exception as error:
        fail(f"{subject.name}: a hook raised {brief_error(error)}", error)


def _load_all(
    subject: Subject, source: Source, tickets: list[Ticket], pool: Pool | None
) -> list[tuple[Ticket, Value]]:
    if pool is None:
        return [(ticket, subject.load(source, ticket)) for ticket in tickets]
    try:
        with pool.open(source, tickets, describe=source.describe) as run:
            return [(loaded.ticket, copied(loaded.value)) for loaded in run]
    except Exception as error:
        fail(f"{subject.name}: a worker process cannot load it: {brief_error(error)}", error)


def check_resume(subject: Subject) -> str | None:
    """See that a pass that begins at any batch is the tail of the whole pass."""
    source, count = subject.source(), len(subject.expected())
    _refuse_read_once(source)
    for epoch in (0, 1):
        whole = list(subject.tickets(source, epoch))
        for start in range(len(whole)):
            _compare_tickets(subject, whole[start:], list(subject.tickets(source, epoch, start)), start)
    for start in sorted({count // 2, count - 1}):
        _compare_tail(subject, start)
    return None


def _refuse_read_once(source: Source) -> None:
    if not source.rewinds:
        skip("it reads a generator, which cannot be read again")


def _compare_tickets(subject: Subject, whole: list[Ticket], tail: list[Ticket], start: int) -> None:
    for number, (one, other) in enumerate(itertools.zip_longest(whole, tail)):
        if one is None or other is None or not same_ticket(one, other):
            fail(
                f"{subject.name}: tickets(epoch, start={start}) is not the tail of tickets(epoch, 0): its "
                f"ticket {number} should be {_shown(one)} and is {_shown(other)}"
            )


def _shown(ticket: Ticket | None) -> str:
    return "missing" if ticket is None else f"batch {ticket.number} with ids {ids_of(ticket)[:8]}"


def same_ticket(one: Ticket, other: Ticket) -> bool:
    """Return whether two tickets order the same batch."""
    places = [(ticket.epoch, ticket.number, ticket.key) for ticket in (one, other)]
    return places[0] == places[1] and ids_of(one) == ids_of(other)


def _compare_tail(subject: Subject, start: int) -> None:
    source = subject.source()
    for ticket, value in subject.expected()[start : start + 4]:
        words = ("in a whole pass", f"when resumed at batch {start}")
        found = difference(value, subject.load(source, ticket, f" when resumed at batch {start}"), words)
        if found:
            fail(f"{subject.name}: {place(ticket)} is not the same: {found}")


def check_pure_tickets(subject: Subject) -> str | None:
    """See that writing the tickets of a pass twice gives the same ones, whatever was written in between."""
    source = subject.source()
    _refuse_read_once(source)
    first = [list(subject.tickets(source, epoch)) for epoch in (0, 1)]
    for epoch in (1, 0):
        for one, other in itertools.zip_longest(first[epoch], subject.tickets(source, epoch)):
            if one is None or other is None or not same_ticket(one, other):
                fail(
                    f"{subject.name}: tickets({epoch}) changes when it is asked again: {_shown(one)}, "
                    f"then {_shown(other)}. It may depend on the seed, the epoch and start only"
                )
    return None


def check_shards(subject: Subject) -> str | None:
    """See that the shards of a source together hold every sample once."""
    source = subject.source()
    shard = getattr(source, "shard", None)
    if shard is None:
        skip("it declares no shards (no method shard(index, count))")
    whole = sorted(map(repr, _ids(subject, source)))
    for count in (2, 3):
        union = [one for index in range(count) for one in _ids(subject, shard(index, count))]
        missing = set(whole) - set(map(repr, union))
        if missing:
            fail(f"{subject.name}: with {count} shards, sample {min(missing)} is in none of them")
        doubled = [one for one in union if union.count(one) > 1]
        if doubled:
            fail(f"{subject.name}: with {count} shards, sample {doubled[0]} is in more than one of them")
    return None


def _ids(subject: Subject, source: Source) -> list[Any]:
    if (source.batches(0) or 0) > 10 * subject.limit:
        skip("a pass is too long to be compared whole")
    return [one for ticket in source.tickets(0) for one in ids_of(ticket)]


def check_augmentation(subject: Subject) -> str | None:
    """See that batches that are drawn differ between passes and repeat for a seed."""
    source = subject.source()
    _refuse_read_once(source)
    now, later = ([*itertools.islice(source.tickets(epoch), 4)] for epoch in (0, 1))
    by_ids = {repr(ids_of(ticket)): ticket for ticket in now}
    pairs = [(by_ids[repr(ids_of(t))], t) for t in later if repr(ids_of(t)) in by_ids]
    drawn = [t for f, t in pairs if difference(subject.load(source, f), subject.load(source, t))]
    if not drawn:
        skip("its batches are the same in every epoch; nothing is drawn from self.rng(index)")
    again, other = subject.source(), subject.source(SEED + 1)
    for ticket in drawn:
        value = subject.load(source, ticket)
        found = difference(value, subject.load(again, ticket), ("at first", "with the same seed again"))
        if found:
            fail(f"{subject.name}: {place(ticket)} does not repeat for a seed: {found}")
        if subject.kind == "sequence" and difference(value, subject.load(other, ticket)) is None:
            return "batches differ between epochs, but not between seeds"
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        "pure_tickets",
        "Tickets depend on the seed, the epoch and the start only.",
        check_pure_tickets,
        ("source", "stream"),
        ("content",),
    ),
    Check(
        "resume",
        "A pass that begins at any batch is the tail of the whole pass.",
        check_resume,
        LOADED,
        ("pure_tickets", "repeatable", "any_order"),
    ),
    Check(
        "hooks",
        "What on_epoch_end changes is seen by workers in the next epoch.",
        check_hooks,
        needs=("repeatable", "picklable", "same_on_processes"),
    ),
    Check(
        "augmentation",
        "Drawn batches differ between epochs and repeat for a seed.",
        check_augmentation,
        needs=("repeatable",),
    ),
    Check(
        "shards",
        "The shards of a source hold every sample once.",
        check_shards,
        ("source", "stream"),
        ("pure_tickets",),
    ),
)
