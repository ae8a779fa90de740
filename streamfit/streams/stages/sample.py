"""`sample`: elements drawn with probability in proportion to weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.specs import Array
from streamfit.streams.draw_table import DrawTable
from streamfit.streams.stages.resampled import Resampled, checksum
from streamfit.streams.stages.stage import Pass, Runs, Stage

_MOST = 1 << 53


class Sampled(Resampled):
    """Draw `size` elements in each pass. The table takes 8 bytes for each element of the input.

    Args:
        stage: What to draw from.
        weights: One for each element: finite, not negative, not all zero.
        size: How many elements to draw; None for as many as there are.
        independent: Whether no draw depends on another; else each element comes its expected number of times
            ``size * weight / sum(weights)``, rounded up or down at random, roughly in the order of the input.
        seed: A seed for the draws; None follows the run.

    Raises:
        ValueError: The weights are not as described.
    """

    def __init__(
        self,
        stage: Stage,
        weights: Array,
        size: int | None = None,
        independent: bool = False,
        seed: int | None = None,
    ) -> None:
        found = checked_weights(weights)
        super().__init__(stage, "sample()", len(found), seed)
        self.draws = whole("size", self.count if size is None else size, 1)
        if self.draws > _MOST:
            raise ValueError(f"size={size} is more than 2**53; write .repeat() for passes without an end")
        self.independent = truth("independent", independent)
        self.table = DrawTable(found, self.draws)
        self._written = f"{self.count} weights #{checksum(found)}"

    def __repr__(self) -> str:
        given = self._written
        given += "" if self.draws == self.count else f", size={self.draws}"
        given += ", independent=True" if self.independent else ""
        return f"sample({given}{'' if self.own_seed is None else f', seed={self.own_seed}'})"

    def size(self, p: Pass) -> int:
        """Return the number of draws."""
        return self.draws

    def runs(self, p: Pass) -> Runs | None:
        """Return how the draws lie in blocks, which is about right; None where they come from anywhere."""
        runs = self.input.runs(p)
        if runs is None or self.independent:
            return None
        edges = self.table.drawn_before(runs.edges)
        lengths = np.diff(edges)
        return replace(runs, lengths=lengths[lengths > 0])

    def copies(self, p: Pass) -> int:
        """Return a number that the numbers of all copies are below."""
        return self.draws if self.independent else self.table.most

    def draw(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the element at each position, and the number of its copy."""
        if self.independent:  # to number the copies of each element would take a table of the pass
            return self.table.independent(self.key(p), positions), positions
        return self.table.even(self.key(p), positions)

    def counts(self, p: Pass) -> tuple[int, int]:
        """Count the draws of a pass: with 4 bytes for each element, for a moment."""
        return self.table.counted(self.key(p), self.independent)


def checked_weights(weights: object) -> Array:
    """Return weights as float64 (n,).

    Raises:
        TypeError: They are no numbers.
        ValueError: They are not one finite number of at least 0 for each element, or all are 0.
    """
    found = np.asarray(weights)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"weights must be numbers, one for each element; got dtype {found.dtype}")
    if found.ndim != 1:
        raise ValueError(f"weights have shape {found.shape}; write one number for each element, shape (n,)")
    found = found.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
    if len(wrong):
        at = int(wrong[0])
        raise ValueError(f"weights[{at}] is {found[at]}; each must be finite and at least 0")
    if len(found) and not found.any():
        raise ValueError("weights are all 0, so that there is nothing to draw; give some element more")
    return found
