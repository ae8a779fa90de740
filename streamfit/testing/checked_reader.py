"""`CheckedReader`: reads a source as a training loop does, and compares each batch with a plain reading.

Each action of a user (read on, leave the loop, change workers, resume) is a method. The batches must
be those of a plain reading in this process, in order, each exactly once. `strategies.StreamMachine` chooses
the actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from streamfit.streams import Batch, Feed, Source, open_source
from streamfit.streams.items import Value
from streamfit.testing.comparison import copied, difference
from streamfit.testing.failure import fail
from streamfit.workers import Pool, make_pool

WorkerKind = Literal["inline", "threads", "processes"]


class CheckedReader:
    """Read a source and check every batch.

    Args:
        make_source: Makes the data: a `Source`, a `Sequence`, or anything that `streamfit.source` takes. It
            must give the same data at each call.
        seed: The seed of the order.

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

    def __init__(self, make_source: Callable[[], object], seed: int = 0) -> None:
        self._make_source, self._seed = make_source, seed
        self._expected: dict[int, list[Value]] = {}
        self._reference, self._read_passes = self._made(), 0
        self._source = self._made()
        self._pool: Pool | None = None
        self._feed = self._opened()
        self.due, self.delivered = (0, 0), 0

    def _made(self) -> Source:
        made = self._make_source()
        return made if isinstance(made, Source) else open_source(made, seed=self._seed, targets=False)

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
        self._feed.close()
        if self._pool is not None:
            self._pool.close()
        self._pool = None if kind == "inline" else make_pool(kind, workers, ahead)
        self._feed = self._opened()
        self._feed.seek(*self.due)

    def resume(self) -> None:
        """Stop, make the source again, run its hooks for the finished passes, continue at the same place."""
        self._feed.close()
        self._source = self._made()
        for data_epoch in range(self.due[0]):
            self._source.begin_pass(data_epoch)
            self._source.end_pass(data_epoch)
        self._feed = self._opened()
        self._feed.seek(*self.due)

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
