"""`Labels`: what of the targets moves with the images: masks, boxes and key points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.augment.images import Frames, Images
from streamfit.augment.warp import Warp

LabelKind = Literal["mask", "boxes", "points"]
KINDS: tuple[LabelKind, ...] = get_args(LabelKind)

NO_BOX = -1.0


@dataclass(frozen=True)
class Labels:
    """The targets of a batch.

    Args:
        kinds: The kind of the targets that move, by key; under None for targets that are no dictionary.
        targets: The targets as the user has them.
    """

    kinds: Mapping[str | None, LabelKind]
    targets: object

    @classmethod
    def of(cls, kinds: object, targets: object, frames: Frames) -> Labels:
        """Check targets against images.

        Raises:
            ValueError: A kind is none of `KINDS`.
            DataError: There is no such target, or it does not fit its image.
        """
        named: dict[str | None, LabelKind] = {}
        if is_mapping(kinds):
            named.update(kinds)
        elif kinds is not None:
            named[None] = kinds  # type: ignore[assignment]
        for kind in named.values():
            if kind not in KINDS:
                raise ValueError(f"labels={kinds!r}: write 'mask', 'boxes' or 'points'")
        made = cls(named, targets)
        for key, kind in named.items():
            _check(kind, made.get(key), frames)
        return made

    def get(self, key: str | None) -> object:
        """Return the target of a key."""
        if key is None:
            if self.targets is None or is_mapping(self.targets):
                found = "there are none" if self.targets is None else f"they have keys {list(self.targets)}"
                raise DataError(f"labels={self.kinds[None]!r} needs targets in one array, but {found}")
            return self.targets
        if not is_mapping(self.targets) or key not in self.targets:
            raise DataError(f"labels: the targets have no entry {key!r}")
        return self.targets[key]

    def value(self) -> object:
        """Return the targets as the user has them."""
        return self.targets

    def warped(self, warp: Warp) -> Labels:
        """Return the targets behind a warp of the images."""
        found = self
        for key, kind in self.kinds.items():
            found = found._with(key, _MOVES[kind](self.get(key), warp))
        return found

    def _with(self, key: str | None, target: object) -> Labels:
        if key is None:
            return replace(self, targets=target)
        return replace(self, targets={**self.targets, key: target})  # type: ignore[dict-item]


def _check(kind: LabelKind, target: object, frames: Frames) -> None:
    rows = list(target)  # type: ignore[call-overload]
    for row, (label, size) in enumerate(zip(rows, frames.sizes.tolist(), strict=True)):
        array = np.asarray(label)
        if kind == "mask":
            if array.shape[:2] != tuple(size) or array.ndim not in (2, 3):
                raise SampleError(f"the mask has shape {array.shape}, and its image {tuple(size)}", row)
            continue
        wanted = 4 if kind == "boxes" else 2
        if array.ndim != 2 or array.shape[1] != wanted:
            raise SampleError(f"{kind} must have shape (k, {wanted}), got {array.shape}", row)
        if array.dtype.kind != "f":
            raise SampleError(f"{kind} must be of a float dtype, got {array.dtype}", row)
        if kind == "boxes":
            _check_boxes(array, size, row)


def _check_boxes(boxes: Array, size: list[int], row: int) -> None:
    there = (boxes != NO_BOX).any(axis=1)
    height, width = size
    wrong = there & ~(
        (boxes[:, :2] >= 0).all(axis=1)
        & (boxes[:, 0] <= boxes[:, 2])
        & (boxes[:, 1] <= boxes[:, 3])
        & (boxes[:, 2] <= width)
        & (boxes[:, 3] <= height)
    )
    if wrong.any():
        at = int(np.argmax(wrong))
        raise SampleError(
            f"box {at} is {boxes[at].tolist()}, which is not (left, upper, right, lower) inside its image of "
            f"height {height} and width {width}; clip it, or write a row of -1 for no box",
            row,
        )


def _each(target: object, move: Callable[[Array, int], Array]) -> object:
    """Move the labels of each image; return the form of the target."""
    moved = [move(np.asarray(label), row) for row, label in enumerate(target)]  # type: ignore[var-annotated, arg-type]
    return np.stack(moved) if isinstance(target, np.ndarray) and target.dtype != object and moved else moved


def _moved(points: Array, matrix: Array) -> Array:
    """Return points (m, 2) behind a matrix."""
    found = points.astype(np.float64) @ matrix[:2, :2].T + matrix[:2, 2]
    scale = points.astype(np.float64) @ matrix[2, :2] + matrix[2, 2]
    moved: Array = found / scale[:, None]
    return moved


def _points(target: object, warp: Warp) -> object:
    matrices = warp.forward()
    return _each(target, lambda points, row: _moved(points, matrices[row]).astype(points.dtype))


def _boxes(target: object, warp: Warp) -> object:
    matrices = warp.forward()

    def move(boxes: Array, row: int) -> Array:
        corners = _moved(boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2), matrices[row]).reshape(-1, 4, 2)
        edge = warp.after.sizes[row, ::-1].astype(np.float64)
        low = np.clip(corners.min(axis=1), 0, edge)
        high = np.clip(corners.max(axis=1), 0, edge)
        moved = np.concatenate([low, high], axis=1).astype(boxes.dtype)
        gone = (boxes == NO_BOX).all(axis=1) | (high <= low).any(axis=1)
        moved[gone] = NO_BOX
        return moved

    return _each(target, move)


def _mask(target: object, warp: Warp) -> object:
    dtype = np.asarray(target[0]).dtype if len(target) else np.dtype(np.uint8)  # type: ignore[index, arg-type]
    if dtype == np.uint8 or dtype == np.float32:
        return warp.mask(Images.of(target)).value()
    raise DataError(f"masks must be of dtype uint8 or float32, got {dtype}; write mask.astype('uint8')")


_MOVES: dict[LabelKind, Callable[[object, Warp], object]] = {
    "mask": _mask,
    "boxes": _boxes,
    "points": _points,
}
