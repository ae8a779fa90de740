"""`StreamRecorder`: measures a loop over batches, and the workers behind it, while it runs.

Guarantees kept here: batches, their order and their memory are those of a loop that is not measured; the
first batches and their steps, for which workers start and kernels are compiled, are set apart from the sums.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from streamfit.streams.batch import Batch
from streamfit.streams.profiling.load_report import LoadReport, Spent
from streamfit.streams.profiling.pool_times import READY, PoolTimes
from streamfit.streams.profiling.stopwatch import clock, nbytes_of, stopwatch
from streamfit.streams.profiling.timed_pool import TimedPool
from streamfit.streams.profiling.timed_pull import TimedPull
from streamfit.streams.profiling.totals import Timeline, Totals, Where
from streamfit.streams.source import Source
from streamfit.streams.source_reader import SourceReader
from streamfit.workers import Pool
from streamfit.workers.contract import Kind

T = TypeVar("T")

Size = tuple[int, int]
"""How many batches, and how many bytes."""


class StreamRecorder:
    """Measure the loop over one stream.

    Args:
        names: Names of the stages, the first one first.
        rest: The stage that does all that no other stage does, where there is one: a source without stages.
        in_order: Whether the data can only be read in order.
        apart: Whether the first batches are set apart: until each worker has loaded one.

    Attributes:
        recording: Whether the next loop is measured.
        kind: Who loads: "inline" for the thread of the loop, or a thread that pulls an iterator.
        workers: How many workers there are.
        ahead: How many loads may be ahead of the loop.
        first: Nanoseconds until the first batch came; None before that.
        measured: How many batches were measured.
        steps_model: Whether a model has taken steps.
        timeline: What happened when.
    """

    def __init__(
        self, names: list[str], rest: int | None, *, in_order: bool = False, apart: bool = True
    ) -> None:
        self.names, self._rest, self._apart = names, len(names) if rest is None else rest, apart
        self.recording, self.in_order = True, in_order
        self.kind: Kind = "inline"
        self.workers = self.ahead = 0
        self.first: int | None = None
        self.steps_model = False
        self.measured = 0
        self.timeline = Timeline()
        self._totals, self._set_apart = Totals(), Totals()
        self._since = 0
        self._pool = PoolTimes("inline", 0, self.timeline)
        self._pulls: deque[tuple[LoadReport, int]] = deque()
        self._waiting: deque[int] = deque()  # when the pulled batches were there that the loop has not taken
        self._pulled = False
        self._stepped = 0

    @property
    def setting_apart(self) -> bool:
        """Whether batches are set apart for now."""
        return self._apart

    # -- before the loop ----------------------------------------------------------------------------

    def watch(self, source: Source, pool: Pool | None, ahead: int) -> tuple[Pool | None, SourceReader | None]:
        """Return a pool and a reader of a feed that report here; a reader of None is the source's own.

        Args:
            source: What the feed reads.
            pool: The workers; None for none.
            ahead: How many loads may be ahead of the loop; 0 if none.
        """
        if pool is not None:
            return self.watch_pool(pool, ahead), None
        if not ahead or not source.traits.pulled_ahead or source.traits.in_workers:
            return None, None
        self._pulled, self.ahead = True, ahead
        return None, TimedPull(source.make_reader(), self._on_pull)

    def watch_pool(self, pool: Pool, ahead: int) -> TimedPool:
        """Return a pool that reports its loads here."""
        self.kind, self.workers, self.ahead = pool.kind, pool.workers, ahead
        self._pool = PoolTimes(pool.kind, ahead, self.timeline)
        return TimedPool(pool, self)

    # -- in the loop --------------------------------------------------------------------------------

    def loop(
        self, batches: Iterator[Batch], step: Callable[[Batch], None]
    ) -> tuple[Iterator[Batch], Callable[[Batch], None]]:
        """Return batches and step of a loop that is measured, if the next loop is to be."""
        if not self.recording:
            return batches, step
        return self.waits(batches, size_of_batch), self.steps(step)

    def waits(self, batches: Iterator[T], size: Callable[[T], Size]) -> Iterator[T]:
        """Yield the batches and measure how long each was waited for.

        Args:
            batches: The batches.
            size: Returns how many batches one of them stands for, and its bytes.
        """
        stopwatch().take()
        asked = self._since = self._pool.since = clock()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            came = clock()
            self._on_batch(asked, came, *size(batch))
            try:
                yield batch
                del batch  # it may occupy a slot
            finally:
                asked = clock()
                self._on_used(came, asked)

    def steps(self, step: Callable[[T], None]) -> Callable[[T], None]:
        """Return a step that measures how long it takes."""
        pid, thread = os.getpid(), threading.get_native_id()
        self.steps_model = True

        def timed(batch: T) -> None:
            began = clock()
            try:
                step(batch)
            finally:
                ended = clock()
                self._stepped += ended - began
                self.timeline.add(pid, thread, "step of the model", began, ended)

        return timed

    def _on_batch(self, asked: int, came: int, batches: int, nbytes: int) -> None:
        totals, waited = self._totals, came - asked
        totals.wait += waited
        totals.batches += batches
        self.measured += batches
        totals.nbytes += nbytes
        if self.first is None:
            self.first = waited
        pid, thread = os.getpid(), threading.get_native_id()
        self.timeline.add(pid, thread, "wait for a batch", asked, came, nbytes)
        spent = stopwatch().take()
        self._add(totals, "here", spent, pid, thread)
        if self._pulled:
            self._take_pulls(totals, asked)
        elif self.kind == "inline":
            left = waited - sum(spent.nanoseconds.values())
            totals.add_spent("here", self._rest, max(0, left))
            totals.add_made(self._rest, nbytes)

    def _on_used(self, came: int, now: int) -> None:
        totals = self._totals
        stepped, self._stepped = self._stepped, 0
        totals.step += stepped
        totals.other += now - came - stepped
        if self._apart and self._pool.warm(self.workers):
            self._apart = False
            self._pool.finish(totals)
            self._set_apart, self._totals = totals, Totals()
            self.measured = 0
            self._since = now
            self._pool.restart(now)

    # -- reports ------------------------------------------------------------------------------------

    def loaded(
        self, report: LoadReport, asked: int, came: int, worked: int, pulled: int, value: object
    ) -> None:
        """Take in a delivered load of the pool."""
        if not self.recording:
            return
        self._pool.loaded(self._totals, report, asked, came, worked, pulled, value)
        self._add_load(self._totals, "workers", report, nbytes_of(value))

    def _on_pull(self, report: LoadReport, batch: Batch) -> None:
        """Note what the thread has pulled; called in that thread."""
        self._pulls.append((report, nbytes_of((batch.x, batch.y, batch.sample_weight))))

    def _take_pulls(self, totals: Totals, asked: int) -> None:
        while self._pulls:
            report, nbytes = self._pulls.popleft()
            self._waiting.append(report.end)
            self.timeline.add(report.pid, report.thread, "load", report.begin, report.end, nbytes)
            self._add_load(totals, "thread", report, nbytes)
        ready = sum(end <= asked for end in self._waiting)
        totals.asked += 1
        totals.ready += ready
        self.timeline.count(os.getpid(), READY, asked, ready)
        if self._waiting:
            self._waiting.popleft()

    def _add_load(self, totals: Totals, where: Where, report: LoadReport, nbytes: int) -> None:
        """Add the part of a load that lies behind the beginning of measuring."""
        whole = report.end - report.begin
        inside = min(whole, max(0, report.end - self._since))
        if not inside:
            return
        share = inside / whole if whole else 1.0
        spent = report.spent
        self._add(totals, where, spent, report.pid, report.thread, share)
        left = whole - sum(spent.nanoseconds.values())
        totals.add_spent(where, self._rest, round(max(0, left) * share))
        totals.add_made(self._rest, round(nbytes * share))

    def _add(
        self, totals: Totals, where: Where, spent: Spent, pid: int, thread: int, share: float = 1.0
    ) -> None:
        for number, nanoseconds in spent.nanoseconds.items():
            totals.add_spent(where, number, round(nanoseconds * share))
        for number, nanoseconds in spent.processor.items():
            totals.add_processor(number, round(nanoseconds * share))
        for number, nbytes in spent.nbytes.items():
            totals.add_made(number, round(nbytes * share))
        for number, begin, end in spent.segments:
            self.timeline.add(pid, thread, self.names[number], begin, end)

    # -- after it -----------------------------------------------------------------------------------

    def totals(self) -> Totals:
        """Return the sums; those of the first batch where there was no other one."""
        self._pool.finish(self._totals)
        return self._totals if self._totals.batches else self._set_apart


def size_of_batch(batch: Batch) -> Size:
    """Return how many batches a batch stands for, and its bytes."""
    return batch.steps, nbytes_of((batch.x, batch.y, batch.sample_weight))


__all__ = ["StreamRecorder", "size_of_batch"]
