"""Checks of pipelines that draw at each load, where the closer checks of equal bits have to wait."""

from __future__ import annotations

from streamfit.streams import Source, Ticket
from streamfit.streams.items import Value
from streamfit.testing.checked_object import CheckedObject, data_of, place
from streamfit.testing.checks.contents import loaded_again
from streamfit.testing.checks.delivery import SHARED_ADVICE, ids_of, loads_at_once, pool_of
from streamfit.testing.checks.process_state import can_be_sent
from streamfit.testing.comparison import copied, difference
from streamfit.testing.failure import brief_error, fail, skip, warn
from streamfit.testing.held_state import Held, advanced, held_states
from streamfit.testing.table import Check


def check_crashes(checked: CheckedObject) -> str | None:
    """Check that loads at the same time raise nothing; their bits are not compared."""
    for done, (ticket, _, outcome, when) in enumerate(loads_at_once(checked), 1):
        error = outcome.error
        if isinstance(error, Exception):
            if _raises_alone(checked, ticket, 1):
                skip(f"{place(ticket)} cannot be loaded first; 'any_order' looks closer")
            text = f"{checked.name}: {place(ticket)} raised {brief_error(error)}"
            if _raises_alone(checked, ticket, 4 * done):
                fail(f"{text} after at most {4 * done} loads, also when nothing else is loaded", error)
            fail(f"{text} when it was loaded {when}. {SHARED_ADVICE}", error)
    return None


def _raises_alone(checked: CheckedObject, ticket: Ticket, count: int) -> bool:
    """Return whether as many loads in this thread alone raise, too."""
    source = checked.source()
    try:
        for _ in range(count):
            source.load(ticket)
    except Exception:
        return True
    return False


def check_worker_draws(checked: CheckedObject) -> str | None:
    """Check that two worker processes that begin with the same batch do not draw the same numbers."""
    ticket, name, held = _drawn_from(checked)
    source = checked.source()
    if not _is_sent(source):
        warn(
            f"{checked.name}: {name} is {held.text}, which every load advances: where worker processes "
            "are made by fork, every worker draws the same numbers. Draw from self.rng(index)"
        )
    one, other = (_in_worker(checked, source, ticket) for _ in range(2))
    if difference(one, other) is None:
        fail(
            f"{checked.name}: every worker draws the same numbers: {name} is {held.text} that is copied into "
            f"each worker process ({place(ticket)} is the same when each of two workers loads it first, and "
            "another one at each load in one process). Augmentation is repeated as often as there are "
            "workers: draw from self.rng(index)"
        )
    return None


def check_epoch_draws(checked: CheckedObject) -> str | None:
    """Check that a worker process that is started for epoch 2 does not draw the numbers of epoch 1."""
    ticket, name, held = _drawn_from(checked)
    source = checked.source()
    later = next((each for each in checked.tickets(source, 1) if ids_of(each) == ids_of(ticket)), None)
    if not _is_sent(source) or later is None:
        skip("it cannot be sent to worker processes, or its batches are others in the next epoch")
    if (
        difference(loaded_again(checked, checked.source(), ticket), _in_worker(checked, source, later))
        is None
    ):
        warn(
            f"{checked.name}: in a new worker process each epoch draws the same: {name} is {held.text}, "
            f"which begins again from its state in this process ({place(later)} is that of pass 0 bit by "
            "bit). Draw from self.rng(index), which differs in each epoch"
        )
    return None


def _drawn_from(checked: CheckedObject) -> tuple[Ticket, str, Held]:
    """Return a batch that differs each time it is loaded, and the generator in an attribute behind it.

    Loads of another batch advance that generator, too: where each batch has its own, none is shared.
    """
    source = checked.source()
    data = data_of(source)
    if not any(held.kind == "draws" for held in held_states(data).values()):
        skip("it holds no random generator in its attributes")
    tickets = [ticket for ticket, _ in checked.few(2)]
    firsts = [loaded_again(checked, source, ticket) for ticket in tickets]  # they may make generators
    changed: list[Ticket] = []
    shared: dict[str, Held] = {name: held for name, held in held_states(data).items() if held.kind == "draws"}
    for ticket, first in zip(tickets, firsts, strict=True):
        before = held_states(data)
        if difference(first, loaded_again(checked, source, ticket)) is not None:
            changed.append(ticket)
        names = advanced(before, held_states(data))
        shared = {name: held for name, held in shared.items() if name in names}
    for name, held in shared.items():
        for ticket in changed:
            return ticket, name, held
    skip("loads draw from no random generator in its attributes that they share")


def _is_sent(source: Source) -> bool:
    return source.traits.in_workers and can_be_sent(source)


def _in_worker(checked: CheckedObject, source: Source, ticket: Ticket) -> Value:
    """Load one batch in a worker process that has loaded nothing before."""
    with (
        pool_of(checked, "processes", 1) as pool,
        pool.open(source.make_reader(), [ticket], describe=source.describe) as run,
    ):
        return copied(next(iter(run)).value)


CHECKS: tuple[Check, ...] = (
    Check(
        "crashes",
        "Loads at the same time raise nothing.",
        check_crashes,
        needs=("content",),
        stands_in_for="thread_safe",
        hint=("with self.lock:  # around what all threads share\n    row = next(self.rows)"),
    ),
    Check(
        "worker_draws",
        "Worker processes do not draw the same numbers.",
        check_worker_draws,
        needs=("content",),
        hint=(
            "def __getitem__(self, index):\n"
            "    rng = self.rng(index)  # in place of a generator that is kept in self\n"
            "    return self.x[self.rows(index)] + rng.normal(size=self.shape), self.y[self.rows(index)]"
        ),
    ),
    Check(
        "epoch_draws",
        "A worker process does not draw the same numbers in each epoch.",
        check_epoch_draws,
        needs=("content",),
        hint=("rng = self.rng(index)  # another one in each epoch\nx = x + rng.normal(size=x.shape)"),
    ),
)
