"""Checks of batches that workers load: any number of threads at the same time, or of processes."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple

from streamfit._base.errors import WorkerError
from streamfit.streams import Source, Ticket
from streamfit.streams.items import Value
from streamfit.testing.checked_object import CheckedObject, Loads, place
from streamfit.testing.checks.process_state import borrowed_settings, unseen_settings
from streamfit.testing.comparison import copied, difference
from streamfit.testing.failure import brief_error, fail, skip
from streamfit.testing.preemption import PATIENCE, Outcome, interleaved, lines_of, places, timed
from streamfit.testing.table import KINDS, LOADED, Check
from streamfit.workers import Pool, make_pool
from streamfit.workers.transport.loader_pickle import LoaderRegistry

_THREADS, _ROUNDS, _SECONDS = 4, 3, 1.0
SHARED_ADVICE = "Give each load its own buffers, files and generators, or guard what is shared with a lock"
PoolKind = Literal["threads", "processes"]


def check_thread_safe(checked: CheckedObject) -> str | None:
    """Check that loads at the same time do not disturb one another."""
    for ticket, value, outcome, when in loads_at_once(checked):
        _compare_outcome(checked, ticket, value, outcome, when)
    return None


class AtOnce(NamedTuple):
    """A batch that was loaded while others were, its value alone, and what happened."""

    ticket: Ticket
    value: Value
    outcome: Outcome[Value]
    when: str


def loads_at_once(checked: CheckedObject) -> Iterator[AtOnce]:
    """Load batches at the same time: by preemption at each line, then by threads that start together."""
    if len(checked.few(4)) < 2:
        skip("there is one batch only")
    yield from _preempted(checked, checked.few(4))
    yield from _concurrent(checked, checked.few(16))


def _preempted(checked: CheckedObject, loads: Loads) -> Iterator[AtOnce]:
    """Stop one load at each of its lines while another one runs."""
    source = checked.source()
    (one, first), (other, second) = loads[0], loads[-1]
    load_one, load_other = _loading(source, one), _loading(source, other)
    cost = min(timed(load_one) + timed(load_other) for _ in range(2))
    patience, waited = PATIENCE, 0
    until = time.monotonic() + 2 * _SECONDS  # where a lock makes each of them wait as long
    for at in places(lines_of(load_one), _SECONDS, 2 * cost + 0.0005):
        began = time.monotonic()
        if began > until:
            return
        ran = interleaved(load_one, load_other, at, patience)
        waited += time.monotonic() - began >= patience
        if waited > 2:  # there is a lock; a shorter wait from now on is not for a busy machine
            patience = min(PATIENCE, 0.01 + 10 * cost)
        if ran is None:
            return
        for ticket, value, outcome in ((one, first, ran[0]), (other, second, ran[1])):
            when = f"while {place(other if ticket is one else one)} was being loaded (one stood at {ran[2]})"
            yield AtOnce(ticket, value, outcome, when)


def _concurrent(checked: CheckedObject, loads: Loads) -> Iterator[AtOnce]:
    """Load all batches in several threads that start together and switch often."""
    source, interval = checked.source(), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    until = time.monotonic() + _SECONDS
    try:
        for _ in range(_ROUNDS):
            for (ticket, value), outcome in zip(loads, _loaded_by_threads(source, loads), strict=True):
                yield AtOnce(ticket, value, outcome, f"by one of {_THREADS} threads")
            if time.monotonic() > until:
                return
    finally:
        sys.setswitchinterval(interval)


def _loaded_by_threads(source: Source, loads: Loads) -> list[Outcome[Value]]:
    outcomes = [Outcome[Value]() for _ in loads]
    start = threading.Barrier(_THREADS)

    def work(number: int) -> None:
        start.wait()
        for index in range(number, len(loads), _THREADS):
            outcomes[index].keep(_loading(source, loads[index][0]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def _loading(source: Source, ticket: Ticket) -> Callable[[], Value]:
    return lambda: copied(source.load(ticket))


def _compare_outcome(
    checked: CheckedObject, ticket: Ticket, value: Value, outcome: Outcome[Value], when: str
) -> None:
    try:
        loaded = outcome.get()
    except Exception as error:
        text = f"{place(ticket)} raised {brief_error(error)} when it was loaded {when}"
        fail(f"{checked.name}: {text}. {SHARED_ADVICE}", error)
    assert loaded is not None
    found = difference(value, loaded, ("alone", "then"))
    if found:
        fail(
            f"{checked.name}: {place(ticket)} is not the same when it is loaded {when}: {found}. "
            f"{SHARED_ADVICE}"
        )


def check_picklable(checked: CheckedObject) -> str | None:
    """Check that the object can be sent to worker processes."""
    source = checked.source()
    if not source.traits.in_workers:
        skip("its batches are loaded in the main process only")
    registry = LoaderRegistry()
    try:
        registry.pickled_loader_for(source)
    except WorkerError as error:
        text = str(error).replace(f"{checked.name!r} cannot", "cannot").replace(f"{checked.name}.", "its .")
        for inner in ("its .sequence.samples.", "its .sequence."):  # the attribute, as its class names it
            text = text.replace(inner, "self.")
        fail(f"{checked.name}: {text.removeprefix('the loader ')}", error)
    finally:
        registry.clear()
    return None


def check_threads(checked: CheckedObject) -> str | None:
    """Check that batches are the same when 1, 2 and more threads load them."""
    for count in sorted({1, 2, 2 * checked.workers}):
        _compare_delivery(checked, "threads", count)
    return None


def check_processes(checked: CheckedObject) -> str | None:
    """Check that batches are the same when 1 and more processes load them."""
    for count in sorted({1, checked.workers}):
        _compare_delivery(checked, "processes", count)
    return borrowed_settings(checked)


def _compare_delivery(checked: CheckedObject, kind: PoolKind, count: int) -> None:
    source = checked.source()
    if not source.traits.in_workers:
        skip("its batches are loaded in the main process only")
    where = f"by {count} {kind if count > 1 else kind.removesuffix('s').removesuffix('e')}"
    with pool_of(checked, kind, count) as pool:
        delivered = delivery(checked, source, pool, where)
        for (ticket, value), (_, other) in zip(checked.expected(), delivered, strict=True):
            found = difference(value, other, ("in this process", f"when loaded {where}"))
            if found:
                unseen = unseen_settings(checked) if kind == "processes" else ""
                fail(f"{checked.name}: {place(ticket)} is not the same: {found}.{unseen or _WHY[kind]}")


_WHY = {
    "threads": " Are loads safe to run at the same time?",
    "processes": " Does it depend on the process: its id, its environment, variables of a module that were "
    "changed after the import, an open file? Only the object itself travels to workers",
}


def pool_of(checked: CheckedObject, kind: PoolKind, count: int) -> AbstractContextManager[Pool]:
    """Make a pool with few batches ahead, so that they spread over the workers."""
    return make_pool(kind, count, ahead=2 * count + 1)


def delivery(
    checked: CheckedObject, source: Source, pool: Pool, where: str
) -> Iterator[tuple[Ticket, Value]]:
    """Deliver the batches that a check looks at; an exception of a load fails it. No hooks run."""
    with pool.open(source.make_reader(), checked.tickets(source), describe=source.describe) as run:
        while True:
            try:
                loaded = next(run)
            except StopIteration:
                return
            except Exception as error:
                unseen = unseen_settings(checked) if "process" in where else ""
                text = f"{checked.name}: loaded {where}, a batch raises {brief_error(error)}"
                fail(f"{text}.{unseen}" if unseen else text, error)
            yield loaded.ticket, copied(loaded.value)
            del loaded


def check_exactly_once(checked: CheckedObject) -> str | None:
    """Check that every batch of a pass is delivered once, and no sample id twice.

    Where samples are drawn, an id may come as often as the source tells for receipts.
    """
    source, expected = checked.source(), checked.expected()
    with pool_of(checked, "threads", 2) as pool:
        loads = list(delivery(checked, source, pool, "by 2 threads"))
    numbers = [ticket.number for ticket, _ in loads]
    if numbers != [ticket.number for ticket, _ in expected]:
        fail(f"{checked.name}: {len(expected)} batches are due, and those that come are numbered {numbers}")
    drawn = source.samplings(0)
    _refuse_repeated_ids(checked, [ticket for ticket, _ in loads], sum(each.most for each in drawn))
    if drawn:
        return f"samples are drawn: {'; '.join(map(str, drawn))}"
    return None


def _refuse_repeated_ids(checked: CheckedObject, tickets: list[Ticket], most: int) -> None:
    seen: dict[object, int] = {}
    counts: Counter[object] = Counter()
    for ticket in tickets:
        for sample in ids_of(ticket):
            if counts[sample] >= max(1, most):
                fail(
                    f"{checked.name}: sample {sample!r} is in batch {seen[sample]} and again in batch "
                    f"{ticket.number} of the same epoch"
                    + (f", though it is drawn {most} times at most" if most else "")
                )
            counts[sample] += 1
            seen[sample] = ticket.number


def ids_of(ticket: Ticket) -> list[object]:
    """List the sample ids of a ticket.

    Example:
        >>> ids_of(Ticket(0, 3, ids=7)), ids_of(Ticket(0, 0))
        ([7], [])
    """
    ids = ticket.ids
    if ids is None:
        return []
    if hasattr(ids, "tolist"):
        listed = ids.tolist()
        return listed if isinstance(listed, list) else [listed]
    return list(ids) if isinstance(ids, (list, tuple, range)) else [ids]


CHECKS: tuple[Check, ...] = (
    Check(
        "thread_safe",
        "Loads at the same time do not disturb one another.",
        check_thread_safe,
        needs=("global_randomness", "repeatable", "any_order", "own_arrays"),
        hint=(
            "def __getitem__(self, index):\n"
            "    start = index * self.batch_size  # a local variable, not an attribute of self\n"
            "    return self.window(start), self.y[start : start + self.batch_size]"
        ),
    ),
    Check(
        "picklable",
        "The object can be sent to worker processes.",
        check_picklable,
        needs=(),
        hint=(
            "def __getstate__(self):\n"
            '    return {**self.__dict__, "file": None}  # opened again where it is used'
        ),
    ),
    Check(
        "same_on_threads",
        "Batches are the same for any number of threads.",
        check_threads,
        LOADED,
        ("global_randomness", "repeatable", "any_order", "own_arrays", "thread_safe"),
        hint=("with self.lock:  # around what all threads share\n    rows = self.file[start:stop]"),
    ),
    Check(
        "same_on_processes",
        "Batches are the same for any number of processes.",
        check_processes,
        LOADED,
        ("global_randomness", "repeatable", "any_order", "picklable", "hash_seed"),
        hint=(
            "def __init__(self, scale):\n"
            "    self.scale = scale  # travels with the object; variables of a module do not"
        ),
    ),
    Check(
        "exactly_once",
        "Every batch of an epoch is delivered once.",
        check_exactly_once,
        KINDS,
        ("content", "own_arrays", "thread_safe"),
        hint=(
            "def tickets(self, data_epoch, start=0):\n"
            "    for number in range(start, self.count):\n"
            "        yield Ticket(data_epoch, number, ids=self.order(data_epoch)[number])"
        ),
    ),
)
