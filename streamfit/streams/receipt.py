"""`Receipt`: proof of the batches that an epoch has delivered.

Guarantee kept here: an epoch whose delivered batches are not the planned ones ends in an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from streamfit._base.errors import StreamfitError
from streamfit._base.specs import Array
from streamfit.streams.audit import Contents
from streamfit.streams.batch import Batch
from streamfit.streams.digest import Digest
from streamfit.streams.replay import delivered
from streamfit.streams.sampling import Sampling

MOST_WAITING = 256
"""How many ids a tally collects before it updates its digest."""


class EpochState(TypedDict, total=False):
    """The counts of an epoch, a value for JSON; older versions wrote fewer of them."""

    delivered: int
    digest: int
    left_out: int
    skipped: Sequence[object]
    contents: int | None
    passes: list[list[int]]
    filtered: int


@dataclass(slots=True, weakref_slot=True)
class Receipt:
    """Record the batches that were delivered in an epoch.

    Args:
        epoch: Number of the epoch.
        planned: How many batches were due.
        delivered: How many batches reached the training step.
        retried: How many loads were repeated because a worker died.
        restarts: How many workers were replaced.
        digest: 64-bit digest, in hexadecimal, of the ids of the delivered samples in their order; equal
            digests mean equal data in equal order.
        seed: The seed of the stream.
        skipped: Ids of the samples that were left out because they cannot be loaded; of a `Sequence`, the
            indices of its batches.
        left_out: How many batches were left out completely.
        contents: Checksum, in hexadecimal, of the delivered arrays, if an audit was requested: equal
            checksums mean that the model was trained on the same bytes. None without an audit, also if an
            interrupted run had none.
        filtered: How many samples the filters of a pipeline left out, beside those that were delivered.
        passes: For each stretch of batches of one pass: its first number in the epoch, the pass, and its
            first number there.
        sampling: For each pass of the epoch what `sample` and `balance` drew in it: where there is an entry,
            the pass had every sample once only if `Sampling.once` is True. Empty without these stages.

    Example:
        >>> print(Receipt(0, 10, 10, 1, 1, "00c0ffee", 7))
        epoch 0: 10 of 10 batches delivered, 1 loaded again, 1 workers replaced, order 00c0ffee, seed 7
    """

    epoch: int
    planned: int
    delivered: int
    retried: int
    restarts: int
    digest: str
    seed: int
    skipped: list[object] = field(default_factory=list)
    left_out: int = 0
    contents: str | None = None
    filtered: int = 0
    passes: list[list[int]] = field(default_factory=list)
    sampling: list[Sampling] = field(default_factory=list)

    def __post_init__(self) -> None:
        # JSON has made dictionaries of them.
        self.sampling = [Sampling(**each) if isinstance(each, dict) else each for each in self.sampling]

    def batch(self, number: int) -> Batch:
        """Load a batch of this epoch again: its ids, its pass, and the arrays that the step saw.

        Random draws are keyed by seed, pass and sample, so loading again draws the same. A `Sequence` that
        changes its own data (in `on_epoch_end`, for example) gives what it holds now; with ``audit=True``
        that is an error.

        Args:
            number: Number of the batch in the epoch, from 0.

        Raises:
            IndexError: The epoch has no such batch.
            DataError: The data cannot be read again, or (with an audit) have changed since.
            StreamfitError: The receipt is of another process, whose data are not at hand.

        Example:
            >>> import numpy as np
            >>> from streamfit.streams.arrays import ArraySource
            >>> from streamfit.streams.feed import Feed
            >>> with Feed(ArraySource(np.arange(10.0), batch_size=4, seed=1)) as feed:
            ...     seen = [batch.x for batch in feed.run()]
            >>> bool((feed.receipt().batch(1).x == seen[1]).all())
            True
        """
        if not 0 <= number < self.delivered + self.left_out:
            raise IndexError(f"epoch {self.epoch} has {self.delivered + self.left_out} batches, not {number}")
        found = delivered.get(self)
        if found is None:
            raise StreamfitError(
                f"the receipt of epoch {self.epoch} does not know its data, since it was read from a file; "
                "the receipts in the history of a (resumed) fit do"
            )
        return found.load(number, self.passes, self.skipped)

    def verify(self) -> None:
        """Check that everything planned was delivered.

        Raises:
            StreamfitError: Delivered and planned batches differ.
        """
        done = self.delivered + self.left_out
        if done != self.planned:
            raise StreamfitError(
                f"epoch {self.epoch} delivered {self.delivered} of {self.planned} planned batches; "
                f"batches {done}..{self.planned - 1} of the epoch are missing"
            )

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}: {self.delivered} of {self.planned} batches delivered, "
            f"{self.retried} loaded again, {self.restarts} workers replaced, order {self.digest}, "
            f"seed {self.seed}"
            + (f", contents {self.contents}" if self.contents else "")
            + (f", {self.filtered} samples filtered out" if self.filtered else "")
            + (f", left out: {', '.join(map(str, self.skipped))}" if self.skipped else "")
            + "".join(f"; {each}" for each in self.sampling)
        )


class Tally:
    """Count the batches of the current epoch.

    Args:
        epoch: Number of the epoch.
        seed: The seed of the stream.
        limit: How many batches the epoch may have at most.
        before: How many loads were repeated and workers replaced before this epoch.
        resumed: The state that an interrupted run saved of the epoch.
        audit: Whether to keep a checksum of contents.

    Attributes:
        contents: The checksum; None if there is none for the whole epoch.
        left_out: How many batches were left out completely.
        waiting: Ids of single batches that were delivered and are not in the digest yet. Each batch of a
            `Sequence` has a whole number as its id; appending it here counts the batch.
    """

    def __init__(
        self,
        epoch: int,
        seed: int,
        limit: int | None,
        before: tuple[int, int],
        resumed: EpochState | None = None,
        audit: bool = False,
    ) -> None:
        state = resumed or EpochState()
        self.limit = limit
        self.planned: int | None = None
        self.left_out = state.get("left_out", 0)
        self._begun = self._counted = state.get("delivered", 0) + self.left_out
        self.skipped: list[object] = list(state.get("skipped", ()))
        self._digest = Digest(state.get("digest"))
        self.waiting: list[int] = []
        known = state.get("contents", None if self._begun else 0)
        self.contents = Contents(known) if audit and known is not None else None
        self._epoch, self._seed, self._before = epoch, seed, before
        self.passes: list[list[int]] = [list(each) for each in state.get("passes", ())]
        self._before_joined = 0

    @property
    def done(self) -> int:
        """How many batches of the epoch were delivered or left out."""
        return self._counted + len(self.waiting)

    @property
    def added(self) -> int:
        """How many of these were delivered or left out after an interruption."""
        return self.done - self._begun

    @property
    def delivered(self) -> int:
        """How many batches were delivered."""
        return self.done - self.left_out

    @property
    def left(self) -> int | None:
        """How many more batches the epoch may have; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.done)

    def state(self) -> EpochState:
        """Return the counts so far, a value for JSON."""
        return {
            "delivered": self.delivered,
            "digest": self.catch_up().value,
            "left_out": self.left_out,
            "skipped": self.skipped,
            "contents": None if self.contents is None else self.contents.value,
            "passes": self.passes,
        }

    def mark(self, data_epoch: int, number: int) -> None:
        """Add to the digest that the next batches begin at batch `number` of pass `data_epoch`."""
        self.passes.append([self.done, data_epoch, number])
        self.catch_up().mark(data_epoch, number)

    def add(self, ids: object, steps: int) -> None:
        """Count delivered batches; joined batches give the same digest as single ones."""
        digest = self.catch_up()
        self._counted += steps
        if steps > 1:
            self._before_joined = digest.value
        digest.add(ids)

    def leave_out(self) -> None:
        """Count a batch that was left out completely."""
        self.left_out += 1
        self._counted += 1

    def take_back(self, ids: Array, steps: int, taken: int) -> None:
        """Uncount all but the first `taken` of the joined batches that were added last."""
        self._counted -= steps
        self._digest = Digest(self._before_joined)
        self.add(ids[: len(ids) // steps * taken], taken)

    def receipt(
        self,
        counts: tuple[int, int],
        filtered: int = 0,
        samplings: Callable[[int], list[Sampling]] | None = None,
    ) -> Receipt:
        """Return the receipt.

        Args:
            counts: How many loads were repeated and workers replaced until now.
            filtered: How many samples were filtered out in the epoch.
            samplings: Returns what was drawn in a pass.
        """
        seen = dict.fromkeys(each[1] for each in self.passes)
        drawn = [] if samplings is None else [each for number in seen for each in samplings(number)]
        return Receipt(
            epoch=self._epoch,
            planned=self.done if self.planned is None else self.planned,
            delivered=self.delivered,
            retried=counts[0] - self._before[0],
            restarts=counts[1] - self._before[1],
            digest=self.catch_up().text(),
            seed=self._seed,
            skipped=list(self.skipped),
            left_out=self.left_out,
            contents=None if self.contents is None else self.contents.text(),
            filtered=filtered,
            passes=[list(each) for each in self.passes],
            sampling=drawn,
        )

    @property
    def checksums(self) -> Sequence[int]:
        """The running checksums of a whole epoch; none without an audit, or where the epoch was resumed."""
        return [] if self.contents is None or self._begun else self.contents.trail

    def catch_up(self) -> Digest:
        """Return the digest of all ids so far."""
        digest = self._digest
        if self.waiting:
            digest.add_numbers(self.waiting)
            self._counted += len(self.waiting)
            self.waiting.clear()
        return digest
