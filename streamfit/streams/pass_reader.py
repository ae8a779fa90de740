"""`PassReader`: the batches of one pass, in whatever way they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamfit.streams.batch import Batch

Counts = tuple[int, int]


def allow_all(_: int | None) -> None:
    """Let any number of batches be read: for what reads nothing that could not be read again."""


@dataclass(slots=True)
class PassReader:
    """Read the batches of one pass.

    Args:
        take: Returns the next batch, or raises StopIteration. Its argument is the largest number of batches
            to join; only some sources join batches.
        close: Stops reading.
        counts: Returns how many loads were repeated and how many workers were replaced so far.
        allow: Sets how many more batches may be read for now, None for any number; an iterator is pulled no
            further.
    """

    take: Callable[[int], Batch]
    close: Callable[[], None]
    counts: Callable[[], Counts]
    allow: Callable[[int | None], None]
