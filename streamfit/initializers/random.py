"""Initializers whose distribution does not depend on the shape, and orthogonal matrices."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.initializers.initializer import RandomInitializer, registry, truncated_normal_draws
from streamfit.kernels.blas import OF_NUMPY, on_one_thread


def _check_deviation(stddev: float) -> float:
    if not stddev >= 0:
        raise ValueError(f"stddev must be zero or positive, got {stddev!r}")
    return stddev


class RandomUniform(RandomInitializer):
    """Draw from the uniform distribution on [minval, maxval).

    Args:
        minval: Lower end.
        maxval: Upper end.
        seed: See `RandomInitializer`.

    Raises:
        ValueError: `minval` is above `maxval`.

    Example:
        >>> bool((abs(RandomUniform(seed=1)((100,))) <= 0.05).all())
        True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        if not minval <= maxval:
            raise ValueError(f"minval must not be above maxval, got minval={minval!r} and maxval={maxval!r}")
        self.minval, self.maxval = minval, maxval

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return uniform draws."""
        return self.generator().uniform(self.minval, self.maxval, shape)


class RandomNormal(RandomInitializer):
    """Draw from a normal distribution.

    Args:
        mean: Its mean.
        stddev: Its standard deviation.
        seed: See `RandomInitializer`.

    Example:
        >>> RandomNormal(mean=2.0, stddev=0.0)((2,), "float32")
        array([2., 2.], dtype=float32)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, _check_deviation(stddev)

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return normal draws."""
        return self.generator().normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomInitializer):
    """Draw from a normal distribution cut off two standard deviations from its mean.

    The draws have a standard deviation of 0.8796 times `stddev`, as in Keras.

    Args:
        mean: Mean.
        stddev: Standard deviation before the cut.
        seed: See `RandomInitializer`.

    Example:
        >>> bool((abs(TruncatedNormal(seed=1)((100,))) <= 0.1).all())
        True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, _check_deviation(stddev)

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return draws within two deviations."""
        return self.mean + self.stddev * truncated_normal_draws(self.generator(), shape)


class Orthogonal(RandomInitializer):
    """Draw an orthogonal matrix, uniformly over all of them.

    The last axis is the columns, all others together are the rows; the shorter side is orthonormal.
    The factor Q of a matrix of normal draws is uniform once the signs of R's diagonal are moved into it
    (Mezzadri, "How to generate random matrices from the classical compact groups", 2007). Proposed for
    weights by Saxe, McClelland and Ganguli, 2014.

    Args:
        gain: A factor.
        seed: See `RandomInitializer`.

    Raises:
        ValueError: When called: the shape has fewer than two axes.

    Example:
        >>> q = Orthogonal(seed=1)((3, 3), "float64")
        >>> bool(np.allclose(q.T @ q, np.eye(3)))
        True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def draw(self, shape: tuple[int, ...]) -> Array:
        """Return an orthogonal matrix in the given shape."""
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a shape of two axes or more, the weight has shape {shape}")
        n_rows, n_columns = int(np.prod(shape[:-1])), shape[-1]
        tall = (max(n_rows, n_columns), min(n_rows, n_columns))
        with on_one_thread(OF_NUMPY):  # else the last bits would depend on the number of processors
            q, r = np.linalg.qr(self.generator().standard_normal(tall))
        q *= np.sign(np.diag(r))
        return self.gain * (q if n_rows >= n_columns else q.T).reshape(shape)


random_uniform, random_normal, truncated_normal = RandomUniform, RandomNormal, TruncatedNormal
orthogonal = Orthogonal

registry.register(RandomUniform, "random_uniform", "uniform")
registry.register(RandomNormal, "random_normal", "normal")
registry.register(TruncatedNormal, "truncated_normal")
registry.register(Orthogonal, "orthogonal", "OrthogonalInitializer")
