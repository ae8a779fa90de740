"""`Feed`: a source in use by a loop; it joins passes over the data into epochs.

Guarantees kept here: batches arrive by number, each once, and an epoch whose delivered batches are not the
planned ones ends in an exception; an unfinished pass goes on in the next epoch with its work in flight;
a pass is closed once, and `Source.end_pass` called, before any batch of the next pass is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np

from streamfit._base.errors import DataError, StreamfitError
from streamfit.streams import rng_context
from streamfit.streams.batch import Batch
from streamfit.streams.batch_layout import Alike, BatchLayout
from streamfit.streams.cursor import Cursor
from streamfit.streams.data_changes import ChangeWatch
from streamfit.streams.feed_state import FeedState, check_identity, place_of, restore
from streamfit.streams.open_pass import open_pass
from streamfit.streams.pass_reader import PassReader
from streamfit.streams.receipt import MOST_WAITING, Receipt, Tally
from streamfit.streams.replay import Delivered, delivered
from streamfit.streams.source import Identity, Source
from streamfit.streams.source_reader import SourceReader
from streamfit.workers import Pool


class Feed:
    """Deliver the batches of a source, epoch by epoch.

    Without `wrap` an epoch ends after `limit` batches or with its pass, whichever comes first: 10 batches
    and a limit of 9 give epochs of 9, 1, 9, 1. With `wrap` passes follow one another and an epoch has
    exactly `limit` batches.

    Args:
        source: The source.
        pool: The workers; None loads in the caller's thread.
        wrap: Whether an epoch continues in the next pass.
        seed: The seed for the receipts; the source's own when None.
        ahead: How many items of a generator a thread pulls ahead; 0 pulls in the caller's thread.
        total: The largest number of batches of all epochs together; a generator is not read further.
        alike: What all batches must have in common beside structure and kinds of dtype.
        tolerance: How many samples may be left out, in all epochs, because they cannot be loaded; None
            raises the error of the first one.
        kept: Whether the consumer may keep a batch when it asks for the next one; then arrays that their
            producer may overwrite are copied even if no batch is loaded ahead.
        audit: Whether the receipts have a checksum of contents; then batches are never joined.
        reader: What reads the source; feeds that share one send the source to worker processes once.

    Attributes:
        exhausted: Whether the last `run` ended because the source has no more batches, or because its pass
            ended before `limit`.
        dry: Whether the source has no more batches.

    Example:
        >>> import numpy as np
        >>> from streamfit.streams.arrays import ArraySource
        >>> feed = Feed(ArraySource(np.arange(10), batch_size=2, shuffle=False))
        >>> [[batch.x.tolist() for batch in feed.run(3)] for _ in range(2)]
        [[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9]]]
        >>> feed.exhausted, feed.receipt().delivered
        (True, 2)
    """

    def __init__(
        self,
        source: Source,
        pool: Pool | None = None,
        *,
        wrap: bool = False,
        seed: int | None = None,
        ahead: int = 0,
        total: int | None = None,
        alike: Alike = "shapes",
        tolerance: int | None = None,
        kept: bool = False,
        audit: bool = False,
        reader: SourceReader | None = None,
    ) -> None:
        self._reader = source.make_reader() if reader is None else reader
        self.source, self._pool, self._wrap, self._ahead, self._total = source, pool, wrap, ahead, total
        self._seed = source.seed if seed is None else seed
        self._check = None if source.traits.one_layout else BatchLayout(alike).__call__
        self._tolerance, self._lost, self._kept, self._audit = tolerance, 0, kept, audit
        self._cursor = Cursor()
        self._opened = False
        self._watch: ChangeWatch | None = None  # of an object that is loaded ahead, over the end of an epoch
        self._identity: Identity | None = None
        self.exhausted = self.dry = False

    # -- for the loop -------------------------------------------------------------------------------

    def steps(self, limit: int | None = None) -> int | None:
        """Return how many batches the next `run` will deliver; None when that is not known."""
        if self._wrap and limit is not None:
            return limit
        cursor = self._cursor
        data_epoch, number = cursor.place
        in_pass = cursor.begun and not cursor.finished
        length = cursor.length if in_pass else self.source.batches(data_epoch)
        left = None if length is None else length - number
        return limit if left is None else left if limit is None else min(left, limit)

    def run(
        self, limit: int | None = None, steps_per_execution: Callable[[], int] | None = None
    ) -> Iterator[Batch]:
        """Deliver the batches of the next epoch, which begins where the last one stopped.

        Args:
            limit: How many batches at most; None for one whole pass, or the rest of it.
            steps_per_execution: Called before each delivery; returns how many batches may come joined into
                one, whose `steps` then says how many it holds. None for one batch at a time. Only some
                sources join batches, and only whole ones.

        Raises:
            StreamfitError: Batches are missing.
            DataError: A batch differs from the others, or all batches of the epoch were left out.
        """
        cursor = self._cursor
        # An epoch that was interrupted between its last batch and its end has nothing left to deliver.
        over = cursor.interrupted is not None and cursor.finished and self._ends_with_pass(limit)
        tally = self._begin_epoch(limit)
        check, name, waiting, contents = self._check, self.source.name, tally.waiting, tally.contents
        steps_per_execution = None if self._audit else steps_per_execution
        while not (over or self.dry or tally.left == 0):
            reader = cursor.reader or self._open(tally)
            take, data_epoch, number = reader.take, cursor.data_epoch, cursor.number
            begins, end, stop, watched = self._next_stretch(tally, reader)
            # Between two calls of `take` caches are cold: a batch went through them, so whatever is touched
            # costs. Locals hold the values that stay while this reader is read; all other work is outside.
            while number < stop and cursor.reader is reader:
                try:
                    batch = take(
                        1 if steps_per_execution is None else min(steps_per_execution(), end - number)
                    )
                except StopIteration:
                    over = not self._goes_on(tally)
                    break
                except BaseException:
                    self._drop_reader()
                    raise
                if batch.number != number or batch.data_epoch != data_epoch:
                    raise self._out_of_order(batch)
                if begins:
                    tally.mark(data_epoch, number)
                    begins = False
                ids, steps = batch.ids, batch.steps
                number += steps
                if number == watched and self._watch is not None:
                    self._watch.look()
                if batch.lost and self._leave_out(tally, batch):
                    cursor.number = number
                    continue
                if check is not None:
                    check(batch, name)
                if contents is not None:
                    contents.add(batch)
                if type(ids) is int:
                    waiting.append(ids)
                else:
                    tally.add(ids, steps)
                cursor.number = number
                yield batch
                del batch  # a batch may occupy a slot: keep none while waiting for the next
                if cursor.tally is not tally:
                    raise StreamfitError("a newer run of this feed has begun; iterate over that one")
            if cursor.finished:
                self._complete()
                over = tally.done > 0 and self._ends_with_pass(limit)
        self._end_epoch(tally)

    def take_back(self, batch: Batch, taken: int) -> None:
        """Take back the unused ones of joined batches; the next `run` begins with them.

        Args:
            batch: The batch that was delivered last.
            taken: How many of the batches joined in it were used, at least 1.
        """
        cursor, rest = self._cursor, batch.steps - taken
        if rest and cursor.tally is not None:
            assert isinstance(batch.ids, np.ndarray)  # only batches of arrays come joined
            cursor.tally.take_back(batch.ids, batch.steps, taken)
            cursor.number -= rest
            self._drop_reader()

    @property
    def done(self) -> int:
        """How many batches the last `run` has delivered or left out so far."""
        return self._cursor.done

    @property
    def delivered(self) -> int:
        """How many batches the last `run` has delivered so far, as `receipt` tells with all the rest."""
        return 0 if self._cursor.tally is None else self._cursor.tally.delivered

    @property
    def lost(self) -> int:
        """How many samples were left out in all epochs."""
        return self._lost

    def attach(self, receipts: list[Receipt]) -> None:
        """Let receipts of an interrupted run replay their batches from the data of this feed."""
        for receipt in receipts:
            delivered.put(receipt, Delivered(self.source, []))

    def receipt(self) -> Receipt:
        """Return the receipt of the last `run`, up to now.

        Raises:
            StreamfitError: There was no run yet.
        """
        cursor = self._cursor
        if cursor.tally is None:
            raise StreamfitError("there is no receipt before the first run; call run() and take its batches")
        filtered = self.source.filtered - cursor.filtered_before
        receipt = cursor.tally.receipt(cursor.counts(), filtered, self.source.samplings)
        delivered.put(receipt, Delivered(self.source, cursor.tally.checksums))
        return receipt

    def restart(self) -> None:
        """Begin again at the first batch of pass 0; an iterator, which cannot begin again, continues."""
        if self.source.traits.rewinds:
            self._complete()
            self.seek(0, 0)

    def seek(self, data_epoch: int, number: int) -> None:
        """Go to batch `number` of pass `data_epoch`, to resume where another feed has stopped."""
        self._drop_reader()
        self._cursor.go_to(data_epoch, number)

    def state(self, *, within: bool) -> FeedState:
        """Return the place of the stream: a small value for JSON from which `resume` continues.

        Args:
            within: Whether the current epoch continues after a resume; else a new one begins.
        """
        return place_of(self.source, self._cursor, self._lost, self.identity(), within=within)

    def identity(self) -> Identity:
        """Return the identity of the source's data; computed once, as the source may have to order a pass."""
        if self._identity is None:
            self._identity = self.source.identity()
        return self._identity

    def check_identity(self, state: FeedState) -> None:
        """Check that a saved place belongs to these data, without reading them.

        Raises:
            DataError: It belongs to other data.
        """
        self._seed = state["seed"]
        self.source.reseed(self._seed)
        check_identity(self.source, state, self.identity())

    def resume(self, state: FeedState, *, replay: bool = False) -> None:
        """Continue at the place where another feed of equal data saved its `state`.

        Args:
            state: The result of `state`.
            replay: Whether a plain generator may be pulled up to the place, and its items dropped.

        Raises:
            DataError: The source cannot go to the place, or the place belongs to other data.
        """
        self.check_identity(state)
        length = restore(self.source, state, replay=replay)
        self._drop_reader()
        self._cursor.resume(state, length)
        self._lost = state["lost"]

    @property
    def place(self) -> tuple[int, int]:
        """The pass and the number of the batch that comes next."""
        return self._cursor.place

    def close(self) -> None:
        """Stop the work in flight. Close a pass that was delivered completely, unless an exception is being
        raised."""
        if sys.exception() is None:
            self._complete()
        self._release()

    def _release(self) -> None:
        self._drop_reader()
        rng_context.unbind(self)
        if self._opened:
            self._opened = False
            self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._release()

    # -- epochs -------------------------------------------------------------------------------------

    def _ends_with_pass(self, limit: int | None) -> bool:
        """Return whether an epoch with this limit is over when its pass is."""
        return limit is None or not self._wrap

    def _begin_epoch(self, limit: int | None) -> Tally:
        self._complete()
        self.exhausted = False
        tally = self._cursor.begin_epoch(self._seed, limit, audit=self._audit, filtered=self.source.filtered)
        if self._cursor.reader is not None and self._watch is not None and self._watch.changed():
            self._drop_reader()  # batches loaded ahead are out of date
        return tally

    def _next_stretch(self, tally: Tally, reader: PassReader) -> tuple[bool, int, int, int]:
        """Prepare for the batches up to the end of the epoch or pass, or for as many as a tally takes in.

        Returns:
            Whether the stretch begins a pass or an epoch; the number of the batch after the last one of the
            epoch or pass; that of the batch after the stretch; that of the batch before which the object
            behind the data must be looked at, or -1.
        """
        cursor, left = self._cursor, tally.left
        number, length = cursor.number, cursor.length
        reader.allow(left)
        wanted = sys.maxsize if left is None else left
        end = number + (wanted if length is None else min(wanted, length - number))
        watched = -1 if self._watch is None or end == length else number + wanted
        begins = not (number and tally.done)
        tally.catch_up()
        return begins, end, min(end, number + MOST_WAITING), watched

    def _end_epoch(self, tally: Tally) -> None:
        """Check that the epoch is complete, and that something was delivered in it."""
        self.exhausted = self.dry or (tally.limit is not None and tally.done < tally.limit)
        if tally.planned is None or self.dry:
            tally.planned = tally.done
        tally.receipt(self._cursor.counts()).verify()
        if tally.left_out and not tally.delivered:
            raise DataError(
                f"source {self.source.name!r}: nothing is left of epoch {self._cursor.epoch}: all of its "
                f"{tally.left_out} batches cannot be loaded ({', '.join(map(str, tally.skipped))})"
            )

    def _leave_out(self, tally: Tally, batch: Batch) -> bool:
        """Count the samples that were left out of a batch; return whether that is all of it."""
        self._lost += len(batch.lost)
        tally.skipped += batch.lost
        if batch.x is None:
            tally.leave_out()
        return batch.x is None

    # -- passes -------------------------------------------------------------------------------------

    def _open(self, tally: Tally) -> PassReader:
        source, cursor = self.source, self._cursor
        if not self._opened and (self._pool is None or self._pool.kind != "processes"):
            self._opened = True  # first, so that `close` follows also where `open` fails half way
            source.open()
        if not cursor.begun:
            source.begin_pass(cursor.data_epoch)
            cursor.begin_pass(source.batches(cursor.data_epoch))
        data_epoch, number = place = cursor.data_epoch, cursor.number
        if cursor.length is not None and number > cursor.length:
            raise DataError(
                f"source {source.name!r}: the place to go on at is batch {number} of pass {data_epoch}, "
                f"which has {cursor.length} batches; resume with the data of the interrupted run"
            )
        if tally.planned is None:
            left = self.steps(tally.left)
            tally.planned = None if left is None else tally.done + left
        left = None if self._total is None else self._total - cursor.done_in_all
        # A resumed run may allow less than was left out before.
        tolerance = None if self._tolerance is None else max(0, self._tolerance - self._lost)
        self._begin_watch(tally)
        rng_context.bind(self, source.seed, data_epoch, source.producer)
        cursor.reader = open_pass(self._reader, self._pool, place, self._ahead, left, tolerance, self._kept)
        return cursor.reader

    def _begin_watch(self, tally: Tally) -> None:
        """Watch what is loaded ahead if the epoch ends within the pass: it may be changed before the next."""
        pool, length, left = self._pool, self._cursor.length, tally.left
        within = left is not None and (length is None or self._cursor.number + left < length)
        if within and pool is not None and self.source.traits.in_workers and self.source.traits.may_change:
            self._watch = ChangeWatch(self.source.producer, shared=pool.kind == "threads")

    def _goes_on(self, tally: Tally) -> bool:
        """Deal with the end of a pass reader; return whether the epoch goes on in the next pass."""
        cursor, name = self._cursor, self.source.name
        number, length = cursor.number, cursor.length
        if length is not None and number < length:
            self._drop_reader()
            raise StreamfitError(
                f"source {name!r}: pass {cursor.data_epoch} ended after {number} of its {length} batches; "
                f"batches {number}..{length - 1} are missing"
            )
        if number == 0 and self.source.traits.rewinds:
            self._drop_reader()
            raise DataError(f"source {name!r}: pass {cursor.data_epoch} has no batches")
        cursor.length = number
        self._complete()
        self.dry = not self.source.traits.rewinds
        goes_on = not self.dry and (tally.done == 0 or not self._ends_with_pass(tally.limit))
        if length is None and not goes_on:
            tally.planned = tally.done  # nobody could know how many there would be
        return goes_on

    def _out_of_order(self, batch: Batch) -> StreamfitError:
        cursor = self._cursor
        return StreamfitError(
            f"source {self.source.name!r}: batch {cursor.number} of pass {cursor.data_epoch} was due, but "
            f"batch {batch.number} of pass {batch.data_epoch} came"
        )

    def _complete(self) -> None:
        """Close the pass if all of its batches were delivered."""
        if self._cursor.finished:
            done = self._cursor.next_pass()
            self._drop_reader()
            self.source.end_pass(done)

    def _drop_reader(self) -> None:
        """Close the pass reader, if one is open, and give up what it has loaded ahead."""
        reader = self._cursor.release_reader()
        if reader is not None:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
            reader.close()
