"""`RateTable`: the learning rates of the steps to come, made ahead, so that many steps run without Python.

A rate depends on the step alone. So the rates of the next steps are computed by the schedule itself, in
Python, and a kernel takes the one whose turn it is: the numbers are those of one step at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.optimizers.hyper import LEARNING_RATE

_MOST_AHEAD = 64


@kernel
def take_rate(rates: Array, first: Array, step_state: Array, hyper: Array) -> None:
    """Write the learning rate of the step that is due into the settings."""
    place = step_state[1] - first[0]
    if 0 <= place < rates.shape[0]:
        hyper[LEARNING_RATE] = rates[place]


class RateTable:
    """The learning rates of the steps to come.

    Attributes:
        rates: Those of the steps from `first` on, float64 (n,).
        first: The count of finished steps that the first of them belongs to, int64 (1,).

    Example:
        >>> table = RateTable()
        >>> table.fill(lambda step: 1.0 / (1 + step), 3, 2)
        2
        >>> table.rates[:2].tolist()
        [0.25, 0.2]
    """

    def __init__(self) -> None:
        self.rates = np.zeros(_MOST_AHEAD)
        self.first = np.zeros(1, np.int64)

    def fill(self, rate: Callable[[int], float], first: int, steps: int) -> int:
        """Compute the rates of the next steps.

        Args:
            rate: From the count of finished steps to a rate.
            first: The count of finished steps now.
            steps: How many steps are wanted.

        Returns:
            For how many steps the rates are ready, at least 1: `steps`, or fewer where they do not fit, or
            where `rate` raises for a later step. It then raises again when that step comes first.
        """
        self.first[0] = first
        self.rates[0] = rate(first)
        for place in range(1, min(steps, len(self.rates))):
            try:
                self.rates[place] = rate(first + place)
            except Exception:  # this step is not due yet
                return place
        return max(1, min(steps, len(self.rates)))

    def call(self, step_state: Array, hyper: Array) -> Call:
        """Return the call that writes the rate of the step that is due into `hyper`."""
        return take_rate, (self.rates, self.first, step_state, hyper)
