"""`TimeseriesGenerator`: windows of a series with the value that follows, as batches by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamfit._base.checks import truth, whole, whole_or_none
from streamfit._base.specs import Array
from streamfit.streams.sequence import Sequence


class TimeseriesGenerator(Sequence):
    """Windows of a series, each with the target at the step behind it; the batches are those of Keras 2.

    The window of step ``i`` is ``data[i - length : i : sampling_rate]`` and its target ``targets[i]``, for
    each `stride`-th step from ``start_index + length`` to `end_index`. The pipeline
    ``source(data).window(...)`` does the same with shuffled samples that all come once per pass.

    Args:
        data: The series: an array (steps, ...), or something with a length that can be sliced.
        targets: The target of each step.
        length: How many steps a window reaches back.
        sampling_rate: Every how many steps of a window are in it.
        stride: How many steps further the next window begins.
        start_index: The first step that a window may hold.
        end_index: The last step that may be a target; None for the last of all.
        shuffle: Whether the windows of a batch are drawn at random, **with replacement**: some come several
            times in a pass and others not at all, as in Keras 2. The draws belong to seed, pass and batch.
        reverse: Whether the last step of a window comes first.
        batch_size: Windows in a batch.

    Raises:
        ValueError: An argument is out of range, no window is left, or `data` and `targets` differ in length.

    Example:
        >>> windows = TimeseriesGenerator(np.arange(6), np.arange(6) * 10, length=2, batch_size=3)
        >>> len(windows), windows[0]
        (2, (array([[0, 1],
               [1, 2],
               [2, 3]]), array([20, 30, 40])))
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if len(data) != len(targets):
            raise ValueError(
                f"data has {len(data)} steps and targets has {len(targets)}; give one for each step"
            )
        self.data, self.targets = data, targets
        self.length, self.sampling_rate = whole("length", length, 1), whole("sampling_rate", sampling_rate, 1)
        self.stride, self.batch_size = whole("stride", stride, 1), whole("batch_size", batch_size, 1)
        self.shuffle, self.reverse = truth("shuffle", shuffle), truth("reverse", reverse)
        self.start_index = whole("start_index", start_index, 0) + self.length
        last = len(data) - 1
        wanted = whole_or_none("end_index", end_index, 0)
        self.end_index = last if wanted is None else wanted
        if self.end_index > last:
            raise ValueError(
                f"end_index={end_index} is behind the last step, {last}; leave it out for all steps"
            )
        if self.start_index > self.end_index:
            raise ValueError(
                f"start_index + length = {self.start_index} is behind the last target, {self.end_index}, "
                "so there is no window; make length smaller, or give a longer series"
            )

    def __len__(self) -> int:
        """Return the number of batches."""
        return (self.end_index - self.start_index) // (self.batch_size * self.stride) + 1

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        """Return a batch: windows (n, steps, ...) and targets (n, ...)."""
        if not 0 <= index < len(self):
            raise IndexError(f"there is no batch {index}; there are {len(self)}")
        if self.shuffle:
            steps = self.rng(index).integers(self.start_index, self.end_index + 1, self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            behind = min(first + self.batch_size * self.stride, self.end_index + 1)
            steps = np.arange(first, behind, self.stride)
        windows, targets = self._windows(steps), np.array([self.targets[step] for step in steps])
        return (windows[:, ::-1] if self.reverse else windows), targets

    def _windows(self, steps: Array) -> Array:
        if isinstance(self.data, np.ndarray):
            found: Array = self.data[steps[:, None] + np.arange(-self.length, 0, self.sampling_rate)]
            return found
        return np.array(
            [self.data[step - self.length : step : self.sampling_rate] for step in steps.tolist()]
        )
