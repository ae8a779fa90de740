"""Layers that take the largest or the mean of windows, or of whole samples, channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

from streamfit import ops
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit.layers.base import Layer, LayerOptions
from streamfit.ops.core import Value
from streamfit.ops.sliding_window import SPATIAL_AXES, Lengths, channels_last, lengths_of, padding_of


def _check_axes(layer: Layer, rank: int, x: Value) -> None:
    if len(x.shape) != rank + 2:
        raise ShapeError(
            f"layer {layer.name!r} needs inputs of shape (batch, {SPATIAL_AXES[rank]}, channels), "
            f"got {tuple(x.shape)}"
        )


class _Pooling(Layer):
    """Reduce each window of each channel to one number; subclasses say how, and over how many axes."""

    rank: ClassVar[int]
    pool: ClassVar[Callable[..., Value]]
    fixed = Layer.fixed | {"pool_size", "strides", "padding", "data_format"}

    def __init__(
        self,
        pool_size: Lengths = 2,
        strides: Lengths | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.pool_size = lengths_of("pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else lengths_of("strides", strides, self.rank)
        self.padding = padding_of(padding)
        self.data_format = channels_last(data_format)

    def call(self, x: Value) -> Value:
        """Pool."""
        _check_axes(self, self.rank, x)
        pool, who = type(self).pool, f"layer {self.name!r}"
        windows = self.pool_size, self.strides, self.padding, self.data_format
        return pool(ops.cast(x, self.dtype), *windows, who=who)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
        }


class _GlobalPooling(Layer):
    """Reduce each channel of each sample to one number; subclasses say how, and over how many axes."""

    rank: ClassVar[int]
    reduce: ClassVar[Callable[..., Value]]
    fixed = Layer.fixed | {"data_format", "keepdims"}

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.data_format, self.keepdims = channels_last(data_format), bool(keepdims)

    def call(self, x: Value) -> Value:
        """Reduce all spatial axes."""
        _check_axes(self, self.rank, x)
        axes = tuple(range(1, self.rank + 1))
        return type(self).reduce(ops.cast(x, self.dtype), axis=axes, keepdims=self.keepdims)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class MaxPooling1D(_Pooling):
    """Take the largest element of each window of sequences, channel by channel.

    A NaN counts as largest; the gradient goes to the first of equal elements. Defaults are those of Keras 3;
    see `streamfit.ops.max_pool`.

    Args:
        pool_size: The length of the window.
        strides: How far it moves at a time, a number; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep the length.
        data_format: None or ``'channels_last'``; no other layout is supported.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, length, channels), or too short for the window.

    Example:
        >>> import numpy as np
        >>> MaxPooling1D()(np.zeros((2, 9, 4), "float32")).shape
        (2, 4, 4)
    """

    rank = 1
    pool = staticmethod(ops.max_pool)


class MaxPooling2D(_Pooling):
    """Take the largest element of each window of images, channel by channel.

    A NaN counts as largest; the gradient goes to the first of equal elements. Defaults are those of Keras 3;
    see `streamfit.ops.max_pool`.

    Args:
        pool_size: Height and width of the window, or one number for both.
        strides: How far it moves at a time, likewise; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep height and width.
        data_format: None or ``'channels_last'``; no other layout is supported.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, height, width, channels), or too small for the window.

    Example:
        >>> import numpy as np
        >>> MaxPooling2D()(np.zeros((2, 9, 9, 4), "float32")).shape
        (2, 4, 4, 4)
    """

    rank = 2
    pool = staticmethod(ops.max_pool)


class MaxPooling3D(_Pooling):
    """Take the largest element of each window of volumes, channel by channel.

    A NaN counts as largest; the gradient goes to the first of equal elements. Defaults are those of Keras 3;
    see `streamfit.ops.max_pool`.

    Args:
        pool_size: Depth, height and width of the window, or one number for all.
        strides: How far it moves at a time, likewise; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep the lengths.
        data_format: None or ``'channels_last'``; no other layout is supported.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, depth, height, width, channels), or too small
            for the window.

    Example:
        >>> import numpy as np
        >>> MaxPooling3D()(np.zeros((2, 9, 9, 9, 4), "float32")).shape
        (2, 4, 4, 4, 4)
    """

    rank = 3
    pool = staticmethod(ops.max_pool)


class AveragePooling1D(_Pooling):
    """Average each window of sequences, channel by channel.

    Padding does not count. Defaults are those of Keras 3; see `streamfit.ops.average_pool`.

    Args:
        pool_size: The length of the window.
        strides: How far it moves at a time, a number; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep the length.
        data_format: None or ``'channels_last'``; no other layout is supported.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, length, channels), or too short for the window.

    Example:
        >>> import numpy as np
        >>> AveragePooling1D()(np.zeros((2, 9, 4), "float32")).shape
        (2, 4, 4)
    """

    rank = 1
    pool = staticmethod(ops.average_pool)


class AveragePooling2D(_Pooling):
    """Average each window of images, channel by channel.

    Padding does not count. Defaults are those of Keras 3; see `streamfit.ops.average_pool`.

    Args:
        pool_size: Height and width of the window, or one number for both.
        strides: How far it moves at a time, likewise; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep height and width.
        data_format: None or ``'channels_last'``; no other layout is supported.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, height, width, channels), or too small for the window.

    Example:
        >>> import numpy as np
        >>> AveragePooling2D()(np.zeros((2, 9, 9, 4), "float32")).shape
        (2, 4, 4, 4)
    """

    rank = 2
    pool = staticmethod(ops.average_pool)


class AveragePooling3D(_Pooling):
    """Average each window of volumes, channel by channel.

    Padding does not count. Defaults are those of Keras 3; see `streamfit.ops.average_pool`.

    Args:
        pool_size: Depth, height and width of the window, or one number for all.
        strides: How far it moves at a time, likewise; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep the lengths.
        data_format: None or ``'channels_last'``; no other layout is supported.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, depth, height, width, channels), or too small
            for the window.

    Example:
        >>> import numpy as np
        >>> AveragePooling3D()(np.zeros((2, 9, 9, 9, 4), "float32")).shape
        (2, 4, 4, 4, 4)
    """

    rank = 3
    pool = staticmethod(ops.average_pool)


class GlobalAveragePooling1D(_GlobalPooling):
    """Average over the steps of sequences, channel by channel.

    Where there is a mask, steps count by its values, masked ones not at all; a sample without any step that
    counts gives 0.

    Args:
        data_format: None or ``'channels_last'``; no other layout is supported.
        keepdims: Return shape (batch, 1, channels), not (batch, channels).
        **options: As for `Layer`.

    Raises:
        ValueError: `data_format` is another one.
        ShapeError: When called: inputs have another number of axes.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling1D()(np.ones((2, 9, 4), "float32")).shape
        (2, 4)
        >>> x, mask = np.array([[[1.0], [3.0], [7.0]]]), np.array([[True, True, False]])
        >>> GlobalAveragePooling1D()(x, mask=mask).tolist()
        [[2.0]]
    """

    rank = 1
    reduce = staticmethod(ops.mean)

    def call(self, x: Value, mask: Value | None = None) -> Value:
        """Average over the steps that count."""
        if mask is None:
            return super().call(x)
        _check_axes(self, self.rank, x)
        weights = ops.expand_dims(ops.cast(mask, self.dtype), -1)
        real = ops.where(ops.not_equal(weights, 0.0), ops.cast(x, self.dtype), 0.0)
        count = ops.sum(weights, axis=1, keepdims=self.keepdims)
        total = ops.sum(ops.multiply(real, weights), axis=1, keepdims=self.keepdims)
        return ops.divide(total, ops.where(ops.equal(count, 0.0), 1.0, count))


class GlobalAveragePooling2D(_GlobalPooling):
    """Average over the height and width of images, channel by channel.

    Args:
        data_format: None or ``'channels_last'``; no other layout is supported.
        keepdims: Return shape (batch, 1, 1, channels), not (batch, channels).
        **options: As for `Layer`.

    Raises:
        ValueError: `data_format` is another one.
        ShapeError: When called: inputs have another number of axes.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling2D()(np.ones((2, 9, 9, 4), "float32")).shape
        (2, 4)
    """

    rank = 2
    reduce = staticmethod(ops.mean)


class GlobalAveragePooling3D(_GlobalPooling):
    """Average over the depth, height and width of volumes, channel by channel.

    Args:
        data_format: None or ``'channels_last'``; no other layout is supported.
        keepdims: Return shape (batch, 1, 1, 1, channels), not (batch, channels).
        **options: As for `Layer`.

    Raises:
        ValueError: `data_format` is another one.
        ShapeError: When called: inputs have another number of axes.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling3D()(np.ones((2, 9, 9, 9, 4), "float32")).shape
        (2, 4)
    """

    rank = 3
    reduce = staticmethod(ops.mean)


class GlobalMaxPooling1D(_GlobalPooling):
    """Take the largest over the steps of sequences, channel by channel.

    Args:
        data_format: None or ``'channels_last'``; no other layout is supported.
        keepdims: Return shape (batch, 1, channels), not (batch, channels).
        **options: As for `Layer`.

    Raises:
        ValueError: `data_format` is another one.
        ShapeError: When called: inputs have another number of axes.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling1D()(np.ones((2, 9, 4), "float32")).shape
        (2, 4)
    """

    rank = 1
    reduce = staticmethod(ops.max)


class GlobalMaxPooling2D(_GlobalPooling):
    """Take the largest over the height and width of images, channel by channel.

    Args:
        data_format: None or ``'channels_last'``; no other layout is supported.
        keepdims: Return shape (batch, 1, 1, channels), not (batch, channels).
        **options: As for `Layer`.

    Raises:
        ValueError: `data_format` is another one.
        ShapeError: When called: inputs have another number of axes.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling2D()(np.ones((2, 9, 9, 4), "float32")).shape
        (2, 4)
    """

    rank = 2
    reduce = staticmethod(ops.max)


class GlobalMaxPooling3D(_GlobalPooling):
    """Take the largest over the depth, height and width of volumes, channel by channel.

    Args:
        data_format: None or ``'channels_last'``; no other layout is supported.
        keepdims: Return shape (batch, 1, 1, 1, channels), not (batch, channels).
        **options: As for `Layer`.

    Raises:
        ValueError: `data_format` is another one.
        ShapeError: When called: inputs have another number of axes.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling3D()(np.ones((2, 9, 9, 9, 4), "float32")).shape
        (2, 4)
    """

    rank = 3
    reduce = staticmethod(ops.max)
