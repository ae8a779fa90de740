"""Layers that combine several tensors into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import ClassVar, Unpack

from streamfit import ops
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit.layers.base import Layer, LayerOptions
from streamfit.ops.core import Operand, Value


class Merge(Layer):
    """Base of layers that combine tensors of one shape element by element, two at a time.

    Raises:
        ShapeError: When called: fewer than two tensors, or tensors of different shapes.
    """

    supports_masking = True
    combine: ClassVar[Callable[..., Value]]
    """The operation on two tensors."""

    def call(self, inputs: Sequence[Value]) -> Value:
        """Combine the tensors of the list from left to right."""
        tensors = self.checked(inputs)
        return reduce(type(self).combine, tensors)

    def compute_mask(self, inputs: object, mask: Sequence[Value | None] | None = None) -> Value | None:
        """Return the positions that count in any of the tensors; None where one of them has no mask."""
        return _any_counts(mask)

    def checked(self, inputs: Sequence[Value]) -> list[Value]:
        """Return the list of tensors, all of one shape."""
        tensors = _several(self, inputs)
        first = tensors[0].shape[1:]
        for tensor in tensors[1:]:
            if tensor.shape[1:] != first:
                raise ShapeError(
                    f"layer {self.name!r} needs tensors of one shape, got "
                    f"{[tuple(each.shape) for each in tensors]}; where broadcasting is meant write it with "
                    "streamfit.ops"
                )
        return tensors


def _any_counts(masks: Sequence[Value | None] | None) -> Value | None:
    """Return the positions that count in any of several tensors of one shape; as Keras does."""
    given = [mask for mask in masks or () if mask is not None]
    return reduce(ops.logical_or, given) if given and len(given) == len(masks or ()) else None


def _several(layer: Layer, inputs: Sequence[Value]) -> list[Value]:
    if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
        count = len(inputs) if isinstance(inputs, (list, tuple)) else 1
        raise ShapeError(f"layer {layer.name!r} needs a list of at least two tensors, got {count}")
    return list(inputs)


class Add(Merge):
    """Add tensors of one shape.

    Example:
        >>> import numpy as np
        >>> Add()([np.ones((1, 2)), np.ones((1, 2))])
        array([[2., 2.]])
    """

    combine = staticmethod(ops.add)


class Subtract(Merge):
    """Subtract the second of two tensors from the first.

    Example:
        >>> import numpy as np
        >>> Subtract()([np.ones((1, 2)), np.ones((1, 2))])
        array([[0., 0.]])
    """

    combine = staticmethod(ops.subtract)

    def checked(self, inputs: Sequence[Value]) -> list[Value]:
        """Return the list of exactly two tensors."""
        tensors = super().checked(inputs)
        if len(tensors) != 2:
            raise ShapeError(f"layer {self.name!r} needs exactly two tensors, got {len(tensors)}")
        return tensors


class Multiply(Merge):
    """Multiply tensors of one shape element by element.

    Example:
        >>> import numpy as np
        >>> Multiply()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)])
        array([[6., 6.]])
    """

    combine = staticmethod(ops.multiply)


class Average(Merge):
    """Average tensors of one shape element by element.

    Example:
        >>> import numpy as np
        >>> Average()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)])
        array([[2.5, 2.5]])
    """

    combine = staticmethod(ops.add)

    def call(self, inputs: Sequence[Value]) -> Value:
        """Divide the sum by the number of tensors."""
        return ops.divide(super().call(inputs), float(len(inputs)))


class Maximum(Merge):
    """Take the largest of tensors of one shape element by element.

    Example:
        >>> import numpy as np
        >>> Maximum()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)])
        array([[3., 3.]])
    """

    combine = staticmethod(ops.maximum)


class Minimum(Merge):
    """Take the smallest of tensors of one shape element by element.

    Example:
        >>> import numpy as np
        >>> Minimum()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)])
        array([[2., 2.]])
    """

    combine = staticmethod(ops.minimum)


class Concatenate(Layer):
    """Join tensors along one axis.

    Args:
        axis: The axis, not the batch; the shapes agree on all others.
        **options: As for `Layer`.

    Raises:
        ShapeError: When called: the shapes do not fit, or fewer than two tensors.

    Example:
        >>> import numpy as np
        >>> Concatenate()([np.zeros((5, 2)), np.zeros((5, 3))]).shape
        (5, 5)
    """

    supports_masking = True
    fixed = Layer.fixed | {"axis"}

    def __init__(self, axis: int = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if axis == 0:
            raise ValueError("Concatenate joins features, not samples: axis 0 is the batch")
        self.axis = axis

    def compute_mask(
        self, inputs: Sequence[Value], mask: Sequence[Value | None] | None = None
    ) -> Value | None:
        """Return the joined masks, where steps are joined; else the positions that count in any tensor."""
        given = [each for each in mask or () if each is not None]
        if not given or self.axis == -1 or self.axis % len(inputs[0].shape) >= len(given[0].shape):
            return _any_counts(mask)
        axes = len(given[0].shape)
        pairs = zip(inputs, mask or (), strict=True)
        masks = [ops.ones_like(_steps(x, axes)) if own is None else own for x, own in pairs]
        return ops.concatenate([ops.cast(each, "bool") for each in masks], self.axis)

    def call(self, inputs: Sequence[Value]) -> Value:
        """Join the tensors of the list."""
        return ops.concatenate(_several(self, inputs), self.axis)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}


def _steps(x: Value, axes: int) -> Value:
    """Return an array of the first axes of x."""
    for _ in range(axes, len(x.shape)):
        x = ops.sum(x, -1)
    return x


def _merged(layer: Layer, inputs: Sequence[Operand]) -> Value:
    result: Value = layer(list(inputs))
    return result


def add(inputs: Sequence[Operand], **options: Unpack[LayerOptions]) -> Value:
    """Apply `Add` to a list of tensors."""
    return _merged(Add(**options), inputs)


def subtract(inputs: Sequence[Operand], **options: Unpack[LayerOptions]) -> Value:
    """Apply `Subtract` to a list of two tensors."""
    return _merged(Subtract(**options), inputs)


def multiply(inputs: Sequence[Operand], **options: Unpack[LayerOptions]) -> Value:
    """Apply `Multiply` to a list of tensors."""
    return _merged(Multiply(**options), inputs)


def average(inputs: Sequence[Operand], **options: Unpack[LayerOptions]) -> Value:
    """Apply `Average` to a list of tensors."""
    return _merged(Average(**options), inputs)


def maximum(inputs: Sequence[Operand], **options: Unpack[LayerOptions]) -> Value:
    """Apply `Maximum` to a list of tensors."""
    return _merged(Maximum(**options), inputs)


def minimum(inputs: Sequence[Operand], **options: Unpack[LayerOptions]) -> Value:
    """Apply `Minimum` to a list of tensors."""
    return _merged(Minimum(**options), inputs)


def concatenate(inputs: Sequence[Operand], axis: int = -1, **options: Unpack[LayerOptions]) -> Value:
    """Apply `Concatenate` to a list of tensors."""
    return _merged(Concatenate(axis, **options), inputs)
