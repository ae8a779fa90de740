"""`Receipt`: what an epoch proves about the batches that were delivered.

Guarantee kept here: an epoch whose delivered batches are not the planned ones ends in an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from streamfit._base.errors import StreamfitError
from streamfit._base.specs import Array
from streamfit.streams.audit import Contents
from streamfit.streams.digest import Digest

MOST_WAITING = 256
"""How many ids a tally takes in before it brings its digest up to date."""


class EpochState(TypedDict, total=False):
    """What was done of an epoch, a value for JSON; older versions wrote less."""

    delivered: int
    digest: int
    left_out: int
    skipped: Sequence[object]
    contents: int | None


@dataclass(slots=True)
class Receipt:
    """Say what was delivered in an epoch.

    Args:
        epoch: Number of the epoch.
        planned: How many batches were due.
        delivered: How many were handed to the training step.
        retried: How many loads had to be done again because a worker died.
        restarts: How many workers were replaced.
        digest: 64-bit digest, in hexadecimal, of the ids of the delivered samples in their order; equal
            digests mean equal data in equal order.
        seed: The seed of the stream.
        skipped: Ids of the samples that were left out, with leave, because they cannot be loaded; of a
            `Sequence`, the indices of its batches.
        left_out: How many batches nothing was left of.
        contents: Checksum, in hexadecimal, of the delivered arrays themselves, where an audit was asked for:
            equal checksums mean that the same bytes were trained on. None without an audit, or where an
            interrupted run did without.

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

    def verify(self) -> None:
        """Check that everything planned was delivered.

        Raises:
            StreamfitError: It was not.
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
            + (f", left out: {', '.join(map(str, self.skipped))}" if self.skipped else "")
        )


class Tally:
    """Keep count of an epoch under way.

    Args:
        epoch: Number of the epoch.
        seed: The seed of the stream.
        limit: How many batches the epoch may have at most.
        before: How many loads were done again and workers replaced before this epoch.
        resumed: What an interrupted run had done of the epoch, as `state` returned it.
        audit: Whether to keep a checksum of contents.

    Attributes:
        contents: The checksum; None where there is none for the whole epoch.
        left_out: How many batches nothing was left of.
        waiting: Ids of single batches that were delivered and not yet mixed into the digest. Every batch of
            a `Sequence` has a whole number for its id: to append it here is to count the batch.
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
        self._before_joined = 0

    @property
    def done(self) -> int:
        """How many batches of the epoch were delivered or left out."""
        return self._counted + len(self.waiting)

    @property
    def added(self) -> int:
        """How many of these were not done before an interruption."""
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
        """Return what was done so far, a value for JSON."""
        return {
            "delivered": self.delivered,
            "digest": self.catch_up().value,
            "left_out": self.left_out,
            "skipped": self.skipped,
            "contents": None if self.contents is None else self.contents.value,
        }

    def mark(self, epoch: int, number: int) -> None:
        """Add to the digest that what follows begins at batch `number` of pass `epoch`."""
        self.catch_up().mark(epoch, number)

    def add(self, ids: object, steps: int) -> None:
        """Count delivered batches; the digest of several joined ones is that of each after the other."""
        digest = self.catch_up()
        self._counted += steps
        if steps > 1:
            self._before_joined = digest.value
        digest.add(ids)

    def leave_out(self) -> None:
        """Count a batch that nothing is left of."""
        self.left_out += 1
        self._counted += 1

    def take_back(self, ids: Array, steps: int, taken: int) -> None:
        """Count only the first `taken` of the joined batches that were added last."""
        self._counted -= steps
        self._digest = Digest(self._before_joined)
        self.add(ids[: len(ids) // steps * taken], taken)

    def receipt(self, counts: tuple[int, int]) -> Receipt:
        """Write the receipt, given how many loads were done again and workers replaced until now."""
        planned = self.done if self.planned is None else self.planned
        retried, restarts = counts[0] - self._before[0], counts[1] - self._before[1]
        figures = planned, self.delivered, retried, restarts
        skipped, contents = list(self.skipped), None if self.contents is None else self.contents.text()
        order = self.catch_up().text()
        return Receipt(self._epoch, *figures, order, self._seed, skipped, self.left_out, contents)

    def catch_up(self) -> Digest:
        """Return the digest of all ids so far."""
        digest = self._digest
        if self.waiting:
            digest.add_numbers(self.waiting)
            self._counted += len(self.waiting)
            self.waiting.clear()
        return digest
