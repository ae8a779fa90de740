"""`GeneratedImages`: the stage in front of an `ImageDataGenerator`'s batches, and what it reads.

Guarantees kept here: what is drawn for a sample depends on seed, pass and sample alone; so a batch is the
same on any worker, at every attempt, and after a resume.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamfit._base.config import DataFormat
from streamfit._base.errors import DataError, SampleError
from streamfit._base.keys import each_key
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.preprocessing.image.single_images import img_to_array, load_img, save_img
from streamfit.streams.source import Identity
from streamfit.streams.stages import Pass, Stage
from streamfit.streams.stages.elements import Element, split
from streamfit.streams.traits import SourceTraits


class ImageSamples(Protocol):
    """Images with their targets, by number."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def images(self, ids: Array, dtype: str) -> Array:
        """Return fresh images, (n, ...) of a dtype."""
        ...

    def element(self, images: Array, ids: Array) -> Element:
        """Return images that were transformed, with what belongs to them."""
        ...

    def identity(self) -> Identity:
        """Return what a saved place belongs to."""
        ...


class BatchTransform(Protocol):
    """What is done to the images of a batch, and how they are split: an `ImageDataGenerator`."""

    data_format: DataFormat
    validation_split: float

    def transform_samples(self, images: Array, draws: SampleDraws) -> Array:
        """Return the images transformed at random and standardized; `images` may be written to."""
        ...


@dataclass(frozen=True)
class Saving:
    """Where generated images are saved.

    Args:
        folder: A folder, which is there.
        prefix: How the names of the files begin.
        format: What their names end in: ``'png'`` or ``'jpeg'``.

    Raises:
        ValueError: There is no such folder.
    """

    folder: str
    prefix: str
    format: str

    def __post_init__(self) -> None:
        if not os.path.isdir(self.folder):
            raise ValueError(f"save_to_dir={self.folder!r} is no folder; make it, or write another")

    def save(self, images: Array, ids: Array, keys: Array, data_format: str) -> None:
        """Save images; one that is made again takes the place of the first."""
        for image, name, key in zip(images, ids.tolist(), keys.tolist(), strict=True):
            file = f"{self.prefix}_{name}_{key % 10_000_000}.{self.format}"
            save_img(os.path.join(self.folder, file), image, data_format=data_format)


class GeneratedImages(Stage):
    """Samples with images that are transformed at random.

    Args:
        samples: The images.
        transform: What is done to them; None for nothing.
        dtype: That of the results.
        saving: Where images are saved; None for nowhere.
    """

    def __init__(
        self, samples: ImageSamples, transform: BatchTransform | None, dtype: str, saving: Saving | None
    ) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.samples, self.transform, self.dtype, self.saving = samples, transform, dtype, saving

    def untransformed(self) -> GeneratedImages:
        """Return the same samples with their images as they are."""
        return GeneratedImages(self.samples, None, self.dtype, None)

    def __repr__(self) -> str:
        return f"generated_images({len(self.samples):,} samples)"

    def identity(self) -> Identity:
        """Return what a saved place belongs to."""
        return self.samples.identity()

    def size(self, p: Pass) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def space(self, p: Pass) -> int:
        """Return the number of samples, which their ids are below."""
        return len(self.samples)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of samples: their positions."""
        return positions

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Make samples."""
        return split(self.stacked(p, ids)) if len(ids) else []

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Make samples as one batch."""
        images = self.samples.images(ids, self.dtype)
        keys = each_key(p.key("image"), ids)
        if self.transform is not None:
            images = self.transform.transform_samples(images, SampleDraws(keys))
        if self.saving is not None:
            data_format = "channels_last" if self.transform is None else self.transform.data_format
            self.saving.save(images, ids, keys, data_format)
        return self.samples.element(images, ids)


@dataclass(frozen=True)
class ArrayImages:
    """Images in an array.

    Args:
        x: (n, ...) of rank 4.
        others: What goes beside the images, unchanged.
        y: The targets, or None.
        sample_weight: The weights, or None.
    """

    x: Array
    others: tuple[Array, ...]
    y: Array | None
    sample_weight: Array | None

    def __len__(self) -> int:
        return len(self.x)

    def images(self, ids: Array, dtype: str) -> Array:
        """Copy rows."""
        return self.x[ids].astype(dtype, copy=False)

    def element(self, images: Array, ids: Array) -> Element:
        """Return x, (x, y) or (x, y, sample_weight)."""
        x = [images, *(other[ids] for other in self.others)] if self.others else images
        return joined(x, None if self.y is None else self.y[ids], self.sample_weight, ids)

    def identity(self) -> Identity:
        """Return shape and dtype of the images."""
        return {"images": list(self.x.shape), "dtype": str(self.x.dtype)}


@dataclass(frozen=True)
class FileImages:
    """Images in files.

    Args:
        paths: The files.
        color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``.
        target_size: Height and width that images are brought to.
        interpolation: How.
        data_format: Where the channels go.
        class_mode: Which targets there are.
        labels: What the targets are made of, by `class_mode`.
        num_classes: How many classes there are.
        dtype: That of targets made of classes.
        sample_weight: The weights, or None.
    """

    paths: Sequence[str]
    color_mode: str
    target_size: tuple[int, int]
    interpolation: str
    data_format: str
    class_mode: str | None
    labels: object
    num_classes: int
    dtype: str
    sample_weight: Array | None

    def __len__(self) -> int:
        return len(self.paths)

    def images(self, ids: Array, dtype: str) -> Array:
        """Decode files.

        Raises:
            SampleError: One of them is no image, or damaged.
        """
        return np.stack([self._image(self.paths[name], row, dtype) for row, name in enumerate(ids.tolist())])

    def _image(self, path: str, row: int, dtype: str) -> Array:
        try:
            image = load_img(
                path,
                color_mode=self.color_mode,  # type: ignore[arg-type]
                target_size=self.target_size,
                interpolation=self.interpolation,  # type: ignore[arg-type]
            )
        except DataError as error:
            raise SampleError(str(error), row) from None
        return img_to_array(image, data_format=self.data_format, dtype=dtype)

    def element(self, images: Array, ids: Array) -> Element:
        """Return x, (x, y) or (x, y, sample_weight)."""
        return joined(images, self._targets(images, ids), self.sample_weight, ids)

    def _targets(self, images: Array, ids: Array) -> Element:
        labels = self.labels
        if self.class_mode is None:
            return None
        if self.class_mode == "input":
            return images.copy()
        if self.class_mode == "multi_output":
            assert isinstance(labels, list)
            return [column[ids] for column in labels]
        if self.class_mode == "categorical":
            assert isinstance(labels, (list, np.ndarray))
            hot = np.zeros((len(ids), self.num_classes), self.dtype)
            for row, name in enumerate(ids.tolist()):
                hot[row, labels[name]] = 1
            return hot
        found = np.asarray(labels)[ids]
        return found if self.class_mode == "raw" else found.astype(self.dtype)

    def identity(self) -> Identity:
        """Return how many files there are, and the form of the images."""
        return {"files": len(self.paths), "size": list(self.target_size), "colours": self.color_mode}


def joined(x: Element, y: Element, sample_weight: Array | None, ids: Array) -> Element:
    """Return a batch in Keras' form: without weights where there are no targets."""
    if y is None:
        return x
    return (x, y) if sample_weight is None else (x, y, sample_weight[ids])
