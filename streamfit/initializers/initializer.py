"""`Initializer`: makes the first values of a weight; and the source of its random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamfit._base import keys
from streamfit._base.config import floatx, next_seed
from streamfit._base.configs import Configurable
from streamfit._base.names import Registry
from streamfit._base.specs import Array

registry: Registry[type[Initializer]] = Registry("initializer")


class Initializer(Configurable):
    """Base of all initializers: called with a shape and a dtype, returns an array.

    A subclass defines `draw`. A function ``(shape, dtype) -> array`` can replace an initializer.

    Example:
        >>> class Halves(Initializer):
        ...     def draw(self, shape):
        ...         return np.full(shape, 0.5)
        >>> Halves()((2,), "float32")
        array([0.5, 0.5], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike | None = None) -> Array:
        """Return an array of first values.

        Args:
            shape: Its shape.
            dtype: Its dtype; by default `streamfit.config.floatx()`.
        """
        lengths = tuple(int(length) for length in shape)
        return np.ascontiguousarray(self.draw(lengths), dtype=np.dtype(dtype or floatx())).reshape(lengths)

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return the values in any float type."""
        raise TypeError(f"{type(self).__name__} must define draw(self, shape)")


class RandomInitializer(Initializer):
    """Base of initializers that draw random numbers.

    Args:
        seed: A whole number: every call gives the same values. None: every call draws new values, from
            the seed given to `set_random_seed` if there is one.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = keys.seed_or_none(seed)

    def generator(self) -> np.random.Generator:
        """Return the generator for one call."""
        seed = next_seed() if self.seed is None else self.seed
        return keys.generator(keys.derive(seed, "weights"))


def truncated_normal_draws(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw from the standard normal distribution; values beyond two deviations are drawn again."""
    values = generator.standard_normal(shape)
    far = np.abs(values) > 2.0
    while far.any():
        values[far] = generator.standard_normal(int(far.sum()))
        far = np.abs(values) > 2.0
    return values
