"""Checks of whole passes: hooks, resuming at a batch, shards, augmentation."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from functools import partial

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams import Source, Ticket
from streamfit.streams.items import Value
from streamfit.testing.checked_object import SEED, CheckedObject, Loads, data_of, place
from streamfit.testing.checks.delivery import ids_of, pool_of
from streamfit.testing.checks.process_state import unseen_settings
from streamfit.testing.comparison import copied, difference, parts_of, same_bits
from streamfit.testing.failure import brief_error, fail, raised_at, skip, warn
from streamfit.testing.object_state import modules_behind, settings_of
from streamfit.testing.table import LOADED, Check
from streamfit.workers import Pool

_HOOKS = ("on_epoch_begin", "on_epoch_end")


def check_hooks(checked: CheckedObject) -> str | None:
    """Check that workers see in the next pass what `on_epoch_end` changes in the main process."""
    names = [name for name in _HOOKS if _own_hook(checked.fresh(), name)]
    if not names:
        skip("it has no on_epoch_end of its own")
    if not checked.source().traits.in_workers:
        skip("its batches are loaded in the main process only")
    modules = modules_behind(data_of(checked.source()))
    before = settings_of(modules)
    with pool_of(checked, "processes", 1) as pool:
        here, there = _two_passes(checked, pool)
    changed = [name for name, value in settings_of(modules).items() if before.get(name) != value]
    for (ticket, one), (_, other) in zip(here, there, strict=True):
        found = difference(one, other, ("in this process", "in a worker process"))
        if found:
            fail(
                f"{checked.name}: {place(ticket)} is not the same: {found}. Keep what {names[-1]} changes in "
                "the object itself: variables of a module or of the class outlive it, and workers may not "
                f"see them.{unseen_settings(checked)}"
            )
    again, _ = _two_passes(checked)
    for (ticket, one), (_, other) in zip(here, again, strict=True):
        found = difference(one, other, ("at first", "the next time"))
        if found and changed:
            fail(
                f"{checked.name}: {place(ticket)} is not the same: {found}. {names[-1]} changes "
                f"{changed[0]}, which outlives the object, and workers may not see it: keep what it changes "
                "in the object itself"
            )
        if found:
            warn(
                f"{checked.name}: {place(ticket)} is another one each time that {names[-1]} runs, also in "
                f"this process: {found}. It draws without a seed, as of np.random.default_rng() or "
                "np.random.seed(None), or looks at the clock: no run can be repeated or resumed. Keep a "
                "generator in self, made by np.random.default_rng(seed)"
            )
    if all(difference(a, b) is None for (_, a), (_, b) in _pairs(here)):
        return f"{names[-1]} changes no batch"
    return None


def _own_hook(thing: object, name: str) -> bool:
    """Return whether a hook is defined by the user's class, not by the base class of this library."""
    hook = getattr(type(thing), name, None)
    return hook is not None and not getattr(hook, "__module__", "").startswith("streamfit.streams")


def _pairs(loads: Loads) -> zip[tuple[tuple[Ticket, Value], tuple[Ticket, Value]]]:
    """Pair the batches of the first pass with those of the second."""
    half = len(loads) // 2
    return zip(loads[:half], loads[half:], strict=False)


def _two_passes(checked: CheckedObject, pool: Pool | None = None) -> tuple[Loads, Loads]:
    """Load the first batches of two passes with the hooks between them, here and by workers if there are any.

    Hooks start from one global seed. Both load from one object, so that what hooks draw is the same.
    """
    source = checked.source()
    here: Loads = []
    there: Loads = []
    for data_epoch in (0, 1):
        _call(checked, partial(source.begin_pass, data_epoch))
        tickets = list(itertools.islice(checked.listed(source, data_epoch), 8))
        there += [] if pool is None else _loaded_by(checked, source, tickets, pool)
        here += [(ticket, checked.load(source, ticket)) for ticket in tickets]
        _call(checked, partial(source.end_pass, data_epoch))
    return here, there


def _call(checked: CheckedObject, hook: Callable[[], None]) -> None:
    random.seed(SEED)
    np.random.seed(SEED)
    try:
        hook()
    except Exception as error:
        text = brief_error(error).rstrip(".")
        fail(f"{checked.name}: a hook raised {text}{raised_at(error)}, after batches were loaded", error)


