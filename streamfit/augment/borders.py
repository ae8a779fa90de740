"""Checks of sizes, of borders and of what fills them."""

from __future__ import annotations

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.specs import Array
from streamfit.augment.image_steps import FILL_MODES, FillMode, WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.matrices import identities

Size = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]


def size_pair(name: str, size: object) -> tuple[int, int]:
    """Return height and width.

    Raises:
        TypeError: It is neither a number, for a square, nor a pair of numbers.
        ValueError: A number is below 1.
    """
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise ValueError(f"{name} must be a pair (height, width), got {size!r}")
        return whole(f"{name}[0]", size[0], 1), whole(f"{name}[1]", size[1], 1)
    side = whole(name, size, 1)
    return side, side


def padding_of(padding: object) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the pixels (above, below), (at the left, at the right).

    Args:
        padding: A number for all sides, a pair (above and below, at the left and the right), or a pair of
            pairs.

    Raises:
        TypeError: It is none of these.
        ValueError: A number is negative.

    Example:
        >>> padding_of(4), padding_of((1, 2))
        (((4, 4), (4, 4)), ((1, 1), (2, 2)))
    """
    if not isinstance(padding, (tuple, list)):
        padding = (padding, padding)
    if len(padding) != 2:
        raise ValueError(
            f"padding must be a number, (rows, columns) or ((above, below), (left, right)), got {padding!r}"
        )
    sides = [side if isinstance(side, (tuple, list)) else (side, side) for side in padding]
    for side in sides:
        if len(side) != 2:
            raise ValueError(f"padding of an axis must be a number or a pair of these, got {side!r}")
    (above, below), (left, right) = sides
    return (
        (whole("padding", above, 0), whole("padding", below, 0)),
        (whole("padding", left, 0), whole("padding", right, 0)),
    )


def fill_of(fill_mode: FillMode, fill_value: object) -> tuple[FillMode, float]:
    """Return what is outside of images.

    Raises:
        TypeError: The value is no number.
        ValueError: There is no such mode.
    """
    if fill_mode not in FILL_MODES:
        raise ValueError(f"fill_mode={fill_mode!r}: write one of {', '.join(map(repr, FILL_MODES))}")
    return fill_mode, number("fill_value", fill_value)


def moves(
    rows: Array, columns: Array, sizes: Array, frames: Frames, fill: tuple[FillMode, float]
) -> WarpStep:
    """Return the step that moves images by whole pixels.

    Args:
        rows: The row of the image that is the first one of the result, (n,).
        columns: The same for columns.
        sizes: Height and width of the results, int64 (n, 2).
        frames: The images.
        fill: What is outside of them: mode and value.

    Raises:
        ValueError: The images are uint8, and the value is none of it.
    """
    mode, value = fill
    if frames.dtype == np.uint8 and not (0 <= value <= 255 and value == int(value)):
        raise ValueError(f"fill_value={value}: images of dtype uint8 take a whole number from 0 to 255")
    matrices = identities(len(frames))
    matrices[:, 0, 2], matrices[:, 1, 2] = columns, rows
    return WarpStep(matrices, sizes, mode, value)


def all_of(size: tuple[int, int], count: int) -> Array:
    """Return one height and width for many images, int64 (n, 2)."""
    sizes = np.empty((count, 2), np.int64)
    sizes[:] = size
    return sizes
