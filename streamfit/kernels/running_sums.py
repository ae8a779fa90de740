"""Running sums that keep their rounding errors.

A float64 sum of a billion numbers has a relative error of some 1e-11. So beside each sum lies its *rest*:
the sum of the rounding errors of its additions, each of which can be computed exactly (Knuth, "The Art of
Computer Programming", volume 2, theorem 4.2.2 B). The value is sum plus rest. To merge two running sums, add
sum to sum and rest to rest.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import exact


@exact
def grow(state: Array, place: int, part: float) -> None:
    """Add a number to a sum, and the rounding error to its rest.

    Args:
        state: Sums, then as many rests, float64 (2 k,).
        place: Which of the sums.
        part: The number.
    """
    before = state[place]
    after = before + part
    if np.isfinite(after):  # else the sum is the result, and a rest would turn an infinity into NaN
        taken = after - before
        state[place + state.shape[0] // 2] += (before - (after - taken)) + (part - taken)
    state[place] = after


def grow_all(sums: Array, rests: Array, parts: Array) -> None:
    """Add numbers to sums as `grow` does, with NumPy.

    Args:
        sums: float64, changed in place.
        rests: float64 of the same shape, changed in place.
        parts: float64 of the same shape.

    Example:
        >>> sums, rests = np.array([2.0**53]), np.zeros(1)
        >>> grow_all(sums, rests, np.array([1.0]))
        >>> sums[0] == 2.0**53, rests[0]
        (np.True_, np.float64(1.0))
    """
    with np.errstate(invalid="ignore"):
        after = sums + parts
        taken = after - sums
        lost = (sums - (after - taken)) + (parts - taken)
    rests += np.where(np.isfinite(after), lost, 0.0)
    sums[...] = after


def mean_of(state: Array) -> float:
    """Return the mean that a state [sum, weight, rest of the sum, rest of the weight] stands for.

    Example:
        >>> mean_of(np.array([6.0, 4.0, 0.0, 0.0])), mean_of(np.zeros(4))
        (1.5, 0.0)
    """
    weight = state[1] + state[3]
    return float((state[0] + state[2]) / weight) if weight else 0.0
