"""Layers that move the pixels of images at random: turn, shift, zoom, shear and perspective.

Each takes a pixel of the result from a point of the image, as Keras 3 does.
"""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.layers.checks import fraction, one_of
from streamfit.layers.image_checks import factor_range, interpolation_mode, outside_mode
from streamfit.layers.image_layer import GeometricLayer, SeededOptions, Transformation
from streamfit.layers.image_warps import affine, corners_moved, homography, rotation, warped

MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomFlip(GeometricLayer):
    """Mirror half of the images.

    Args:
        mode: ``'horizontal'`` (left and right), ``'vertical'``, or ``'horizontal_and_vertical'``: both at
            once, as in Keras.
        **options: As for `ImageLayer`.

    Example:
        >>> images = np.arange(6).reshape(2, 1, 3, 1)
        >>> found = RandomFlip("horizontal", seed=1)(images)
        >>> sorted({found[0, 0, 0, 0].item(), found[1, 0, 0, 0].item()} - {0.0, 2.0, 3.0, 5.0})
        []
    """

    def __init__(self, mode: str = "horizontal_and_vertical", **options: Unpack[SeededOptions]) -> None:
        super().__init__(**options)
        self.mode = one_of("mode", mode, MODES)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw which are mirrored."""
        return {"flips": draws.chance("flip", 0.5).reshape(-1, 1, 1, 1)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Mirror."""
        flips = np.asarray(transformation["flips"], bool).reshape(-1)
        axes = tuple(axis for axis, name in ((1, "vertical"), (2, "horizontal")) if name in self.mode)
        images[flips] = np.flip(images[flips], axes)
        return images

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Mirror boxes."""
        flips = np.asarray(transformation["flips"], bool).reshape(-1)
        moved = boxes.copy()
        for axis, edge, name in ((0, width, "horizontal"), (1, height, "vertical")):
            if name in self.mode:
                moved[flips, :, axis] = edge - boxes[flips, :, axis + 2]
                moved[flips, :, axis + 2] = edge - boxes[flips, :, axis]
        return moved

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "mode": self.mode}


class WarpOptions(SeededOptions, total=False):
    """Arguments of layers that fill what they bring into the image."""

    fill_mode: str
    interpolation: str
    fill_value: float


class WarpLayer(GeometricLayer):
    """Base of layers that take each pixel from a point of the image.

    Args:
        fill_mode: What is outside the image: ``'reflect'`` (``d c b a | a b c d``), ``'wrap'``,
            ``'constant'`` or ``'nearest'``.
        interpolation: ``'bilinear'`` or ``'nearest'``.
        fill_value: The value outside for ``'constant'``.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        *,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(**options)
        self.fill_mode, self.interpolation = outside_mode(fill_mode), interpolation_mode(interpolation)
        self.fill_value = float(fill_value)

    def matrices(self, transformation: Transformation, height: int, width: int) -> Array:
        """Return the matrices from pixels of the results to points of the images, (n, 8)."""
        raise TypeError(f"{type(self).__name__} must define matrices(self, transformation, height, width)")

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Warp the images."""
        matrices = self.matrices(transformation, images.shape[1], images.shape[2])
        return warped(images, matrices, interpolation or self.interpolation, self.fill_mode, self.fill_value)

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return the boxes around the warped ones."""
        return corners_moved(boxes, self.matrices(transformation, height, width))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"fill_mode": self.fill_mode, "interpolation": self.interpolation}
        return {**super().get_config(), **own, "fill_value": self.fill_value}


class RandomRotation(WarpLayer):
    """Turn images about their centre.

    Args:
        factor: The range of the angle as a part of a whole turn: 0.1 for -36 to 36 degrees, a pair for
            another range. A positive angle turns counter-clockwise.
        **options: As for `WarpLayer`.

    Example:
        >>> image = np.arange(4.0).reshape(2, 2, 1)
        >>> RandomRotation((0.25, 0.25))(image)[..., 0].tolist()
        [[1.0, 3.0], [0.0, 2.0]]
    """

    def __init__(self, factor: object, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**options)
        self.factor = factor_range("factor", factor)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw the angles, in degrees."""
        angle = draws.uniform("angle", self.factor[0] * 360, self.factor[1] * 360)
        made = {"angle": angle, "image_height": shape[1], "image_width": shape[2], "batch_size": shape[0]}
        return {**made, "rotation_matrix": rotation(angle, shape[1] or 1, shape[2] or 1)}

    def matrices(self, transformation: Transformation, height: int, width: int) -> Array:
        """Return the turns."""
        if "rotation_matrix" in transformation:
            return np.asarray(transformation["rotation_matrix"], np.float64).reshape(-1, 8)
        return rotation(np.asarray(transformation["angle"]).reshape(-1), height, width)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "factor": self.factor}


class RandomTranslation(WarpLayer):
    """Shift images.

    Args:
        height_factor: The range of the shift as a part of the height, within [-1, 1]; positive is down.
        width_factor: Likewise of the width; positive is to the right.
        **options: As for `WarpLayer`.
    """

    def __init__(self, height_factor: object, width_factor: object, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**options)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = factor_range("height_factor", height_factor)
        self._width = factor_range("width_factor", width_factor)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw shifts in pixels: to the right, and down."""
        across = draws.uniform("across", *self._width) * (shape[2] or 0)
        down = draws.uniform("down", *self._height) * (shape[1] or 0)
        return {"translations": np.stack([across, down], axis=1)}

    def matrices(self, transformation: Transformation, height: int, width: int) -> Array:
        """Return the shifts."""
        shift = np.asarray(transformation["translations"], np.float64).reshape(-1, 2)
        return affine(len(shift), a2=-shift[:, 0], b2=-shift[:, 1])

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **own}


