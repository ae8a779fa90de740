"""`Labels`: what of the targets moves with the images: masks, boxes and key points."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.augment.images import Frames
from streamfit.augment.label_rows import Rows, entries_of, warped_masks
from streamfit.augment.moved_points import moved_boxes
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
        min_visible: How much of the area of a box must be left in the image, between 0 and 1.
        visible: How much of each box is left, by key, float64 (boxes,); without a key where all is.
    """

    kinds: Mapping[str | None, LabelKind]
    targets: object
    min_visible: float = 0.0
    visible: Mapping[str | None, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, kinds: object, targets: object, frames: Frames, min_visible: float = 0.0) -> Labels:
        """Check targets against images.

        Raises:
            ValueError: A kind is none of `KINDS`.
            DataError: There is no such target, or it does not fit the images. A `SampleError` names the row
                of the image that it does not fit.
        """
        named = named_kinds(kinds)
        made = cls(named, targets, min_visible)
        for key, kind in named.items():
            _check(kind, made.get(key), frames, made.name(key))
        return made

    def get(self, key: str | None) -> object:
        """Return the target of a key."""
        if key is None:
            if self.targets is None or is_mapping(self.targets):
                found = "there are none" if self.targets is None else f"they have keys {list(self.targets)}"
                raise DataError(f"labels={self.kinds[None]!r} needs targets in one array, but {found}")
            return self.targets
        if not is_mapping(self.targets):
            found = "there are none" if self.targets is None else f"they are a {type(self.targets).__name__}"
            raise DataError(f"labels: {key!r} is an entry of targets that are a dictionary, but {found}")
        if key not in self.targets:
            raise DataError(f"labels: the targets have no entry {key!r}, but {list(self.targets)}")
        return self.targets[key]

    def name(self, key: str | None) -> str:
        """Return what messages call a target."""
        kind = self.kinds[key]
        return f"{kind} (y)" if key is None else f"{kind} (y[{key!r}])"

    def value(self) -> object:
        """Return the targets as the user has them."""
        return self.targets

    def warped(self, warp: Warp) -> Labels:
        """Return the targets behind a warp of the images."""
        found = self
        for key, kind in self.kinds.items():
            target, name = found.get(key), self.name(key)
            if kind == "mask":
                found = found._with(key, warped_masks(target, warp, name))
            elif kind == "points":
                rows = Rows.of(target, 2, name)
                found = found._with(key, rows.back(warp.moved(rows.table, rows.owner), target))
            else:
                found = found._boxes(key, Rows.of(target, 4, name), warp)
        return found

    def _boxes(self, key: str | None, rows: Rows, warp: Warp) -> Labels:
        none = (rows.table == NO_BOX).all(axis=1, keepdims=True)
        moved, share = moved_boxes(np.where(none, np.nan, rows.table), rows.owner, warp.steps)
        moved = moved.astype(rows.dtype)
        gone = ~(moved[:, :2] < moved[:, 2:]).all(axis=1)
        visible = dict(self.visible)
        if self.min_visible > 0:
            before = self.visible.get(key)
            # Other boxes may have come from other images, whole.
            visible[key] = share if before is None or len(before) != len(share) else share * before
            gone |= visible[key] < self.min_visible
        moved[gone] = NO_BOX
        return replace(self._with(key, rows.back(moved, self.get(key))), visible=visible)

    def _with(self, key: str | None, target: object) -> Labels:
        if key is None:
            return replace(self, targets=target)
        return replace(self, targets={**self.targets, key: target})  # type: ignore[dict-item]


def named_kinds(kinds: object) -> dict[str | None, LabelKind]:
    """Return the kinds of targets by key; under None for targets that are no dictionary.

    Raises:
        ValueError: A kind is none of `KINDS`.
    """
    named: dict[str | None, LabelKind] = {}
    if is_mapping(kinds):
        named.update(kinds)
    elif kinds is not None:
        named[None] = kinds  # type: ignore[assignment]
    for kind in named.values():
        if kind not in KINDS:
            raise ValueError(f"labels={kinds!r}: write 'mask', 'boxes' or 'points'")
    return named


def warn_of_masks(targets: object, frames: Frames) -> None:
    """Warn of targets that have the height and width of their images, and stay where they are."""
    entries = list(targets.items()) if is_mapping(targets) else [("", targets)]
    for key, entry in entries:
        shape = entry.shape if isinstance(entry, np.ndarray) and entry.ndim > 2 else ()
        if shape and len(frames) and bool((frames.sizes == shape[1:3]).all()) and max(shape[1:3]) > 1:
            name, kinds = (f"y[{key!r}]", f"{{{key!r}: 'mask'}}") if is_mapping(targets) else ("y", "'mask'")
            warnings.warn(
                f"{name} has the height and width of the images, and does not move with them: write "
                f"augment.chain(..., labels={kinds}), or labels={{}} if it is to stay",
                stacklevel=2,
            )


def _check(kind: LabelKind, target: object, frames: Frames, name: str) -> None:
    entries = entries_of(target, name)
    if len(entries) != len(frames):
        raise DataError(f"{name}: there are {len(entries)} for {len(frames)} images")
    if kind == "mask":
        _check_masks(entries, frames, name)
        return
    rows = Rows.of(target, 4 if kind == "boxes" else 2, name)
    sizes = frames.sizes[rows.owner]
    if kind == "points":
        wrong = np.isinf(rows.table).any(axis=1)
        advice = "not finite; write NaN for a point that is missing"
    else:
        low, high = rows.table[:, :2], rows.table[:, 2:]
        inside = (low >= 0) & (low < high) & (high <= sizes[:, ::-1])
        wrong = ~inside.all(axis=1) & (rows.table != NO_BOX).any(axis=1)
        advice = "not (left, upper, right, lower) in pixels, of some area and inside its image of height "
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    row = int(rows.owner[at])
    place = at - int(rows.counts[:row].sum())
    if kind == "boxes":
        advice += f"{sizes[at, 0]} and width {sizes[at, 1]}; clip it, or write a row of -1 for no box"
    raise SampleError(f"{name}: row {place} is {rows.table[at].tolist()}, which is {advice}", row)


def _check_masks(masks: list[Array], frames: Frames, name: str) -> None:
    for row, (mask, size) in enumerate(zip(masks, frames.sizes.tolist(), strict=True)):
        if mask.ndim not in (2, 3) or mask.shape[:2] != tuple(size):
            raise SampleError(
                f"{name} of an image of height {size[0]} and width {size[1]} must have its size, with an "
                f"axis of channels or none, got shape {mask.shape}",
                row,
            )
        if mask.dtype.kind not in "biuf":
            raise SampleError(f"{name} must hold numbers, got dtype {mask.dtype}", row)
        first = masks[0]
        if mask.dtype != first.dtype or mask.ndim != first.ndim or mask.shape[2:] != first.shape[2:]:
            raise SampleError(
                f"{name} of one batch must have one dtype and as many channels, got {first.dtype} "
                f"{first.shape} and {mask.dtype} {mask.shape}",
                row,
            )
