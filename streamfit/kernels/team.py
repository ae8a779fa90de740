"""A team of threads that runs the blocks of a section beside the thread that calls.

Helpers are Python threads that spend their lives in one native call without the interpreter's lock
(`kernels/section_loop.py`). They are optional at every moment: a caller that finds none, because they sleep,
have ended, or work for another caller, runs all blocks alone, with the same result.

Guarantees kept here: helpers start when they are first needed; they sleep when there is nothing to do; they
end when their team is garbage collected and when the interpreter exits, which never waits long for them;
after a fork the child has a team without helpers, which may start its own.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from typing import cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import futex
from streamfit.kernels.blas import OF_KERNELS, own_count
from streamfit.kernels.calls import BoundLoop, entrance
from streamfit.kernels.decorator import JIT_ENABLED, CompiledKernel
from streamfit.kernels.section_loop import (
    FIRST_HELPER,
    LINE,
    MOST_HELPERS,
    OF_HELPER,
    SLEEPS,
    SPIN,
    STOP,
    TAKEN,
    WORD,
    help_team,
    stop_team,
)

SPIN_NANOSECONDS = 20_000
"""How long a waiting thread spins before it sleeps: a few times what it takes to wake one."""
_LIMIT = 2.0  # seconds to wait for helpers that are to end
_TWO_NUMBERS = (None, None)  # the signature of the kernels


class Team:
    """Threads that take blocks of a caller's sections.

    Args:
        spin: How long a waiting thread spins before it sleeps, in nanoseconds.

    Attributes:
        address: Where the words of the team lie.

    Example:
        >>> team = Team()
        >>> team.prepare(1), team.helpers
        (1, 0)
    """

    def __init__(self, spin: int = SPIN_NANOSECONDS) -> None:
        memory = np.zeros((FIRST_HELPER + LINE + OF_HELPER * MOST_HELPERS) // WORD, dtype=np.int64)
        self._words: Array = memory[-memory.ctypes.data % LINE // WORD :]
        self.address: int = self._words.ctypes.data
        self._words[SPIN // WORD] = self._spin = spin
        self._threads: list[threading.Thread] = []
        self._one_blas_thread = False
        self._starting = threading.Lock()
        weakref.finalize(self, _end, self._words, self._threads)
        _teams.add(self)

    @property
    def helpers(self) -> int:
        """How many helpers there are."""
        return len(self._threads)

    def prepare(self, threads: int, calls_blas: bool = False) -> int:
        """Start helpers until there are `threads` threads with the caller.

        Args:
            threads: How many; helpers beyond that stay, and take no part.
            calls_blas: Whether they will call BLAS.

        Returns:
            How many threads there are, at most `threads`: fewer where the system starts no more, and 1 where
            there is no machine code or no way to sleep in it.
        """
        wanted = min(threads - 1, MOST_HELPERS)
        if wanted > len(self._threads) or (calls_blas and not self._one_blas_thread and wanted > 0):
            with self._starting:
                self._start(wanted, calls_blas)
        return 1 + min(wanted, len(self._threads))

    def _start(self, wanted: int, calls_blas: bool) -> None:
        if not (JIT_ENABLED and futex.AVAILABLE):
            return
        if calls_blas and not self._one_blas_thread:
            self._one_blas_thread = True
            if own_count(OF_KERNELS) is not None:
                self._stop()  # threads that started without that setting
        enter, loop = entrance(), cast(CompiledKernel, help_team).address(_TWO_NUMBERS)
        ready = cast(CompiledKernel, stop_team).address(_TWO_NUMBERS)  # there is no compiling at the exit
        if enter is None or loop is None or ready is None:
            return
        while len(self._threads) < wanted:
            number = len(self._threads) + 1
            bound = BoundLoop(enter, loop, self.address, number)
            work = functools.partial(_help, self._words, bound, self._one_blas_thread)
            thread = threading.Thread(target=work, name=f"kernel-helper-{number}", daemon=True)
            self._threads.append(thread)  # before it starts: an interruption must not leave one unknown
            try:
                thread.start()
            except (RuntimeError, MemoryError):  # no more threads, or the interpreter is about to exit
                self._threads.pop()
                return

    def stop(self) -> None:
        """End all helpers; a caller that needs some starts them again."""
        with self._starting:
            self._stop()

    def _stop(self) -> None:
        if _end(self._words, self._threads):
            self._words[STOP // WORD] = 0  # else helpers that start now end at once
        self._threads.clear()

    def forget(self) -> None:
        """Be a team without helpers: they did not come along into this forked process."""
        self._starting = threading.Lock()
        self._threads.clear()
        self._words[:] = 0
        self._words[SPIN // WORD] = self._spin

    def blocks_taken(self) -> list[int]:
        """Return how many blocks each helper has run so far."""
        return self._of_helpers(TAKEN)

    def sleeps(self) -> list[int]:
        """Return how often each helper has gone to sleep so far."""
        return self._of_helpers(SLEEPS)

    def _of_helpers(self, word: int) -> list[int]:
        first = (FIRST_HELPER + word) // WORD
        counts: list[int] = self._words[first :: OF_HELPER // WORD][: self.helpers].tolist()
        return counts


def _help(words: Array, bound: BoundLoop, calls_blas: bool) -> None:
    """Be a helper; `words` are the memory of the team, kept alive for as long as the helper lives."""
    one_thread = own_count(OF_KERNELS) if calls_blas else None
    if one_thread is not None:
        one_thread()
    bound.run()


def _end(words: Array, threads: list[threading.Thread]) -> bool:
    """Let helpers end; return whether all have."""
    if threads:
        stop_team(words.ctypes.data, len(threads))
    others = [thread for thread in threads if thread.is_alive() and thread is not threading.current_thread()]
    for thread in others:
        thread.join(_LIMIT)
    return not any(thread.is_alive() for thread in others)


_teams: weakref.WeakSet[Team] = weakref.WeakSet()


def _after_fork() -> None:
    for team in list(_teams):
        team.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def shared_team() -> Team:
    """Return the one team of this process."""
    return Team()
