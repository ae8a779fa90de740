"""Initializers that keep the variance of a signal from layer to layer: Glorot, He, LeCun."""

from __future__ import annotations

import math

from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array
from streamfit.initializers.initializer import RandomInitializer, registry, truncated_normal_draws

MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")

# Standard deviation of the standard normal distribution cut off at two deviations.
_TRUNCATED_DEVIATION = 0.87962566103423978


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Count the inputs and the outputs of one unit.

    The last axis is the outputs, the one before it the inputs; leading axes are the positions of a
    convolution kernel. A vector's length counts as both.

    Example:
        >>> fans((3, 4)), fans((5, 5, 3, 8)), fans((7,)), fans(())
        ((3, 4), (75, 200), (7, 7), (1, 1))
    """
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _one_of(argument: str, value: str, options: tuple[str, ...]) -> str:
    if value not in options:
        raise ValueError(
            f"{argument} must be one of {', '.join(options)}, got {value!r}.{did_you_mean(value, options)}"
        )
    return value


class VarianceScaling(RandomInitializer):
    """Draw with variance ``scale / n``, where n counts the connections of a unit.

    Uniform draws lie in [-l, l] with l = sqrt(3 scale / n). Truncated normal draws are corrected for
    the cut, so that their standard deviation is sqrt(scale / n), as in Keras.

    Args:
        scale: A positive factor.
        mode: What n is: ``'fan_in'``, ``'fan_out'`` or their mean ``'fan_avg'``.
        distribution: ``'truncated_normal'`` (also called ``'normal'``), ``'untruncated_normal'`` or
            ``'uniform'``.
        seed: See `RandomInitializer`.

    Raises:
        ValueError: An argument has another value.

    Example:
        >>> VarianceScaling(2.0, "fan_in", "uniform", seed=1)((4, 3), "float32").shape
        (4, 3)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if not scale > 0:
            raise ValueError(f"scale must be positive, got {scale!r}")
        kind = str(distribution).lower()
        kind = "truncated_normal" if kind == "normal" else kind
        self.scale = scale
        self.mode = _one_of("mode", mode, MODES)
        self.distribution = _one_of("distribution", kind, DISTRIBUTIONS)

    def variance(self, shape: tuple[int, ...]) -> float:
        """Return the variance of the draws for a weight of this shape."""
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        return self.scale / max(1.0, n)

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return draws of that variance."""
        generator, deviation = self.generator(), math.sqrt(self.variance(shape))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * deviation
            return generator.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return deviation * generator.standard_normal(shape)
        return deviation / _TRUNCATED_DEVIATION * truncated_normal_draws(generator, shape)


class _Preset(VarianceScaling):
    """A `VarianceScaling` whose only free argument is the seed."""

    preset: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.preset, seed=seed)


class GlorotUniform(_Preset):
    """Draw from the uniform distribution on [-l, l], l = sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010, equation 16.

    Args:
        seed: See `RandomInitializer`.
    """

    preset = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Preset):
    """Draw from a truncated normal distribution of deviation sqrt(2 / (fan_in + fan_out)).

    Source: Glorot and Bengio, 2010, equation 12.

    Args:
        seed: See `RandomInitializer`.
    """

    preset = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Preset):
    """Draw from the uniform distribution on [-l, l], l = sqrt(6 / fan_in).

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015, equation 10.

    Args:
        seed: See `RandomInitializer`.
    """

    preset = (2.0, "fan_in", "uniform")


class HeNormal(_Preset):
    """Draw from a truncated normal distribution of deviation sqrt(2 / fan_in).

    Source: He, Zhang, Ren and Sun, 2015, equation 10.

    Args:
        seed: See `RandomInitializer`.
    """

    preset = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Preset):
    """Draw from the uniform distribution on [-l, l], l = sqrt(3 / fan_in).

    Source: LeCun, Bottou, Orr and Müller, "Efficient backprop", 1998, equation 16.

    Args:
        seed: See `RandomInitializer`.
    """

    preset = (1.0, "fan_in", "uniform")


class LecunNormal(_Preset):
    """Draw from a truncated normal distribution of deviation sqrt(1 / fan_in).

    Source: LeCun, Bottou, Orr and Müller, 1998, equation 16; used with selu by Klambauer et al., 2017.

    Args:
        seed: See `RandomInitializer`.
    """

    preset = (1.0, "fan_in", "truncated_normal")


variance_scaling = VarianceScaling
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal

registry.register(VarianceScaling, "variance_scaling")
registry.register(GlorotUniform, "glorot_uniform")
registry.register(GlorotNormal, "glorot_normal")
registry.register(HeUniform, "he_uniform")
registry.register(HeNormal, "he_normal")
registry.register(LecunUniform, "lecun_uniform")
registry.register(LecunNormal, "lecun_normal")
