"""Layers that change the colours of images at random; masks and boxes stay as they are.

The formulas are those of Keras 3, on values between the two ends of `value_range`.
"""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import ColourStep
from streamfit.augment.images import Images
from streamfit.augment.labels import Labels
from streamfit.augment.run import run
from streamfit.layers.image_checks import factor_range, value_range
from streamfit.layers.image_layer import ImageLayer, SeededOptions, Transformation, column

_GREY = np.array([0.2989, 0.5870, 0.1140], np.float32)
"""The weights of red, green and blue in a grey value (ITU-R BT.601, rounded as TensorFlow does)."""


def grey(images: Array) -> Array:
    """Return the grey values of colours, (n, height, width, 1); of grey images themselves.

    Raises:
        DataError: They have neither 1 nor 3 channels.
    """
    if images.shape[-1] == 1:
        return images
    _check_colours(images)
    return (images @ _GREY)[..., None]


def _check_colours(images: Array) -> None:
    if images.shape[-1] != 3:
        raise DataError(f"images need 3 channels (red, green, blue), got {images.shape[-1]}")


class ColourLayer(ImageLayer):
    """Base of layers that change colours.

    Args:
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def __init__(self, *, value_range: object = (0, 255), **options: Unpack[SeededOptions]) -> None:
        super().__init__(**options)
        self.value_range = _range(value_range)

    def clipped(self, images: Array) -> Array:
        """Return images cut off at black and white."""
        made: Array = np.clip(images, *self.value_range)
        return made

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "value_range": self.value_range}


_range = value_range


class FactorLayer(ColourLayer):
    """Base of layers with one factor for each image.

    Args:
        factor: The range that it is drawn from: a pair, or a number.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    factor: tuple[float, float]

    def __init__(
        self, factor: object, value_range: object = (0, 255), **options: Unpack[SeededOptions]
    ) -> None:
        super().__init__(value_range=value_range, **options)
        self.factor = self.checked_factor(factor)

    def checked_factor(self, factor: object) -> tuple[float, float]:
        """Return the range of the factor."""
        return factor_range("factor", factor, 0.0, 1.0)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw a factor for each image."""
        return {"factor": draws.uniform("factor", *self.factor)}

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "factor": self.factor}


class RandomBrightness(FactorLayer):
    """Add a number to all values of an image.

    Args:
        factor: The range of that number as a part of the range of values, within [-1, 1]; a number for
            (-number, number).
        value_range: The values of black and white.
        **options: As for `ImageLayer`.

    Example:
        >>> RandomBrightness((0.5, 0.5), value_range=(0, 1))(np.array([[[0.25]], [[0.75]]]))[..., 0].tolist()
        [[0.75], [1.0]]
    """

    def checked_factor(self, factor: object) -> tuple[float, float]:
        """Return the range of the factor."""
        return factor_range("factor", factor)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw what is added."""
        low, high = self.value_range
        return {"rgb_delta": draws.uniform("delta", *self.factor, (1, 1, 1)) * (high - low)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Add it."""
        return self.clipped(images + column(transformation["rgb_delta"]))


class RandomContrast(FactorLayer):
    """Move values away from the mean of their channel, or towards it.

    Args:
        factor: A pair (lower, upper) within [0, 1]: the distance from the mean is multiplied by a number
            between 1 - lower and 1 + upper. A number stands for both, as Keras' documentation says.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def checked_factor(self, factor: object) -> tuple[float, float]:
        """Return how far the factor goes to either side of 1."""
        low, high = factor_range("factor", factor, 0.0, 1.0)
        return (low, high) if isinstance(factor, (tuple, list)) else (high, high)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw the factors."""
        low, high = 1 - self.factor[0], 1 + self.factor[1]
        return {"contrast_factor": draws.uniform("contrast", low, high, (1, 1, 1))}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Move the values."""
        mean = images.mean(axis=1, keepdims=True).mean(axis=2, keepdims=True)  # one by one is faster
        return self.clipped((images - mean) * column(transformation["contrast_factor"]) + mean)


class RandomHue(FactorLayer):
    """Turn the hue of all colours, to either side.

    Args:
        factor: The range of the turn as a part of half a turn, within [0, 1]; a number for (0, number).
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw the turns."""
        side = np.where(draws.chance("side", 0.5), -0.5, 0.5)
        return {"factor": draws.uniform("hue", *self.factor) * side}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Turn."""
        _check_colours(images)
        turns = np.asarray(transformation["factor"], np.float64).reshape(-1, 1)
        batch = Images.of(images, self.value_range)
        made, _ = run([ColourStep("hue", turns)], batch, Labels({}, None))
        return self.clipped(np.asarray(made.value()))


class RandomSaturation(FactorLayer):
    """Make colours stronger, or greyer.

    Args:
        factor: The range of a number f within [0, 1]: 0 makes images grey, 0.5 changes nothing, 1 makes
            colours as strong as can be; the saturation is multiplied by f / (1 - f). A number for (0,
            number), as Keras' documentation says.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def checked_factor(self, factor: object) -> tuple[float, float]:
        """Return the range of the factor; Keras describes a layer that was made with a number by (-f, f)."""
        low, high = factor_range("factor", factor)
        return max(low, 0.0), high

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw what the saturations are multiplied by."""
        drawn = draws.uniform("saturation", *self.factor)
        return {"factor": drawn / (1 - drawn + 1e-7)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Multiply."""
        # Hue and value of HSV stay: distances to the largest of the three numbers keep their proportion.
        _check_colours(images)
        value = images.max(axis=-1, keepdims=True)
        spread = value - images.min(axis=-1, keepdims=True)
        most = np.divide(value, spread, out=np.zeros_like(spread), where=(spread > 0) & (value > 0))
        made: Array = value - (value - images) * np.minimum(column(transformation["factor"]), most)
        return made


class RandomGrayscale(ImageLayer):
    """Make some images grey, with as many channels as before.

    Args:
        factor: The probability.
        **options: As for `ImageLayer`.
    """

    def __init__(self, factor: float = 0.5, **options: Unpack[SeededOptions]) -> None:
        super().__init__(**options)
        if not 0 <= factor <= 1:
            raise ValueError(f"`factor` should be between 0 and 1. Received: factor={factor}")
        self.factor = factor

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw which images become grey."""
        return {"should_apply": draws.chance("grey", self.factor).reshape(-1, 1, 1, 1)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Make them grey."""
        return np.where(column(transformation["should_apply"]) > 0, grey(images), images)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "factor": self.factor}


