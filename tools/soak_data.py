"""What the fits of the soak train on: one small source of each kind that workers load.

Apart from the fits, because every new worker imports this module, and nothing heavier.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamfit._base.keys import derive, generator
from streamfit.streams import Sequence, Source, SourceTraits, Ticket

SIZE, FEATURES = 8, 4
SCALE = 1024.0
"""Targets are numbers over this, so that they are small and still tell exactly which batch they are from."""


class Drawn(Sequence):
    """Draws each batch from its own generator; batch k has the target k / SCALE."""

    def __init__(self, count: int, seconds: float = 0.0) -> None:
        super().__init__()
        self.count, self.seconds = count, seconds

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if self.seconds:
            time.sleep(self.seconds)
        return self.rng(index).normal(size=(SIZE, FEATURES)), np.full((SIZE, 1), index / SCALE)


class DrawnSource(Source):
    """The same as a `Source`: writes tickets of its own."""

    traits = SourceTraits(in_workers=True)
    name = "drawn"

    def __init__(self, count: int) -> None:
        self.count = count

    def batches(self, data_epoch: int) -> int | None:
        """Count the batches."""
        return self.count

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets, every other pass backwards."""
        for number in range(start, self.count):
            ids = number if data_epoch % 2 == 0 else self.count - 1 - number
            yield Ticket(data_epoch, number, ids, derive(self.key(data_epoch), ids))

    def load(self, ticket: Ticket) -> Any:
        """Draw a batch."""
        x = generator(ticket.key).normal(size=(SIZE, FEATURES))
        return x, np.full((SIZE, 1), ticket.ids / SCALE), None


class Traced:
    """Loads a ticket as itself and the process that loaded it."""

    def load(self, ticket: int) -> tuple[int, int]:
        """Return the ticket and where it was loaded."""
        return ticket, os.getpid()


def mapped(count: int, folder: Path) -> tuple[Any, Any]:
    """Return x and y of `count` batches as memory maps of files in `folder`."""
    rows = np.arange(count * SIZE)
    np.save(folder / "x.npy", np.random.default_rng(2).normal(size=(len(rows), FEATURES)))
    np.save(folder / "y.npy", (rows / SCALE)[:, None])
    return np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy", mmap_mode="r")


def endless(count: int) -> Iterator[Any]:
    """Yield the batches of `Drawn`, without end."""
    sequence = Drawn(count)
    while True:
        yield from (sequence[index] for index in range(count))
