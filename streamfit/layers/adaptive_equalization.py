"""`ContrastLimitedAdaptiveHistogramEqualization`: equalise an image tile by tile."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.checks import number
from streamfit._base.configs import Config
from streamfit._base.specs import Array
from streamfit.layers.checks import length
from streamfit.layers.image_layer import SeededOptions, Transformation
from streamfit.layers.random_colours import ColourLayer

_LEVELS = 256


class ContrastLimitedAdaptiveHistogramEqualization(ColourLayer):
    """Equalise each channel by the values around each pixel (CLAHE); in inference, too.

    The image is cut into tiles. Each has a table from old values to new ones that makes all values of the
    tile about equally frequent. A pixel is looked up in the tables of the four nearest tiles, and gets the
    bilinear mean of what they say.

    Source: Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994. As in
    Keras 3, a table leads the smallest value to black, what is cut off a histogram is spread once, and an
    image that the tiles do not divide is mirrored at its lower and right edge.

    Args:
        value_range: The values of black and white.
        clip_limit: How many times as frequent as the average a value may be counted: the smaller, the less
            the noise of even tiles is made stronger. 0 or less for no limit.
        tile_grid_size: The number of tiles: (down, across).
        **options: As for `ImageLayer`.

    Example:
        >>> layer = ContrastLimitedAdaptiveHistogramEqualization(clip_limit=0, tile_grid_size=(1, 1))
        >>> layer(np.array([[[100.0], [102.0], [102.0], [104.0]]]))[..., 0].tolist()
        [[63.75, 191.25, 191.25, 255.0]]
    """

    draws = False
    always = True

    def __init__(
        self,
        value_range: object = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: tuple[int, int] = (8, 8),
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(value_range=value_range, **options)
        self.clip_limit = number("clip_limit", clip_limit)
        if not isinstance(tile_grid_size, (tuple, list)) or len(tile_grid_size) != 2:
            raise ValueError(f"tile_grid_size must be a pair (down, across), got {tile_grid_size!r}")
        down, across = (length("tile_grid_size", tiles) for tiles in tile_grid_size)
        self.tile_grid_size = (down, across)

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Equalise."""
        low, high = (np.float32(end) for end in self.value_range)
        own = self.value_range != (0, _LEVELS - 1)
        levels = (images - low) / (high - low) * np.float32(_LEVELS - 1) if own else images
        made = np.stack([self._equalised(image) for image in np.clip(levels, 0, _LEVELS - 1).astype(np.intp)])
        return made / np.float32(_LEVELS - 1) * (high - low) + low if own else made

    def _equalised(self, levels: Array) -> Array:
        """Return the new values of one image, float32 in 0..255, for its old ones, in 0..255."""
        height, width, channels = levels.shape
        tiles = tuple(
            -(-size // count) for size, count in zip((height, width), self.tile_grid_size, strict=True)
        )
        places = [
            _nearest(size, tile, count)
            for size, tile, count in zip((height, width), tiles, self.tile_grid_size, strict=True)
        ]
        tables = self._tables(levels, *tiles)
        (upper, lower, down), (left, right, across) = places
        down, across = down[:, None, None], across[None, :, None]

        def at(rows: Array, columns: Array) -> Array:
            found: Array = tables[rows[:, None, None], columns[None, :, None], np.arange(channels), levels]
            return found

        above = at(upper, left) * (1 - across) + at(upper, right) * across
        below = at(lower, left) * (1 - across) + at(lower, right) * across
        made: Array = above * (1 - down) + below * down
        return made

    def _tables(self, levels: Array, tile_height: int, tile_width: int) -> Array:
        """Return the new value for each old one, float32 (down, across, channels, 256)."""
        (down, across), (height, width, channels) = self.tile_grid_size, levels.shape
        outside = ((0, down * tile_height - height), (0, across * tile_width - width), (0, 0))
        whole = np.pad(levels, outside, mode="symmetric")
        tile = (np.arange(down * tile_height) // tile_height)[:, None] * across
        tile = tile + np.arange(across * tile_width) // tile_width
        bins = (tile[:, :, None] * channels + np.arange(channels)) * _LEVELS + whole
        shape, area = (down, across, channels, _LEVELS), tile_height * tile_width
        found = np.bincount(bins.reshape(-1), minlength=down * across * channels * _LEVELS)
        counts = found.reshape(shape).astype(np.float64)
        if self.clip_limit > 0:
            kept = np.minimum(counts, self.clip_limit * area / _LEVELS)
            counts = kept + (counts - kept).sum(axis=-1, keepdims=True) / _LEVELS
        total = np.cumsum(counts, axis=-1)
        least = total[..., :1]
        rest = np.where(area == least, 1, area - least)
        made: Array = np.clip((total - least) * (_LEVELS - 1) / rest, 0, _LEVELS - 1).astype(np.float32)
        return made

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"clip_limit": self.clip_limit, "tile_grid_size": self.tile_grid_size}
        return {**super().get_config(), **own}


def _nearest(size: int, tile: int, count: int) -> tuple[Array, Array, Array]:
    """Return the tiles before and behind each pixel along an axis, and the share of the second."""
    place = (np.arange(size, dtype=np.float32) - np.float32(tile / 2)) / np.float32(tile)
    first = np.floor(place)
    before, behind = (np.clip(at, 0, count - 1).astype(np.intp) for at in (first, first + 1))
    return before, behind, place - first
