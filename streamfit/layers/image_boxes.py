"""Bounding boxes as layers for images take them: their formats, and boxes of different numbers in one array.

Source of the formats: the documentation of ``keras.utils.bounding_boxes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.layers.checks import one_of

FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")
_ALL = (*FORMATS, *(f"rel_{name}" for name in FORMATS))


def box_format(name: object) -> str:
    """Return the name of a format.

    Raises:
        ValueError: It is none of `FORMATS`, with ``rel_`` in front or without.
    """
    return one_of("bounding_box_format", name, _ALL)


def converted(boxes: Array, source: str, target: str, height: float, width: float) -> Array:
    """Return boxes in another format.

    Args:
        boxes: (..., 4).
        source: Their format.
        target: The wanted one.
        height: That of the image, in pixels.
        width: Likewise.

    Example:
        >>> converted(np.array([[10.0, 20.0, 4.0, 2.0]]), "center_xywh", "xyxy", 40, 40).tolist()
        [[8.0, 19.0, 12.0, 21.0]]
        >>> converted(np.array([[8.0, 19.0, 12.0, 21.0]]), "xyxy", "rel_yxyx", 40, 40).tolist()
        [[0.4749999940395355, 0.20000000298023224, 0.5249999761581421, 0.30000001192092896]]
    """
    if source == target:
        return boxes
    found = np.asarray(boxes, np.float32)
    if source.startswith("rel_"):
        found = found * _unit(source, height, width)
    found = _from_corners(_corners(found, source), target)
    return found / _unit(target, height, width) if target.startswith("rel_") else found


def _unit(name: str, height: float, width: float) -> Array:
    return np.array([height, width] * 2 if _is_down_first(name) else [width, height] * 2, np.float32)


def _is_down_first(name: str) -> bool:
    return name.removeprefix("rel_").removeprefix("center_").startswith("yx")


def _corners(boxes: Array, name: str) -> Array:
    kind = name.removeprefix("rel_")
    if _is_down_first(name):
        boxes = boxes[..., [1, 0, 3, 2]]
    first, second = boxes[..., :2], boxes[..., 2:]
    if kind.startswith("center"):
        return np.concatenate([first - second / 2, first + second / 2], axis=-1)
    if kind == "xywh":
        return np.concatenate([first, first + second], axis=-1)
    return boxes


def _from_corners(boxes: Array, name: str) -> Array:
    kind = name.removeprefix("rel_")
    first, second = boxes[..., :2], boxes[..., 2:]
    if kind.startswith("center"):
        boxes = np.concatenate([(first + second) / 2, second - first], axis=-1)
    elif kind == "xywh":
        boxes = np.concatenate([first, second - first], axis=-1)
    return boxes[..., [1, 0, 3, 2]] if _is_down_first(name) else boxes


def dense_boxes(bounding_boxes: Mapping[str, object]) -> dict[str, Array]:
    """Return boxes and labels as arrays; lists of different lengths are filled with boxes of 0, labels of -1.

    Raises:
        ValueError: ``boxes`` or ``labels`` are missing, or their numbers differ.
    """
    missing = [key for key in ("boxes", "labels") if key not in bounding_boxes]
    if missing:
        raise ValueError(
            f"bounding_boxes needs the keys 'boxes' and 'labels', and has {sorted(bounding_boxes)}"
        )
    return {key: _dense(value, -1 if key == "labels" else 0) for key, value in bounding_boxes.items()}


def _dense(value: object, fill: int) -> Array:
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value
    rows = [np.asarray(row) for row in cast("Sequence[object]", value)]
    longest = max((len(row) for row in rows if row.ndim), default=0)
    if not rows or not rows[0].ndim or all(len(row) == longest for row in rows):
        return np.asarray(rows)
    filled = [
        np.concatenate([row, np.full((longest - len(row), *row.shape[1:]), fill, row.dtype)]) for row in rows
    ]
    return np.stack(filled)
