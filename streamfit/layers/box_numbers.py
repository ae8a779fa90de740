"""`MaxNumBoundingBoxes`: as many bounding boxes for each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.configs import Config
from streamfit._base.specs import Array, Spec
from streamfit.layers.checks import length
from streamfit.layers.image_boxes import dense_boxes
from streamfit.layers.image_layer import Entry, ImageLayer, SeededOptions, Transformation


class MaxNumBoundingBoxes(ImageLayer):
    """Keep the first boxes of each image, or fill up to their number.

    Args:
        max_number: The number of boxes.
        fill_value: What boxes and labels are filled up with.
        **options: As for `ImageLayer`.
    """

    draws = False
    always = True

    def __init__(self, max_number: int, fill_value: int = -1, **options: Unpack[SeededOptions]) -> None:
        super().__init__(**options)
        self.max_number, self.fill_value = length("max_number", int(max_number)), int(fill_value)

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Return the images."""
        return images

    def transform_bounding_boxes(
        self,
        bounding_boxes: Mapping[str, object],
        transformation: Transformation | None = None,
        training: bool = True,
    ) -> dict[str, Array]:
        """Cut boxes and labels off, or fill them up."""
        found = {}
        for key, value in dense_boxes(bounding_boxes).items():
            kept = value[:, : self.max_number]
            missing = [(0, 0), (0, self.max_number - kept.shape[1]), (0, 0)][: kept.ndim]
            found[key] = np.pad(kept, missing, constant_values=self.fill_value)
        return found

    def _entry_spec(self, key: str, entry: Entry) -> object:
        if isinstance(entry, Spec):
            return super()._entry_spec(key, entry)
        return {
            name: Spec((spec.shape[0], self.max_number, *spec.shape[2:]), spec.dtype)
            for name, spec in entry.items()
        }

    def compute_output_shape(self, input_shape: object) -> object:
        """Return the shapes, with the number of boxes."""
        found = super().compute_output_shape(input_shape)
        if not is_mapping(found) or "bounding_boxes" not in found:
            return found
        boxes = {
            name: (shape[0], self.max_number, *shape[2:]) for name, shape in found["bounding_boxes"].items()
        }
        return {**found, "bounding_boxes": boxes}

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "max_number": self.max_number, "fill_value": self.fill_value}
