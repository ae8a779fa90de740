"""The same elements under another shape or in another order of axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Shape, Spec
from streamfit.kernels import Call
from streamfit.kernels.matrix import copy_into
from streamfit.ops.axes import Axis, batch_stays_first, one_axis, several_axes
from streamfit.ops.casting import operand
from streamfit.ops.core import Op, Operand, Value, apply, flat
from streamfit.ops.public_calls import recorded
from streamfit.ops.strided import element_steps, gather_calls


class Reshape(Op):
    """Give the elements another shape; nothing moves.

    Args:
        shape: The new shape; one length may be -1. None in front is the batch, which stays as it is; one None
            elsewhere is like -1.
    """

    is_view = True

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rowwise = bool(shape) and shape[0] is None

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the wanted shape with -1 replaced."""
        old = specs[0].shape
        keeps_first = bool(self.shape) and self.shape[0] is None
        if specs[0].batched and not keeps_first:
            raise ShapeError(_unbatched(old, self.shape))
        first, own = (old[:1], old[1:]) if keeps_first else ((), old)
        wanted = tuple(-1 if length is None else length for length in self.shape[len(first) :])
        if None in own:
            lengths = (None if length == -1 else length for length in wanted)
            return (specs[0].with_shape((*first, *lengths)),)
        size = prod(length for length in own if length is not None)
        known = prod(length for length in wanted if length != -1)
        fits = size == known if -1 not in wanted else known > 0 and size % known == 0
        if not fits or wanted.count(-1) > 1:
            raise ShapeError(f"cannot reshape {old} ({size} elements) to {self.shape} ({known} elements)")
        return (specs[0].with_shape((*first, *(size // known if n == -1 else n for n in wanted))),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return no call: the output is the input."""
        return []

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that copies the gradient."""
        gx = input_grads[0]
        return [] if gx is None else [(copy_into, (flat(output_grads[0]), flat(gx)))]


def _unbatched(old: Shape, new: Shape) -> str:
    return (
        f"cannot reshape {old} to {new}: the batch axis (None) must stay the first axis on its own; "
        "write the new shape as (None, ...) or reshape the other axes only"
    )


class InsertAxis(Reshape):
    """Insert an axis of length 1; nothing moves."""

    def __init__(self, axis: int) -> None:
        self.axis, self.rowwise = axis, axis > 0

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape with one axis more."""
        old = specs[0].shape
        return (specs[0].with_shape((*old[: self.axis], 1, *old[self.axis :])),)


class RemoveAxes(Reshape):
    """Remove axes of length 1; nothing moves."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes, self.rowwise = axes, 0 not in axes

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape without the axes."""
        old = specs[0].shape
        if any(old[axis] not in (1, None) for axis in self.axes):
            raise ShapeError(f"squeeze removes axes of length 1 only, got axis {self.axes} of shape {old}")
        return (specs[0].with_shape(tuple(n for i, n in enumerate(old) if i not in self.axes)),)


class Transpose(Op):
    """Change the order of the axes."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes, self.rowwise = axes, axes[0] == 0

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the lengths in the new order."""
        old = specs[0].shape
        if specs[0].batched and self.axes[0] != 0:
            raise ShapeError(
                f"transpose of {old} by {self.axes} would move the batch axis; it must stay first"
            )
        return (specs[0].with_shape(tuple(old[axis] for axis in self.axes)),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return _transpose_calls(inputs[0], outputs[0], self.axes)

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that restores the old order."""
        gx = input_grads[0]
        back = sorted(range(len(self.axes)), key=lambda axis: self.axes[axis])
        return [] if gx is None else _transpose_calls(output_grads[0], gx, back)


def _transpose_calls(x: Array, y: Array, axes: Sequence[int]) -> list[Call]:
    steps = element_steps(x.shape)
    return gather_calls(x, y, 0, [steps[axis] for axis in axes])


@recorded
def shape(x: Operand) -> Shape:
    """Return the length of each axis.

    Args:
        x: Array or tensor.

    Returns:
        A tuple; in a graph it has None for the batch and for axes whose length the data decide.

    Example:
        >>> shape([[1.0, 2.0, 3.0]])
        (1, 3)
    """
    return tuple(operand(x).shape)


@recorded
def reshape(x: Operand, shape: Sequence[int | None]) -> Value:
    """Give the elements another shape.

    Args:
        x: Array or tensor.
        shape: The new shape; one length may be -1. For a tensor with a symbolic batch the first length
            is None, or -1 if the other lengths account for the rest.

    Returns:
        The same elements; for arrays a view.

    Raises:
        ShapeError: The number of elements differs, or the batch axis would not stay alone.

    Example:
        >>> reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    value, wanted = operand(x), tuple(shape)
    if wanted.count(-1) > 1 or any(length is not None and length < -1 for length in wanted):
        raise ShapeError(f"reshape takes lengths of at least 0 and at most one -1, got {wanted}")
    batched = bool(value.shape) and value.shape[0] is None
    if batched and wanted and wanted[0] == -1:
        wanted = (None, *wanted[1:])
    if not batched and wanted and wanted[0] is None:
        wanted = (value.shape[0] if value.shape else 1, *wanted[1:])
    return apply(Reshape(wanted), value)


@recorded
def flatten(x: Operand) -> Value:
    """Merge all axes but the first, the batch.

    Args:
        x: Array or tensor of shape (batch, ...).

    Returns:
        Shape (batch, product of the other lengths).

    Example:
        >>> flatten([[[1.0, 2.0], [3.0, 4.0]]])
        array([[1., 2., 3., 4.]], dtype=float32)
    """
    value = operand(x)
    if not value.shape:
        raise ShapeError("flatten needs a batch axis, got a single number")
    if None in value.shape[1:]:
        return apply(Reshape((value.shape[0], -1)), value)
    return apply(Reshape((value.shape[0], prod(n for n in value.shape[1:] if n is not None))), value)


@recorded
def expand_dims(x: Operand, axis: int) -> Value:
    """Insert an axis of length 1.

    Args:
        x: Array or tensor.
        axis: Where the new axis will be in the result.

    Returns:
        The same elements with one axis more.

    Raises:
        ShapeError: It would come before the symbolic batch axis.

    Example:
        >>> expand_dims([1.0, 2.0], -1).shape
        (2, 1)
    """
    value = operand(x)
    place = one_axis("expand_dims", axis, len(value.shape) + 1)
    batch_stays_first("expand_dims", value.shape, place)
    return apply(InsertAxis(place), value)


@recorded
def squeeze(x: Operand, axis: Axis = None) -> Value:
    """Remove axes of length 1.

    Args:
        x: Array or tensor.
        axis: One axis, several, or None for all of length 1.

    Returns:
        The same elements with fewer axes.

    Raises:
        ShapeError: An axis has another length.

    Example:
        >>> squeeze([[1.0], [2.0]], -1)
        array([1., 2.], dtype=float32)
    """
    value = operand(x)
    ones = [i for i, length in enumerate(value.shape) if length == 1]
    axes = ones if axis is None else several_axes("squeeze", axis, len(value.shape))
    if any(value.shape[each] not in (1, None) for each in axes) or (0 in axes and value.shape[0] is None):
        raise ShapeError(f"squeeze removes axes of length 1 only, got axis {axis} of shape {value.shape}")
    return apply(RemoveAxes(tuple(axes)), value)


@recorded
def transpose(x: Operand, axes: Sequence[int] | None = None) -> Value:
    """Change the order of the axes.

    Args:
        x: Array or tensor.
        axes: For each axis of the result the axis of `x` it comes from; None reverses them.

    Returns:
        The elements in their new order.

    Raises:
        ShapeError: The symbolic batch axis would not stay first.
        ValueError: `axes` is not an order of all axes.

    Example:
        >>> transpose([[1.0, 2.0], [3.0, 4.0]])
        array([[1., 3.],
               [2., 4.]], dtype=float32)
    """
    value = operand(x)
    rank = len(value.shape)
    order = tuple(range(rank))[::-1] if axes is None else tuple(one_axis("transpose", a, rank) for a in axes)
    if sorted(order) != list(range(rank)):
        raise ValueError(f"transpose needs each axis of shape {value.shape} once, got {axes}")
    return value if order == tuple(range(rank)) else apply(Transpose(order), value)


@recorded
def swap_axes(x: Operand, a: int, b: int) -> Value:
    """Exchange two axes.

    Args:
        x: Array or tensor.
        a: One axis.
        b: The other.

    Returns:
        The elements in their new order.

    Raises:
        ShapeError: The symbolic batch axis would not stay first.

    Example:
        >>> swap_axes([[1.0, 2.0, 3.0]], -1, -2).shape
        (3, 1)
    """
    value = operand(x)
    order = list(range(len(value.shape)))
    i, j = one_axis("swap_axes", a, len(order)), one_axis("swap_axes", b, len(order))
    order[i], order[j] = j, i
    return transpose(value, order)
