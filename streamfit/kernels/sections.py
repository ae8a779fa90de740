"""Call lists whose parts run at the same time, in the calling thread and in those of a team.

A step is a list of sections. The blocks of one section may run in any order and at the same time, so no
block may read what another one of its section writes. What is computed depends on the blocks alone: the
number of threads, which may change at any step, changes no bit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.arguments import Argument, signature_of
from streamfit.kernels.calls import Call, CallList, KernelStoppedError
from streamfit.kernels.decorator import CompiledKernel
from streamfit.kernels.section_loop import MOST_BLOCKS, section_loop
from streamfit.kernels.team import Team, shared_team
from streamfit.kernels.thread_choice import ThreadChoice

_NOTHING: Array = np.zeros(0, dtype=np.int64)
_TYPES_OF_LOOP = signature_of((_NOTHING, 1, *(_NOTHING,) * 6, 1))
_SAMPLED = 100  # of steps that are too short for several threads, one of so many is timed


@dataclass(frozen=True)
class Section:
    """Blocks of calls that may run at the same time; all are done before the next section begins.

    Attributes:
        blocks: The calls of each block, which run one after the other. A section of one block runs in the
            thread that calls.
    """

    blocks: tuple[tuple[Call, ...], ...]


def serial(calls: Sequence[Call]) -> Section:
    """Return a section whose calls run one after the other.

    Example:
        >>> len(serial([]).blocks)
        1
    """
    return Section((tuple(calls),))


def parallel(blocks: Sequence[Sequence[Call]]) -> Section:
    """Return a section whose blocks may run at the same time.

    Args:
        blocks: The calls of each block. None of them may read or write what another block writes.
    """
    return Section(tuple(tuple(block) for block in blocks))


class SectionedCallList(CallList):
    """Bind sections of calls so that one native loop runs them all, with a team of threads.

    A guard kernel that raises ends its block and, once all blocks of its section have run, the step. The
    error names the guard of the first block in which one raised, whatever the number of threads.

    Args:
        sections: The sections, in order. The arrays are kept alive, as in a `CallList`.
        threads: How many threads run them, the caller among them, or what chooses it.
        team: Their helpers; the team of the process unless given. Where it works for another caller, this
            one runs the step alone.

    Raises:
        ValueError: A section has too many blocks, or `threads` is less than 1.

    Example:
        >>> import numpy as np
        >>> from streamfit.kernels.matrix import add_into
        >>> x, total = np.ones(4, "float32"), np.zeros(4, "float32")
        >>> halves = [[(add_into, (x[:2], total[:2]))], [(add_into, (x[2:], total[2:]))]]
        >>> calls = SectionedCallList([parallel(halves), serial([(add_into, (x, total))])], threads=2)
        >>> calls.run()
        >>> total
        array([2., 2., 2., 2.], dtype=float32)
    """

    def __init__(
        self, sections: Sequence[Section], threads: int | ThreadChoice = 1, team: Team | None = None
    ) -> None:
        self.sections = list(sections)
        largest = max((len(section.blocks) for section in self.sections), default=0)
        if largest > MOST_BLOCKS:
            raise ValueError(f"a section has {largest} blocks, more than {MOST_BLOCKS}: make larger blocks")
        self.team = shared_team() if team is None else team
        self._threads = np.ones(1, dtype=np.int64)
        self._choice: ThreadChoice | None = None
        self._wanted = 1  # what is in `_threads`: to read an array takes longer
        self._untimed = 0
        super().__init__([call for section in self.sections for block in section.blocks for call in block])
        self.threads = threads

    @property
    def threads(self) -> int | ThreadChoice:
        """How many threads run the next step, or what chooses it."""
        return self._wanted if self._choice is None else self._choice

    @threads.setter
    def threads(self, threads: int | ThreadChoice) -> None:
        if isinstance(threads, ThreadChoice):
            self._choice, self._untimed = threads, 0
            return
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}: the caller is one of them")
        self._choice = None
        self._want(threads)

    def _want(self, threads: int) -> None:
        if threads != self._wanted:
            self._wanted = self._threads[0] = threads

    def _loop(self) -> int | None:
        return cast(CompiledKernel, section_loop).address(_TYPES_OF_LOOP)

    def _tables(self, thunks: Array, starts: Array) -> tuple[Argument, ...]:
        blocks = [block for section in self.sections for block in section.blocks]
        bounds = _running_sums([len(block) for block in blocks])
        firsts = _running_sums([len(section.blocks) for section in self.sections])
        raises = np.zeros(len(blocks), dtype=np.int64)
        self._kept = (thunks, starts, bounds, raises, firsts)
        addresses = [array.ctypes.data for array in self._kept]
        tables = np.array([*addresses, self.team.address], dtype=np.int64)
        return (tables, len(self.sections), self._words, self._outcome, self._threads)

    def _run_native(self) -> None:
        if self._choice is not None and not self._untimed:
            self._run_timed(self._choice)
            return
        self._prepare()
        if self._untimed:
            self._untimed -= 1
        CallList._run_native(self)

    def _run_timed(self, choice: ThreadChoice) -> None:
        steps = _SAMPLED if choice.is_short else 1
        self._want(choice.threads)
        self._prepare()
        started = time.perf_counter()
        CallList._run_native(self)
        choice.add((time.perf_counter() - started) * steps, steps)
        self._want(choice.threads)
        self._untimed = steps - 1

    def _prepare(self) -> None:
        """Have as many helpers as the next step wants."""
        if self._wanted > 1:
            self.team.prepare(self._wanted, self._blas)

    def _run_moving(self, moving: Array, strides: Array, asked: Array, steps: int) -> None:
        choice, done = self._choice, 0
        if choice is None:
            self._prepare()
            super()._run_moving(moving, strides, asked, steps)
            return
        while done < steps:
            several = min(choice.steps, steps - done)
            self._want(choice.threads)
            self._prepare()
            started = time.perf_counter()
            super()._run_moving(moving, strides, asked, several)
            choice.add(time.perf_counter() - started, several)
            if self._outcome[0]:
                self._outcome[1] += done
                return
            done += int(self._outcome[2])
            self._outcome[2] = done
            if asked[0]:
                return

    def _run_python(self) -> None:
        for section in self.sections:
            stopped = [error for block in section.blocks if (error := _run_block(block)) is not None]
            if stopped:
                raise stopped[0] from None


def _run_block(block: Sequence[Call]) -> KernelStoppedError | None:
    """Run a block from Python; return why it stopped, if it did."""
    for function, arguments in block:
        try:
            function(*arguments)
        except FloatingPointError:
            return KernelStoppedError(function)
    return None


def _running_sums(counts: Sequence[int]) -> Array:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
