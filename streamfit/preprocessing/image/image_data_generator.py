"""`ImageDataGenerator`: Keras 2's real-time augmentation of images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from streamfit._base.checks import number, truth, whole
from streamfit._base.config import as_data_format, floatx, next_seed
from streamfit._base.errors import DataError
from streamfit._base.keys import derive, each_key, seed_from
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.preprocessing.image.affine_kernels import whiten_images
from streamfit.preprocessing.image.affine_transforms import EdgeMode, check_edges, pair, transform_images
from streamfit.preprocessing.image.array_iterator import NumpyArrayIterator, Subset, warn_of_channels
from streamfit.preprocessing.image.dataframe_iterator import DataFrameIterator, Table
from streamfit.preprocessing.image.directory_iterator import DirectoryIterator
from streamfit.preprocessing.image.feature_statistics import FeatureStatistics
from streamfit.preprocessing.image.file_iterator import FileOptions
from streamfit.preprocessing.image.transform_parameters import (
    Parameter,
    ShiftRange,
    TransformParameters,
    draw_parameters,
)
from streamfit.streams.adapt import kind_of
from streamfit.streams.iterate import stream

_CHUNK_BYTES = 64 << 20
_TINY = 1e-6  # added to standard deviations, as in Keras-Preprocessing


class ImageDataGenerator:
    """Augment images in real time, with the arguments and the meaning of Keras 2 (Keras-Preprocessing 1.1.2).

    Transforms come in this order: rotation, shift, shear and zoom as one warp; channel shift; flips;
    brightness. Then an image is standardized: `preprocessing_function`, `rescale`, its own mean and standard
    deviation, those of the data, whitening. What is drawn for an image depends on seed, pass and sample
    alone.

    Args:
        featurewise_center: Subtract the mean of each channel over the data; call `fit` first.
        samplewise_center: Subtract the mean of each image.
        featurewise_std_normalization: Divide by the standard deviation of each channel over the data.
        samplewise_std_normalization: Divide each image by its standard deviation.
        zca_whitening: Whiten the data by ZCA; call `fit` first.
        zca_epsilon: What is added to variances for that.
        rotation_range: Rotate by up to so many degrees.
        width_shift_range: Below 1 a fraction of the width; a float from 1 on is a number of pixels; a whole
            number n means whole pixels between -n and n without the ends; a list holds the shifts, of which
            one is drawn with a sign.
        height_shift_range: The same for the height.
        brightness_range: Lowest and highest factor. Each image is scaled to 0..255 before, as Keras does:
            see `apply_brightness_shift`.
        shear_range: Shear by up to so many degrees.
        zoom_range: Lowest and highest zoom, each axis by itself; a number z means (1 - z, 1 + z).
        channel_shift_range: Add up to so much to all channels; values stay in the range of the image.
        fill_mode: What is outside an image: ``'nearest'``, ``'constant'``, ``'reflect'`` or ``'wrap'``.
        cval: The value for ``'constant'``.
        horizontal_flip: Whether to mirror half of the images left and right.
        vertical_flip: Whether to mirror half of them above and below.
        rescale: A factor for all values.
        preprocessing_function: A function of one image, of rank 3, that returns one of the same shape.
        data_format: ``'channels_last'`` or ``'channels_first'``; None for `image_data_format`.
        validation_split: Which fraction ``subset='validation'`` takes.
        interpolation_order: 0 for the nearest pixel, 1 for bilinear, up to 5 for splines (by SciPy).
        dtype: Of the results; None for `floatx`.

    Attributes:
        mean: Of each channel, after `fit`.
        std: Standard deviation of each channel, after `fit`.
        principal_components: The matrix of whitening, after `fit`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> x = np.arange(5 * 8 * 8, dtype="float32").reshape(5, 8, 8, 1)
        >>> flipped = ImageDataGenerator(horizontal_flip=True).flow(x, np.arange(5), 2, seed=1)
        >>> len(flipped), [array.shape for array in next(flipped)]
        (3, [(2, 8, 8, 1), (2,)])
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: ShiftRange = 0.0,
        height_shift_range: ShiftRange = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: EdgeMode = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Array] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: str | None = None,
    ) -> None:
        self.featurewise_center = truth("featurewise_center", featurewise_center)
        self.samplewise_center = truth("samplewise_center", samplewise_center)
        self.featurewise_std_normalization = truth(
            "featurewise_std_normalization", featurewise_std_normalization
        )
        self.samplewise_std_normalization = truth(
            "samplewise_std_normalization", samplewise_std_normalization
        )
        self.zca_whitening = truth("zca_whitening", zca_whitening)
        self.zca_epsilon = number("zca_epsilon", zca_epsilon, 0)
        self.rotation_range = number("rotation_range", rotation_range)
        self.width_shift_range = _shift_range("width_shift_range", width_shift_range)
        self.height_shift_range = _shift_range("height_shift_range", height_shift_range)
        self.brightness_range = (
            None if brightness_range is None else pair("brightness_range", brightness_range)
        )
        self.shear_range = number("shear_range", shear_range)
        self.zoom_range = _zoom_range(zoom_range)
        self.channel_shift_range = number("channel_shift_range", channel_shift_range)
        self.fill_mode, self.cval = fill_mode, number("cval", cval)
        self.interpolation_order = check_edges(fill_mode, interpolation_order)
        self.horizontal_flip = truth("horizontal_flip", horizontal_flip)
        self.vertical_flip = truth("vertical_flip", vertical_flip)
        self.rescale = None if rescale is None else number("rescale", rescale)
        if preprocessing_function is not None and not callable(preprocessing_function):
            raise TypeError(f"preprocessing_function must be a function, got {preprocessing_function!r}")
        self.preprocessing_function = preprocessing_function
        self.data_format = as_data_format(data_format)
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self.validation_split = number("validation_split", validation_split, 0)
        if self.validation_split >= 1:
            raise ValueError(
                f"`validation_split` must be strictly between 0 and 1. Received: {validation_split}"
            )
        self.dtype = floatx() if dtype is None else np.dtype(dtype).name
        self.mean: Array | None = None
        self.std: Array | None = None
        self.principal_components: Array | None = None
        self._settle()

    def _settle(self) -> None:
        """Turn on what another setting needs, with a warning."""
        if self.zca_whitening and self.featurewise_std_normalization:
            self.featurewise_std_normalization = False
            warnings.warn(
                "zca_whitening overrides the setting of featurewise_std_normalization: it is off",
                stacklevel=3,
            )
        for setting, needed in (
            ("zca_whitening", "featurewise_center"),
            ("featurewise_std_normalization", "featurewise_center"),
            ("samplewise_std_normalization", "samplewise_center"),
        ):
            if getattr(self, setting) and not getattr(self, needed):
                setattr(self, needed, True)
                warnings.warn(f"{setting} overrides the setting of {needed}: it is on", stacklevel=3)

    # -- batches --------------------------------------------------------------------------------------

    def flow(
        self,
        x: object,
        y: object = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: object = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: Subset | None = None,
    ) -> NumpyArrayIterator:
        """Return batches of arrays.

        Args:
            x: Images, of rank 4; or (images, array) or (images, [array, ...]) for arrays that go beside them
                unchanged. Memory maps stay in their files; other dtypes are converted batch by batch.
            y: Targets; None for images alone.
            batch_size: Samples in a batch.
            shuffle: Whether each pass has an order of its own.
            sample_weight: Weights.
            seed: Of the order and the transforms; None follows the run.
            save_to_dir: A folder for the generated images.
            save_prefix: How their names begin.
            save_format: ``'png'`` or ``'jpeg'``.
            subset: ``'training'`` or ``'validation'``, with `validation_split`: the first images are for
                validation. Weights are split with their samples.

        Raises:
            ValueError: Lengths differ, x are no images, or the classes of the two subsets differ.
        """
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            dtype=self.dtype,
        )

    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: Subset | None = None,
        interpolation: str = "nearest",
    ) -> DirectoryIterator:
        """Return batches of the images in a folder, in which each folder is a class.

        Args:
            directory: The folder. Folders whose names begin with a dot are no classes.
            target_size: Height and width that images are brought to.
            color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``.
            classes: Which folders are the classes, in order; None for all, in alphabetical order.
            class_mode: ``'categorical'``: one-hot rows; ``'binary'`` and ``'sparse'``: numbers of classes;
                ``'input'``: the images; None for images alone.
            batch_size: As for `flow`, like all that is not here.
            shuffle: Whether each pass has an order of its own.
            seed: Of the order and the transforms.
            save_to_dir: A folder for the generated images.
            save_prefix: How their names begin.
            save_format: ``'png'`` or ``'jpeg'``.
            follow_links: Whether to look into folders that are links.
            subset: ``'training'`` or ``'validation'``; the first images of each class are for validation.
            interpolation: How images are resized: ``'nearest'``, ``'bilinear'``, ``'bicubic'``,
                ``'lanczos'``, ``'box'`` or ``'hamming'``.

        Raises:
            ValueError: There are no images, a class has no folder, or an argument is none of these.
            OSError: The folder cannot be read.
        """
        options = FileOptions(
            target_size,
            color_mode,
            batch_size,
            shuffle,
            seed,
            self.data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            self.dtype,
        )
        return DirectoryIterator(directory, self, options, classes, class_mode, follow_links)

    def flow_from_dataframe(
        self,
        dataframe: Table,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: str | list[str] = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: Subset | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **others: object,
    ) -> DataFrameIterator:
        """Return batches of the images that a table names.

        Args:
            dataframe: A data frame of pandas.
            directory: The folder that the names belong to; None for whole paths.
            x_col: The column of the names.
            y_col: The column of the targets, or a list of columns.
            weight_col: The column of the weights.
            target_size: As for `flow_from_directory`, like all that is not here.
            color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``.
            classes: Which classes count; rows of others are left out.
            class_mode: ``'categorical'`` (a list of classes in a row is allowed), ``'binary'``, ``'sparse'``,
                ``'raw'`` (values as they are; ``'other'`` is its old name), ``'multi_output'`` (a list of
                columns), ``'input'``, or None.
            batch_size: Samples in a batch.
            shuffle: Whether each pass has an order of its own.
            seed: Of the order and the transforms.
            save_to_dir: A folder for the generated images.
            save_prefix: How their names begin.
            save_format: ``'png'`` or ``'jpeg'``.
            subset: ``'training'`` or ``'validation'``; the first rows are for validation.
            interpolation: How images are resized.
            validate_filenames: Whether rows are left out, with a warning, whose file is missing or is no
                image by its name.
            **others: `has_ext`, `sort` and `drop_duplicates` are accepted with a warning.

        Raises:
            TypeError: A column holds other values than `class_mode` needs.
            ValueError: An argument is none of these.
        """
        for name in others:
            if name not in ("has_ext", "sort", "drop_duplicates"):
                raise TypeError(f"flow_from_dataframe got an unexpected keyword argument {name!r}")
            warnings.warn(f"{name} has no effect; leave it out", DeprecationWarning, stacklevel=2)
        if class_mode == "other":
            warnings.warn('class_mode="other" is called "raw" now', DeprecationWarning, stacklevel=2)
            class_mode = "raw"
        options = FileOptions(
            target_size,
            color_mode,
            batch_size,
            shuffle,
            seed,
            self.data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            self.dtype,
        )
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            options,
            x_col,
            y_col,
            weight_col,
            classes,
            class_mode,
            validate_filenames,
        )

    # -- single images ----------------------------------------------------------------------------------

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None) -> dict[str, Parameter]:
        """Draw the parameters of one image.

        Args:
            img_shape: Shape of the image, of rank 3.
            seed: Equal seeds give equal parameters; None follows `set_random_seed`.
        """
        key = next_seed() if seed is None else seed_from(whole("seed", seed, 0))
        draws = SampleDraws(np.array([key], np.uint64))
        return draw_parameters(self, draws, img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]).row(0)

    def apply_transform(self, x: Array, transform_parameters: Mapping[str, object]) -> Array:
        """Transform one image by the parameters that `get_random_transform` returns.

        Args:
            x: An image of rank 3.
            transform_parameters: ``'theta'``, ``'shear'`` (degrees), ``'tx'``, ``'ty'`` (pixels), ``'zx'``,
                ``'zy'``, ``'flip_horizontal'``, ``'flip_vertical'``, ``'channel_shift_intensity'`` and
                ``'brightness'``; those that are missing do nothing.
        """
        image = np.asarray(x)
        if image.ndim != 3:
            raise DataError(f"an image must have rank 3, got shape {image.shape}")
        made: Array = self._transformed(image[None], TransformParameters.of(transform_parameters))[0]
        return made

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """Transform one image at random; see `get_random_transform`."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

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
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + _TINY
        return self._by_features(x)

    def _scales(self) -> bool:
        return bool(self.rescale) or self.samplewise_center or self.featurewise_center

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

    # -- batches of samples -------------------------------------------------------------------------------

    def transform_samples(self, images: Array, draws: SampleDraws) -> Array:
        """Return images transformed at random and standardized.

        Args:
            images: (n, ...); they may be written to.
            draws: Those of each sample.
        """
        axes = images.shape[self.row_axis], images.shape[self.col_axis]
        images = self._transformed(images, draw_parameters(self, draws, *axes))
        images = np.ascontiguousarray(images).astype(self.dtype, copy=False)
        if self.preprocessing_function is not None:
            for row, image in enumerate(images):
                made = self.standardize(image)
                if made.shape != image.shape:
                    raise DataError(
                        f"preprocessing_function was given an image of shape {image.shape} and returned "
                        f"{made.shape}; it must keep the shape"
                    )
                images[row] = made
            return images
        if self._scales() and images.dtype.kind != "f":
            raise DataError(f"dtype={self.dtype!r} cannot be standardized; write dtype='float32'")
        if self.rescale:
            images *= self.rescale
        if self.samplewise_center:
            for image in images:
                image -= np.mean(image, keepdims=True)
                if self.samplewise_std_normalization:
                    image /= np.std(image, keepdims=True) + _TINY
        return self._by_features(images)

    def _transformed(self, images: Array, parameters: TransformParameters) -> Array:
        return transform_images(
            images,
            parameters,
            channels_first=self.data_format == "channels_first",
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )

    # -- statistics ---------------------------------------------------------------------------------------

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
                    values = self._transformed(values, draw_parameters(self, SampleDraws(keys), *axes))
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


def _shift_range(name: str, value: ShiftRange) -> ShiftRange:
    """Return a range of shifts, with a whole number as int and a list as floats.

    Raises:
        TypeError: It is none.
    """
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value):
        if not len(value):
            raise ValueError(f"{name} is empty; write a number, or a list of shifts")
        return [number(f"{name} entries", entry) for entry in value]
    found = number(name, value)
    return int(found) if np.asarray(value).dtype.kind in "iu" else found


def _zoom_range(value: object) -> list[float]:
    if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value):
        return list(pair("zoom_range", value))
    zoom = number("zoom_range", value)
    return [1 - zoom, 1 + zoom]


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
