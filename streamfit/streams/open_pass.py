"""`open_pass`: read one pass of a source in the fastest of its ways.

Inline: loaded in the caller's thread on request. Pulled: a thread reads an iterator ahead. Pooled: workers
load them. The batches and their order are the same.
"""

from __future__ import annotations

import threading

import numpy as np

from streamfit.streams import buffer_reuse
from streamfit.streams.batch import Batch
from streamfit.streams.items import Value
from streamfit.streams.load_policy import check_skips
from streamfit.streams.pass_reader import Counts, PassReader, allow_all
from streamfit.streams.puller import Puller
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.ticket import Ticket
from streamfit.workers import Loaded, Pool, make_pool


def open_pass(
    reader: SourceReader,
    pool: Pool | None,
    place: tuple[int, int],
    ahead: int = 0,
    total: int | None = None,
    tolerance: int | None = None,
    kept: bool = False,
) -> PassReader:
    """Open the fastest pass reader for a source.

    Args:
        reader: What reads the source.
        pool: The workers; None for none.
        place: The pass and the number of the first batch.
        ahead: How many items of an iterator a thread may pull ahead; 0 pulls in the caller's thread.
        total: The largest number of batches that will be read; None if that is not known.
        tolerance: How many samples may be left out because they cannot be loaded; None raises the error of
            the first one.
        kept: Whether the consumer may keep a batch when it asks for the next one.
    """
    source, skips = reader.source, tolerance is not None
    if skips:
        check_skips(source)
    own = None if skips else reader.in_pool(pool, place)  # else each batch is loaded alone
    if own is not None:
        return own
    if source.traits.in_workers and (pool is not None or skips):
        return _pooled(reader, pool or make_pool("inline", 0), place, tolerance, kept)
    if source.traits.pulled_ahead and ahead > 0:
        return _pulled(reader, place, ahead, total)
    take = reader.joined(*place)
    if take is not None:
        return PassReader(take, _nothing, _no_counts, allow_all)
    if skips:
        return _pooled(reader, make_pool("inline", 0), place, tolerance, kept)
    if kept:
        pairs = reader.pull(*place)
        return PassReader(lambda _: next(pairs)[1], getattr(pairs, "close", _nothing), _no_counts, allow_all)
    batches = reader.read(*place)
    return PassReader(lambda _: next(batches), getattr(batches, "close", _nothing), _no_counts, allow_all)


def _pulled(reader: SourceReader, place: tuple[int, int], ahead: int, total: int | None) -> PassReader:
    def give_back(
        pairs: list[tuple[Ticket, Batch]], error: BaseException | None, thread: threading.Thread | None
    ) -> None:
        reader.give_back([ticket for ticket, _ in pairs], error, thread)

    pairs = reader.pull(*place, thread=True)
    puller = Puller(pairs, ahead, total, name=reader.name, give_back=give_back)
    return PassReader(lambda _: next(puller)[1], puller.close, _no_counts, puller.allow)


class _Apart:
    """A loader of batches that their consumer may keep."""

    def __init__(self, reader: SourceReader) -> None:
        self.load, self.parts, self.merge = reader.load_apart, reader.parts, reader.merge
        self.name = reader.name


def _pooled(
    reader: SourceReader, pool: Pool, place: tuple[int, int], tolerance: int | None, kept: bool
) -> PassReader:
    source = reader.source
    buffer_reuse.begin(source.producer)
    loader = _Apart(reader) if kept and pool.kind == "inline" else reader
    run = pool.open(loader, source.tickets(*place), describe=source.describe, tolerance=tolerance)

    def take(_: int) -> Batch:
        loaded = next(run)
        return _without_lost(reader, loaded) if loaded.lost else reader.batch(loaded.ticket, loaded.value)

    return PassReader(take, run.close, lambda: (run.retried, run.restarts), allow_all)


def _without_lost(reader: SourceReader, loaded: Loaded[Ticket, Value]) -> Batch:
    ticket = loaded.ticket
    if loaded.value is None:
        batch = Batch(None, ids=ticket.ids, number=ticket.number, data_epoch=ticket.data_epoch)
    else:
        batch = reader.batch(ticket, loaded.value)
    found = [lost.number if lost.ids is None else lost.ids for lost in loaded.lost]
    batch.lost = tuple(name for ids in found for name in np.ravel(ids).tolist())
    return batch


def _no_counts() -> Counts:
    return 0, 0


def _nothing() -> None:
    pass
