"""`ModelProfile`: where the time of a model's steps went, as values, a table and a sentence."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from streamfit._base.thread_budget import usable_processors
from streamfit.streams.profiling.profile import Profile
from streamfit.streams.profiling.stage_times import StageTimes
from streamfit.streams.profiling.verdict import ENOUGH

Kind = Literal["layer", "objective", "update", "overhead"]

_WIDTH = 100
_NAME, _NUMBERS = 46, (11, 12, 9, 10, 9)  # of the columns
TOLERANCE = 0.15
"""The share of a whole step that the sum of its parts may differ from it."""
_NEAR = 0.75  # of the machine's rate: there is little left to gain


@dataclass(frozen=True)
class LayerTimes:
    """How long one layer, or another part of a step, takes.

    Attributes:
        name: Name of the layer, behind those of the layers around it, as ``encoder/dense``. What else a step
            does has names without a class: ``loss and metrics``, ``optimizer``, ``sums over blocks``.
        layer: The class of the layer; empty for other parts.
        kind: ``layer``; ``objective`` for loss and metrics; ``update`` for the optimizer and what it needs;
            ``overhead`` for copies of outputs.
        forward: Seconds of the forward pass, on one thread.
        backward: Seconds of the backward pass; of the update, where the part is none of a layer: 0.
        flops: Floating-point operations of its matrix products and convolutions, forward and backward; 0
            where there is none.
    """

    name: str
    layer: str
    kind: Kind
    forward: float
    backward: float
    flops: int

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.forward + self.backward

    @property
    def rate(self) -> float:
        """Floating-point operations in a second of its time; 0 for a part without products."""
        return self.flops / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class ModelProfile:
    """Where the time of a model's steps goes; printed, it is a table that ends in a sentence.

    All times are seconds of one step.

    Attributes:
        rows: Layers in the order in which they run, then the other parts. These are medians on one thread.
        alone: A whole step on one thread, not cut into parts: the sum of the rows, and `rest`.
        step: A step as `fit` runs it, on `threads` threads.
        threads: How many threads run it.
        waiting: How long the loop waited for a batch, on average.
        around: How long the loop was busy with anything else: checking arrays, calling the step.
        batches: How many batches the loop read.
        batch_size: Samples of the batch whose step was cut into parts.
        training: Whether these are steps of training; else the forward pass, with loss and metrics.
        machine_rate: Floating-point operations a second of the library's float32 matrix products on one
            thread of this machine, as measured right after the steps.
        data: Where the time of loading went, stage by stage.
    """

    rows: tuple[LayerTimes, ...]
    alone: float
    step: float
    threads: int
    waiting: float
    around: float
    batches: int
    batch_size: int
    training: bool
    machine_rate: float
    data: Profile

    @property
    def rest(self) -> float:
        """What the rows leave of `alone`; below 0 where parts took longer alone than in a row."""
        return self.alone - sum(row.seconds for row in self.rows)

    @property
    def adds_up(self) -> bool:
        """Whether the parts add up to the whole step within `TOLERANCE` (15 %).

        They do not where operations take less than a microsecond each, so that the clock costs as much as
        they do, or where other programs disturbed one measurement.
        """
        return abs(self.rest) <= TOLERANCE * self.alone

    @property
    def layers(self) -> tuple[LayerTimes, ...]:
        """The rows that are layers."""
        return tuple(row for row in self.rows if row.kind == "layer")

    @property
    def slowest(self) -> LayerTimes | None:
        """The layer that takes longest; None for a model whose layers compute nothing."""
        busy = [row for row in self.layers if row.seconds]
        return max(busy, key=lambda row: row.seconds) if busy else None

    @property
    def waiting_share(self) -> float:
        """The share of the loop's time in which it waits for data, in [0, 1]."""
        whole = self.waiting + self.step + self.around
        return self.waiting / whole if whole else 0.0

    @property
    def verdict(self) -> str:
        """What takes the time and what helps, in one sentence."""
        return f"{self._of_data()}; {self._of_model()}."

    def to_dict(self) -> dict[str, object]:
        """Return all values for JSON."""
        numbers = ["alone", "rest", "step", "threads", "waiting", "waiting_share", "around"]
        numbers += ["batches", "batch_size", "training", "machine_rate", "verdict"]
        stages = [asdict(row) for row in self.data.rows]
        rows = [{**asdict(row), "seconds": row.seconds, "rate": row.rate} for row in self.rows]
        return {**{name: getattr(self, name) for name in numbers}, "rows": rows, "data": stages}

    # -- the sentence ---------------------------------------------------------------------------------

    def _of_data(self) -> str:
        share = f"waiting for data takes {_percent(self.waiting_share)} of a step"
        if self.waiting_share < ENOUGH:
            return f"{share}, so the model limits"
        return f"{share}: {self._more_workers()}{self.data.verdict.rstrip('.')}"

    def _more_workers(self) -> str:
        """Say how many workers would keep up, where it is they who load."""
        shared = [row for row in self.data.rows if row.role in ("stage", "reading") and _shared(row)]
        if not shared or not self.data.elements:
            return ""
        work = sum(row.busy for row in shared)
        needed = math.ceil(work / self.data.elements / max(self.step + self.around, 1e-9))
        idle = "thread" in shared[0].where and sum(row.processor for row in shared) < work / 2
        helps, now = needed if idle else min(needed, usable_processors()), max(row.workers for row in shared)
        if helps <= now or ("thread" in shared[0].where and not idle):  # threads wait for each other
            return ""
        return f"more workers help up to {helps}{'' if needed <= helps else ', as many as processors'}; "

    def _of_model(self) -> str:
        slowest = self.slowest
        if slowest is None:
            return "its layers compute nothing"
        share = _percent(slowest.seconds / self._whole)
        text = f"the slowest layer is {slowest.name} ({share} of a step's work"
        if slowest.flops:
            of = slowest.rate / self.machine_rate
            text += f", {_percent(of)} of the machine's rate for matrix products"
            text += "" if of < _NEAR else ", so it is near its limit"
        return f"{text})"

    # -- the table ------------------------------------------------------------------------------------

    def __str__(self) -> str:
        head = ("forward ms", "backward ms", "share", "GFLOP/s", "of rate")
        lines = [_line("layer", *head), *map(self._row, self.rows)]
        lines.append(
            _line("rest: what the parts leave of a whole step", _ms(self.rest), "", self._share(self.rest))
        )
        for text in (self._summary(), self._machine(), self._loop(), self.verdict):
            lines += textwrap.wrap(text, _WIDTH)
        if not self.adds_up:
            most = _percent(TOLERANCE)
            text = f"(the parts differ from the whole step by more than {most}: take them as rough)"
            lines.insert(len(self.rows) + 2, text)
        return "\n".join(lines)

    def _row(self, row: LayerTimes) -> str:
        name = f"{row.name} ({row.layer})" if row.layer else row.name
        backward = _ms(row.backward) if row.backward else ""
        rate = (f"{1e-9 * row.rate:.1f}", _percent(row.rate / self.machine_rate)) if row.flops else ()
        return _line(name, _ms(row.forward), backward, self._share(row.seconds), *rate)

    @property
    def _whole(self) -> float:
        """The seconds of all parts and the rest, none of them below 0."""
        return sum(row.seconds for row in self.rows) + max(0.0, self.rest) or 1e-12

    def _share(self, seconds: float) -> str:
        return f"{100 * seconds / self._whole:.1f} %"

    def _summary(self) -> str:
        what, who = ("a training step", "fit") if self.training else ("a forward pass", "evaluate")
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return (
            f"{what} on {self.batch_size} samples: {_ms(self.alone)} ms on one thread (the rows and the "
            f"rest), {_ms(self.step)} ms as {who} runs it, on {threads}"
        )

    def _machine(self) -> str:
        rate = f"{1e-9 * self.machine_rate:.0f} GFLOP/s"
        return f"this machine multiplies float32 matrices at {rate} on one thread"

    def _loop(self) -> str:
        return (
            f"the loop over {self.batches} batches, for each: {_ms(self.waiting)} ms waiting for data, "
            f"{_ms(self.step)} ms computing, {_ms(self.around)} ms around it"
        )


