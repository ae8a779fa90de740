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
        return cls(np.zeros((count, 2, 0, 0)), np.zeros((count, 2), np.int64))

    def only(self, active: Array) -> Displacement:
        """Return the displacement of some images."""
        return replace(self, spans=np.where(active[:, None], self.spans, 0))

    def at(self, points: Array, row: int, size: Array) -> Array:
        """Return how far points of an image move, as those of the nearest edge where they are outside.

        Args:
            points: x and y, float64 (k, 2).
            row: Which image.
            size: Its height and width.
        """
        spans = self.spans[row, ::-1]
        if not spans[0]:
            return np.zeros(points.shape)
        places = np.clip(points / size[::-1], 0, 1) * spans
        cells = np.minimum(np.floor(places).astype(np.int64), spans - 1)
        found = np.zeros(points.shape)
        across, down = _weights((places - cells).T)
        for i in range(4):
            for j in range(4):
                near = self.coefficients[row][:, cells[:, 1] + i, cells[:, 0] + j].T
                found += (down[i] * across[j])[:, None] * near
        return found

    def undone(self, points: Array, row: int, size: Array) -> Array:
        """Return the points that move to given points, by fixed-point iteration.

        Where a strong displacement folds the image over itself, a point has several; one near them is
        returned.

        Args:
            points: x and y, float64 (k, 2).
            row: Which image.
            size: Its height and width.
        """
        found = points
        for _ in range(_ROUNDS):
            before, found = found, points - self.at(found, row, size)
            if np.abs(found - before).max(initial=0) < 1e-9:
                break
        return found


def _weights(places: Array) -> Array:
    """Return the weights of four coefficients at places from 0 to 1 in a cell, (axes, 4, k)."""
    t, s = places, 1 - places
    second, third = 2 / 3 - t**2 * (2 - t) / 2, 2 / 3 - s**2 * (2 - s) / 2
    return np.stack([s**3 / 6, second, third, t**3 / 6], axis=1)
