"""`PassReader`: the batches of one pass, read in one of three ways.

Inline: loaded in the caller's thread on request. Pulled: a thread reads an iterator ahead. Pooled: workers
load them. The batches and their order are the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamfit.streams import buffer_reuse
from streamfit.streams.batch import Batch
from streamfit.streams.items import Value
from streamfit.streams.load_policy import check_skips
from streamfit.streams.ordered import OrderedSource, PoolRunner
from streamfit.streams.puller import Puller
from streamfit.streams.source import Source
from streamfit.streams.ticket import Ticket
from streamfit.workers import Loaded, Pool, make_pool

Counts = tuple[int, int]


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


def open_pass(
    source: Source,
    pool: Pool | None,
    place: tuple[int, int],
    ahead: int = 0,
    total: int | None = None,
    tolerance: int | None = None,
    kept: bool = False,
) -> PassReader:
    """Open the fastest pass reader for a source.

    Args:
        source: The source.
        pool: The workers; None for none.
        place: The pass and the number of the first batch.
        ahead: How many items of an iterator a thread may pull ahead; 0 pulls in the caller's thread.
        total: The largest number of batches that will be read; None if that is not known.
        tolerance: How many samples may be left out because they cannot be loaded; None raises the error of
            the first one.
        kept: Whether the consumer may keep a batch when it asks for the next one.
    """
    skips = tolerance is not None
    if skips:
        check_skips(source)
    if isinstance(source, OrderedSource):
        return _in_order(source, pool, place)
    if source.traits.in_workers and (pool is not None or skips):
        return _pooled(source, pool or make_pool("inline", 0), place, tolerance, kept)
    if source.traits.pulled_ahead and ahead > 0:
        return _pulled(source, place, ahead, total)
    take = source.reader(*place)
    if take is not None:
        return PassReader(take, _nothing, _no_counts, _allow_all)
    if skips:
        return _pooled(source, make_pool("inline", 0), place, tolerance, kept)
    if kept:
        pairs = source.pull(*place)
        return PassReader(lambda _: next(pairs)[1], getattr(pairs, "close", _nothing), _no_counts, _allow_all)
    batches = source.read(*place)
    return PassReader(lambda _: next(batches), getattr(batches, "close", _nothing), _no_counts, _allow_all)


def _pulled(source: Source, place: tuple[int, int], ahead: int, total: int | None) -> PassReader:
    def give_back(
        pairs: list[tuple[Ticket, Batch]], error: BaseException | None, thread: threading.Thread | None
    ) -> None:
        source.give_back([ticket for ticket, _ in pairs], error, thread)

    pairs = source.pull(*place, thread=True)
    puller = Puller(pairs, ahead, total, name=source.name, give_back=give_back)
    return PassReader(lambda _: next(puller)[1], puller.close, _no_counts, puller.allow)


def _in_order(source: OrderedSource, pool: Pool | None, place: tuple[int, int]) -> PassReader:
    runner = PoolRunner(make_pool("inline", 0) if pool is None else pool, source.name)
    batches = source.read_with(runner, *place)

    def allow(most: int | None) -> None:
        if most is None and source.stage.traits.endless:
            raise ValueError(
                f"source {source.name!r}: {source.stage.text()} has no end; pass steps_per_epoch, or write "
                ".repeat(count) or .take(count)"
            )

    return PassReader(lambda _: next(batches), batches.close, lambda: runner.counts(), allow)


class _Apart:
    """A loader of batches that their consumer may keep."""

    def __init__(self, source: Source) -> None:
        self.load, self.parts, self.merge = source.load_apart, source.parts, source.merge
        self.name = source.name


def _pooled(
    source: Source, pool: Pool, place: tuple[int, int], tolerance: int | None, kept: bool
) -> PassReader:
    buffer_reuse.begin(source.producer)
    loader = _Apart(source) if kept and pool.kind == "inline" else source
    run = pool.open(loader, source.tickets(*place), describe=source.describe, tolerance=tolerance)

    def take(_: int) -> Batch:
        loaded = next(run)
        return _without_lost(source, loaded) if loaded.lost else source.batch(loaded.ticket, loaded.value)

    return PassReader(take, run.close, lambda: (run.retried, run.restarts), _allow_all)


def _without_lost(source: Source, loaded: Loaded[Ticket, Value]) -> Batch:
    ticket = loaded.ticket
    if loaded.value is None:
        batch = Batch(None, ids=ticket.ids, number=ticket.number, data_epoch=ticket.data_epoch)
    else:
        batch = source.batch(ticket, loaded.value)
    found = [lost.number if lost.ids is None else lost.ids for lost in loaded.lost]
    batch.lost = tuple(name for ids in found for name in np.ravel(ids).tolist())
    return batch


def _no_counts() -> Counts:
    return 0, 0


def _nothing() -> None:
    pass


def _allow_all(_: int | None) -> None:
    pass
