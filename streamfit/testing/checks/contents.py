"""Checks of batches loaded one after another in this process: their content, and what they depend on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams import Source, Ticket
from streamfit.streams.items import Value
from streamfit.testing.checked_object import CheckedObject, data_of, named_arrays, place, seed_globals
from streamfit.testing.checks.batch_forms import check_form, expected_loads, refuse_samples
from streamfit.testing.comparison import bytes_of, copied, difference, parts_of, same_bits
from streamfit.testing.failure import CheckFailure, brief_error, fail, skip
from streamfit.testing.held_state import cause_of_change, changed_entries, held_entries, held_states
from streamfit.testing.object_state import changed, state_of
from streamfit.testing.table import KINDS, Check
from streamfit.testing.torch_random import kept_torch, torch_state

HELD_BYTES, LEAST_HELD = 64 << 20, 8  # of batches that are kept while others are loaded


def check_length(checked: CheckedObject) -> str | None:
    """Check that the number of batches is a whole number, always the same, and that the last one loads."""
    source = checked.source()
    count = _count(checked, source)
    if count is None:
        return "has no end, or does not know it"
    if _count(checked, source) != count:
        fail(f"{checked.name}: its length was {count}, and another number when asked again")
    error = _error(source, count - 1)
    if error is not None and _error(source, 0) is None and _error(source, count - 1) is not None:
        if checked.kind == "samples":
            _refuse_length_of_samples(checked, source, error)
        fail(
            f"{checked.name}: its length is {count}, but batch {count - 1}, the last one, cannot be loaded: "
            f"{brief_error(error)}. Is __len__ one too large?",
            error,
        )
    return None


def _refuse_length_of_samples(checked: CheckedObject, source: Source, error: Exception) -> None:
    """Fail the check for a data set whose last samples cannot be loaded."""
    count = len(cast("Sized", data_of(source)))
    fail(
        f"{checked.name}: its length is {count}, but its last samples cannot be loaded: {error}. Is __len__ "
        "too large?",
        error,
    )


def _error(source: Source, index: int) -> Exception | None:
    """Return the exception of loading one batch."""
    try:
        source.load(Ticket(0, index, index, source.key(0)))
    except Exception as error:
        return error
    return None


def _count(checked: CheckedObject, source: Source) -> int | None:
    try:
        return source.batches(0)
    except Exception as error:
        fail(f"{checked.name}: its number of batches is not known: {brief_error(error)}", error)


def check_planned(checked: CheckedObject) -> str | None:
    """Check that a source writes as many tickets as it has batches, numbered from 0."""
    source = checked.source()
    count, tickets = _count(checked, source), checked.listed(source)
    for number, ticket in enumerate(tickets):
        if (ticket.data_epoch, ticket.number) != (0, number):
            fail(
                f"{checked.name}: ticket {number} of pass 0 says that it is number {ticket.number} of pass "
                f"{ticket.data_epoch}; tickets(data_epoch, start) must count from start"
            )
    if count is not None and len(tickets) != min(count, checked.limit):
        more = "or more " if len(tickets) == checked.limit else ""
        fail(f"{checked.name}: batches(0) is {count}, but tickets(0) gives {len(tickets)} {more}tickets")
    return None


def check_content(checked: CheckedObject) -> str | None:
    """Check that every batch consists of arrays of numbers with the same number of samples."""
    refuse_samples(checked)
    loads = expected_loads(checked)
    if not loads:
        fail(f"{checked.name}: it has no batches at all")
    for ticket, value in loads:
        sizes = {name: len(array) for name, array in parts_of(value)}
        if not sizes or not max(sizes.values()):
            fail(f"{checked.name}: {place(ticket)} is empty; leave it out of the length")
        if len(set(sizes.values())) > 1:
            shown = ", ".join(f"{size} in {name}" for name, size in sizes.items())
            fail(f"{checked.name}: {place(ticket)} has different numbers of samples: {shown}")
    return None


# -- what a batch must not depend on -----------------------------------------------------------------------


def check_global_randomness(checked: CheckedObject) -> str | None:
    """Check that loads neither read nor advance the random state that all code of a process shares."""
    source = checked.source()
    seen: list[Ticket] = []
    with kept_globals():
        for ticket, _ in checked.few():
            seed_globals(1)
            before = global_states()
            _raw(checked, source, ticket)
            used = [name for name, state in global_states().items() if state != before[name]]
            if used:
                fail(_global_text(checked, ticket, used[0], "draws from"))
            seen.append(ticket)
        _refuse_dependence_on_seed(checked, seen)
    return None


def _refuse_dependence_on_seed(checked: CheckedObject, seen: list[Ticket]) -> None:
    """Find batches that depend on the global seed without drawing from it, for example from a copy of it."""
    sources = {(seed, turn): checked.source() for seed in (1, 2) for turn in range(2)}

    def loaded(ticket: Ticket, seed: int, turn: int) -> Value:
        seed_globals(seed)
        return loaded_again(checked, sources[seed, turn], ticket)

    for ticket in seen:  # one after the other: batches may be large
        one, other = loaded(ticket, 1, 0), loaded(ticket, 2, 0)
        if difference(one, other) is None:
            continue
        again = (difference(value, loaded(ticket, seed, 1)) for seed, value in ((1, one), (2, other)))
        if all(found is None for found in again):  # else it depends on something else too
            fail(_global_text(checked, ticket, "numpy.random or random", "depends on"))


def _global_text(checked: CheckedObject, ticket: Ticket, module: str, does: str) -> str:
    return (
        f"{checked.name}: loading {place(ticket)} {does} the global random state of {module}, which every "
        "worker has its own of. Draw from self.rng(index), or from a generator that is seeded with the index"
    )


def global_states() -> dict[str, object]:
    """Return the random states that all code of a process shares."""
    name, keys, *rest = np.random.get_state()
    states = {"numpy.random": (name, np.asarray(keys).tobytes(), *rest), "random": random.getstate()}
    return states | torch_state()


@contextmanager
def kept_globals() -> Iterator[None]:
    """Restore the global random states after a block."""
    numpy_state, state = np.random.get_state(), random.getstate()
    try:
        with kept_torch():
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(state)


def check_repeatable(checked: CheckedObject) -> str | None:
    """Check that the same batch loaded twice in a row has the same bits."""
    source = checked.source()
    data = data_of(source)
    for ticket, _ in checked.few():
        held, state = held_states(data), state_of(data)
        one, other = checked.load(source, ticket), checked.load(source, ticket, " a second time")
        found = difference(one, other, ("at first", "the second time"))
        if found:
            cause = cause_of_change(held, held_states(data)) or _changed_text(changed(state, state_of(data)))
            fail(
                f"{checked.name}: {place(ticket)} changes when it is loaded twice: {found}.{cause} After a "
                "crash batches are loaded again, so a load may depend on nothing but its index"
            )
    return None


def _changed_text(names: list[str]) -> str:
    if names:
        return f" Loading has changed {', '.join(f'self.{name}' for name in names[:3])}."
    return " No attribute has changed: does a load look at the clock, or make a generator without a seed?"


def check_any_order(checked: CheckedObject) -> str | None:
    """Check that batches are the same in any order of loading."""
    loads = checked.few(16)
    shuffled = list(np.random.default_rng(5).permutation(len(loads)))
    for words, order in (("last first", range(len(loads))[::-1]), ("in a mixed order", shuffled)):
        source = checked.source()
        wrong: dict[int, tuple[Ticket, str]] = {}
        for number in order:
            ticket, value = loads[number]
            try:
                loaded = checked.load(source, ticket, " before earlier ones")
            except CheckFailure as failure:
                fail(
                    f"{failure}. Workers load batches in any order: make what all loads need in __init__",
                    failure,
                )
            found = difference(value, loaded, ("in order", words))
            wrong |= {ticket.number: (ticket, found)} if found else {}
        if wrong:
            ticket, found = wrong[min(wrong)]
            fail(
                f"{checked.name}: {place(ticket)} depends on which batches were loaded before it: {found}. "
                "Workers load batches in any order"
            )
    return None


def check_own_arrays(checked: CheckedObject) -> str | None:
    """Check that later loads do not change an earlier batch."""
    source = checked.source()
    held: list[tuple[Ticket, Value, Value]] = []
    room = HELD_BYTES
    for ticket, _ in checked.expected():
        value = _raw(checked, source, ticket)
        for earlier, handed, copy in held:
            found = difference(copy, handed, ("when it was loaded", f"after {place(ticket)} was loaded"))
            if found:
                fail(
                    f"{checked.name}: {place(earlier)} was overwritten by a later load: {found}. Return new "
                    "arrays, not a buffer that is used again, or copies of it: buffer.copy()"
                )
        held.append((ticket, value, copied(value)))
        room -= bytes_of(value)
        if room < 0 and len(held) > LEAST_HELD:
            break
    return None


def loaded_again(checked: CheckedObject, source: Source, ticket: Ticket) -> Value:
    """Load a batch with the global random states as they are."""
    return copied(_raw(checked, source, ticket))


def _raw(checked: CheckedObject, source: Source, ticket: Ticket) -> Value:
    try:
        return source.load(ticket)
    except Exception as error:
        fail(f"{checked.name}: {place(ticket)} cannot be loaded again: {brief_error(error)}", error)


def check_own_data(checked: CheckedObject) -> str | None:
    """Check that loads do not change the arrays, lists and other data that the object holds."""
    source = checked.source()
    data = data_of(source)
    arrays, entries = named_arrays(data), held_entries(data)
    if not arrays and not entries:
        skip("the object holds no data in its attributes")
    before = [(name, array, array.copy()) for name, array in arrays if array.nbytes <= 1 << 26]
    for ticket, _ in checked.few():
        value = _raw(checked, source, ticket)
        names = [
            f"the array {name}"
            for name, array, copy in before
            if not same_bits(array, copy) and not _is_part_of(array, value)
        ]
        entry = None if names else changed_entries(entries)
        if names or entry:
            fail(
                f"{checked.name}: loading {place(ticket)} changed {names[0] if names else entry}. In a "
                "worker process that is lost, and in threads it is a race: work on a copy"
            )
    return None


def _is_part_of(array: Array, value: Value) -> bool:
    """Return whether an array is the buffer that the load returned; another check reports that."""
    return any(np.may_share_memory(array, part) and array.size == part.size for _, part in parts_of(value))


CHECKS: tuple[Check, ...] = (
    Check(
        "length",
        "The length is right and the last batch loads.",
        check_length,
        ("sequence", "samples"),
        hint=("def __len__(self):\n    return -(-len(self.x) // self.batch_size)  # rounded up"),
    ),
    Check(
        "planned",
        "There are as many tickets as batches.",
        check_planned,
        ("source", "stream"),
        hint=(
            "def batches(self, data_epoch):\n"
            "    return -(-self.samples // self.batch_size)  # as many as tickets(data_epoch) gives"
        ),
    ),
    Check(
        "content",
        "Every batch is x, (x, y) or (x, y, weights), with as many samples in each and at least one.",
        check_content,
        KINDS,
        ("length", "planned", "fresh", "rng_threads"),
        hint=(
            "rows = slice(index * self.batch_size, (index + 1) * self.batch_size)\n"
            "return self.x[rows], self.y[rows]  # the same number of samples in each"
        ),
    ),
    Check(
        "form",
        "Shapes and dtypes are the same in all batches.",
        check_form,
        KINDS,
        ("content",),
        hint=(
            'x = np.zeros((len(rows), self.length, self.channels), "float32")  # one shape for all\n'
            "for at, row in enumerate(rows):\n"
            "    x[at, : len(row)] = row  # or: check_sequence(..., ragged=True)"
        ),
    ),
    Check(
        "global_randomness",
        "Loads do not use the global random state.",
        check_global_randomness,
        needs=("content",),
        hint=(
            "rng = self.rng(index)  # depends on seed, epoch and index; no worker shares it\n"
            "x = x + rng.normal(size=x.shape)"
        ),
    ),
    Check(
        "repeatable",
        "The same batch loaded twice has the same bits.",
        check_repeatable,
        needs=("content", "own_data"),
        hint=(
            "def __getitem__(self, index):\n"
            "    rng = self.rng(index)  # made anew for each load, from seed, epoch and index\n"
            "    return self.x[self.rows(index)] + rng.normal(size=self.shape), self.y[self.rows(index)]"
        ),
    ),
    Check(
        "any_order",
        "Batches do not depend on the order in which they are loaded.",
        check_any_order,
        needs=("repeatable", "steady"),
        hint=(
            "def __getitem__(self, index):\n"
            "    start = index * self.batch_size  # from the index alone, not from what was loaded before\n"
            "    return self.x[start : start + self.batch_size], self.y[start : start + self.batch_size]"
        ),
    ),
    Check(
        "own_arrays",
        "A batch is not overwritten by later loads.",
        check_own_arrays,
        needs=("content",),
        hint=("return self.buffer.copy(), y  # or np.empty(...) in each load"),
    ),
    Check(
        "own_data",
        "Loads do not change the data of the object.",
        check_own_data,
        needs=("content",),
        hint=("x = self.x[rows].copy()  # then change the copy\nx /= 255"),
    ),
)