def _loaded_by(checked: CheckedObject, source: Source, tickets: list[Ticket], pool: Pool) -> Loads:
    try:
        with pool.open(source.make_reader(), tickets, describe=source.describe) as run:
            return [(loaded.ticket, copied(loaded.value)) for loaded in run]
    except Exception as error:
        fail(f"{checked.name}: a worker process cannot load it: {brief_error(error)}", error)


def check_resume(checked: CheckedObject) -> str | None:
    """Check that a pass that begins at any batch is the rest of the whole pass."""
    source, count = checked.source(), len(checked.expected())
    _skip_unless_rewinds(source)
    for data_epoch in (0, 1):
        whole = list(checked.tickets(source, data_epoch))
        for start in range(len(whole)):
            _compare_tickets(checked, whole[start:], list(checked.tickets(source, data_epoch, start)), start)
    for start in sorted({count // 2, count - 1}):
        _compare_tail(checked, start)
    return None


def _skip_unless_rewinds(source: Source) -> None:
    if not source.traits.rewinds:
        skip("it reads a generator, which cannot be read again")


def _compare_tickets(checked: CheckedObject, whole: list[Ticket], tail: list[Ticket], start: int) -> None:
    for number, (one, other) in enumerate(itertools.zip_longest(whole, tail)):
        if one is None or other is None or not same_ticket(one, other):
            fail(
                f"{checked.name}: tickets(data_epoch, start={start}) is not the tail of "
                f"tickets(data_epoch, 0): its "
                f"ticket {number} should be {_shown(one)} and is {_shown(other)}"
            )


def _shown(ticket: Ticket | None) -> str:
    return "missing" if ticket is None else f"batch {ticket.number} with ids {ids_of(ticket)[:8]}"


def same_ticket(one: Ticket, other: Ticket) -> bool:
    """Return whether two tickets are for the same batch."""
    places = [(ticket.data_epoch, ticket.number, ticket.key) for ticket in (one, other)]
    return places[0] == places[1] and ids_of(one) == ids_of(other)


def _compare_tail(checked: CheckedObject, start: int) -> None:
    source = checked.source()
    for ticket, value in checked.expected()[start : start + 4]:
        words = ("in a whole pass", f"when resumed at batch {start}")
        found = difference(value, checked.load(source, ticket, f" when resumed at batch {start}"), words)
        if found:
            fail(f"{checked.name}: {place(ticket)} is not the same: {found}")


def check_pure_tickets(checked: CheckedObject) -> str | None:
    """Check that the tickets of a pass are the same when written again, after those of another pass."""
    source = checked.source()
    _skip_unless_rewinds(source)
    first = [list(checked.tickets(source, data_epoch)) for data_epoch in (0, 1)]
    for data_epoch in (1, 0):
        for one, other in itertools.zip_longest(first[data_epoch], checked.tickets(source, data_epoch)):
            if one is None or other is None or not same_ticket(one, other):
                fail(
                    f"{checked.name}: tickets({data_epoch}) changes when it is asked again: {_shown(one)}, "
                    f"then {_shown(other)}. It may depend on the seed, the epoch and start only"
                )
    return None


def check_shards(checked: CheckedObject) -> str | None:
    """Check that the shards of a source together hold every sample once."""
    source = checked.source()
    shard = getattr(source, "shard", None)
    if shard is None:
        skip("it declares no shards (no method shard(index, count))")
    whole = sorted(map(repr, _ids(checked, source)))
    for count in (2, 3):
        union = [one for index in range(count) for one in _ids(checked, shard(index, count))]
        missing = set(whole) - set(map(repr, union))
        if missing:
            fail(f"{checked.name}: with {count} shards, sample {min(missing)} is in none of them")
        doubled = [one for one in union if union.count(one) > 1]
        if doubled:
            fail(f"{checked.name}: with {count} shards, sample {doubled[0]} is in more than one of them")
    return None


def _ids(checked: CheckedObject, source: Source) -> list[object]:
    if (source.batches(0) or 0) > 10 * checked.limit:
        skip("a pass is too long to be compared whole")
    return [one for ticket in source.tickets(0) for one in ids_of(ticket)]


def check_augmentation(checked: CheckedObject) -> str | None:
    """Check that drawn batches differ between passes and repeat for a seed."""
    source = checked.source()
    _skip_unless_rewinds(source)
    now, later = [*itertools.islice(source.tickets(0), 4)], [*checked.tickets(source, 1)]
    by_ids = {repr(ids_of(ticket)): ticket for ticket in now}
    pairs = [(by_ids[repr(ids_of(t))], t) for t in later if repr(ids_of(t)) in by_ids]
    if pairs:
        drawn = [t for f, t in pairs if difference(checked.load(source, f), checked.load(source, t))]
    else:
        drawn = _with_other_samples(checked, source, now, later)
    if not drawn:
        skip("its batches are the same in every epoch; nothing is drawn from self.rng(index)")
    again, other = checked.source(), checked.source(SEED + 1)
    for ticket in drawn:
        value = checked.load(source, ticket)
        found = difference(value, checked.load(again, ticket), ("at first", "with the same seed again"))
        if found:
            fail(f"{checked.name}: {place(ticket)} does not repeat for a seed: {found}")
        if checked.kind in ("sequence", "samples") and difference(value, checked.load(other, ticket)) is None:
            return "batches differ between epochs, but not between seeds"
    return None


def _with_other_samples(
    checked: CheckedObject, source: Source, now: list[Ticket], later: list[Ticket]
) -> list[Ticket]:
    """Return batches of a pass, shuffled, in which a sample is not what it was in another pass."""
    samples = {repr(one): sample for ticket in later for one, sample in _samples(checked, source, ticket)}
    pairs = [
        (sample, samples[repr(one)])
        for ticket in now
        for one, sample in _samples(checked, source, ticket)
        if repr(one) in samples
    ]
    if not pairs:
        skip("no sample is known to be in the batches of both epochs that were looked at")
    drawn = {
        ticket.number: ticket
        for (_, here), (ticket, there) in pairs
        if any(not same_bits(np.asarray(a), np.asarray(b)) for a, b in zip(here, there, strict=True))
    }
    return list(drawn.values())


def _samples(
    checked: CheckedObject, source: Source, ticket: Ticket
) -> list[tuple[object, tuple[Ticket, list[Array]]]]:
    """Return id, ticket and arrays of each sample of a batch; none where its ids are not those of samples."""
    ids = ids_of(ticket)
    arrays = [array for _, array in parts_of(copied(checked.load(source, ticket)))]
    if any(len(array) != len(ids) for array in arrays):
        return []
    return [(one, (ticket, [array[row] for array in arrays])) for row, one in enumerate(ids)]


CHECKS: tuple[Check, ...] = (
    Check(
        "pure_tickets",
        "Tickets depend on the seed, the epoch and the start only.",
        check_pure_tickets,
        ("source", "stream"),
        ("content",),
        hint=("order = np.random.default_rng([self.seed, data_epoch]).permutation(self.count)"),
    ),
    Check(
        "resume",
        "A pass that begins at any batch is the tail of the whole pass.",
        check_resume,
        LOADED,
        ("pure_tickets", "repeatable", "any_order"),
        hint=(
            "def tickets(self, data_epoch, start=0):\n"
            "    for number in range(start, self.count):  # from start on, with the numbers of a whole pass\n"
            "        yield self.ticket(data_epoch, number)"
        ),
    ),
    Check(
        "hooks",
        "What on_epoch_end changes is seen by workers in the next epoch.",
        check_hooks,
        needs=("repeatable", "picklable", "same_on_processes"),
        hint=(
            "def on_epoch_end(self):\n"
            "    self.order = self.generator.permutation(len(self.x))  # kept in self, so that workers see it"
        ),
    ),
    Check(
        "augmentation",
        "Drawn batches differ between epochs and repeat for a seed.",
        check_augmentation,
        needs=("repeatable",),
        hint=(
            "rng = self.rng(index)  # another one in each epoch, the same for the same seed\n"
            "x = x + rng.normal(size=x.shape)"
        ),
    ),
    Check(
        "shards",
        "The shards of a source hold every sample once.",
        check_shards,
        ("source", "stream"),
        ("pure_tickets",),
        hint=(
            "def shard(self, index, count):\n"
            "    return type(self)(self.rows[index::count])  # together all rows, each once"
        ),
    ),
)