def _shared(row: StageTimes) -> bool:
    """Return whether workers do the work of a stage."""
    return row.where not in ("this thread", "a thread")


def _line(name: str, *cells: str) -> str:
    cut = name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."
    return f"{cut:{_NAME}}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(cells, _NUMBERS, strict=False)
    )


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3f}" if abs(seconds) < 0.1 else f"{1e3 * seconds:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def joined_rows(rows: Iterable[LayerTimes]) -> tuple[LayerTimes, ...]:
    """Add up rows of one name, such as those of the uses of a shared layer; the first one says where.

    Example:
        >>> row = LayerTimes("dense", "Dense", "layer", 0.25, 0.5, 100)
        >>> joined_rows([row, row])
        (LayerTimes(name='dense', layer='Dense', kind='layer', forward=0.5, backward=1.0, flops=200),)
    """
    found: dict[tuple[Kind, str], LayerTimes] = {}
    for row in rows:
        before = found.get((row.kind, row.name))
        if before is not None:
            times = before.forward + row.forward, before.backward + row.backward
            row = LayerTimes(row.name, row.layer, row.kind, *times, before.flops + row.flops)
        found[row.kind, row.name] = row
    order: tuple[Kind, ...] = ("layer", "objective", "update", "overhead")
    return tuple(row for kind in order for row in found.values() if row.kind == kind)


__all__ = ["LayerTimes", "ModelProfile", "joined_rows"]
