"""`image_dataset_from_directory`: images in files, decoded where batches are loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, overload

from streamfit._base.checks import truth, whole_or_none
from streamfit._base.keys import seed_or_none
from streamfit.preprocessing.image.decoding import ENDINGS, MAX_PIXELS, ColorMode
from streamfit.preprocessing.image.encoded_images import EncodedImages, ImagePaths
from streamfit.preprocessing.image.image_form import Fit, ImageForm, ImageSize
from streamfit.preprocessing.labelled_files import (
    LabelledFiles,
    LabelMode,
    Labels,
    Subset,
    check_kinds,
    check_subset,
    find_files,
)
from streamfit.preprocessing.text_files import FilePipeline


@overload
def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = ...,
    label_mode: LabelMode | None = ...,
    class_names: Sequence[str] | None = ...,
    color_mode: ColorMode = ...,
    batch_size: int | None = ...,
    image_size: ImageSize | None = ...,
    shuffle: bool = ...,
    seed: int | None = ...,
    validation_split: float | None = ...,
    subset: Literal["training", "validation"] | None = ...,
    interpolation: str = ...,
    follow_links: bool = ...,
    crop_to_aspect_ratio: bool = ...,
    pad_to_aspect_ratio: bool = ...,
    data_format: str | None = ...,
    format: Literal["tf", "grain"] | None = ...,
    verbose: bool = ...,
    *,
    antialias: bool = ...,
    dtype: str = ...,
    max_pixels: int = ...,
    reduce: bool = ...,
) -> FilePipeline: ...


@overload
def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = ...,
    label_mode: LabelMode | None = ...,
    class_names: Sequence[str] | None = ...,
    color_mode: ColorMode = ...,
    batch_size: int | None = ...,
    image_size: ImageSize | None = ...,
    shuffle: bool = ...,
    seed: int | None = ...,
    validation_split: float | None = ...,
    *,
    subset: Literal["both"],
    interpolation: str = ...,
    follow_links: bool = ...,
    crop_to_aspect_ratio: bool = ...,
    pad_to_aspect_ratio: bool = ...,
    data_format: str | None = ...,
    format: Literal["tf", "grain"] | None = ...,
    verbose: bool = ...,
    antialias: bool = ...,
    dtype: str = ...,
    max_pixels: int = ...,
    reduce: bool = ...,
) -> list[FilePipeline]: ...


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Labels = "inferred",
    label_mode: LabelMode | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: ColorMode = "rgb",
    batch_size: int | None = 32,
    image_size: ImageSize | None = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Subset | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: Literal["tf", "grain"] | None = None,
    verbose: bool = True,
    *,
    antialias: bool = False,
    dtype: str = "float32",
    max_pixels: int = MAX_PIXELS,
    reduce: bool = False,
) -> FilePipeline | list[FilePipeline]:
    """Make a pipeline of the images of a folder, in which each folder is a class. Needs the extra ``image``.

    Files that end in .bmp, .gif, .jpeg, .jpg, .png (as in Keras), .webp, .tif and .tiff count. A file is
    decoded when its batch is loaded, by the worker that loads it, and turned as its EXIF orientation says.

    Args:
        color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``.
        image_size: Height and width, or a number for a square; None for those of each file.
        interpolation: ``'bilinear'``, ``'nearest'``, ``'bicubic'``, ``'area'`` or ``'lanczos3'``.
        crop_to_aspect_ratio: Whether images of another ratio are cut, at the middle, and not stretched.
        pad_to_aspect_ratio: Whether they are filled with 0 at both sides.
        data_format: ``'channels_last'`` or ``'channels_first'``; None for `image_data_format`.
        antialias: Whether each pixel counts where an image shrinks, unlike in Keras.
        dtype: ``'float32'``, or ``'uint8'``, rounded, a quarter of the memory; values are from 0 to 255.
        max_pixels: Larger images are refused before they are decoded.
        reduce: Whether JPEG of twice the size or more is decoded to a half, quarter or eighth, in less time
            and to other values: averaged pixels.
        others: As for `text_dataset_from_directory`.

    Returns:
        The pipeline, with `class_names` and `file_paths`; a list of two for ``subset='both'``.

    Raises:
        ValueError: An argument is none of these, or there are no files.

    Loading raises a `SampleError` with the path of a file that is no image, is damaged or too large.

    Example:
        >>> import pathlib, tempfile
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "dark", "1.png")
        >>> path.parent.mkdir()
        >>> _ = path.write_bytes(b"P5 1 1 255 " + bytes([20]))
        >>> images = image_dataset_from_directory(holder.name, image_size=2, shuffle=False)
        1 files of 1 classes
        >>> x, y = next(iter(images))
        >>> x.shape, x.max(), y
        ((1, 2, 2, 3), np.float32(20.0), array([0], dtype=int32))
        >>> holder.cleanup()
    """
    size = whole_or_none("batch_size", batch_size, 1)
    shuffle, seed = truth("shuffle", shuffle), seed_or_none(seed)
    check_kinds(label_mode, format)
    check_subset(validation_split, subset, shuffle, seed)
    fit = _fit(crop_to_aspect_ratio, pad_to_aspect_ratio)
    form = ImageForm.of(
        color_mode, image_size, fit, interpolation, antialias, dtype, data_format, max_pixels, reduce
    )
    labels = None if label_mode is None else labels
    files = find_files(directory, labels, class_names, ENDINGS, truth("follow_links", follow_links))
    if truth("verbose", verbose):
        files.tell()
    parts = files.subsets(shuffle, seed, validation_split, subset)
    made = [_pipeline(part, label_mode, form, size, shuffled, seed) for part, shuffled in parts]
    return made if subset == "both" else made[0]


def _fit(crop: object, pad: object) -> Fit:
    if truth("crop_to_aspect_ratio", crop) and truth("pad_to_aspect_ratio", pad):
        raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other; give one of them")
    return "crop" if crop else "pad" if pad else "stretch"


def _pipeline(
    files: LabelledFiles,
    mode: LabelMode | None,
    form: ImageForm,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
) -> FilePipeline:
    targets = None if mode is None or files.labels is None else files.targets(mode)
    stage = EncodedImages(ImagePaths(files.paths, "images"), targets, form, targets is not None)
    made = FilePipeline.of(stage, files, seed)
    made = made.shuffle() if shuffle else made
    return made if batch_size is None else made.batch(batch_size)
