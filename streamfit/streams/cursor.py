"""`Cursor`: the place of a feed (pass, batch, epoch) and its counts."""

from __future__ import annotations

from typing import TypedDict

from streamfit.streams.pass_reader import PassReader
from streamfit.streams.receipt import EpochState, Tally

_Pass = TypedDict("_Pass", {"pass": int})  # a key that the syntax of classes does not take


class CursorState(_Pass):
    """The place of a cursor, a value for JSON."""

    epoch: int
    number: int
    within: EpochState | None


class Cursor:
    """Hold the place of a feed.

    Attributes:
        data_epoch: Number of the pass.
        number: Number of the next batch in that pass.
        length: How many batches the pass has; None when that is not known.
        begun: Whether `Source.begin_pass` was called for the pass.
        reader: The open pass reader.
        epoch: Number of the epoch; -1 before the first one.
        tally: The counts of that epoch.
        interrupted: The state of the next epoch, if an interrupted run has begun it.
        filtered_before: How many samples the source had filtered out before the epoch.

    Example:
        >>> cursor = Cursor()
        >>> cursor.begin_pass(2)
        >>> cursor.number += 2
        >>> cursor.finished, cursor.place
        (True, (1, 0))
    """

    # The loop of `Feed.run` uses these for every batch: slots keep them close together in memory.
    __slots__ = (
        *("reader", "tally", "number", "data_epoch", "length", "begun"),
        *("epoch", "interrupted", "filtered_before", "_earlier", "_counts"),
    )

    def __init__(self) -> None:
        self.data_epoch = self.number = 0
        self.length: int | None = None
        self.begun = False
        self.reader: PassReader | None = None
        self.epoch = -1
        self.tally: Tally | None = None
        self.interrupted: EpochState | None = None
        self.filtered_before = 0
        self._earlier = 0  # batches of the epochs before this one
        self._counts = (0, 0)  # of the pass readers before this one

    # -- the pass -----------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether every batch of the pass was delivered, and the pass is not closed yet."""
        return self.begun and self.number == self.length

    @property
    def place(self) -> tuple[int, int]:
        """The pass and the number of the batch that comes next."""
        return (self.data_epoch + 1, 0) if self.finished else (self.data_epoch, self.number)

    def go_to(self, data_epoch: int, number: int) -> None:
        """Go to batch `number` of a pass."""
        self.data_epoch, self.number, self.length, self.begun = data_epoch, number, None, False

    def begin_pass(self, length: int | None) -> None:
        """Record that the source has begun the pass, and the length of the pass."""
        self.length, self.begun = length, True

    def next_pass(self) -> int:
        """Go to the first batch of the next pass; return the number of the finished one."""
        done = self.data_epoch
        self.go_to(done + 1, 0)
        return done

    # -- the epoch ----------------------------------------------------------------------------------

    def begin_epoch(self, seed: int, limit: int | None, *, audit: bool, filtered: int = 0) -> Tally:
        """Begin the next epoch, or continue an interrupted one; return its tally.

        Args:
            seed: The seed of the stream.
            limit: How many batches the epoch may have at most.
            audit: Whether to keep a checksum of contents.
            filtered: How many samples the source has filtered out so far.
        """
        self._earlier = self.done_in_all
        self.epoch += 1
        resumed, self.interrupted = self.interrupted, None
        self.filtered_before = filtered - (0 if resumed is None else resumed.get("filtered", 0))
        self.tally = Tally(self.epoch, seed, limit, self.counts(), resumed, audit)
        return self.tally

    @property
    def done(self) -> int:
        """How many batches of the epoch were delivered or left out."""
        return 0 if self.tally is None else self.tally.done

    @property
    def done_in_all(self) -> int:
        """How many batches of all epochs this feed has delivered or left out."""
        return self._earlier + (0 if self.tally is None else self.tally.added)

    def counts(self) -> tuple[int, int]:
        """Return how many loads were repeated and workers replaced, over all pass readers."""
        retried, restarts = self._counts
        if self.reader is not None:
            more = self.reader.counts()
            retried, restarts = retried + more[0], restarts + more[1]
        return retried, restarts

    def release_reader(self) -> PassReader | None:
        """Detach and return the open pass reader; its counts stay."""
        self._counts = self.counts()
        reader, self.reader = self.reader, None
        return reader

    # -- saved and restored -------------------------------------------------------------------------

    def state(self, *, within: bool, filtered: int = 0) -> CursorState:
        """Return the place, a value for JSON.

        Args:
            within: Whether the current epoch continues after a resume; else a new one begins.
            filtered: How many samples the source has filtered out so far.
        """
        epoch: EpochState | None = None
        if within and self.tally is not None:
            epoch = {**self.tally.state(), "filtered": filtered - self.filtered_before}
        return {
            "epoch": self.epoch,
            "pass": self.data_epoch,  # also where the pass has ended and is not closed yet
            "number": self.number,
            "within": epoch,
        }

    def resume(self, state: CursorState, length: int | None) -> None:
        """Go to a saved place.

        Args:
            state: The result of `state`.
            length: How many batches the pass has.
        """
        self.go_to(state["pass"], state["number"])
        if self.number:  # `Source.begin_pass` was called before the interruption
            self.begin_pass(length)
        self.interrupted = state["within"]
        self.epoch = state["epoch"] - (self.interrupted is not None)
