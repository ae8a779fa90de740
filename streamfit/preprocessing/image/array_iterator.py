"""`NumpyArrayIterator`: batches of an `ImageDataGenerator` over arrays."""

from __future__ import annotations

import os
import warnings
from typing import Literal

import numpy as np

from streamfit._base.checks import truth
from streamfit._base.specs import Array
from streamfit.preprocessing.image.generated_images import (
    ArrayImages,
    BatchTransform,
    GeneratedImages,
    Saving,
)
from streamfit.preprocessing.image.image_iterator import ImageIterator

Subset = Literal["training", "validation"]


class NumpyArrayIterator(ImageIterator):
    """What `ImageDataGenerator.flow` returns; for its arguments see there.

    Attributes:
        x: The images.
        x_misc: What goes beside them.
        y: The targets, or None.
        sample_weight: The weights, or None.
    """

    def __init__(
        self,
        x: object,
        y: object,
        image_data_generator: BatchTransform,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: object = None,
        seed: int | None = None,
        data_format: str = "channels_last",
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: Subset | None = None,
        dtype: str = "float32",
    ) -> None:
        check_subset_name(subset)
        images, others = _parts(x)
        targets = None if y is None else np.asarray(y)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        for name, array in [*(("x[1]", other) for other in others), ("y", targets), ("weights", weights)]:
            if array is not None and array.shape[:1] != images.shape[:1]:
                raise ValueError(
                    f"`x` (images) and `{name}` should have the same length. "
                    f"Found: x.shape = {images.shape}, {name}.shape = {array.shape}"
                )
        if images.ndim != 4:
            raise ValueError(
                "images should have rank 4: (n, height, width, channels) or (n, channels, height, width), "
                f"got shape {images.shape}; grey images get their axis by x[..., None]"
            )
        warn_of_channels(images.shape, data_format)
        if subset is not None:
            part = _rows_of(subset, len(images), image_data_generator.validation_split, targets)
            images, others = images[part], tuple(other[part] for other in others)
            targets = None if targets is None else targets[part]
            weights = None if weights is None else weights[part]
        self.x, self.x_misc, self.y, self.sample_weight = images, list(others), targets, weights
        self.image_data_generator, self.data_format, self.dtype = image_data_generator, data_format, dtype
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        saving = None if save_to_dir is None else Saving(os.fspath(save_to_dir), save_prefix, save_format)
        samples = ArrayImages(images, others, targets, weights)
        stage = GeneratedImages(samples, image_data_generator, dtype, saving)
        super().__init__(stage, batch_size, truth("shuffle", shuffle), seed)


def check_subset_name(subset: object) -> None:
    """Check a subset.

    Raises:
        ValueError: It is none.
    """
    if subset not in (None, "training", "validation"):
        raise ValueError(f'Invalid subset name: {subset!r}; expected "training" or "validation".')


def warn_of_channels(shape: tuple[int, ...], data_format: str) -> None:
    """Warn of images whose number of channels shows that axes may have changed places."""
    axis = 1 if data_format == "channels_first" else 3
    if shape[axis] not in (1, 3, 4):
        warnings.warn(
            f"images of data_format={data_format!r} should have 1, 3 or 4 channels on axis {axis}, but their "
            f"shape is {shape}",
            stacklevel=4,
        )


def _parts(x: object) -> tuple[Array, tuple[Array, ...]]:
    """Return the images, and the arrays beside them where x is a pair (images, others)."""
    if not isinstance(x, (tuple, list)):
        return np.asanyarray(x), ()
    if len(x) != 2:
        raise ValueError(
            f"x must be an array of images or a pair (images, other arrays), got {len(x)} entries; to pass a "
            "list of images write np.stack(x)"
        )
    others = x[1] if isinstance(x[1], list) else [x[1]]
    return np.asanyarray(x[0]), tuple(np.asarray(other) for other in others)


def _rows_of(subset: Subset, count: int, fraction: float, targets: Array | None) -> slice:
    """Return the rows of a subset: the first ones are for validation, as in Keras-Preprocessing."""
    if not fraction:
        raise ValueError(
            f"subset={subset!r} needs ImageDataGenerator(validation_split=...), a fraction such as 0.2"
        )
    at = int(count * fraction)
    if targets is not None and not np.array_equal(np.unique(targets[:at]), np.unique(targets[at:])):
        raise ValueError(
            "Training and validation subsets have different number of classes after the split. "
            "If your numpy arrays are sorted by the label, you might want to shuffle them."
        )
    return slice(0, at) if subset == "validation" else slice(at, count)
