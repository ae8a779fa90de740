"""Axes: the user's arguments converted to sorted, checked numbers; and the shapes of reductions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Shape

Axis = int | Sequence[int] | None


def one_axis(name: str, axis: int, rank: int) -> int:
    """Return `axis` counted from the first.

    Args:
        name: The operation, for the message.
        axis: A number in [-rank, rank).
        rank: How many axes there are.

    Raises:
        ValueError: There is no such axis.

    Example:
        >>> one_axis("sum", -1, 3)
        2
    """
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise TypeError(f"{name} takes whole numbers as axes, got {axis!r}")
    if not -rank <= axis < rank:
        raise ValueError(
            f"{name} has no axis {axis} in an array of {rank} axes; give one in [{-rank}, {rank})"
        )
    return int(axis) % rank


def several_axes(name: str, axis: Axis, rank: int) -> list[int]:
    """Return the sorted axes that `axis` names; all of them for None.

    Raises:
        ValueError: There is no such axis, or one is named twice.

    Example:
        >>> several_axes("sum", (-1, 0), 3), several_axes("sum", None, 2)
        ([0, 2], [0, 1])
    """
    if axis is None:
        return list(range(rank))
    wanted = list(axis) if isinstance(axis, Sequence) else [axis]
    found = sorted(one_axis(name, each, rank) for each in wanted)
    if len(set(found)) != len(found):
        raise ValueError(f"{name} names an axis twice: {axis}")
    return found


def reduced(shape: Shape, first: int, last: int, keepdims: bool) -> Shape:
    """Return `shape` without the axes from `first` to `last` (exclusive), or with 1 in their place."""
    return (*shape[:first], *((1,) * (last - first) if keepdims else ()), *shape[last:])


def batch_stays_first(name: str, shape: Shape, axis: int) -> None:
    """Refuse to touch the symbolic batch axis.

    Raises:
        ShapeError: `axis` is 0 and `shape` has a symbolic batch.
    """
    if axis == 0 and shape and shape[0] is None:
        raise ShapeError(
            f"{name} cannot use axis 0 of shape {shape}: it is the batch, whose length is not known"
        )
