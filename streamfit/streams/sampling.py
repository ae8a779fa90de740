"""`Sampling`: what one pass drew, where a pipeline does not give every sample once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """The draws of one pass of `sample` or `balance`.

    Args:
        stage: The stage, as it is written.
        data_epoch: Number of the pass that it drew.
        draws: How many elements the pass has.
        samples: How many elements they were drawn from.
        distinct: How many different ones of these were drawn.
        most: How often the one that was drawn most often came.

    Example:
        >>> found = Sampling("balance(2 classes)", 0, draws=180, samples=100, distinct=100, most=9)
        >>> print(found)
        balance(2 classes) drew 180 times from 100 samples in pass 0: 100 different ones, each at most 9 times
        >>> found.left_out, found.once
        (0, False)
    """

    stage: str
    data_epoch: int
    draws: int
    samples: int
    distinct: int
    most: int

    @property
    def left_out(self) -> int:
        """How many samples the pass does not have."""
        return self.samples - self.distinct

    @property
    def once(self) -> bool:
        """Whether the pass happens to have every sample once."""
        return self.draws == self.samples == self.distinct

    def __str__(self) -> str:
        often = "once" if self.most == 1 else f"{self.most:,} times"
        return (
            f"{self.stage} drew {self.draws:,} times from {self.samples:,} samples in pass {self.data_epoch}"
            f": {self.distinct:,} different ones, each at most {often}"
            + (f", {self.left_out:,} left out" if self.left_out else "")
        )
