"""Warps: geometric steps in a row as one mapping from pixels of the result to points of the image.

Each step has a frame of its own: what is outside the image that it was given is filled by its mode. So a
warp is a list of *segments*, the last step first: a matrix leads into the frame of a step, and a point
outside it is filled, or moved into it, before the next matrix. Where the result of a step lies in its frame
as a whole, as that of a crop does, its matrix is multiplied with the next one and no segment is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.displacement import Displacement
from streamfit.augment.image_steps import FILL_MODES, INTERPOLATIONS, WarpStep
from streamfit.augment.images import Frames, Images
from streamfit.augment.warp_kernels import merge_segments, move_images, warp_pixels


@dataclass(frozen=True)
class Warp:
    """The segments of all images of a batch.

    Args:
        frames: The frames of the images that are warped.
        after: Those of the results.
        counts: How many segments each image has, int64 (n,).
        matrices: float64 (n, segments, 9), the segment that the result lies in first.
        sizes: Height and width of the frame that each matrix leads into, float64 (n, segments, 2).
        modes: The place in `FILL_MODES` of what is outside that frame, int64 (n, segments).
        values: The fill value, float64 (n, segments).
        interpolation: The place in `INTERPOLATIONS`.
        displacement: How points of the result move in front of all matrices.
        steps: What the warp was joined of.
    """

    frames: Frames
    after: Frames
    counts: Array
    matrices: Array
    sizes: Array
    modes: Array
    values: Array
    interpolation: int
    displacement: Displacement
    steps: Sequence[WarpStep]

    def images(self, images: Images) -> Images:
        """Return the warped images."""
        made = images.like(self.after)
        self._fill(images, made, self.interpolation, self.values)
        return made

    def mask(self, masks: Images) -> Images:
        """Return warped masks: without interpolation, with 0 for a constant outside."""
        made = masks.like(Frames(self.after.sizes, masks.channels, masks.frames.dtype, (0.0, 255.0)))
        self._fill(masks, made, INTERPOLATIONS.index("nearest"), np.zeros_like(self.values))
        return made

    def _fill(self, images: Images, made: Images, interpolation: int, values: Array) -> None:
        moved = np.empty(1, np.int64)
        move_images(
            images.pixels,
            images.starts,
            images.sizes,
            made.pixels,
            made.starts,
            made.sizes,
            images.channels,
            self.counts,
            self.matrices,
            self.modes,
            values,
            self.displacement.spans,
            moved,
        )
        if moved[0]:
            return
        columns = int(made.sizes[:, 1].max(initial=0))
        warp_pixels(
            images.pixels,
            images.starts,
            images.sizes,
            made.pixels,
            made.starts,
            made.sizes,
            images.channels,
            self.counts,
            self.matrices,
            self.sizes,
            self.modes,
            values,
            interpolation,
            self.displacement.coefficients,
            self.displacement.spans,
            np.empty((4, columns)),
            np.empty((4, columns), np.int32),
            np.empty((2, columns), np.float32),
            np.empty((2, columns * images.channels + 4), np.float32),
        )

    def forward(self) -> Array:
        """Return the matrices from points of the images to points of the results, float64 (n, 3, 3)."""
        whole = self.steps[-1].matrices
        for step in reversed(self.steps[:-1]):
            whole = step.matrices @ whole
        found: Array = np.linalg.inv(whole)
        return found

    def moved(self, points: Array, owners: Array) -> Array:
        """Return where points of the images are in the results; NaN where a perspective shows none.

        Args:
            points: x and y, float64 (k, 2).
            owners: The image of each, (k,).
        """
        matrices = self.forward()[owners]
        found = (matrices[:, :, :2] @ points[:, :, None])[:, :, 0] + matrices[:, :, 2]
        scale = np.where(found[:, 2:] > 0, found[:, 2:], np.nan)
        return self.displacement.undone(found[:, :2] / scale, owners, self.after.sizes)


def plan_warp(steps: Sequence[WarpStep], frames: Frames) -> Warp:
    """Join geometric steps, in the order in which they are done.

    Args:
        steps: At least one, all with one interpolation; none but the last has a displacement.
        frames: Those of the images in front of the first.

    Raises:
        ValueError: The images are uint8, and a fill value is none of it.
    """
    n, count = len(frames), len(steps)
    given = np.empty((n, count, 9))  # the last step first, as points are followed
    sizes = np.empty((n, count, 2))
    modes = np.empty((n, count), np.int64)
    values = np.empty((n, count))
    before = frames.sizes
    for place, step in enumerate(steps):
        at = count - 1 - place
        given[:, at] = step.matrices.reshape(n, 9)
        sizes[:, at] = before
        modes[:, at], values[:, at] = FILL_MODES.index(step.fill_mode), step.fill_value
        before = step.sizes
        _check_value(step, frames)

    before = np.ascontiguousarray(before, np.int64)
    after = Frames(before, frames.channels, frames.dtype, frames.value_range)
    counts = np.ones(n, np.int64)
    displacement = steps[-1].displacement or Displacement.none(n)
    if count > 1:
        merge_segments(given, sizes, before, modes, values, displacement.spans, counts)
    return Warp(
        frames,
        after,
        counts,
        given,
        sizes,
        modes,
        values,
        INTERPOLATIONS.index(steps[0].interpolation),
        displacement,
        steps,
    )


def _check_value(step: WarpStep, frames: Frames) -> None:
    value = step.fill_value
    if frames.dtype == np.uint8 and not (0 <= value <= 255 and value == int(value)):
        raise ValueError(f"fill_value={value}: images of dtype uint8 take a whole number from 0 to 255")
