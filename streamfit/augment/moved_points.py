"""Points and upright boxes behind geometric steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.image_steps import WarpStep

_CORNERS = [0, 1, 2, 1, 0, 3, 2, 3]


def moved_points(points: Array, matrices: Array) -> Array:
    """Return points behind the matrix of each; NaN where a perspective shows none.

    Args:
        points: x and y, float64 (m, 2), or (m, k, 2) for k points with one matrix.
        matrices: From points of the images to points of the results, float64 (m, 3, 3).
    """
    x, y = points[..., 0], points[..., 1]
    rows = matrices.reshape(-1, 3, 3, *[1] * (points.ndim - 2))
    u, v, w = (rows[:, row, 0] * x + rows[:, row, 1] * y + rows[:, row, 2] for row in range(3))
    w = np.where(w > 0, w, np.nan)
    return np.stack([u / w, v / w], axis=-1)


def moved_boxes(boxes: Array, owner: Array, steps: Sequence[WarpStep]) -> tuple[Array, Array]:
    """Return boxes behind steps, each cut off at the frame of each step.

    What a step has cut off does not come back with the next one, as by a border. So a box is the common part
    of upright boxes: that around the corners that it had in front of the first step, and those around the
    corners of what each step has left of it.

    Args:
        boxes: Left, upper, right and lower edge, float64 (m, 4); NaN where there is none.
        owner: The image of each, int64 (m,).
        steps: At least one.

    Returns:
        The boxes, and the share of the area of each that is left, float64 (m,). Edges of what has left the
        image are not in order, or NaN.
    """
    forward = [np.linalg.inv(step.matrices) for step in steps]
    onward = [forward[-1]]  # from in front of each step to behind the last one
    for matrices in reversed(forward[:-1]):
        onward.insert(0, onward[0] @ matrices)
    around = _around(boxes, onward[0][owner])
    low, high = around[:, :2], around[:, 2:]
    area = (high - low).prod(axis=1)
    left = boxes
    for place, step in enumerate(steps):
        edge = step.sizes[owner, ::-1].astype(np.float64)
        whole = _around(left, forward[place][owner])
        left = np.concatenate([np.clip(whole[:, :2], 0, edge), np.clip(whole[:, 2:], 0, edge)], axis=1)
        left[~(left[:, :2] < left[:, 2:]).all(axis=1)] = np.nan
        if place == len(steps) - 1:
            low, high = np.clip(low, 0, edge), np.clip(high, 0, edge)
        elif not np.array_equal(left, whole):
            around = _around(left, onward[place + 1][owner])
            low, high = np.maximum(low, around[:, :2]), np.minimum(high, around[:, 2:])
    share: Array = np.clip(high - low, 0, None).prod(axis=1) / area
    return np.concatenate([low, high], axis=1), share


def _around(boxes: Array, matrices: Array) -> Array:
    """Return the smallest upright boxes around moved ones."""
    corners = moved_points(boxes[:, _CORNERS].reshape(-1, 4, 2), matrices)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