class RandomColorDegeneration(FactorLayer):
    """Move colours towards their grey value.

    Args:
        factor: The range of how far, within [0, 1]: 1 makes images grey; a number for (0, number).
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def checked_factor(self, factor: object) -> tuple[float, float]:
        """Return the range of the factor; Keras describes a layer that was made with a number by (-f, f)."""
        low, high = factor_range("factor", factor)
        return max(low, 0.0), high

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Move the colours."""
        return self.clipped(images + column(transformation["factor"]) * (grey(images) - images))


class RandomPosterization(FactorLayer):
    """Keep the highest bits of each value.

    Args:
        factor: How many bits are kept, of 8: a number, or a pair to draw from, both ends included.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def checked_factor(self, factor: object) -> tuple[float, float]:
        """Return the range of bits."""
        low, high = factor_range("factor", factor, 1.0, 8.0)
        low, high = (low, high) if isinstance(factor, (tuple, list)) else (high, high)
        return int(low), int(high)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw how many bits are lost."""
        return {"shift_factor": 8 - draws.whole("bits", self.factor[0], self.factor[1] + 1)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Drop bits."""
        low, high = self.value_range
        step = 2 ** column(transformation["shift_factor"])
        levels = np.trunc((images - low) * (255 / (high - low)))
        made: Array = np.floor(levels / step) * step
        return made * ((high - low) / 255) + low


class RandomInvert(FactorLayer):
    """Turn some images into their negatives: the highest value minus each value.

    Args:
        factor: The probability: a number for a range from 0, or a range that it is drawn from.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self, factor: object = 1.0, value_range: object = (0, 255), **options: Unpack[SeededOptions]
    ) -> None:
        super().__init__(factor, value_range, **options)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw which images."""
        return {"apply_inversion": draws.uniform("threshold") < draws.uniform("probability", *self.factor)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Turn them."""
        return np.where(column(transformation["apply_inversion"]) > 0, self.value_range[1] - images, images)


class RandomColorJitter(ColourLayer):
    """Change brightness, contrast, saturation and hue, in this order; those that have a factor.

    Args:
        value_range: The values of black and white.
        brightness_factor: As for `RandomBrightness`; None to leave it.
        contrast_factor: As for `RandomContrast`; None to leave it.
        saturation_factor: As for `RandomSaturation`; None to leave it.
        hue_factor: As for `RandomHue`; None to leave it.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        value_range: object = (0, 255),
        brightness_factor: object = None,
        contrast_factor: object = None,
        saturation_factor: object = None,
        hue_factor: object = None,
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(value_range=value_range, **options)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        given = {
            "brightness": (RandomBrightness, brightness_factor),
            "contrast": (RandomContrast, contrast_factor),
            "saturation": (RandomSaturation, saturation_factor),
            "hue": (RandomHue, hue_factor),
        }
        self._parts = {
            name: kind(factor, self.value_range, name=name)
            for name, (kind, factor) in given.items()
            if factor is not None
        }

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw for each part."""
        return {name: part.drawn(draws, shape) for name, part in self._parts.items()}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Do the parts."""
        for name, part in self._parts.items():
            images = part.changed(images, transformation[name], interpolation)
        return images

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own: Config = {
            "brightness_factor": self.brightness_factor,
            "contrast_factor": self.contrast_factor,
            "saturation_factor": self.saturation_factor,
            "hue_factor": self.hue_factor,
        }
        return {**super().get_config(), **own}
