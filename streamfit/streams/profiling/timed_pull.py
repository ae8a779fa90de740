"""`TimedPull`: a reader whose iterator notes how long each item took, in the thread that pulls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from streamfit.streams.batch import Batch
from streamfit.streams.pass_reader import PassReader
from streamfit.streams.profiling.load_report import LoadReport
from streamfit.streams.profiling.stopwatch import measured
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.ticket import Ticket
from streamfit.workers import Pool


class TimedPull(SourceReader):
    """Read as another reader does.

    Args:
        inner: The other one.
        pulled: Called in the thread that pulls, with the report and the batch.
    """

    def __init__(self, inner: SourceReader, pulled: Callable[[LoadReport, Batch], None]) -> None:
        super().__init__(inner.source)
        self._inner, self._pulled = inner, pulled

    def pull(
        self, data_epoch: int, start: int = 0, *, thread: bool = False
    ) -> Iterator[tuple[Ticket, Batch]]:
        """Pull the batches of a pass."""
        pairs = self._inner.pull(data_epoch, start, thread=thread)
        while True:
            pair, report = measured(lambda: next(pairs, None))
            if pair is None:
                return
            self._pulled(report, pair[1])
            yield pair
            del pair

    def read(self, data_epoch: int, start: int = 0) -> Iterator[Batch]:
        """Load the batches of a pass in this thread."""
        return self._inner.read(data_epoch, start)

    def joined(self, data_epoch: int, start: int) -> Callable[[int], Batch] | None:
        """Return what loads joined batches."""
        return self._inner.joined(data_epoch, start)

    def items(self, data_epoch: int, start: int = 0) -> Iterator[tuple[Ticket, object]]:
        """Load the items of a pass."""
        return self._inner.items(data_epoch, start)

    def give_back(
        self,
        tickets: Sequence[Ticket],
        error: BaseException | None = None,
        thread: threading.Thread | None = None,
    ) -> None:
        """Take back what was pulled and not used."""
        self._inner.give_back(tickets, error, thread)

    def in_pool(self, pool: Pool | None, place: tuple[int, int]) -> PassReader | None:
        """Return what reads with the workers of a pool."""
        return self._inner.in_pool(pool, place)

    def replayed(self, data_epoch: int, number: int, skipped: frozenset[object] = frozenset()) -> Batch:
        """Load one batch once more."""
        return self._inner.replayed(data_epoch, number, skipped)


__all__ = ["TimedPull"]
