"""streamfit's pool without its guarantees, for the cost benchmark: the same machinery, nothing promised.

Batches come through the same processes, sockets and shared memory, for any structure of arrays of any shape,
in the order of the tickets; what is gone is what only the guarantees need. No receipt: batches are not
counted, not compared with the plan or with one another, no digest is kept. No retries: workers do not note
what they are at. No slots that are lent: memory serves again two jobs later, whoever still holds a batch.
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
    """Stand for a note that is not taken."""


class Unmarked(Numbered):
    """Batches whose loads leave no note; that is so in the process that they arrive in, too."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        leave_no_notes()


def leave_no_notes() -> None:
    """Have workers note neither the begin nor the end of loads from here on."""
    ProgressPage.begin = ProgressPage.end = ProgressPage.set_preparing = note_nothing  # type: ignore[method-assign,assignment]


class BarePool(ProcessPool):
    """A pool whose slots go from job to job without being lent."""

    def __init__(self, workers: int, ahead: int) -> None:
        super().__init__(workers, ahead)
        self._in_use: list[int] = []

    def values_of(self, job: Job) -> list[Any]:
        """Return the values as views of the job's slot, which serves again after the next job."""
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
            for loaded in pool.open(source, source.tickets(0)):
                yield source.batch(loaded.ticket, loaded.value).x

        cost_common.serve(epoch, pool.pids)


if __name__ == "__main__":
    main()
