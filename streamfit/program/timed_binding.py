"""`TimedBinding`: a binding that knows for which node each of its calls is, and can time them.

It lists exactly the calls of any other binding of its program and size. The calls of one node that stand
together are timed together; where a kernel does the work of a whole node (product, bias and activation, for
instance), there is nothing inside it that could be told apart, and nothing is estimated.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Literal

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, CallList
from streamfit.kernels.blas import OF_KERNELS, on_one_thread
from streamfit.kernels.matrix import copy_into
from streamfit.kernels.sections import SectionedCallList
from streamfit.ops.core import Node
from streamfit.program.binding import Binding, BoundProgram, Size
from streamfit.program.gradient import dependents, sum_parts
from streamfit.program.portions import Portion

Phase = Literal["forward", "backward", "sink", "copies", "sums", "update"]
_EMPTY_RUNS = 51  # of a call that does next to nothing, to learn what the measurement itself takes


@dataclass(frozen=True)
class Part:
    """What some calls of a step are for.

    Attributes:
        node: The node; None where it is for the step as a whole.
        phase: Forward or backward pass of the node; ``sink`` for what metrics and assignments keep;
            ``copies`` of outputs; ``sums`` of the gradients of blocks; ``update`` for the optimizer.
    """

    node: Node | None
    phase: Phase


class TimedBinding(Binding):
    """A program bound to the size of a batch, with the time of each part of its step.

    Attributes:
        flops: Floating-point operations of those parts that are matrix products or convolutions: a product
            and a sum count as two.
    """

    def __init__(self, program: BoundProgram, size: Size) -> None:
        self._part_of: dict[int, Part] = {}  # by the identity of a call, which the sections keep alive
        self.flops: dict[Part, int] = {}
        super().__init__(program, size)

    # -- which call is for what -----------------------------------------------------------------------

    def _note(self, calls: Sequence[Call], part: Part) -> None:
        for call in calls:
            self._part_of.setdefault(id(call), part)

    def _forward(self, node: Node, portion: Portion) -> None:
        before = len(portion.calls)
        super()._forward(node, portion)
        self._note(portion.calls[before:], Part(node, "forward"))

    def _differentiate(self, node: Node, portion: Portion) -> None:
        before = len(portion.calls)
        super()._differentiate(node, portion)
        self._note(portion.calls[before:], Part(node, "backward"))

    def _sink(self, node: Node) -> list[Call]:
        calls = super()._sink(node)
        self._note(calls, Part(node, "sink"))
        return calls

    def _bind_ends(self) -> None:
        self._note(self._listed_calls(), Part(None, "copies"))  # sums of blocks are found by their kernel
        self._count_work()
        super()._bind_ends()

    def _listed_calls(self) -> list[Call]:
        return [call for section in self._sections for block in section.blocks for call in block]

    def _count_work(self) -> None:
        """Count the operations of products, forward, and backward by each operand that has a gradient."""
        training, known = self._program.training, self._known
        needed = set() if training is None else dependents(self.nodes, training.flat.variables)
        for node in self.nodes:
            inputs, outputs = [known[t] for t in node.inputs], [known[t] for t in node.outputs]
            work = 2 * node.op.multiply_adds(inputs, outputs)
            if work:
                self.flops[Part(node, "forward")] = work
                operands = sum(tensor in needed for tensor in node.inputs[:2])
                self.flops[Part(node, "backward")] = work * operands

    def _listed(self) -> CallList:
        self._timed: list[tuple[Part, CallList]] = []
        for section in self._sections:
            for block in section.blocks:
                for part, calls in groupby(block, self._part):
                    self._timed.append((part, CallList(list(calls))))
        return super()._listed()

    def _part(self, call: Call) -> Part:
        if call[0] is sum_parts:
            return Part(None, "sums")
        return self._part_of.get(id(call), Part(None, "update"))

    # -- runs -----------------------------------------------------------------------------------------

    def feed_copies(self, arrays: Sequence[Array]) -> None:
        """Copy the arrays of a batch to where all calls of this binding were bound to read them."""
        for tensor, reader, array in zip(self._program.feeds, self.feeds, arrays, strict=True):
            own = self._whole.arrays[tensor]
            np.copyto(own, array, casting="unsafe")
            reader.feed(own)

    def run_alone(self) -> float:
        """Run the step on one thread, as any step is run; return its seconds."""
        if isinstance(self._calls, SectionedCallList):
            self._calls.threads = 1
        began = time.perf_counter()
        self.run()
        return time.perf_counter() - began

    def run_timed(self) -> dict[Part, float]:
        """Run the same calls in the same order on one thread; return the seconds of each part.

        What it takes to measure is measured, too, and taken off.
        """
        clock, stamps = time.perf_counter_ns, list[int]()
        blas = any(calls.calls_blas for _, calls in self._timed)
        with self._lock, on_one_thread(OF_KERNELS) if blas else contextlib.nullcontext():
            for run in [calls.run_within for _, calls in self._timed]:
                began = clock()
                run()
                stamps.append(clock() - began)
        times, each = dict[Part, float](), _time_of_nothing()
        for (part, _), taken in zip(self._timed, stamps, strict=True):
            times[part] = times.get(part, 0.0) + 1e-9 * max(0.0, taken - each)
        return times


def _time_of_nothing() -> float:
    """Return the nanoseconds between the two looks at the clock around a call that copies one number."""
    run, clock = CallList([(copy_into, (np.zeros(1), np.zeros(1)))]).run_within, time.perf_counter_ns
    times = []
    for _ in range(_EMPTY_RUNS):
        began = clock()
        run()
        times.append(clock() - began)
    return median(times)


__all__ = ["Part", "TimedBinding"]
