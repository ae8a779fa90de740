"""Layers that change the shape of a sample, or its scale, and have no weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from streamfit import ops
from streamfit._base.config import image_data_format
from streamfit._base.configs import Config, describe
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import length
from streamfit.layers.host import offer_on_host
from streamfit.ops.core import Value


class Flatten(Layer):
    """Turn each sample into a vector.

    Example:
        >>> import numpy as np
        >>> Flatten()(np.zeros((5, 2, 3))).shape
        (5, 6)
    """

    def call(self, x: Value) -> Value:
        """Flatten all axes but the batch."""
        return ops.flatten(x)


class Reshape(Layer):
    """Give each sample another shape.

    Args:
        target_shape: The shape of one sample; one length may be -1, which is computed from the others.
        **options: As for `Layer`.

    Raises:
        ShapeError: The samples do not have that many elements: when called, or when a batch comes, where the
            data decide a length.

    Example:
        >>> import numpy as np
        >>> Reshape((3, -1))(np.zeros((5, 6))).shape
        (5, 3, 2)
    """

    fixed = Layer.fixed | {"target_shape"}

    def __init__(self, target_shape: Sequence[int], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.target_shape = tuple(int(axis) for axis in target_shape)
        if self.target_shape.count(-1) > 1 or any(axis < 1 and axis != -1 for axis in self.target_shape):
            raise ValueError(
                f"target_shape holds positive lengths and at most one -1, got {tuple(target_shape)}"
            )

    def call(self, x: Value) -> Value:
        """Reshape all axes but the batch."""
        sample = [axis for axis in x.shape[1:] if axis is not None]
        if len(sample) < len(x.shape) - 1:  # of a free axis: each batch is checked when its lengths are known
            return ops.reshape(x, (x.shape[0], *self.target_shape))
        return ops.reshape(x, (x.shape[0], *self._lengths(sample)))

    def _lengths(self, sample: Sequence[int]) -> tuple[int, ...]:
        size, known = math.prod(sample), math.prod(axis for axis in self.target_shape if axis != -1)
        if size != known and (-1 not in self.target_shape or size % known):
            raise ShapeError(
                f"layer {self.name!r} cannot give samples of shape {tuple(sample)} ({size} elements) "
                f"the shape {self.target_shape}; the number of elements must stay the same"
            )
        return tuple(size // known if axis == -1 else axis for axis in self.target_shape)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "target_shape": list(self.target_shape)}


class Permute(Layer):
    """Reorder the axes of each sample.

    Args:
        dims: The axes, counted from 1 because the batch is axis 0: ``(2, 1)`` swaps two.
        **options: As for `Layer`.

    Raises:
        ValueError: `dims` is no ordering of 1, 2, ...

    Example:
        >>> import numpy as np
        >>> Permute((2, 1))(np.zeros((5, 2, 3))).shape
        (5, 3, 2)
    """

    fixed = Layer.fixed | {"dims"}

    def __init__(self, dims: Sequence[int], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.dims = tuple(int(axis) for axis in dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"dims must hold each of 1 to {len(self.dims)} once (the batch is axis 0), got {tuple(dims)}"
            )

    def call(self, x: Value) -> Value:
        """Transpose the sample."""
        if len(x.shape) != len(self.dims) + 1:
            raise ShapeError(
                f"layer {self.name!r} orders {len(self.dims)} axes, got samples of shape {tuple(x.shape[1:])}"
            )
        return ops.transpose(x, (0, *self.dims))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "dims": list(self.dims)}


class Rescaling(Layer):
    """Compute ``x * scale + offset`` in the layer's float type, such as ``Rescaling(1 / 255)`` for images.

    Args:
        scale: A number, or numbers for the channels: for the last axis, or for the third from the end where
            `backend.image_data_format` is ``'channels_first'``.
        offset: Likewise.
        **options: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> Rescaling(0.5, offset=-1.0)(np.array([[0, 4]], "uint8"))
        array([[-1.,  1.]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, scale: ArrayLike, offset: ArrayLike = 0.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.scale, self.offset = scale, offset

    def call(self, x: Value) -> Value:
        """Scale and shift."""
        scale, offset = (self._of_channels(numbers) for numbers in (self.scale, self.offset))
        made = ops.add(ops.multiply(ops.cast(x, self.dtype), scale), offset)
        offer_on_host(self, x, made)  # layers for images may stand behind it
        return made

    def _of_channels(self, numbers: ArrayLike) -> Array:
        found = np.asarray(numbers, self.dtype)
        first = found.ndim == 1 and image_data_format() == "channels_first"
        return found[:, None, None] if first else found

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "scale": describe(self.scale), "offset": describe(self.offset)}


class RepeatVector(Layer):
    """Repeat each sample, a vector, along a new axis in front of it.

    Args:
        n: The number of copies.
        **options: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> RepeatVector(3)(np.zeros((5, 2))).shape
        (5, 3, 2)
    """

    fixed = Layer.fixed | {"n"}

    def __init__(self, n: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.n = length("n", n)

    def call(self, x: Value) -> Value:
        """Stack copies."""
        if len(x.shape) != 2:
            raise ShapeError(
                f"layer {self.name!r} repeats vectors, got samples of shape {tuple(x.shape[1:])}"
            )
        return ops.stack([x] * self.n, 1)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "n": self.n}
