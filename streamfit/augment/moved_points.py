"""Points and upright boxes behind geometric steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.image_steps import WarpStep

_CORNERS = [0, 1, 2, 1, 2, 3, 0, 3]  # in the order in which the sides join them
_SIDE = 8  # points of a side where straight lines become curves


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
    """Return boxes behind steps, of which the last may bend them, each cut off at the frame of each step.

    Args:
        boxes: Left, upper, right and lower edge, float64 (m, 4); NaN where there is none.
        owner: The image of each, int64 (m,).
        steps: At least one.

    Returns:
        The boxes, and the share of the area of each that is left, float64 (m,). Edges of what has left the
        image are not in order, or NaN.
    """
    last = steps[-1]
    if last.displacement is None or not last.displacement.spans.any():
        return _straight(boxes, owner, steps)
    share = np.ones(len(boxes))
    if len(steps) > 1:
        boxes, share = _straight(boxes, owner, steps[:-1])
        boxes = np.where((boxes[:, :2] < boxes[:, 2:]).all(axis=1, keepdims=True), boxes, np.nan)
    outlines = moved_points(_outlines(boxes), np.linalg.inv(last.matrices)[owner])
    count = outlines.shape[1]
    bent = last.displacement.undone(outlines.reshape(-1, 2), np.repeat(owner, count), last.sizes)
    bent = bent.reshape(-1, count, 2)
    low, high = bent.min(axis=1), bent.max(axis=1)
    edge = last.sizes[owner, ::-1].astype(np.float64)
    left = np.concatenate([np.clip(low, 0, edge), np.clip(high, 0, edge)], axis=1)
    inside = np.clip(left[:, 2:] - left[:, :2], 0, None).prod(axis=1)
    return left, share * inside / (high - low).prod(axis=1)


def _outlines(boxes: Array) -> Array:
    """Return points on the sides of boxes, from each corner on, (m, 4 * _SIDE, 2)."""
    share = np.arange(_SIDE)[:, None] / _SIDE
    corners = boxes[:, _CORNERS].reshape(-1, 4, 1, 2)
    points: Array = corners + share * (np.roll(corners, -1, axis=1) - corners)
    return points.reshape(-1, 4 * _SIDE, 2)


def _straight(boxes: Array, owner: Array, steps: Sequence[WarpStep]) -> tuple[Array, Array]:
    """Return boxes behind steps, each cut off at the frame of each step.

    What a step has cut off does not come back with the next one, as by a border. So a box is the common part
    of upright boxes: that around the corners that it had in front of the first step, and those around the
    corners of what each step has left of it.

    Arguments and result are those of `moved_boxes`.
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
