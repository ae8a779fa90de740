"""`FeatureStatistics`: mean, standard deviation and whitening of images, computed in one pass over them."""

from __future__ import annotations

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array


class FeatureStatistics:
    """Collect statistics of images that come in chunks, in float64.

    Moments of chunks are merged by the formula of Chan, Golub and LeVeque (1979).

    Args:
        channel_axis: The axis of the channels in an image: 0 or 2.
        whitening: Whether to collect what a whitening matrix needs: the square of the values of an image.

    Example:
        >>> found = FeatureStatistics(2)
        >>> found.add(np.zeros((3, 2, 2, 1)))
        >>> found.add(np.full((1, 2, 2, 1), 8.0))
        >>> found.mean().item(), round(found.std().item(), 3)
        (2.0, 3.464)
    """

    def __init__(self, channel_axis: int, whitening: bool = False) -> None:
        self.channel_axis, self.whitening = channel_axis, whitening
        self.images = 0
        self._shape: tuple[int, ...] | None = None
        self._values = 0  # of each channel
        self._means: Array = np.zeros(0)
        self._squares: Array = np.zeros(0)  # sums of squared deviations
        self._sum: Array = np.zeros(0)
        self._products: Array = np.zeros((0, 0))

    def add(self, images: Array) -> None:
        """Take images, (n, ...) of one shape.

        Raises:
            DataError: They have another shape than those before, or hold values that are not finite.
        """
        if not len(images):
            return
        if self._shape is None:
            self._begin(images.shape[1:])
        if images.shape[1:] != self._shape:
            raise DataError(
                f"images of shapes {self._shape} and {images.shape[1:]} have no statistics in common; bring "
                "them to one size"
            )
        values = images.astype(np.float64)
        axes = tuple(axis for axis in range(4) if axis != self.channel_axis + 1)
        count = values.size // len(self._means)
        means = values.mean(axis=axes)
        if not np.isfinite(means).all():
            raise DataError("some images hold values that are not finite; leave them out, or repair them")
        deviations = values - self._shaped(means)
        squares = np.square(deviations).sum(axis=axes)
        total = self._values + count
        difference = means - self._means
        self._means = self._means + difference * (count / total)
        self._squares = self._squares + squares + difference**2 * (self._values * count / total)
        self._values, self.images = total, self.images + len(images)
        if self.whitening:
            flat = values.reshape(len(values), -1)
            self._sum += flat.sum(axis=0)
            self._products += flat.T @ flat

    def mean(self) -> Array:
        """Return the mean of each channel, in a shape that is broadcast to an image."""
        return self._shaped(self._means)

    def std(self) -> Array:
        """Return the standard deviation of each channel, in a shape that is broadcast to an image."""
        return self._shaped(np.sqrt(self._squares / max(1, self._values)))

    def components(self, epsilon: float) -> Array:
        """Return the matrix of ZCA whitening of images behind their mean, float64 (length, length).

        Args:
            epsilon: What is added to each variance.
        """
        assert self._shape is not None
        center = np.broadcast_to(self.mean(), self._shape).reshape(-1)
        cross = np.outer(self._sum, center)
        count = max(1, self.images)
        covariance = (self._products - cross - cross.T) / count + np.outer(center, center)
        vectors, variances, _ = np.linalg.svd(covariance)
        whitened: Array = (vectors / np.sqrt(variances + epsilon)) @ vectors.T
        return whitened

    def _begin(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._means = np.zeros(shape[self.channel_axis])
        self._squares = np.zeros(shape[self.channel_axis])
        if self.whitening:
            length = int(np.prod(shape))
            self._sum, self._products = np.zeros(length), np.zeros((length, length))

    def _shaped(self, channels: Array) -> Array:
        shape = [1, 1, 1]
        shape[self.channel_axis] = len(channels)
        return channels.reshape(shape)
