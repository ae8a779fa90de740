"""Steps of small batches that run in blocks and on several threads, which otherwise only large ones do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from streamfit._base.thread_budget import set_num_threads
from streamfit.kernels.section_loop import SPIN, WORD
from streamfit.kernels.team import shared_team
from streamfit.kernels.thread_choice import ThreadChoice
from streamfit.program import binding, blocks

LONG_SPIN = 500_000  # nanoseconds, in which helpers stay awake between the sections of tiny steps


class Always(ThreadChoice):
    """Choose the largest number of threads, however short a step is, and look at it every few steps."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.threads = most

    @property
    def is_short(self) -> bool:
        return False

    @property
    def steps(self) -> int:
        return 3

    def add(self, seconds: float, steps: int = 1) -> None:
        pass


@contextmanager
def small_blocks() -> Iterator[None]:
    """Cut every batch into as many blocks as possible."""
    with mock.patch.multiple(blocks, _SHORTEST=0.0, _SHARE_FOR_SUMS=1e9, _LITTLE=1 << 40):
        yield


@contextmanager
def threads(number: int, taken: int = 0) -> Iterator[None]:
    """Run every step of several blocks on so many threads, beside so many workers."""
    words = shared_team()._words
    spin = words[SPIN // WORD]
    words[SPIN // WORD] = LONG_SPIN
    set_num_threads(number + taken)
    try:
        with mock.patch.object(binding, "ThreadChoice", Always):
            yield
    finally:
        set_num_threads(None)
        words[SPIN // WORD] = spin


def blocks_of_helpers() -> int:
    """Return how many blocks helpers have run so far in this process."""
    return sum(shared_team().blocks_taken())
