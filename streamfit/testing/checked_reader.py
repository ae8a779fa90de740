"""`CheckedReader`: reads a source as a training loop does, and compares each batch with a plain reading.

Each action of a user (read on, leave the loop, change workers, resume) is a method. The batches must
be those of a plain reading in this process, in order, each exactly once. `strategies.StreamMachine` chooses
the actions.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Literal

from streamfit.streams import Batch, Feed, Sequence, Source, Ticket, open_source
from streamfit.streams.items import Value
from streamfit.testing.comparison import copied, difference
from streamfit.testing.failure import brief_error, fail
from streamfit.testing.preemption import PATIENCE, Outcome, interleaved
from streamfit.workers import Pool, make_pool

_MOST_WAITS = 2  # of loads for one another, a tenth of a second each
WorkerKind = Literal["inline", "threads", "processes"]


class CheckedReader:
    """Read a source and check every batch.

    Args:
        make_source: Makes the data: a `Source`, a `Sequence`, or anything that `streamfit.source` takes. It
            must give the same data at each call.
        seed: The seed of the order.
        shuffle: Whether the batches of a `Sequence` are shuffled.
        replays_hooks: Whether a source that is made again gets to a later pass by its hooks.

    Attributes:
        due: The pass and the number of the batch that must come next.
        delivered: How many batches were read so far.

    Example:
        >>> import numpy as np
        >>> from streamfit import source
        >>> reader = CheckedReader(lambda: source(np.arange(5), seed=1).shuffle().batch(2))
        >>> reader.deliver(2)
        >>> reader.change_workers("threads", 2)
        >>> reader.next_epoch()
        >>> reader.due, reader.delivered
        ((1, 0), 3)
        >>> reader.close()
    """

    def __init__(
        self,
        make_source: Callable[[], object],
        seed: int = 0,
        *,
        shuffle: bool = False,
        replays_hooks: bool = True,
    ) -> None:
        self._make_source, self._seed, self._shuffle = make_source, seed, shuffle
        self.replays_hooks = replays_hooks
        self._read_backwards: set[int] = set()
        self._expected: dict[int, list[Value]] = {}
        self._reference, self._read_passes = self._made(), 0
        self._source = self._made()
        self._pool: Pool | None = None
        self._feed = self._opened()
        self.due, self.delivered = (0, 0), 0

    def _made(self) -> Source:
        made = self._make_source()
        if isinstance(made, Source):
            return made
        shuffle = self._shuffle and isinstance(made, Sequence)
        return open_source(made, shuffle=shuffle, seed=self._seed, targets=False)

    def _made_again(self, passes: int) -> Source:
        """Make the source again and run its hooks for the finished passes."""
        made = self._made()
        for data_epoch in range(passes):
            made.begin_pass(data_epoch)
            made.end_pass(data_epoch)
        return made

    def _opened(self) -> Feed:
        return Feed(self._source, self._pool, alike="nothing")

    # -- actions --------------------------------------------------------------------------------------------

    def deliver(self, count: int) -> None:
        """Read batches; continue in the next pass when this one ends."""
        while count > 0:
            wanted = min(count, self.left())
            count_read = self._read(wanted)
            if count_read != wanted:
                fail(f"{count_read} batches came where {wanted} were due at {self._where()}")
            count -= count_read

    def next_epoch(self) -> None:
        """Read the rest of this pass."""
        self.deliver(self.left())

    def leave_early(self, count: int) -> None:
        """Read batches and leave the loop with work in flight; the batches in flight come next."""
        run = self._feed.run()
        for _ in range(min(count, self.left())):
            self._check(next(run))
        del run

    def change_workers(self, kind: WorkerKind, workers: int, ahead: int = 4) -> None:
        """Continue at the same place with other workers."""
        if kind != "inline":
            self.load_backwards()
        self._feed.close()
        if self._pool is not None:
            self._pool.close()
        self._pool = None if kind == "inline" else make_pool(kind, workers, ahead)
        self._feed = self._opened()
        self._feed.seek(*self.due)

    def resume(self) -> None:
        """Stop, make the source again, run its hooks for the finished passes, continue at the same place."""
        self._feed.close()
        self._source = self._made_again(self.due[0])
        self._feed = self._opened()
        self._feed.seek(*self.due)

    def resume_from_state(self) -> None:
        """Stop, save the place as a backup does, make the source again, and continue from what was saved."""
        saved = json.dumps(self._feed.state(within=False))
        self._feed.close()
        self._source = self._made()
        self._feed = self._opened()
        self._feed.resume(json.loads(saved), replay=True)

    def load_backwards(self) -> None:
        """Load the batches of this pass in this thread, the last one first, from a source that is made again.

        What depends on the order of loads is found here in each run; with workers only in some.
        """
        data_epoch = self.due[0] if self.replays_hooks else 0
        source, expected = self._made_again(data_epoch), self.expected(data_epoch)
        if not source.traits.seekable or data_epoch in self._read_backwards:
            return
        self._read_backwards.add(data_epoch)
        source.begin_pass(data_epoch)
        for ticket in reversed(list(source.tickets(data_epoch))[: len(expected)]):
            found = difference(
                expected[ticket.number], _loaded(source, ticket), ("in a plain reading", "now")
            )
            if found:
                fail(
                    f"batch {ticket.number} of pass {data_epoch} is not the same when batches are loaded in "
                    f"another order: {found}"
                )

    def load_two(self, first: int, second: int, line: int) -> None:
        """Load two batches of this pass at once: one stops before a line of user code while the other loads.

        It stops at line 0, then at line 1 in a new load, and so on up to `line`; lines count in the order of
        execution. Once two loads have waited for one another, as with a lock, no more are tried. A source
        that is made again does all that, so that what is read next does not depend on it. Nothing is done if
        the source reads in order, or the pass has one batch.

        Args:
            first: The number of the batch whose load stops; of the batches in turn, if there are fewer.
            second: The number of the batch that is loaded meanwhile, likewise.
            line: The last line to stop at.
        """
        data_epoch = self.due[0] if self.replays_hooks else 0
        source, expected = self._made_again(data_epoch), self.expected(data_epoch)
        first, second = first % len(expected), second % len(expected)
        if not source.traits.seekable or first == second:
            return
        source.begin_pass(data_epoch)
        tickets = {ticket.number: ticket for ticket in source.tickets(data_epoch)}
        one, other = (functools.partial(_loaded, source, tickets[number]) for number in (first, second))
        waited = 0
        for at in range(line + 1):
            began = time.monotonic()
            ran = interleaved(one, other, at)
            if ran is None:
                return
            for number, beside, outcome in ((first, second, ran[0]), (second, first, ran[1])):
                when = f"while batch {beside} was being loaded (batch {first} stood at {ran[2]}, line {at})"
                self._compare_load(data_epoch, number, outcome, when)
            waited += time.monotonic() - began >= PATIENCE
            if waited == _MOST_WAITS:
                return

    def _compare_load(self, data_epoch: int, number: int, outcome: Outcome[Value], when: str) -> None:
        name = f"batch {number} of pass {data_epoch}"
        try:
            value = outcome.get()
        except Exception as error:  # user code runs here
            fail(f"{name} cannot be loaded {when}: {brief_error(error)}", error)
        assert value is not None
        found = difference(self.expected(data_epoch)[number], value, ("in a plain reading", "then"))
        if found:
            fail(f"{name} is not the same {when}: {found}; loads must not share what they write to")

    def read_beside(self, count: int) -> None:
        """Read batches of this pass with a second reader of the same source, which must not disturb others.

        Nothing is done if the source cannot begin a pass again, or reads in order.
        """
        if not (self._source.traits.rewinds and self._source.traits.seekable) or self.due[1] == 0:
            return  # before the first batch, the feed has not begun the pass
        expected = self.expected(self.due[0])
        batches = self._source.make_reader().read(self.due[0])
        for number, batch in enumerate(itertools.islice(batches, count)):
            found = difference(expected[number], batch.parts(), ("in a plain reading", "now"))
            if found:
                fail(f"batch {number} of pass {self.due[0]} is not the same for a second reader: {found}")

    def kill_worker(self, number: int) -> None:
        """Kill a worker process, if there is one; another one loads what it had."""
        pids = [] if self._pool is None else self._pool.pids()
        if pids:
            os.kill(pids[number % len(pids)], signal.SIGKILL)

    def close(self) -> None:
        """Stop the workers."""
        self._feed.close()
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    # -- expected batches ----------------------------------------------------------------------------------

    def left(self) -> int:
        """Count the remaining batches of this pass."""
        return len(self.expected(self.due[0])) - self.due[1]

    def expected(self, data_epoch: int) -> list[Value]:
        """Return the batches of a pass, read in this process from a source of its own."""
        while self._read_passes <= data_epoch:
            number, self._read_passes = self._read_passes, self._read_passes + 1
            self._reference.begin_pass(number)
            batches = self._reference.make_reader().read(number)
            self._expected[number] = [copied(batch.parts()) for batch in batches]
            self._reference.end_pass(number)
        return self._expected[data_epoch]

    def _read(self, count: int) -> int:
        count_read = 0
        for batch in self._feed.run(count):
            self._check(batch)
            count_read += 1
        return count_read

    def _check(self, batch: Batch) -> None:
        data_epoch, number = self.due
        if (batch.data_epoch, batch.number) != self.due:
            fail(f"batch {batch.number} of pass {batch.data_epoch} came where {self._where()} was due")
        found = difference(self.expected(data_epoch)[number], batch.parts(), ("in a plain reading", "now"))
        if found:
            fail(f"{self._where()} is not the same: {found}")
        self.delivered += 1
        self.due = (
            (data_epoch, number + 1) if number + 1 < len(self.expected(data_epoch)) else (data_epoch + 1, 0)
        )

    def _where(self) -> str:
        return f"batch {self.due[1]} of pass {self.due[0]}"


def _loaded(source: Source, ticket: Ticket) -> Value:
    return copied(source.load(ticket))
