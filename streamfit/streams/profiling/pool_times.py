"""`PoolTimes`: what the reports of loads say about workers, transport, and loads that were ready in time."""

from __future__ import annotations

import os
from collections import deque

from streamfit.streams.profiling.load_report import LoadReport
from streamfit.streams.profiling.stopwatch import nbytes_of
from streamfit.streams.profiling.totals import Timeline, Totals
from streamfit.workers.contract import Kind

READY = "loads ready"
_WAITS = 256  # of the loop, which are compared with the pauses of workers
_Worker = tuple[int, int]


class PoolTimes:
    """Add up the reports of the loads of a pool, in the order in which they are delivered.

    Args:
        kind: Kind of the workers.
        ahead: How many loads may be ahead of the delivered one.
        timeline: Gets the events.
    """

    def __init__(self, kind: Kind, ahead: int, timeline: Timeline) -> None:
        self._kind, self._ahead, self._timeline = kind, ahead, timeline
        self._last: dict[_Worker, int] = {}  # when each worker has finished what it did last
        self._waits: deque[tuple[int, int]] = deque(maxlen=_WAITS)
        self._asks: deque[list[int]] = deque()  # when the loop asked, and how many loads were ready then
        self._job: tuple[int, int, int, int] | None = None  # when it began, work, loads so far, end of them
        self._job_worker: _Worker = (0, 0)
        self._copies: dict[_Worker, tuple[int, int]] = {}  # the last one of each worker
        self.since = self._loads = 0

    def warm(self, workers: int) -> bool:
        """Return whether all workers have begun: each has loaded something, or enough was loaded by a few."""
        return len(self._last) >= workers or self._loads > self._ahead

    def restart(self, since: int) -> None:
        """Begin to measure anew."""
        self.since = since
        self._asks.clear()

    def loaded(
        self,
        totals: Totals,
        report: LoadReport,
        asked: int,
        came: int,
        worked: int,
        pulled: int,
        value: object,
    ) -> None:
        """Take in one delivered load.

        Args:
            totals: What is added to.
            report: Its report.
            asked: When the loop asked for it.
            came: When the loop had it.
            worked: Nanoseconds that a worker process took for the job that it belongs to, where it is the
                first of that job; they include packing.
            pulled: Nanoseconds in which stages worked in the thread of the loop meanwhile.
            value: The value.
        """
        self._loads += 1
        worker, size = (report.pid, report.thread), nbytes_of(value)
        done = self._done(totals, report, worker, worked)
        taking = came - asked - max(0, min(done, came) - asked) - pulled
        if self._kind == "processes":
            totals.moved += size
            totals.taking += max(0, taking)
        self._waits.append((asked, came))
        totals.idle += self._starved(worker, report.begin)
        self._last[worker] = done
        self._show_copy(worker, report.begin)
        self._note_ready(totals, asked, done)
        self._timeline.add(*worker, "load", report.begin, report.end, size)

    def _done(self, totals: Totals, report: LoadReport, worker: _Worker, worked: int) -> int:
        """Return when the job of a load was done, packing included."""
        spent = report.end - report.begin
        if worked:
            self.end_job(totals)
            self._job, self._job_worker = (report.begin, worked, spent, report.end), worker
        elif self._job is not None and self._job_worker == worker:
            begin, whole, loads, _ = self._job
            self._job = begin, whole, loads + spent, report.end
        if self._job is None:
            return report.end
        return max(report.end, self._job[0] + self._job[1])

    def end_job(self, totals: Totals) -> None:
        """Add the time of the last job that was no load: packing, which is copying to shared memory."""
        job, self._job = self._job, None
        if job is None:
            return
        begin, worked, loads, end = job
        packing = max(0, worked - loads)
        self._copies[self._job_worker] = end, max(end, begin + worked)
        if begin + worked > self.since:
            totals.packing += min(packing, begin + worked - self.since)

    def _show_copy(self, worker: _Worker, before: int) -> None:
        """Add the last copy of a worker to the timeline, which ended before its next load at the latest."""
        begin, end = self._copies.pop(worker, (0, 0))
        if end > begin:
            self._timeline.add(*worker, "copy to shared memory", begin, min(end, max(begin, before)))

    def _starved(self, worker: _Worker, begin: int) -> int:
        """Return how long a worker had nothing to do before a load, while the loop waited."""
        before = max(self._last.get(worker, begin), self.since)
        found = 0
        for asked, came in reversed(self._waits):
            if came <= before:
                break
            found += max(0, min(came, begin) - max(asked, before))
        return found

    def _note_ready(self, totals: Totals, asked: int, done: int) -> None:
        """Count a load as ready in all earlier requests of the loop behind which it was done."""
        self._asks.append([asked, 0])
        for ask in reversed(self._asks):
            if ask[0] < done:
                break
            ask[1] += 1
        while len(self._asks) > self._ahead + 1:
            self._settle(totals)

    def _settle(self, totals: Totals) -> None:
        when, ready = self._asks.popleft()
        ready = min(ready, self._ahead)
        totals.asked += 1
        totals.ready += ready
        self._timeline.count(os.getpid(), READY, when, ready)

    def finish(self, totals: Totals) -> None:
        """Take in what is left."""
        self.end_job(totals)
        while self._asks:
            self._settle(totals)


__all__ = ["READY", "PoolTimes"]
