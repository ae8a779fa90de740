"""`TimedRunner`: a runner whose steps keep their first batch, on which the parts of a step are then timed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from streamfit._base.specs import Array
from streamfit.ops.core import Node
from streamfit.program import Binding
from streamfit.program.timed_binding import Part, TimedBinding
from streamfit.training.runner import Runner
from streamfit.training.steps import Steps

_LEAST_ROUNDS, _MOST_ROUNDS = 3, 15
_SECONDS = 2.0  # after which no other round begins


@dataclass(frozen=True)
class StepTimes:
    """Medians of a few runs of one step, in seconds.

    Attributes:
        parts: Of each part of the step, on one thread.
        alone: Of the step as a whole, on one thread.
        step: Of the step as it is run by `fit`, on as many threads as it chooses.
        threads: How many these were last.
        rows: How many samples the batch has.
        flops: Floating-point operations of the parts that are products.
        layer_of: The path of the name of the layer of each node that belongs to one.
    """

    parts: Mapping[Part, float]
    alone: float
    step: float
    threads: int
    rows: int
    flops: Mapping[Part, int]
    layer_of: Mapping[Node, str]


class TimedSteps(Steps):
    """Run the steps of a model and keep the first batch that they were run on."""

    _kept: tuple[str, list[Array], list[Array | None], list[Array | None]] | None = None

    def run(
        self,
        mode: str,
        inputs: Sequence[Array],
        targets: Sequence[Array | None],
        weights: Sequence[Array | None],
        steps: int = 1,
        checked: bool = False,
        asked: Array | None = None,
    ) -> Binding:
        """Run one step, or several; see `Steps`."""
        if self._kept is None and steps == 1:
            copies = [array.copy() for array in inputs]
            self._kept = mode, copies, _copies(targets), _copies(weights)
        return super().run(mode, inputs, targets, weights, steps, checked, asked)

    def measure(self) -> StepTimes:
        """Run the step on the batch that was kept, in turn as a whole and part by part.

        Raises:
            ValueError: No step was run.
        """
        if self._kept is None:
            raise ValueError("the data gave no batch, so there is nothing to measure")
        mode, inputs, targets, weights = self._kept
        program = self._program(mode, targets, weights, False)
        rows = len(inputs[0])
        arrays, size = self._fed(program, inputs, targets, weights, rows)
        timed = TimedBinding(program, size)
        timed.settle()
        whole: list[float] = []
        alone: list[float] = []
        parts: list[dict[Part, float]] = []
        ends = time.perf_counter() + _SECONDS
        while len(parts) <= _LEAST_ROUNDS or (len(parts) <= _MOST_ROUNDS and time.perf_counter() < ends):
            binding = self.run(mode, inputs, targets, weights)
            began = time.perf_counter()
            binding.run()
            whole.append(time.perf_counter() - began)
            timed.feed_copies(arrays)
            alone.append(timed.run_alone())
            timed.feed_copies(arrays)
            parts.append(timed.run_timed())
        return StepTimes(
            {part: median(found[part] for found in parts[1:]) for part in parts[0]},  # the first one warms up
            median(alone[1:]),
            median(whole[1:]),
            binding.threads,
            rows,
            timed.flops,
            program.layer_of,
        )


def _copies(arrays: Sequence[Array | None]) -> list[Array | None]:
    return [None if array is None else array.copy() for array in arrays]


class TimedRunner(Runner):
    """Run steps of one model, which can be timed afterwards."""

    timed: TimedSteps | None = None

    def _set_up(self) -> None:
        super()._set_up()
        assert self._built is not None
        self.timed = TimedSteps(self._built.programs)
        self._built = replace(self._built, steps=self.timed)


__all__ = ["StepTimes", "TimedRunner", "TimedSteps"]
