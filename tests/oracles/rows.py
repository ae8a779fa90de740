"""A source whose samples have ids, some of which cannot be loaded; worker processes can import it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from oracles.hangs import HANGS, first
from oracles.loaders import end

from streamfit.streams import Source, SourceTraits, Ticket


class TornError(Exception):
    """The exception of loading a bad sample."""


class Rows(Source):
    """Samples of 4 numbers each, in a new order in each pass.

    Args:
        samples: how many there are.
        size: samples in a batch.
        bad: what happens at which id: "raise", a way to end a process, or a way to hang.
        folder: where to count what has happened; needed with `times`.
        times: how often it happens at an id; None for always.
        without: ids that do not exist; batches are as they would be with them, and smaller.
    """

    traits = SourceTraits(in_workers=True)
    name = "rows"

    def __init__(
        self,
        samples: int = 40,
        size: int = 8,
        bad: Mapping[int, str] | None = None,
        folder: Path | None = None,
        times: int | None = None,
        without: Collection[int] = (),
    ) -> None:
        self.samples, self.size, self.bad = samples, size, dict(bad or {})
        self.folder, self.times, self.without = folder, times, sorted(without)

    def plan(self, data_epoch: int) -> list[np.ndarray]:
        """Return the ids of each batch of a pass."""
        order = np.random.default_rng([self.seed, data_epoch]).permutation(self.samples)
        cut = [order[first : first + self.size] for first in range(0, self.samples, self.size)]
        kept = [ids[~np.isin(ids, self.without)] for ids in cut]
        return [ids for ids in kept if len(ids)]

    def batches(self, data_epoch: int) -> int:
        return len(self.plan(data_epoch))

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        for number, ids in enumerate(self.plan(data_epoch)):
            if number >= start:
                yield Ticket(data_epoch, number, ids, self.key(data_epoch))

    def load(self, ticket: Ticket) -> Any:
        for sample in ticket.ids.tolist():
            how = self.bad.get(sample)
            if how is not None and self._happens(sample):
                _meet(how, sample)
        x = np.sin(np.outer(ticket.ids + 1.0, [1.0, 2.0, 3.0, 5.0]))
        return x, (x[:, 0] > 0).astype(np.int64), None

    def _happens(self, sample: int) -> bool:
        if self.times is None or self.folder is None:
            return True
        return first(self.folder, str(sample), self.times)


def _meet(how: str, sample: int) -> None:
    if how == "raise":
        raise TornError(f"sample {sample} is torn")
    if how in HANGS:
        HANGS[how]()
    end(how)
