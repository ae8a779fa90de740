"""`Profile`: where the time of a stream went, as text, picture and trace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamfit._base.thread_budget import usable_processors
from streamfit.streams.profiling.picture import draw_stages
from streamfit.streams.profiling.recorder import StreamRecorder
from streamfit.streams.profiling.stage_times import StageTable, StageTimes
from streamfit.streams.profiling.totals import Timeline
from streamfit.streams.profiling.trace import write_trace
from streamfit.streams.profiling.verdict import size_text, verdict

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Profile:
    """Where the time of a stream went.

    Attributes:
        rows: The times of each stage, the first one first; then what no stage does, transport between
            processes and the model, where they are.
        elements: How many batches (or other elements) were measured.
        waiting: Seconds in which the consumer waited for them.
        step: Seconds of the steps of the model.
        other: Seconds of everything else in the loop, such as callbacks.
        first: Seconds until the first one came.
        nbytes: How many bytes they had.
        slots: How many loads may be ready before they are asked for; 0 where nothing is loaded ahead.
        ready: How many were ready when they were asked for, on average.
        limit: Name of the stage that limits.
        verdict: Why it does, and what helps, in one sentence.

    Example:
        >>> row = StageTimes("map(slow)", "stage", "this thread", 1, 0.019, 0.0, 0.001, 4000)
        >>> found = Profile([row], 4, 0.02, 0.0, 0.0, 0.005, 4000, 0, 0.0, "map(slow)", "map(slow) limits.")
        >>> print(found)
        stage      where         busy  waits for input  waits for output  ms per element    MB/s
        map(slow)  this thread   95 %              0 %               5 %            4.75    0.21
        4 elements in 0.02 s: 200 a second, 200 kB/s; the first came after 0.005 s
        map(slow) limits.
    """

    rows: list[StageTimes]
    elements: int
    waiting: float
    step: float
    other: float
    first: float
    nbytes: int
    slots: int
    ready: float
    limit: str
    verdict: str
    _timeline: Timeline = field(default_factory=Timeline, repr=False)

    @property
    def stages(self) -> list[str]:
        """The names of the stages, and of transport and model where they are."""
        return [row.name for row in self._named]

    @property
    def seconds(self) -> list[float]:
        """Seconds of work of each of the `stages`, of all who work for it together."""
        return [row.busy for row in self._named]

    @property
    def busiest(self) -> int:
        """The number of the stage that needs most time, shared by those who work for it."""
        named = self._named
        return max(range(len(named)), key=lambda number: named[number].seconds_of_loop)

    @property
    def _named(self) -> list[StageTimes]:
        return [row for row in self.rows if row.role != "reading"]

    @property
    def _unit(self) -> str:
        return "batch" if any(row.role == "model" for row in self.rows) else "element"

    @property
    def _plural(self) -> str:
        return "batches" if self._unit == "batch" else "elements"

    @property
    def wall(self) -> float:
        """Seconds that were measured."""
        return self.waiting + self.step + self.other

    def __str__(self) -> str:
        return "\n".join([*self._table(), self._summary(), self.verdict])

    def _table(self) -> Sequence[str]:
        names = [_short(row.name) for row in self.rows]
        width = max(map(len, [*names, "stage"]))
        place = max(len(row.where) for row in self.rows) if self.rows else 5
        head = f"busy  waits for input  waits for output  ms per {self._unit}"
        lines = [f"{'stage':{width}}  {'where':{place}}   {head}    MB/s"]
        span = len(f"ms per {self._unit}")
        for name, row in zip(names, self.rows, strict=True):
            whole = row.whole or 1.0
            each = 1e3 * row.busy / max(1, self.elements)
            rate = f"{row.bytes_a_second / 1e6:,.2f}" if row.nbytes else "-"
            lines.append(
                f"{name:{width}}  {row.where:{place}}  {100 * row.busy / whole:3.0f} %  "
                f"{100 * row.input / whole:13.0f} %  {100 * row.output / whole:14.0f} %  "
                f"{each:{span}.2f}  {rate:>6}"
            )
        return lines

    def _summary(self) -> str:
        wall = self.wall or 1.0
        text = (
            f"{self.elements:,} {self._plural} in {self.wall:.3g} s: {self.elements / wall:,.0f} a second, "
            f"{size_text(self.nbytes / wall)}/s; the first came after {self.first:.3g} s"
        )
        if self.slots:
            text += f"; {self.ready:.1f} of {self.slots} were ready when they were asked for"
        return text

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the stages as bars, busy and waiting; the ending of the path says the format (``.png``).

        Args:
            path: Where to write the picture.

        Raises:
            MissingExtraError: matplotlib is not installed (the extra `plot`).
        """
        draw_stages(self.rows, self.limit, self.verdict, self._summary(), self.elements, path)

    def trace(self, path: str | os.PathLike[str]) -> None:
        """Write what happened when as JSON that https://ui.perfetto.dev and chrome://tracing open.

        Each worker and the loop have a line of their own, with loads, the stages in them, copies to shared
        memory, waits and steps; the number of loads that were ready is a curve. The first 100,000 events are
        kept.

        Args:
            path: Where to write it; one that ends in ``.gz`` is compressed, which Perfetto reads as well.
        """
        write_trace(self._timeline.events, self._timeline.counts, self.verdict, path)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def profile_of(recorder: StreamRecorder) -> Profile:
    """Return the profile of what a recorder has measured up to now."""
    totals = recorder.totals()
    table = StageTable(totals, recorder.names, recorder.kind, recorder.workers, recorder.steps_model)
    rows = table.rows()
    times = [nanoseconds * 1e-9 for nanoseconds in (totals.wait, totals.step, totals.other)]
    found = verdict(
        rows,
        wait=times[0],
        step=times[1],
        other=times[2],
        batches=totals.batches,
        nbytes=totals.nbytes,
        processors=usable_processors(),
        in_order=recorder.in_order,
    )
    ready = totals.ready / totals.asked if totals.asked else 0.0
    first = (recorder.first or 0) * 1e-9
    return Profile(
        rows=rows,
        elements=totals.batches,
        waiting=times[0],
        step=times[1],
        other=times[2],
        first=first,
        nbytes=totals.nbytes,
        slots=recorder.ahead,
        ready=ready,
        limit=found.limit,
        verdict=found.sentence,
        _timeline=recorder.timeline,
    )


__all__ = ["Profile", "profile_of"]
