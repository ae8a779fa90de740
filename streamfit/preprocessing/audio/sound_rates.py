"""Resampling by soxr, an optional package: the only file that uses it.

A part of a file is read with some frames more at both sides, which the filter of the resampling needs, so
that it is a part of the whole resampled file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamfit._base.optional import require
from streamfit._base.specs import Array

_AROUND = 512  # frames of the file at each side, at least


@dataclass(frozen=True)
class Rates:
    """A change of the rate of audio.

    Args:
        old: Frames in a second, of the file.
        new: Frames in a second, of the result.

    Example:
        >>> Rates(44_100, 16_000).frames(44_100), Rates(44_100, 16_000).grid
        (16000, 441)
    """

    old: int
    new: int

    @property
    def grid(self) -> int:
        """How many frames of the file lie between those that fall on a frame of the result."""
        return self.old // math.gcd(self.old, self.new)

    @property
    def _new_grid(self) -> int:
        return self.new // math.gcd(self.old, self.new)

    def frames(self, count: int) -> int:
        """Return how many frames of the result so many frames of the file make, rounded as soxr does."""
        return int(count * self.new / self.old + 0.5)

    def needed(self, count: int) -> int:
        """Return how many frames of the file so many frames of the result need."""
        return -(-count * self.old // self.new)

    def around(self, start: int, count: int, total: int) -> tuple[int, int]:
        """Return first frame and number of frames to read for a part of a file with `total` frames."""
        margin = -(-_AROUND // self.grid) * self.grid
        first = max(0, start - margin)
        return first, min(total, start + count + margin) - first

    def change(self, frames: Array, skipped: int, count: int) -> Array:
        """Return resampled frames, float32.

        Args:
            frames: What was read, float32 (frames, channels).
            skipped: How many of these are in front of the part; a multiple of `grid`.
            count: How many frames of the result to return; fewer where there are no more.
        """
        package = require("soxr", "audio")
        first = skipped // self.grid * self._new_grid
        made = package.resample(frames, self.old, self.new)[first : first + count]
        return np.ascontiguousarray(made, np.float32)