class RandomZoom(WarpLayer):
    """Zoom images about their centre.

    Args:
        height_factor: The range of how much more of the height is seen, within (-1, 1]: 0.2 for 20 % smaller
            to 20 % larger parts, so positive factors zoom out.
        width_factor: Likewise of the width; None for the factor of the height, which keeps the form.
        **options: As for `WarpLayer`.
    """

    def __init__(
        self, height_factor: object, width_factor: object = None, **options: Unpack[WarpOptions]
    ) -> None:
        super().__init__(**options)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = _zoom("height_factor", height_factor)
        self._width = None if width_factor is None else _zoom("width_factor", width_factor)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw how much of height and width is seen."""
        down = 1 + draws.uniform("down", *self._height, (1,))
        across = down if self._width is None else 1 + draws.uniform("across", *self._width, (1,))
        return {"height_zoom": down, "width_zoom": across}

    def matrices(self, transformation: Transformation, height: int, width: int) -> Array:
        """Return the zooms."""
        down = np.asarray(transformation["height_zoom"], np.float64).reshape(-1)
        across = np.asarray(transformation["width_zoom"], np.float64).reshape(-1)
        x, y = (width - 1) / 2 * (1 - across), (height - 1) / 2 * (1 - down)
        return affine(len(down), a0=across, a2=x, b1=down, b2=y)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **own}


def _zoom(name: str, value: object) -> tuple[float, float]:
    found = factor_range(name, value)
    if found[0] <= -1:
        raise ValueError(
            f"The `{name}` argument should be a number (or a list of two numbers) in the range (-1.0, 1.0]. "
            f"Received: {name}={value!r}"
        )
    return found


class RandomShear(WarpLayer):
    """Shear images along one edge, to either side.

    Args:
        x_factor: The range of the shift of a row for each row further down, within [0, 1]; a number for
            (-number, number).
        y_factor: Likewise of a column for each further to the right.
        **options: As for `WarpLayer`.
    """

    def __init__(
        self, x_factor: object = 0.0, y_factor: object = 0.0, **options: Unpack[WarpOptions]
    ) -> None:
        super().__init__(**options)
        self.x_factor, self.y_factor = _shear("x_factor", x_factor), _shear("y_factor", y_factor)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw the shears along x and y."""
        side = np.where(draws.chance("side", 0.5), -1.0, 1.0)
        both = [draws.uniform("x", *self.x_factor), draws.uniform("y", *self.y_factor)]
        return {"shear_factor": np.stack(both, axis=1) * side[:, None]}

    def matrices(self, transformation: Transformation, height: int, width: int) -> Array:
        """Return the shears."""
        factor = np.asarray(transformation["shear_factor"], np.float64).reshape(-1, 2)
        return affine(len(factor), a1=factor[:, 0], b0=factor[:, 1])

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        # Keras refuses the pair (-number, number) that it makes of a number.
        both = {"x_factor": self.x_factor, "y_factor": self.y_factor}
        own = {name: pair[1] if pair[0] == -pair[1] else pair for name, pair in both.items()}
        return {**super().get_config(), **own}


def _shear(name: str, value: object) -> tuple[float, float]:
    """Return the range of a shear: (-number, number) for a number, and as Keras describes such a layer."""
    if isinstance(value, (tuple, list)) and len(value) == 2 and value[0] == -value[1]:
        value = value[1]
    low, high = factor_range(name, value, 0.0, 1.0)
    return (low, high) if isinstance(value, (tuple, list)) else (-high, high)


class RandomPerspective(GeometricLayer):
    """Look at images from aside: each corner is moved.

    Args:
        factor: The probability that an image is changed: a number, or a range that it is drawn from.
        scale: How far a corner goes: by up to half of this part of its distance from the left and upper edge.
        interpolation: ``'bilinear'`` or ``'nearest'``.
        fill_value: The value of what is outside the image.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        factor: object = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(**options)
        self.factor = factor_range("factor", factor, 0.0, 1.0)
        self.scale = fraction("scale", scale)
        self.interpolation, self.fill_value = interpolation_mode(interpolation), float(fill_value)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw where the corners go."""
        right, low = (shape[2] or 1) - 1, (shape[1] or 1) - 1
        start = np.array([[0.0, 0.0], [right, 0.0], [0.0, low], [right, low]])
        start = np.repeat(start[None], len(draws), axis=0)
        away = draws.uniform("corners", -0.5 * self.scale, 0.5 * self.scale, (4, 2))
        found = {"apply_perspective": applied(draws, self.factor)}
        return {**found, "start_points": start, "end_points": start + start * away}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Warp the images."""
        matrices = self._matrices(transformation)
        return warped(images, matrices, interpolation or self.interpolation, fill_value=self.fill_value)

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return the boxes around the warped ones."""
        return corners_moved(boxes, self._matrices(transformation))

    def _matrices(self, transformation: Transformation) -> Array:
        start, end = (
            np.asarray(transformation[name], np.float64).reshape(-1, 4, 2)
            for name in ("start_points", "end_points")
        )
        active = np.asarray(transformation["apply_perspective"], bool).reshape(-1, 1)
        return np.where(active, homography(start, end), affine(len(start)))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"factor": self.factor, "scale": self.scale, "interpolation": self.interpolation}
        return {**super().get_config(), **own, "fill_value": self.fill_value}


def applied(draws: SampleDraws, factor: tuple[float, float]) -> Array:
    """Return which images are changed, bool (n,): each with a probability that is drawn from a range."""
    chosen: Array = draws.uniform("threshold") < draws.uniform("probability", *factor)
    return chosen
