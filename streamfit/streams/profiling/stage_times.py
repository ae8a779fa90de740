"""`StageTimes`: how long one stage worked, waited for input and waited for output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamfit.streams.profiling.totals import Totals, Where
from streamfit.workers.contract import Kind

Role = Literal["stage", "reading", "transport", "model"]

_NANO = 1e-9
READING, TRANSPORT, MODEL = "reading itself", "transport", "model"


@dataclass(frozen=True)
class StageTimes:
    """What one stage did in the time that was measured.

    The three times together are the time of all who work for it: twice the time of the loop for two workers.

    Attributes:
        name: As it is written, ``map(decode)``; or ``transport`` (batches copied between processes),
            ``reading itself`` (what no stage does: batches put together and checked) and ``model``.
        role: What it is.
        where: Who works for it.
        workers: How many of them there are.
        busy: Seconds of work.
        input: Seconds in which it had nothing to work on, as the stages before it were at work.
        output: Seconds in which what it had made was not wanted yet, as the stages behind it were at work.
        nbytes: How many bytes it made.
        processor: Seconds of its work in which it kept a processor busy; in the others it waited, for a disk
            or, in threads, for other Python code.
    """

    name: str
    role: Role
    where: str
    workers: int
    busy: float
    input: float
    output: float
    nbytes: int
    processor: float = 0.0

    @property
    def whole(self) -> float:
        """All of its seconds."""
        return self.busy + self.input + self.output

    @property
    def share(self) -> float:
        """The share of its time in which it works, in [0, 1]."""
        return self.busy / self.whole if self.whole else 0.0

    @property
    def bytes_a_second(self) -> float:
        """How many bytes it makes in a second of work."""
        return self.nbytes / self.busy if self.busy else 0.0

    @property
    def seconds_of_loop(self) -> float:
        """Seconds that the loop needs for its work at least, however fast everything else is."""
        return self.busy / max(1, self.workers)


class StageTable:
    """Makes the times of stages of sums.

    Args:
        totals: The sums.
        names: Names of the stages.
        kind: Who loads.
        workers: How many workers there are.
        with_model: Whether a model takes steps.
    """

    def __init__(self, totals: Totals, names: list[str], kind: Kind, workers: int, with_model: bool) -> None:
        self._totals, self._names, self._kind, self._workers = totals, names, kind, workers
        self._with_model = with_model
        self._wall = (totals.wait + totals.step + totals.other) * _NANO

    def rows(self) -> list[StageTimes]:
        """Return the times of each stage, the first one first, then transport and model."""
        stages = self._stages()
        rows = [times for _, times in sorted(stages.items())]
        if self._kind == "processes":
            rows.append(self._transport())
        if self._with_model:
            totals = self._totals
            waiting = (totals.step * _NANO, totals.wait * _NANO, totals.other * _NANO)
            rows.append(StageTimes(MODEL, "model", "this thread", 1, *waiting, 0))
        return rows

    def _stages(self) -> dict[int, StageTimes]:
        totals, found = self._totals, dict[int, StageTimes]()
        places: tuple[Where, ...] = ("thread", "workers", "here")
        for where in places:
            mine = [number for number in range(len(self._names) + 1) if self._place_of(number) == where]
            if not mine:
                continue
            units = self._workers if where == "workers" else 1
            whole, before = units * self._wall, self._first_wait(where, mine)
            for number in mine:
                # What workers load is ordered in this thread, where that hardly takes time of its own.
                busy = totals.spent.get((where, number), 0) * _NANO
                reading = number == len(self._names)
                if reading and busy < 0.01 * whole:
                    continue
                name = READING if reading else self._names[number]
                output = max(0.0, whole - busy - before)
                found[number] = StageTimes(
                    *(name, "reading" if reading else "stage", self._who(where), units),
                    *(busy, min(before, max(0.0, whole - busy)), output, totals.made.get(number, 0)),
                    processor=totals.processor.get(number, 0) * _NANO,
                )
                before += busy
        return found

    def _place_of(self, number: int) -> Where | None:
        """Return who works for a stage; None where nobody does."""
        spent = {key[0]: value for key, value in self._totals.spent.items() if key[1] == number}
        if not spent:
            loads: Where = "here" if self._kind == "inline" else "workers"
            return loads if number < len(self._names) else None
        # Who loads, where others only say which elements come when.
        return min(spent, key=("workers", "thread", "here").index)

    def _first_wait(self, where: str, mine: list[int]) -> float:
        """Return how long the first of some stages waited for others to give it something."""
        totals = self._totals
        if where == "workers":
            return totals.idle * _NANO
        behind_workers = where == "here" and self._kind != "inline" and mine[0] > 0
        if not behind_workers:
            return 0.0
        here = sum(value for key, value in totals.spent.items() if key[0] == "here")
        return max(0, totals.wait - here) * _NANO

    def _who(self, where: str) -> str:
        if where == "workers":
            kind = "process" if self._kind == "processes" else "thread"
            plural = ("es" if kind == "process" else "s") if self._workers > 1 else ""
            return f"{self._workers} {kind}{plural}"
        return "this thread" if where == "here" else "a thread"

    def _transport(self) -> StageTimes:
        totals, units = self._totals, self._workers
        # Workers copy batches in; the loop takes them out, which holds it up alone.
        busy = (totals.packing + totals.taking * units) * _NANO
        before = sum(value for key, value in totals.spent.items() if key[0] == "workers") + totals.idle
        whole = units * self._wall
        waits = min(before * _NANO, max(0.0, whole - busy))
        return StageTimes(
            *(TRANSPORT, "transport", self._who("workers"), units, busy, waits),
            *(max(0.0, whole - busy - waits), totals.moved),
        )


__all__ = ["MODEL", "READING", "TRANSPORT", "StageTable", "StageTimes"]
