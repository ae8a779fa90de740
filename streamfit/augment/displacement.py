"""`Displacement`: a smooth field that moves the points of images, drawn on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamfit._base.specs import Array

_ROUNDS = 50  # of the search for the point that moves to a point


@dataclass(frozen=True)
class Displacement:
    """How far the points of each image move: uniform cubic B-splines, which have two derivatives everywhere.

    Args:
        coefficients: Of x and y in pixels, on a grid that begins one cell before the image and ends one
            behind it, float64 (n, 2, rows, columns).
        spans: In how many cells the height and the width of each image are divided, int64 (n, 2); (0, 0)
            for an image whose points stay.
    """

    coefficients: Array
    spans: Array

    @classmethod
    def none(cls, count: int) -> Displacement:
        """Return the displacement that moves nothing."""
        return cls(np.zeros((count, 2, 1, 1)), np.zeros((count, 2), np.int64))

    def only(self, active: Array) -> Displacement:
        """Return the displacement of some images."""
        return replace(self, spans=np.where(active[:, None], self.spans, 0))

    def at(self, points: Array, owners: Array, sizes: Array) -> Array:
        """Return how far points move; those outside of their image move as the nearest point of its edge.

        Args:
            points: x and y, float64 (k, 2).
            owners: The image of each, (k,).
            sizes: Height and width of the images, (n, 2).
        """
        spans = self.spans[owners, ::-1]
        places = np.nan_to_num(np.clip(points / sizes[owners, ::-1], 0, 1)) * spans
        cells = np.minimum(places.astype(np.int64), np.maximum(spans - 1, 0))
        across, down = _weights((places - cells).T)
        found = np.zeros(points.shape)
        for i in range(4):
            for j in range(4):
                near = self.coefficients[owners, :, cells[:, 1] + i, cells[:, 0] + j]
                found += (down[i] * across[j])[:, None] * near
        return np.where(spans > 0, found, 0.0)

    def undone(self, points: Array, owners: Array, sizes: Array) -> Array:
        """Return the points that move to given points, by fixed-point iteration.

        Where a strong displacement folds an image over itself, a point has several; one near them is
        returned.

        Args:
            points: x and y, float64 (k, 2).
            owners: The image of each, (k,).
            sizes: Height and width of the images, (n, 2).
        """
        found = points
        for _ in range(_ROUNDS if self.spans.any() else 0):
            before, found = found, points - self.at(found, owners, sizes)
            if not (np.abs(found - before) > 1e-9).any():
                break
        return found


def _weights(places: Array) -> Array:
    """Return the weights of four coefficients at places from 0 to 1 in a cell, (axes, 4, k)."""
    t, s = places, 1 - places
    second, third = 2 / 3 - t**2 * (2 - t) / 2, 2 / 3 - s**2 * (2 - s) / 2
    return np.stack([s**3 / 6, second, third, t**3 / 6], axis=1)
