"""A guard: float images whose values are far outside of black and white, where results would be cut off."""

from __future__ import annotations

import numpy as np

from streamfit._base.errors import SampleError
from streamfit._base.specs import Array
from streamfit.augment.images import Images
from streamfit.kernels.decorator import kernel

_LOOKS = 1024  # at how many values of an image, and up to seven times as many


@kernel
def find_far(pixels: Array, starts: Array, lengths: Array, looks: int, limits: Array, found: Array) -> None:
    """Look for the first image with a value outside of limits.

    Args:
        pixels: float32, flat.
        starts: Where each image begins, int64 (n,).
        lengths: Its numbers, int64 (n,).
        looks: At how many of them to look, and up to seven times as many.
        limits: float32 (2,).
        found: Gets the row of the image and the place of a value in `pixels`, else -1; int64 (2,).
    """
    low, high = limits[0], limits[1]
    for i in range(starts.shape[0]):
        some = pixels[starts[i] : starts[i] + lengths[i]]
        every = 1 + 6 * (lengths[i] // (6 * looks))  # in all channels, whether they are 2, 3 or 4
        for j in range(0, lengths[i], every):
            if some[j] < low or some[j] > high:
                found[0], found[1] = i, starts[i] + j
        if found[0] == i:
            return


def check_value_range(images: Images) -> None:
    """Refuse float images that cannot have the black and white that they are said to have.

    A value may be outside by half of the way from black to white, as filters and noise have it; images
    between -1 and 1 that are said to be between 0 and 1 are found. Of large
    images some values are looked at, so that this takes no time.

    Raises:
        SampleError: An image has a value that is farther away.
    """
    if images.pixels.dtype != np.float32:
        return
    black, white = images.frames.value_range
    span = white - black
    found = np.full(2, -1)
    lengths = images.sizes[:, 0] * images.sizes[:, 1] * images.channels
    limits = np.array([black - span / 2, white + span / 2], np.float32)
    find_far(images.pixels, images.starts, lengths, _LOOKS, limits, found)
    if found[0] >= 0:
        raise SampleError(
            f"an image has the value {float(images.pixels[found[1]]):g}, but black is {black:g} and white is "
            f"{white:g}, so that most of it would be cut off; say what they are, such as "
            "augment.chain(..., value_range=(0, 255)) or (-1, 1), or give uint8 images",
            int(found[0]),
        )
