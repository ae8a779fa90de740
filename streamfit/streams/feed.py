"""`Feed`: a source in use by a loop; it joins passes over the data into epochs.

Guarantees kept here: batches arrive by number, each once, and an epoch whose delivered batches are not the
planned ones ends in an exception; an unfinished pass goes on in the next epoch with its work in flight;
a pass is closed, and the source told, once, before anything of the next pass is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from streamfit._base.errors import DataError, StreamfitError
from streamfit.streams import rng_context
from streamfit.streams.batch import Batch
from streamfit.streams.batch_layout import BatchLayout
from streamfit.streams.data_changes import ChangeWatch
from streamfit.streams.data_identity import check_same
from streamfit.streams.pass_reader import PassReader, open_pass
from streamfit.streams.receipt import MOST_WAITING, Receipt, Tally
from streamfit.streams.replay import Delivered, delivered
from streamfit.streams.source import Source
from streamfit.workers import Pool

_MOVING = ("batches", "content")  # what may change from pass to pass, and is compared at its place


class Feed:
    """Deliver the batches of a source, epoch by epoch.

    Without `wrap` an epoch ends after `limit` batches or with its pass, whichever comes first: 10 batches
    and a limit of 9 give epochs of 9, 1, 9, 1. With `wrap` passes follow one another and an epoch has
    exactly `limit` batches.

    Args:
        source: What to read.
        pool: Workers that load; None loads in the caller's thread.
        wrap: Whether an epoch goes on into the next pass.
        seed: The seed for the receipts; the source's own when None.
        ahead: How many items of a generator a thread pulls ahead; 0 pulls in the caller's thread.
        total: How many batches will be asked for at most in all epochs; a generator is not read further.
        alike: Whether all batches must have the same structure, shapes and kinds of dtype.
        tolerance: How many samples may be left out, in all epochs, because they cannot be loaded; None
            where none was asked for.
        kept: Whether the consumer may keep a batch when it asks for the next one; then what a producer may
            overwrite is copied also where nothing is loaded ahead.
        audit: Whether the receipts have a checksum of contents; then no batches come joined.

    Attributes:
        exhausted: Whether the last `run` ended because the source has nothing more at all, or because its
            pass ended before `limit`.
        dry: Whether the source has nothing more at all.

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
        alike: bool = True,
        tolerance: int | None = None,
        kept: bool = False,
        audit: bool = False,
    ) -> None:
        self.source, self._pool, self._wrap, self._ahead, self._total = source, pool, wrap, ahead, total
        self._seed = source.seed if seed is None else seed
        self._check = None if source.batch_layout else BatchLayout(alike).__call__
        self._pass_reader: PassReader | None = None
        self._pass = self._position = 0
        self._length: int | None = None
        self._entered = False  # whether begin_pass was called for this pass
        self._epoch, self._earlier, self._past = -1, 0, (0, 0)
        self._tally: Tally | None = None
        self._interrupted: dict[str, Any] | None = None  # what was done before of a resumed epoch
        self._tolerance, self._lost, self._kept, self._audit = tolerance, 0, kept, audit
        self._watch: ChangeWatch | None = None  # of an object that is loaded ahead, over the end of an epoch
        self._identity: dict[str, Any] | None = None
        self.exhausted = self.dry = False

    # -- what a loop asks -----------------------------------------------------------------------

    def steps(self, limit: int | None = None) -> int | None:
        """Return how many batches the next `run` will deliver; None when that is not known."""
        if self._wrap and limit is not None:
            return limit
        epoch, number = self.place
        length = self._length if self._entered and not self._finished() else self.source.batches(epoch)
        left = None if length is None else length - number
        return limit if left is None else left if limit is None else min(left, limit)

    def run(
        self, limit: int | None = None, steps_per_execution: Callable[[], int] | None = None
    ) -> Iterator[Batch]:
        """Deliver the batches of the next epoch; goes on where the last one stopped.

        Args:
            limit: How many batches at most; None for one whole pass, or what is left of it.
            steps_per_execution: Asked before each delivery how many batches may come joined into one, which
                says so in its `steps`; None for one. Only whole batches are joined, and only by some sources.

        Raises:
            StreamfitError: Batches are missing.
            DataError: A batch is not like the others, or nothing is left of an epoch.
        """
        # An epoch that was interrupted between its last batch and its end has nothing left to deliver.
        over = self._interrupted is not None and self._finished() and (limit is None or not self._wrap)
        tally = self._begin_epoch(limit)
        check, name, waiting = self._check, self.source.name, tally.waiting
        steps_per_execution = None if self._audit else steps_per_execution
        wanted = sys.maxsize if limit is None else limit
        while (left := wanted - tally.done) > 0 and not (over or self.dry):
            pass_reader = self._pass_reader or self._open(tally)
            pass_reader.allow(None if limit is None else left)
            take, epoch, number, length = pass_reader.take, self._pass, self._position, self._length
            begins = not (number and tally.done)
            end = number + (left if length is None else min(left, length - number))
            stop = min(end, number + MOST_WAITING)
            watched = -1 if self._watch is None or end == length else number + left
            tally.catch_up()
            # Between two calls of `take` caches are cold, a batch went through them: whatever is touched
            # tells. So locals hold what stays while this pass reader is read, and the rest is looked after
            # outside.
            while number < stop and self._pass_reader is pass_reader:
                try:
                    batch = take(
                        1 if steps_per_execution is None else min(steps_per_execution(), end - number)
                    )
                except StopIteration:
                    over = not self._goes_on(tally)
                    break
                except BaseException:
                    self._drop_pass_reader()
                    raise
                if batch.number != number or batch.epoch != epoch:
                    raise self._out_of_order(batch)
                if begins:
                    tally.mark(epoch, number)
                    begins = False
                ids, steps = batch.ids, batch.steps
                number += steps
                if number == watched and self._watch is not None:
                    self._watch.look()
                if batch.lost and self._leave_out(tally, batch):
                    self._position = number
                    continue
                if check is not None:
                    check(batch, name)
                if tally.contents is not None:
                    tally.contents.add(batch)
                if type(ids) is int:
                    waiting.append(ids)
                else:
                    tally.add(ids, steps)
                self._position = number
                yield batch
                del batch  # a batch may live in a slot: hold none while the next one is awaited
                if self._tally is not tally:
                    raise StreamfitError("a newer run of this feed has begun; iterate over that one")
            if self._finished():
                self._complete()
                over = tally.done > 0 and (limit is None or not self._wrap)
        self.exhausted = self.dry or (limit is not None and tally.done < limit)
        if tally.planned is None or self.dry:
            tally.planned = tally.done
        self.receipt().verify()
        if tally.left_out and not tally.delivered:
            raise DataError(
                f"source {self.source.name!r}: nothing is left of epoch {self._epoch}: all of its "
                f"{tally.left_out} batches cannot be loaded ({', '.join(map(str, tally.skipped))})"
            )

    def take_back(self, batch: Batch, taken: int) -> None:
        """Take back those of joined batches that were not used; the next `run` begins with them.

        Args:
            batch: What was delivered last.
            taken: How many of the batches joined in it were used, at least 1.
        """
        rest = batch.steps - taken
        if rest and self._tally is not None:
            self._tally.take_back(batch.ids, batch.steps, taken)
            self._position -= rest
            self._drop_pass_reader()

    @property
    def done(self) -> int:
        """How many batches the last `run` has delivered or left out so far."""
        return 0 if self._tally is None else self._tally.done

    @property
    def lost(self) -> int:
        """How many samples were left out in all epochs."""
        return self._lost

    def attach(self, receipts: list[Receipt]) -> None:
        """Let receipts of an interrupted run replay their batches from the data of this feed."""
        for receipt in receipts:
            delivered.put(receipt, Delivered(self.source, []))

    def receipt(self) -> Receipt:
        """Return what the last `run` has delivered so far.

        Raises:
            StreamfitError: There was none.
        """
        if self._tally is None:
            raise StreamfitError("there is no receipt before the first run; call run() and take its batches")
        receipt = self._tally.receipt(self._counts(), self.source.filtered - self._filtered_before)
        delivered.put(receipt, Delivered(self.source, self._tally.checksums))
        return receipt

    def restart(self) -> None:
        """Begin again at the first batch of pass 0; an iterator, which cannot, goes on."""
        if self.source.rewinds:
            self._complete()
            self.seek(0, 0)

    def seek(self, epoch: int, number: int) -> None:
        """Go to batch `number` of pass `epoch`, to resume where another feed has stopped."""
        self._drop_pass_reader()
        self._pass, self._position, self._length, self._entered = epoch, number, None, False

    def state(self, *, within: bool) -> dict[str, Any]:
        """Return where the stream is: a small value for JSON from which `resume` goes on.

        Args:
            within: Whether the epoch under way goes on after a resume; else a new one begins.
        """
        epoch, number = self._pass, self._position  # also where the pass has ended and is not closed yet
        length = self._length if number else None
        tally = self._tally if within else None
        return {
            "seed": self.source.seed,
            "epoch": self._epoch,
            "pass": epoch,
            "number": number,
            "within": None if tally is None else tally.state() | {"filtered": self.receipt().filtered},
            "lost": self._lost,
            "source": self.source.state(),
            "belongs": {
                **self.identity(),
                "batches": self.source.batches(epoch) if length is None else length,
                "content": self.source.sample_digest(),
            },
        }

    def identity(self) -> dict[str, Any]:
        """Return what the source says of its data; asked once, as it may have to order a pass for it."""
        if self._identity is None:
            self._identity = self.source.identity()
        return self._identity

    def check_identity(self, state: dict[str, Any]) -> None:
        """Raise unless a place is one in these data, as far as that shows without touching them.

        Raises:
            DataError: It is not.
        """
        self._seed = self.source.seed = state["seed"]
        saved = {key: value for key, value in state["belongs"].items() if key not in _MOVING}
        check_same(self.source.name, saved, self.identity())

    def resume(self, state: dict[str, Any], *, replay: bool = False) -> None:
        """Go on where another feed of equal data was when its `state` was taken.

        Args:
            state: What `state` returned.
            replay: Whether a plain generator may be pulled and dropped up to there.

        Raises:
            DataError: The source cannot go there, or its data are not those of the place.
        """
        source, within = self.source, state["within"]
        self.check_identity(state)
        source.restore(state["source"], state["pass"], state["number"], replay=replay)
        saved = {key: state["belongs"][key] for key in _MOVING}
        now = {"batches": source.batches(state["pass"]), "content": source.sample_digest()}
        check_same(source.name, saved, now)
        self.seek(state["pass"], state["number"])
        self._entered = state["number"] > 0  # its hooks ran before the interruption
        self._length = source.batches(state["pass"]) if self._entered else None
        self._epoch = state["epoch"] - (within is not None)
        self._interrupted, self._lost = within, state["lost"]

    @property
    def place(self) -> tuple[int, int]:
        """The pass and the number of the batch that comes next."""
        return (self._pass + 1, 0) if self._finished() else (self._pass, self._position)

    def close(self) -> None:
        """Give up the work in flight. A pass that was delivered whole is closed, unless an exception is
        on its way."""
        if sys.exception() is None:
            self._complete()
        self._drop_pass_reader()
        rng_context.unbind(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._drop_pass_reader()
            rng_context.unbind(self)

    # -- passes -------------------------------------------------------------------------------------

    def _begin_epoch(self, limit: int | None) -> Tally:
        self._complete()
        self._earlier = self._delivered
        self._epoch += 1
        self.exhausted = False
        before = self._counts(), self._interrupted
        resumed = 0 if self._interrupted is None else self._interrupted.get("filtered", 0)
        self._filtered_before = self.source.filtered - resumed
        tally = self._tally = Tally(self._epoch, self._seed, limit, *before, audit=self._audit)
        self._interrupted = None
        if self._pass_reader is not None and self._watch is not None and self._watch.changed():
            self._drop_pass_reader()  # what was loaded ahead is out of date
        return tally

    def _open(self, tally: Tally) -> PassReader:
        source = self.source
        if not self._entered:
            source.begin_pass(self._pass)
            self._length = source.batches(self._pass)
            self._entered = True
        if self._length is not None and self._position > self._length:
            raise DataError(
                f"source {source.name!r}: the place to go on at is batch {self._position} of epoch "
                f"{self._pass}, which has {self._length} batches; resume with the data of the interrupted run"
            )
        if tally.planned is None:
            left = self.steps(None if tally.limit is None else tally.limit - tally.done)
            tally.planned = None if left is None else tally.done + left
        left = None if self._total is None else self._total - self._delivered
        # A resumed run may allow less than was left out before.
        tolerance = None if self._tolerance is None else max(0, self._tolerance - self._lost)
        place = self._pass, self._position
        self._begin_watch(tally)
        rng_context.bind(self, source.seed, self._pass, source.producer)
        self._pass_reader = open_pass(source, self._pool, place, self._ahead, left, tolerance, self._kept)
        return self._pass_reader

    def _begin_watch(self, tally: Tally) -> None:
        """Watch what is loaded ahead if the epoch ends within the pass: it may be changed before the next."""
        pool, length = self._pool, self._length
        left = None if tally.limit is None else tally.limit - tally.done
        within = left is not None and (length is None or self._position + left < length)
        if within and pool is not None and self.source.remote and self.source.may_change:
            self._watch = ChangeWatch(self.source.producer, shared=pool.kind == "threads")

    def _leave_out(self, tally: Tally, batch: Batch) -> bool:
        """Note what was left out of a batch; tell whether that is all of it."""
        self._lost += len(batch.lost)
        tally.skipped += batch.lost
        if batch.x is None:
            tally.leave_out()
        return batch.x is None

    def _goes_on(self, tally: Tally) -> bool:
        """Deal with the end of a pass reader; tell whether the epoch goes on in the next pass."""
        name, position, length = self.source.name, self._position, self._length
        if length is not None and position < length:
            self._drop_pass_reader()
            raise StreamfitError(
                f"source {name!r}: epoch {self._pass} ended after {position} of its {length} batches; "
                f"batches {position}..{length - 1} are missing"
            )
        if position == 0 and self.source.rewinds:
            self._drop_pass_reader()
            raise DataError(f"source {name!r}: epoch {self._pass} has no batches")
        self._length = position
        self._complete()
        self.dry = not self.source.rewinds
        goes_on = not self.dry and (tally.done == 0 or (self._wrap and tally.limit is not None))
        if length is None and not goes_on:
            tally.planned = tally.done  # nobody could know how many there would be
        return goes_on

    def _out_of_order(self, batch: Batch) -> StreamfitError:
        return StreamfitError(
            f"source {self.source.name!r}: batch {self._position} of epoch {self._pass} was due, but batch "
            f"{batch.number} of epoch {batch.epoch} came"
        )

    @property
    def _delivered(self) -> int:
        """How many batches all runs together have delivered or left out."""
        return self._earlier + (0 if self._tally is None else self._tally.added)

    def _finished(self) -> bool:
        return self._entered and self._position == self._length

    def _complete(self) -> None:
        """Close the pass if all of its batches were delivered."""
        if self._finished():
            done, self._pass = self._pass, self._pass + 1
            self._position, self._length, self._entered = 0, None, False
            self._drop_pass_reader()
            self.source.end_pass(done)

    def _counts(self) -> tuple[int, int]:
        """Return how many loads were done again and workers replaced, over all pass readers."""
        retried, restarts = self._pass_reader.counts() if self._pass_reader is not None else (0, 0)
        return self._past[0] + retried, self._past[1] + restarts

    def _drop_pass_reader(self) -> None:
        if self._pass_reader is not None:
            self._past = self._counts()
            if self._watch is not None:
                self._watch.close()
                self._watch = None
            pass_reader, self._pass_reader = self._pass_reader, None
            pass_reader.close()
