"""`RandAugment` and `AugMix`: for each image some layers of a list, drawn for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Unpack

import numpy as np

from streamfit._base.checks import number, truth, whole
from streamfit._base.configs import Config
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.layers.checks import length
from streamfit.layers.image_checks import factor_range, interpolation_mode
from streamfit.layers.image_filters import RandomSharpness
from streamfit.layers.image_layer import GeometricLayer, ImageLayer, SeededOptions, Transformation, column
from streamfit.layers.image_levels import AutoContrast, Equalization, Solarization
from streamfit.layers.random_colours import (
    ColourLayer,
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
)
from streamfit.layers.random_warps import RandomRotation, RandomShear, RandomTranslation


class DrawnLayers(ColourLayer):
    """Base of layers that draw which of several layers an image goes through.

    Args:
        factor: The range of the factors of all of them, within [0, 1]; a number for (0, number).
        interpolation: ``'bilinear'`` or ``'nearest'``.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        factor: object,
        interpolation: str,
        value_range: object,
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(value_range=value_range, **options)
        self.factor = low, high = factor_range("factor", factor, 0.0, 1.0)
        self.interpolation = interpolation_mode(interpolation)
        both, values = (low, high), self.value_range
        kind, form = {"interpolation": interpolation}, {"bounding_box_format": "xyxy"}
        self._parts: dict[str, ImageLayer] = {
            "random_shear": RandomShear(both, both, **kind, **form, name="shear"),  # type: ignore[arg-type]
            "random_translation": RandomTranslation(both, both, **kind, **form, name="translation"),  # type: ignore[arg-type]
            "random_rotation": RandomRotation(both, **kind, **form, name="rotation"),  # type: ignore[arg-type]
            "random_brightness": RandomBrightness(both, values, name="brightness"),
            "random_color_degeneration": RandomColorDegeneration(both, values, name="degeneration"),
            "random_contrast": RandomContrast(both, values, name="contrast"),
            "random_sharpness": RandomSharpness(both, values, name="sharpness"),
            "random_posterization": RandomPosterization(max(1, int(8 * high)), values, name="posterization"),
            "solarization": Solarization(both, both, values, name="solarization"),
            "auto_contrast": AutoContrast(values, name="auto_contrast"),
            "equalization": Equalization(values, name="equalization"),
        }
        self._names = list(self._parts)

    def _part_of(
        self, name: str, images: Array, rows: Array, transformation: Transformation, interpolation: str | None
    ) -> None:
        """Change some of the images by one layer, in their place."""
        part = self._parts[name]
        if not len(rows) or (interpolation is not None and not isinstance(part, GeometricLayer)):
            return
        images[rows] = part.changed(images[rows], _rows_of(transformation, rows, len(images)), interpolation)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "factor": self.factor, "interpolation": self.interpolation}


def _rows_of(transformation: Transformation, rows: Array, n: int) -> Transformation:
    """Return the random numbers of some of n images."""
    arrays = {key: value for key, value in transformation.items() if isinstance(value, np.ndarray)}
    return {**transformation, **{key: value[rows] for key, value in arrays.items() if len(value) == n}}


