"""`FileIterator`: what the iterators over files of an `ImageDataGenerator` have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from streamfit._base.specs import Array
from streamfit.preprocessing.image.array_iterator import Subset, check_subset_name
from streamfit.preprocessing.image.generated_images import BatchTransform, FileImages, GeneratedImages, Saving
from streamfit.preprocessing.image.image_iterator import ImageIterator
from streamfit.preprocessing.image.single_images import size_of

_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
ENDINGS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")


@dataclass(frozen=True)
class FileOptions:
    """How files become batches; the arguments that both iterators have.

    Raises:
        ValueError: One is none of the values that there are.
    """

    target_size: tuple[int, int]
    color_mode: str
    interpolation: str
    data_format: str
    dtype: str
    subset: Subset | None
    order: tuple[int, bool, int | None]  # batch_size, shuffle and seed
    saving: tuple[str | os.PathLike[str] | None, str, str]  # save_to_dir, save_prefix and save_format

    def __post_init__(self) -> None:
        object.__setattr__(self, "target_size", size_of("target_size", self.target_size))
        if self.color_mode not in _CHANNELS:
            raise ValueError(
                f'Invalid color mode: {self.color_mode!r}; expected "rgb", "rgba", or "grayscale".'
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"Invalid interpolation method {self.interpolation!r}; expected {INTERPOLATIONS}"
            )
        check_subset_name(self.subset)


class FileIterator(ImageIterator):
    """Base of the iterators over files.

    Attributes:
        filenames: The files as they were named, by the ids of samples.
        filepaths: Their paths.
        labels: Their targets, before they are made arrays.
        class_indices: The number of each class, where there are classes.
        image_shape: Shape of an image of a batch.
    """

    white_list_formats = ENDINGS
    sample_weight: Array | None = None

    def __init__(
        self,
        generator: BatchTransform | None,
        options: FileOptions,
        filenames: list[str],
        filepaths: list[str],
        class_mode: str | None,
        labels: object,
        num_classes: int,
        sample_weight: Array | None,
    ) -> None:
        self.image_data_generator, self.class_mode = generator, class_mode
        self.filenames, self._paths = filenames, filepaths
        self.target_size, self.color_mode = options.target_size, options.color_mode
        self.data_format, self.dtype = options.data_format, options.dtype
        self.interpolation = options.interpolation
        self.save_to_dir, self.save_prefix, self.save_format = options.saving
        self.subset = options.subset
        channels = (_CHANNELS[options.color_mode],)
        first = options.data_format == "channels_first"
        size = options.target_size
        self.image_shape: tuple[int, ...] = (*channels, *size) if first else (*size, *channels)
        saving = None
        if self.save_to_dir is not None:
            saving = Saving(os.fspath(self.save_to_dir), self.save_prefix, self.save_format)
        samples = FileImages(
            filepaths,
            options.color_mode,
            size,
            options.interpolation,
            options.data_format,
            class_mode,
            labels,
            num_classes,
            options.dtype,
            sample_weight,
        )
        stage = GeneratedImages(samples, generator, options.dtype, saving)
        super().__init__(stage, *options.order)

    @property
    def filepaths(self) -> list[str]:
        """The paths of the files, by the ids of samples."""
        return self._paths


def part_of(subset: Subset | None, fraction: float, count: int) -> slice:
    """Return which of some files belong to a subset: the first ones are for validation.

    Raises:
        ValueError: There is no fraction to split by.
    """
    if subset is None or (subset == "training" and not fraction):
        return slice(0, count)
    if not fraction:
        raise ValueError(
            f"subset={subset!r} needs ImageDataGenerator(validation_split=...), a fraction such as 0.2"
        )
    at = int(fraction * count)
    return slice(0, at) if subset == "validation" else slice(at, count)


def checked_mode(class_mode: str | None, modes: Sequence[str | None]) -> None:
    """Check a class mode.

    Raises:
        ValueError: It is none.
    """
    if class_mode not in modes:
        raise ValueError(f"Invalid class_mode: {class_mode}; expected one of: {list(modes)}")
