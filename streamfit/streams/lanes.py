"""Lanes: the three ways to get the batches of one pass, behind one face.

Inline: loaded in the caller's thread when asked for. Pulled: an iterator, run ahead by a thread of its own.
Pooled: loaded by workers. The batches and their order are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamfit.streams.batch import Batch
from streamfit.streams.puller import Puller
from streamfit.streams.source import Source
from streamfit.workers import Loaded, Pool, make_pool

Counts = tuple[int, int]


@dataclass(slots=True)
class Lane:
    """The batches of one pass, while it is being read.

    Args:
        take: Returns the next batch, or raises StopIteration. Its argument is how many batches may come
            joined into one; only some sources join them.
        close: Gives up the rest.
        counts: Returns how many loads were done again and how many workers were replaced so far.
    """

    take: Callable[[int], Batch]
    close: Callable[[], None]
    counts: Callable[[], Counts]


def open_lane(
    source: Source,
    pool: Pool | None,
    place: tuple[int, int],
    ahead: int = 0,
    total: int | None = None,
    tolerance: int | None = None,
) -> Lane:
    """Open the best lane for a source.

    Args:
        source: The source.
        pool: The workers; None for none.
        place: The pass and the number of the first batch.
        ahead: How many items of an iterator a thread may pull ahead; 0 pulls in the caller's thread.
        total: How many batches will be asked for at most; None when that is not known.
        tolerance: How many samples may be left out because they cannot be loaded; None where none was
            asked for.
    """
    skips = tolerance is not None
    if source.remote and (pool is not None or skips):
        return _pooled(source, pool or make_pool("inline", 0), place, tolerance)
    if source.pulled and ahead > 0:
        puller = Puller(source.read(*place), ahead, total)
        return Lane(_one_by_one(puller), puller.close, _no_counts)
    take = source.reader(*place)
    if take is not None:
        return Lane(take, _nothing, _no_counts)
    if skips:
        return _pooled(source, make_pool("inline", 0), place, tolerance)
    batches: Any = source.read(*place)
    return Lane(_one_by_one(batches), getattr(batches, "close", _nothing), _no_counts)


def _pooled(source: Source, pool: Pool, place: tuple[int, int], tolerance: int | None) -> Lane:
    run = pool.open(source, source.tickets(*place), describe=source.describe, tolerance=tolerance)

    def take(_: int) -> Batch:
        loaded = next(run)
        return _without_lost(source, loaded) if loaded.lost else source.batch(loaded.ticket, loaded.value)

    return Lane(take, run.close, lambda: (run.retried, run.restarts))


def _without_lost(source: Source, loaded: Loaded) -> Batch:
    ticket = loaded.ticket
    if loaded.value is None:
        batch = Batch(None, ids=ticket.ids, number=ticket.number, epoch=ticket.epoch)
    else:
        batch = source.batch(ticket, loaded.value)
    found = [lost.number if lost.ids is None else lost.ids for lost in loaded.lost]
    batch.lost = tuple(name for ids in found for name in np.ravel(ids).tolist())
    return batch


def _one_by_one(batches: Iterator[Batch]) -> Callable[[int], Batch]:
    return lambda most: next(batches)


def _no_counts() -> Counts:
    return 0, 0


def _nothing() -> None:
    pass