class RandAugment(DrawnLayers):
    """Send each image through `num_ops` of eleven layers, drawn for it.

    Source: Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space",
    2020. The layers are those of Keras 3, in its order: shear, translation, rotation, brightness, colour
    degeneration, contrast, sharpness, posterization, solarization, auto-contrast, equalization.

    Args:
        value_range: The values of black and white.
        num_ops: How many layers an image goes through.
        factor: The range of the factors of all of them, within [0, 1]; a number for (0, number).
        interpolation: ``'bilinear'`` or ``'nearest'``.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        value_range: object = (0, 255),
        num_ops: int = 2,
        factor: object = 0.5,
        interpolation: str = "bilinear",
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(factor, interpolation, value_range, **options)
        self.num_ops = whole("num_ops", num_ops, 0)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw which layers, and for each of them."""
        chosen = draws.whole("layers", 0, len(self._parts), (self.num_ops,))
        made = {name: part.drawn(draws.of(name), shape) for name, part in self._parts.items()}
        return {"layer_idxes": chosen.T, "transforms": made}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Do what was drawn."""
        made = images.copy()
        for name, rows in self._chosen(transformation, len(images)):
            self._part_of(name, made, rows, transformation["transforms"][name], interpolation)
        return made

    def _chosen(self, transformation: Transformation, n: int) -> Iterator[tuple[str, Array]]:
        chosen = np.asarray(transformation["layer_idxes"])
        chosen = np.broadcast_to(chosen[:, None] if chosen.ndim == 1 else chosen, (len(chosen), n))
        for step in chosen:
            for place, name in enumerate(self._names):
                yield name, np.flatnonzero(step == place)

    def transform_segmentation_masks(
        self, segmentation_masks: object, transformation: Transformation | None = None, training: bool = True
    ) -> Array:
        """Return masks, moved as the images are."""
        return self._transformed(segmentation_masks, transformation, training, "nearest")

    def transform_bounding_boxes(
        self,
        bounding_boxes: Mapping[str, object],
        transformation: Transformation | None = None,
        training: bool = True,
    ) -> dict[str, Array]:
        """Return moved boxes, clipped to the image; one that is outside of it gets the label -1."""
        return self._with_moved_boxes(bounding_boxes, transformation, training)

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return the moved boxes."""
        moved = boxes.copy()
        for name, rows in self._chosen(transformation, len(boxes)):
            part = _rows_of(transformation["transforms"][name], rows, len(boxes))
            moved[rows] = self._parts[name].moved_boxes(moved[rows], part, height, width)
        return moved

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "num_ops": self.num_ops}


class AugMix(DrawnLayers):
    """Mix each image with several versions of itself, each behind a chain of layers drawn for it.

    Source: Hendrycks et al., "AugMix: a simple data processing method to improve robustness and uncertainty",
    2020. Masks and boxes stay as they are.

    Args:
        value_range: The values of black and white.
        num_chains: How many versions there are.
        chain_depth: How many layers each goes through, or fewer: none may be drawn in the place of one.
        factor: The range of the factors of the layers, within [0, 1]; a number for (0, number).
        alpha: The parameter of the Dirichlet distribution that the shares of the versions are drawn from, and
            of the beta distribution for the share of the image itself.
        all_ops: Whether brightness, colour degeneration, contrast and sharpness are among the layers.
        interpolation: ``'bilinear'`` or ``'nearest'``.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        value_range: object = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: object = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(factor, interpolation, value_range, **options)
        self.num_chains, self.chain_depth = (
            length("num_chains", num_chains),
            length("chain_depth", chain_depth),
        )
        self.alpha, self.all_ops = number("alpha", alpha, 0), truth("all_ops", all_ops)
        colours = ("brightness", "color_degeneration", "contrast", "sharpness")
        if not all_ops:
            self._names = [name for name in self._names if name.removeprefix("random_") not in colours]

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw layers, their numbers, and shares."""
        from scipy.special import betaincinv, gammaincinv  # it takes a while to import

        alpha = max(self.alpha, 1e-6)
        gamma = gammaincinv(alpha, draws.uniform("shares", shape=(self.num_chains,)))
        shares = gamma / np.maximum(gamma.sum(axis=1, keepdims=True), 1e-12)
        steps = (self.num_chains, self.chain_depth)
        chosen = draws.whole("layers", 0, len(self._names) + 1, steps)  # one more for none
        made = [
            [
                {
                    name: self._parts[name].drawn(draws.of(f"{chain} {depth} {name}"), shape)
                    for name in self._names
                }
                for depth in range(self.chain_depth)
            ]
            for chain in range(self.num_chains)
        ]
        own = betaincinv(alpha, alpha, draws.uniform("own"))
        return {"chain_mixing_weights": shares, "weight_sample": own, "layers": chosen, "transforms": made}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Do what was drawn, and mix."""
        mixed = np.zeros_like(images)
        chosen, shares = transformation["layers"], transformation["chain_mixing_weights"]
        for chain in range(self.num_chains):
            version = images.copy()
            for depth in range(self.chain_depth):
                for place, name in enumerate(self._names):
                    rows = np.flatnonzero(chosen[:, chain, depth] == place)
                    drawn = transformation["transforms"][chain][depth][name]
                    self._part_of(name, version, rows, drawn, None)
            mixed += version * column(shares[:, chain])
        own = column(transformation["weight_sample"])
        return self.clipped(own * images + (1 - own) * mixed)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"num_chains": self.num_chains, "chain_depth": self.chain_depth, "alpha": self.alpha}
        return {**super().get_config(), **own, "all_ops": self.all_ops}
