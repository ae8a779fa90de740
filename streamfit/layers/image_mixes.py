"""Layers that mix each image with another one of its batch, and their labels: `MixUp` and `CutMix`.

Which image that is depends on the batch; everything else on the sample alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import numpy as np

from streamfit._base.checks import number
from streamfit._base.configs import Config
from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.layers.image_boxes import dense_boxes
from streamfit.layers.image_checks import factor_range
from streamfit.layers.image_filters import rectangles
from streamfit.layers.image_layer import ImageLayer, SeededOptions, Transformation, column


class MixLayer(ImageLayer):
    """Base of layers that mix labels: those of classes must be one-hot, or numbers that may be averaged."""

    mixes = True

    def transform_labels(
        self, labels: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return the labels, each mixed with that of the partner by their shares of the image.

        Raises:
            DataError: They are numbers of classes.
        """
        given = np.asarray(labels)
        if not training or transformation is None:
            return given
        if given.ndim < 2:
            raise DataError(
                f"layer {self.name!r} mixes labels, which must be one-hot (n, classes), got {given.shape}; "
                "write utils.to_categorical(y)"
            )
        share: Array = np.asarray(transformation["mix_weight"]).reshape(-1, *[1] * (given.ndim - 1))
        partners = np.asarray(transformation["permutation_order"])
        mixed: Array = share * given + (1 - share) * given[partners]
        return mixed.astype(self.dtype)


def _partners(draws: SampleDraws) -> Array:
    order = np.argsort(draws.hashes("partner"), kind="stable")
    return order


class MixUp(MixLayer):
    """Mix each image with another one, pixel by pixel.

    Source: Zhang et al., "mixup: beyond empirical risk minimization", 2018.

    Args:
        alpha: Both parameters of the beta distribution that the share of an image is drawn from, above 0.
        **options: As for `ImageLayer`.
    """

    def __init__(self, alpha: float = 0.2, **options: Unpack[SeededOptions]) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha, 0)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw shares and partners."""
        from scipy.special import betaincinv  # it takes a while to import

        alpha = max(self.alpha, 1e-6)
        share = betaincinv(alpha, alpha, draws.uniform("share"))
        return {"mix_weight": share, "permutation_order": _partners(draws)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Mix."""
        share = column(transformation["mix_weight"])
        mixed: Array = share * images
        mixed += (1 - share) * images[np.asarray(transformation["permutation_order"])]
        return mixed

    def transform_segmentation_masks(
        self, segmentation_masks: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return the masks, mixed as the images are."""
        masks = np.asarray(segmentation_masks)
        if not training or transformation is None:
            return masks
        return self.changed(masks.astype(np.float32), transformation, None)

    def transform_bounding_boxes(
        self,
        bounding_boxes: Mapping[str, object],
        transformation: Transformation | None = None,
        training: bool = True,
    ) -> dict[str, Array]:
        """Return the boxes of both images."""
        given = dense_boxes(bounding_boxes)
        if not training or transformation is None:
            return given
        partners = np.asarray(transformation["permutation_order"])
        return {key: np.concatenate([value, value[partners]], axis=1) for key, value in given.items()}

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "alpha": self.alpha}


class CutMix(MixLayer):
    """Write a rectangle of another image over each image.

    Source: Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
    features", 2019.

    Args:
        factor: The range of both parameters of the beta distribution that the share of an image is drawn
            from, within [0, 1]; a number for (0, number).
        **options: As for `ImageLayer`.
    """

    def __init__(self, factor: object = 1.0, **options: Unpack[SeededOptions]) -> None:
        super().__init__(**options)
        self.factor = factor_range("factor", factor, 0.0, 1.0)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw rectangles and partners."""
        from scipy.special import betaincinv  # it takes a while to import

        alpha = draws.uniform("alpha", *self.factor) + 1e-6
        part = np.sqrt(1 - betaincinv(alpha, alpha, draws.uniform("share")))
        masks, area = rectangles(draws, np.stack([part, part], axis=1), shape[1] or 0, shape[2] or 0)
        return {"permutation_order": _partners(draws), "batch_masks": masks, "mix_weight": 1 - area}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Write the rectangles."""
        partners = np.asarray(transformation["permutation_order"])
        return np.where(np.asarray(transformation["batch_masks"]), images[partners], images)

    def transform_segmentation_masks(
        self, segmentation_masks: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return the masks, with the same rectangles."""
        return self._transformed(segmentation_masks, transformation, training, "nearest")

    def transform_bounding_boxes(
        self,
        bounding_boxes: Mapping[str, object],
        transformation: Transformation | None = None,
        training: bool = True,
    ) -> dict[str, Array]:
        """Refuse boxes, as Keras does.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("CutMix does not move bounding boxes; leave them out, or use MixUp")

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "factor": self.factor}
