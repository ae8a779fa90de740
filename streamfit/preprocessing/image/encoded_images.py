"""`EncodedImages`: samples that are images in files, decoded where batches are loaded."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array, Spec
from streamfit.preprocessing.image.decoding import read_image_file
from streamfit.preprocessing.image.image_form import ImageForm
from streamfit.streams.stages import Pass, Stage
from streamfit.streams.stages.elements import Element, collate
from streamfit.streams.traits import SourceTraits
from streamfit.workers import empty


class ImagePlaces(ABC):
    """Where the bytes of images are. It travels to workers, so it holds no open file."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def __repr__(self) -> str:
        """Return the pipeline as it is written."""

    @abstractmethod
    def read(self, name: int, max_pixels: int) -> bytes:
        """Return the bytes of an image.

        Raises:
            DataError: They are not there, or too many.
        """

    @abstractmethod
    def where(self, name: int) -> str:
        """Say which image it is, for messages."""

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """Return what makes these data others than other data: values for JSON, by the words of an error."""

    def target(self, name: int) -> Element:
        """Return the target of an image, where it lies beside it."""
        return None

    def close(self) -> None:  # noqa: B027 - optional
        """Close what was opened."""


class ImagePaths(ImagePlaces):
    """Images in files of their own.

    Args:
        paths: The files.
        name: What to call the pipeline.
    """

    def __init__(self, paths: list[str], name: str) -> None:
        self.paths, self.name = paths, name

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"{self.name}({len(self.paths):,} files)"

    def read(self, name: int, max_pixels: int) -> bytes:
        """Read a file."""
        return read_image_file(self.paths[name], max_pixels)

    def where(self, name: int) -> str:
        """Return the path."""
        return repr(self.paths[name])

    def identity(self) -> dict[str, object]:
        """Return names of files, and their number."""
        return {"files": [os.path.basename(path) for path in self.paths[:1000]], "images": len(self.paths)}


class EncodedImages(Stage):
    """Samples that are images, with targets where there are any.

    Args:
        places: Where they are.
        targets: The target of each, of shape (n, ...); None for those beside the images.
        form: What becomes of them.
        labelled: Whether each has a target.
    """

    def __init__(self, places: ImagePlaces, targets: Array | None, form: ImageForm, labelled: bool) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.places, self.targets, self.form, self.labelled = places, targets, form, labelled

    def __repr__(self) -> str:
        return repr(self.places)

    def specs(self) -> Element:
        """Return the specs of a sample; None where each image has its own size."""
        image = self.form.spec
        if image is None or not self.labelled:
            return image
        return None if self.targets is None else (image, Spec(self.targets.shape[1:], self.targets.dtype))

    def size(self, p: Pass) -> int:
        """Return the number of images."""
        return len(self.places)

    def space(self, p: Pass) -> int:
        """Return the number of images."""
        return len(self.places)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of images: their positions."""
        return positions

    def identity(self) -> dict[str, object]:
        """Return what makes these data others than other data."""
        return self.places.identity()

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Decode images."""
        images = [self._image(int(name), row, None) for row, name in enumerate(ids)]
        if not self.labelled:
            return list(images)
        return [
            (image, self._target(int(name), row))
            for row, (image, name) in enumerate(zip(images, ids, strict=True))
        ]

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Decode images to one array."""
        if self.form.size is None:
            return collate(self.fetch(p, ids), ids)
        images = empty((len(ids), *self.form.shape), self.form.dtype)
        for row, name in enumerate(ids):
            self._image(int(name), row, images[row])
        if not self.labelled:
            return images
        if self.targets is not None:
            return images, self.targets[ids]
        return images, collate([self._target(int(name), row) for row, name in enumerate(ids)], ids)

    def close(self) -> None:
        """Close what was opened."""
        self.places.close()

    def _image(self, name: int, row: int, out: Array | None) -> Array:
        try:
            data = self.places.read(name, self.form.max_pixels)
            return self.form.decoded(data, self.places.where(name), out)
        except DataError as error:
            raise SampleError(str(error), row) from None

    def _target(self, name: int, row: int) -> Element:
        if self.targets is not None:
            return self.targets[name]
        try:
            return self.places.target(name)
        except DataError as error:
            raise SampleError(str(error), row) from None
