"""`Standardizing`: the part of `ImageDataGenerator` that standardizes images, and learns from data how."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.config import next_seed
from streamfit._base.errors import DataError
from streamfit._base.keys import derive, each_key, seed_from
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.preprocessing.image.affine_kernels import whiten_images
from streamfit.preprocessing.image.array_iterator import warn_of_channels
from streamfit.preprocessing.image.feature_statistics import FeatureStatistics
from streamfit.preprocessing.image.random_transforms import RandomTransforms
from streamfit.preprocessing.image.transform_parameters import draw_parameters
from streamfit.streams.adapt import kind_of
from streamfit.streams.iterate import stream

_CHUNK_BYTES = 64 << 20
_TINY = 1e-6  # added to standard deviations, as in Keras-Preprocessing


class Standardizing(RandomTransforms):
    """Standardize images; `ImageDataGenerator` explains the attributes."""

    featurewise_center: bool
    samplewise_center: bool
    featurewise_std_normalization: bool
    samplewise_std_normalization: bool
    zca_whitening: bool
    zca_epsilon: float
    rescale: float | None
    preprocessing_function: Callable[[Array], Array] | None
    dtype: str
    channel_axis: int
    mean: Array | None = None
    std: Array | None = None
    principal_components: Array | None = None

    def standardize(self, x: Array) -> Array:
        """Standardize one image, or a batch, in place where it is possible.

        The mean and the standard deviation of `samplewise_center` and its like are those of the whole array,
        as in Keras: pass images one by one. Without `fit`, statistics of the data are left out, with a
        warning.

        Args:
            x: Floats.

        Returns:
            The array that was passed, or another one behind `preprocessing_function` and whitening.

        Raises:
            DataError: The array holds whole numbers.
        """
        if self.preprocessing_function is not None:
            x = np.asarray(self.preprocessing_function(x))
        if x.dtype.kind != "f" and self._scales():
            raise DataError(
                f"standardize() works in place and needs floats, got {x.dtype}; x.astype('float32')"
            )
        if self.rescale:
            x *= self.rescale
        self._by_itself(x)
        return self._by_features(x)

    def _by_itself(self, x: Array) -> None:
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + _TINY

    def _scales(self) -> bool:
        own = self.samplewise_center or self.samplewise_std_normalization
        return bool(self.rescale) or own or self.featurewise_center or self.featurewise_std_normalization

    def _by_features(self, x: Array) -> Array:
        if self.featurewise_center:
            if self.mean is None:
                _warn_of_fit("featurewise_center")
            else:
                x -= self.mean
        if self.featurewise_std_normalization:
            if self.std is None:
                _warn_of_fit("featurewise_std_normalization")
            else:
                x /= self.std + _TINY
        if self.zca_whitening:
            if self.principal_components is None:
                _warn_of_fit("zca_whitening")
            else:
                x = _whitened(x, self.principal_components)
        return x

    def _has_own(self, *names: str) -> bool:
        """Return whether a subclass has methods of its own, which are called for each image, as in Keras."""
        return any(getattr(type(self), name) is not getattr(Standardizing, name) for name in names)

    def transform_samples(self, images: Array, draws: SampleDraws) -> Array:
        """Return images transformed at random and standardized.

        Args:
            images: (n, ...); they may be written to.
            draws: Those of each sample.
        """
        axes = images.shape[self.row_axis], images.shape[self.col_axis]
        if self._has_own("get_random_transform", "apply_transform"):
            for row, key in enumerate(draws.hashes("image").tolist()):
                parameters = self.get_random_transform(images[row].shape, seed=key >> 1)
                images[row] = self.apply_transform(images[row], parameters)
        else:
            images = self.transformed(images, draw_parameters(self, draws, *axes))
        images = np.ascontiguousarray(images).astype(self.dtype, copy=False)
        if self.preprocessing_function is not None or self._has_own("standardize"):
            for row, image in enumerate(images):
                made = self.standardize(image)
                if made.shape != image.shape:
                    name = "preprocessing_function" if self.preprocessing_function else "standardize"
                    raise DataError(
                        f"{name} was given an image of shape {image.shape} and returned "
                        f"{made.shape}; it must keep the shape"
                    )
                images[row] = made
            return images
        if self._scales() and images.dtype.kind != "f":
            raise DataError(f"dtype={self.dtype!r} cannot be standardized; write dtype='float32'")
        if self.rescale:
            images *= self.rescale
        if self.samplewise_center or self.samplewise_std_normalization:
            for image in images:
                self._by_itself(image)
        return self._by_features(images)

    def fit(self, x: object, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Compute mean, standard deviation and whitening of data, which the featurewise settings need.

        `rescale` is applied before, `preprocessing_function` is not, as in Keras. Statistics are summed in
        float64.

        Args:
            x: Images, of rank 4; or a pipeline, a `Sequence` or another stream of batches, whose images
                are read once for each round.
            augment: Whether to transform the images at random.
            rounds: How many passes over the data, if so.
            seed: Of the transforms; None follows `set_random_seed`.

        Raises:
            ValueError: x are no images, or there are none.
        """
        augment, rounds = truth("augment", augment), whole("rounds", rounds, 1)
        start = next_seed() if seed is None else seed_from(whole("seed", seed, 0))
        whitening = self.zca_whitening
        found = FeatureStatistics(self.channel_axis - 1, whitening)
        for number_of_round in range(rounds if augment else 1):
            key, done = derive(start, "fit", number_of_round), 0
            for images in _chunks(x, self.data_format, warn=number_of_round == 0):
                values = images.astype(self.dtype)
                if self.rescale:
                    values *= self.rescale
                if augment:
                    keys = each_key(key, np.arange(done, done + len(values)))
                    axes = values.shape[self.row_axis], values.shape[self.col_axis]
                    values = self.transformed(values, draw_parameters(self, SampleDraws(keys), *axes))
                found.add(values)
                done += len(values)
        if not found.images:
            raise ValueError("there are no images to compute statistics of")
        if self.featurewise_center:
            self.mean = found.mean().astype(self.dtype)
        if self.featurewise_std_normalization:
            self.std = found.std().astype(self.dtype)
        if whitening:
            self.principal_components = found.components(self.zca_epsilon).astype(self.dtype)


def _warn_of_fit(setting: str) -> None:
    warnings.warn(
        f"This ImageDataGenerator specifies `{setting}`, but it hasn't been fit on any training data. Fit it "
        "first by calling `.fit(numpy_data)`.",
        stacklevel=4,
    )


def _whitened(x: Array, components: Array) -> Array:
    flat = np.ascontiguousarray(x.reshape(-1, len(components)))
    made = np.empty_like(flat)
    whiten_images(flat, np.ascontiguousarray(components), np.empty(flat.shape, np.float64), made)
    return made.reshape(x.shape)


def _chunks(x: object, data_format: str, warn: bool) -> Iterator[Array]:
    """Yield images in chunks, (n, ...).

    Raises:
        ValueError: They have another rank.
    """
    if kind_of(x, "images") == "arrays":
        array = np.asanyarray(x)
        _check_rank(array)
        if warn:
            warn_of_channels(array.shape, data_format)
        step = max(1, _CHUNK_BYTES // max(1, 8 * int(np.prod(array.shape[1:]))))
        yield from (array[start : start + step] for start in range(0, len(array), step))
        return
    with stream(x) as batches:
        for batch in batches.epoch(0):
            images = np.asarray(batch.x)
            _check_rank(images)
            yield images


def _check_rank(images: Array) -> None:
    if images.ndim != 4:
        raise ValueError(f"Input to `.fit()` should have rank 4. Got array with shape: {images.shape}")
