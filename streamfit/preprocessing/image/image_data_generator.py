"""`ImageDataGenerator`: Keras 2's real-time augmentation of images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from streamfit._base.checks import number, truth
from streamfit._base.config import as_data_format, floatx
from streamfit._base.specs import Array
from streamfit.preprocessing.image.applied_transforms import EdgeMode, check_edges, pair
from streamfit.preprocessing.image.array_iterator import NumpyArrayIterator, Subset
from streamfit.preprocessing.image.dataframe_iterator import DataFrameIterator
from streamfit.preprocessing.image.directory_iterator import DirectoryIterator
from streamfit.preprocessing.image.file_iterator import FileOptions
from streamfit.preprocessing.image.random_transforms import as_shift_range, as_zoom_range
from streamfit.preprocessing.image.standardizing import Standardizing
from streamfit.preprocessing.image.transform_parameters import ShiftRange
from streamfit.streams.frames import DataFrame


class ImageDataGenerator(Standardizing):
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
        self.width_shift_range = as_shift_range("width_shift_range", width_shift_range)
        self.height_shift_range = as_shift_range("height_shift_range", height_shift_range)
        self.brightness_range = (
            None if brightness_range is None else pair("brightness_range", brightness_range)
        )
        self.shear_range = number("shear_range", shear_range)
        self.zoom_range = as_zoom_range(zoom_range)
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
        self.mean = self.std = self.principal_components = None
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
            batch_size, shuffle, seed, save_to_dir, save_prefix, save_format: As for `flow`.
            follow_links: Whether to look into folders that are links.
            subset: ``'training'`` or ``'validation'``; the first images of each class are for validation.
            interpolation: How images are resized: ``'nearest'``, ``'bilinear'``, ``'bicubic'``,
                ``'lanczos'``, ``'box'`` or ``'hamming'``.

        Raises:
            ValueError: There are no images, a class has no folder, or an argument is none of these.
            OSError: The folder cannot be read.
        """
        order, saving = (batch_size, shuffle, seed), (save_to_dir, save_prefix, save_format)
        options = FileOptions(
            target_size, color_mode, interpolation, self.data_format, self.dtype, subset, order, saving
        )
        return DirectoryIterator(directory, self, options, classes, class_mode, follow_links)

    def flow_from_dataframe(
        self,
        dataframe: DataFrame,
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
            target_size, color_mode, interpolation: As for `flow_from_directory`.
            classes: Which classes count; rows of others are left out.
            class_mode: ``'categorical'`` (a list of classes in a row is allowed), ``'binary'``, ``'sparse'``,
                ``'raw'`` (values as they are; ``'other'`` is its old name), ``'multi_output'`` (a list of
                columns), ``'input'``, or None.
            batch_size, shuffle, seed, save_to_dir, save_prefix, save_format: As for `flow`.
            subset: ``'training'`` or ``'validation'``; the first rows are for validation.
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
        order, saving = (batch_size, shuffle, seed), (save_to_dir, save_prefix, save_format)
        options = FileOptions(
            target_size, color_mode, interpolation, self.data_format, self.dtype, subset, order, saving
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
