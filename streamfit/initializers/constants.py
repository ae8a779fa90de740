"""Initializers without randomness: zeros, ones, a constant, the identity matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamfit._base.specs import Array
from streamfit.initializers.initializer import Initializer, registry


class Zeros(Initializer):
    """Fill with zeros.

    Example:
        >>> Zeros()((2,), "float32")
        array([0., 0.], dtype=float32)
    """

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return zeros."""
        return np.zeros(shape)


class Ones(Initializer):
    """Fill with ones.

    Example:
        >>> Ones()((2,), "float32")
        array([1., 1.], dtype=float32)
    """

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return ones."""
        return np.ones(shape)


class Constant(Initializer):
    """Fill with one value, or with an array of the weight's shape.

    Args:
        value: A number, or numbers of the requested shape.

    Raises:
        ValueError: When called: the value has another shape.

    Example:
        >>> Constant(3)((2,), "float32")
        array([3., 3.], dtype=float32)
    """

    def __init__(self, value: npt.ArrayLike = 0.0) -> None:
        self.value = value

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return the value in every element."""
        if np.ndim(self.value) and np.shape(self.value) != shape:
            raise ValueError(
                f"Constant holds values of shape {np.shape(self.value)}, the weight has shape {shape}; "
                "give one number, or an array of exactly that shape"
            )
        return np.full(shape, self.value)


class Identity(Initializer):
    """Make the identity matrix, times a factor.

    Args:
        gain: The factor.

    Raises:
        ValueError: When called: the shape is not that of a matrix.

    Example:
        >>> Identity()((2, 2), "float32")
        array([[1., 0.],
               [0., 1.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return ones on the diagonal."""
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices, the weight has shape {shape}")
        return self.gain * np.eye(*shape)


zeros, ones, constant, identity = Zeros, Ones, Constant, Identity

registry.register(Zeros, "zeros", "zero")
registry.register(Ones, "ones", "one")
registry.register(Constant, "constant")
registry.register(Identity, "identity", "IdentityInitializer")
