"""streamfit's pool without its guarantees, for the cost benchmark: the same code without the promises.

Batches come through the same processes, sockets and shared memory, for any structure of arrays of any
shape, in the order of the tickets; only the parts for the guarantees are missing. No receipt: batches are
not counted, not compared with the plan or with one another, and there is no digest. No retries: workers do
not note their current load. No leased slots: memory is reused two jobs later, even if a batch is still in
use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cost_common
from cost_streamfit import Numbered

from streamfit.streams import SequenceSource
from streamfit.workers.pool.scheduler import Job
from streamfit.workers.processes.pool import ProcessPool
from streamfit.workers.recovery.progress_page import ProgressPage
from streamfit.workers.transport.packing import Packed


def note_nothing(*_: object) -> None:
    """Do nothing, in place of a note."""


class Unmarked(Numbered):
    """Batches whose loads leave no note, also in the process that unpickles them."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        leave_no_notes()


def leave_no_notes() -> None:
    """Stop workers from noting the begin and the end of loads."""
    ProgressPage.begin = ProgressPage.end = ProgressPage.set_preparing = note_nothing  # type: ignore[method-assign,assignment]


class BarePool(ProcessPool):
    """A pool whose slots go from job to job without a lease."""

    def __init__(self, workers: int, ahead: int) -> None:
        super().__init__(workers, ahead)
        self._in_use: list[int] = []

    def values_of(self, job: Job) -> list[Any]:
        """Return the values as views of the job's slot, which is reused after the next job."""
        packed: Packed = job.outcome
        slot = self._live_group().slot(job.slot)
        slot.attach(packed.capacity)
        values = packed.values(slot.bytes(packed.used), apart=False)
        self._in_use.append(job.slot)
        if len(self._in_use) > 2:
            self.scheduler.give_back(self._in_use.pop(0))
        return values


def main() -> None:
    """Serve epochs; each is a run of the same pool."""
    chosen = cost_common.options(ahead=cost_common.AHEAD)
    with BarePool(chosen.workers, chosen.ahead) as pool:
        pool.start(["streamfit.streams"])

        def epoch(count: int) -> Iterator[cost_common.Batch]:
            source = SequenceSource(Unmarked(chosen.size, chosen.loader, count))
            reader = source.make_reader()
            for loaded in pool.open(reader, source.tickets(0)):
                yield reader.batch(loaded.ticket, loaded.value).x

        cost_common.serve(epoch, pool.pids)


if __name__ == "__main__":
    main()
