"""Boxes and points of a batch as one table, masks as images of bytes, whatever form the user has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard, cast

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.augment.images import Images
from streamfit.augment.warp import Warp


@dataclass(frozen=True)
class Rows:
    """Rows of numbers, any number of them for each image.

    Args:
        table: The rows of all images, float64 (rows, columns).
        counts: How many each image has, int64 (n,).
        owner: The image of each row, int64 (rows,).
        dtype: The dtype that the user has.
    """

    table: Array
    counts: Array
    owner: Array
    dtype: np.dtype[np.generic]

    @classmethod
    def of(cls, target: object, columns: int, name: str) -> Rows:
        """Read rows.

        Args:
            target: An array (n, k, columns), or a list or an array of objects with an array (k, columns) for
                each image.
            columns: Numbers in a row.
            name: What they are, for messages.

        Raises:
            SampleError: Those of an image have another shape, or a dtype that cannot hold a moved point.
        """
        arrays = entries_of(target, name)
        for place, array in enumerate(arrays):
            if array.ndim != 2 or array.shape[1] != columns:
                raise SampleError(
                    f"{name} of an image must have shape (k, {columns}), got {array.shape}; an image without "
                    f"any has (0, {columns})",
                    place,
                )
            if array.dtype.kind != "f":
                raise SampleError(
                    f"{name} must be of a float dtype, as they move by parts of pixels, got {array.dtype}; "
                    "write .astype('float32')",
                    place,
                )
        counts = np.array([len(array) for array in arrays], np.int64)
        table = np.concatenate(arrays) if arrays else np.empty((0, columns))
        owner = np.repeat(np.arange(len(arrays)), counts)
        return cls(table.astype(np.float64, copy=False), counts, owner, table.dtype)

    def back(self, table: Array, target: object) -> object:
        """Return changed rows in the form and with the dtype that a target has."""
        if is_regular(target):
            return table.reshape(target.shape).astype(target.dtype)
        ends = np.cumsum(self.counts)
        before = entries_of(target, "labels")
        return in_form(
            [
                table[end - count : end].astype(entry.dtype)
                for end, count, entry in zip(ends, self.counts, before, strict=True)
            ],
            target,
        )


def warped_masks(target: object, warp: Warp, name: str) -> object:
    """Return masks behind a warp: each pixel the nearest one; outside 0 where the fill is a constant.

    They are warped as images of bytes, which are copied and not computed with, so any dtype is kept to the
    bit.

    Args:
        target: An array (n, height, width[, channels]), or a list or an array of objects of masks.
        warp: The warp.
        name: What they are, for messages.
    """
    if is_regular(target):
        if not len(target):
            return target
        flat, dtype = target.ndim == 3, target.dtype
        seen: object = _bytes(target[..., None] if flat else target)
    else:
        masks = entries_of(target, name)
        flat, dtype = masks[0].ndim == 2, masks[0].dtype
        seen = [_bytes(mask[..., None] if flat else mask) for mask in masks]
    moved = warp.mask(Images.of(seen)).value()
    if isinstance(moved, np.ndarray):
        return _back(moved, dtype, flat)
    return [_back(mask, dtype, flat) for mask in moved]


def _bytes(masks: Array) -> Array:
    return np.ascontiguousarray(masks).view(np.uint8)


def _back(pixels: Array, dtype: np.dtype[np.generic], flat: bool) -> Array:
    masks = pixels.view(dtype)
    return masks[..., 0] if flat else masks


def is_regular(target: object) -> TypeGuard[Array]:
    """Return whether labels are one array, and not an array for each image."""
    return isinstance(target, np.ndarray) and target.dtype != object


def entries_of(target: object, name: str) -> list[Array]:
    """Return the labels of each image.

    Raises:
        DataError: There is none for each image.
    """
    several = target.ndim > 0 if isinstance(target, np.ndarray) else isinstance(target, (list, tuple))
    if not several:
        raise DataError(f"{name} must be an array, or a list with an array for each image, got {target!r}")
    return [np.asarray(entry) for entry in cast(Sequence[Array], target)]


def in_form(arrays: list[Array], target: object) -> object:
    """Return arrays as the target has them: an array of objects, or a list."""
    if not isinstance(target, np.ndarray):
        return arrays
    made = np.empty(len(arrays), object)
    for place, array in enumerate(arrays):
        made[place] = array
    return made
