"""`profile`: how long each stage of a pipeline works, measured in this thread.

Guarantee kept here: the elements that are read are those that any other reader gets; nothing is kept of them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from streamfit.streams.stages.stage import ElementRunner, Pass, Stage

_TIMED = ("fetch", "stacked", "members", "ids", "load", "apply")


@dataclass(frozen=True)
class Profile:
    """How long the stages of a pipeline worked.

    Args:
        stages: The stages as they are written, the first one first.
        seconds: Seconds of work of each stage, without those of the stages before it.
        elements: How many elements of the last stage were read.
        waiting: Seconds in which the consumer waited for elements, which is all of it: stages and reading.

    Example:
        >>> found = Profile(["source('data', 10 samples)", "map(slow)"], [0.001, 0.007], 4, 0.01)
        >>> found.busiest
        1
        >>> print(found)
        stage                       ms per element  share
        source('data', 10 samples)            0.25   10 %
        map(slow)                             1.75   70 %
        reading itself                        0.50   20 %
        map(slow) limits: 70 % of 2.50 ms per element; one worker loads 400 elements a second.
    """

    stages: list[str]
    seconds: list[float]
    elements: int
    waiting: float

    @property
    def busiest(self) -> int:
        """The number of the stage that works longest."""
        return max(range(len(self.seconds)), key=self.seconds.__getitem__)

    def __str__(self) -> str:
        rest = max(0.0, self.waiting - sum(self.seconds))
        rows = [*zip(self.stages, self.seconds, strict=True), ("reading itself", rest)]
        width = max(len(name) for name, _ in rows)
        count, whole = max(1, self.elements), self.waiting or 1.0
        lines = [f"{'stage':{width}}  ms per element  share"]
        for name, seconds in rows:
            lines.append(f"{name:{width}}  {seconds / count * 1e3:14.2f}  {100 * seconds / whole:3.0f} %")
        at, each = self.busiest, self.waiting / count
        rate = 1 / each if each else 0.0
        return "\n".join(lines) + (
            f"\n{self.stages[at]} limits: {100 * self.seconds[at] / whole:.0f} % of {each * 1e3:.2f} ms per "
            f"element; one worker loads {rate:,.0f} elements a second."
        )


@dataclass
class _Stopwatch:
    """Adds the time that passes to the stage that is at work."""

    seconds: dict[int, float] = field(default_factory=dict)
    working: list[int] = field(default_factory=list)
    since: float = 0.0

    def switch(self) -> None:
        now = time.perf_counter()
        if self.working:
            number = self.working[-1]
            self.seconds[number] = self.seconds.get(number, 0.0) + now - self.since
        self.since = now

    def timed(self, number: int, method: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            self.switch()
            self.working.append(number)
            try:
                return method(*arguments)
            finally:
                self.switch()
                self.working.pop()

        return call

    def iterated(
        self, number: int, method: Callable[..., Iterator[object]]
    ) -> Callable[..., Iterator[object]]:
        def iterate(*arguments: object) -> Iterator[object]:
            elements = method(*arguments)
            step = self.timed(number, lambda: next(elements, _END))
            while (found := step()) is not _END:
                yield found

        return iterate


_END = object()


def profile(stage: Stage, p: Pass, runner: ElementRunner, elements: int) -> Profile:
    """Read some elements of a stage and return how long each stage worked.

    Args:
        stage: The last stage.
        p: The pass.
        runner: Computes elements in this thread.
        elements: How many to read at most.
    """
    watch = _Stopwatch()
    order: list[Stage] = []
    copy = _watched(stage, watch, order)
    count = 0
    began = time.perf_counter()
    for _ in itertools.islice(copy.iterate(p, None, runner), elements):
        count += 1
    waiting = time.perf_counter() - began
    seconds = [watch.seconds.get(number, 0.0) for number in range(len(order))]
    return Profile([repr(each) for each in order], seconds, count, waiting)


def _watched(stage: Stage, watch: _Stopwatch, order: list[Stage]) -> Stage:
    """Return a copy of a stage and of those before it whose methods are timed."""
    inputs = tuple(_watched(each, watch, order) for each in stage.inputs)
    copy = stage.with_inputs(inputs, stage.salt)
    number = len(order)
    order.append(stage)
    for name in _TIMED:
        copy.__dict__[name] = watch.timed(number, getattr(copy, name))
    if not (stage.traits.seekable or stage.computes):  # else `iterate` is the engine's work
        iterate = cast("Callable[..., Iterator[object]]", copy.iterate)
        copy.__dict__["iterate"] = watch.iterated(number, iterate)
    return copy


__all__ = ["Profile", "profile"]
