"""Broadcasting: the shape rule, and operands reshaped for kernels.

The rule is NumPy's, with two additions: the symbolic batch axis broadcasts with itself or a length of 1,
never with a fixed length, which could only fit by accident; another axis without a known length broadcasts
with any length, and is checked when the data give it one.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Shape, Spec
from streamfit.kernels import Call
from streamfit.ops.casting import operand
from streamfit.ops.core import Op, Operand, Value, apply, workspace
from streamfit.ops.public_calls import recorded
from streamfit.ops.strided import element_steps, gather_calls
from streamfit.ops.sums import sum_onto

_Group = tuple[int, tuple[bool, ...]]
"""The length of neighbouring axes, and for each operand whether it is full along them."""


def broadcast_shapes(name: str, *shapes: Shape) -> Shape:
    """Return the shape to which `shapes` broadcast.

    Args:
        name: The operation, for the message.
        shapes: Shapes, perhaps with a leading batch axis.

    Raises:
        ShapeError: They do not fit together.

    Example:
        >>> broadcast_shapes("add", (None, 3), (3,), (1, 1))
        (None, 3)
    """
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    batches = {rank - len(shape) for shape in shapes if shape and shape[0] is None}
    result: list[int | None] = []
    for axis, lengths in enumerate(zip(*padded, strict=True)):
        distinct = {length for length in lengths if length != 1}
        if axis and axis not in batches:
            distinct = distinct - {None} or distinct
        if len(distinct) > 1 or (axis and axis in batches):
            raise ShapeError(_mismatch(name, shapes, distinct))
        result.append(distinct.pop() if distinct else 1)
    return tuple(result)


def _mismatch(name: str, shapes: Sequence[Shape], lengths: set[int | None]) -> str:
    listed = " and ".join(str(shape) for shape in shapes)
    text = f"{name} cannot broadcast shapes {listed}: "
    if None not in lengths:
        return text + "axes counted from the last must be equal or 1; use ops.reshape or ops.expand_dims"
    fixed = next((length for length in lengths if length is not None), "of another axis")
    return text + f"the batch axis (None) meets the fixed length {fixed}; give both operands the same rank"


def steps_to(shape: Sequence[int], target: Sequence[int]) -> list[int]:
    """Return the steps that walk an array of `shape` as if it had the shape `target`.

    Example:
        >>> steps_to((3, 1), (2, 3, 4))
        [0, 1, 0]
    """
    missing = len(target) - len(shape)
    steps = [0 if length == 1 else step for length, step in zip(shape, element_steps(shape), strict=True)]
    return [0] * missing + steps


def expand(x: Array, shape: tuple[int, ...]) -> tuple[Array, list[Call]]:
    """Return an array of `shape` and the calls that fill it by broadcasting x; x itself if it fits."""
    if x.shape == shape:
        return x, []
    full = workspace(shape, x.dtype)
    return full, gather_calls(x, full, 0, steps_to(x.shape, shape))


def matrices(
    shape: tuple[int, ...], operands: Sequence[Array]
) -> tuple[list[Array], tuple[int, int], list[Call]]:
    """Reshape operands that broadcast to `shape` into matrices with axes of full length or of length 1.

    Neighbouring axes along which the same operands are broadcast are merged. Operands that still have
    more than two axes are expanded.

    Returns:
        The matrices, the shape of the result as a matrix, and the calls that expand.
    """
    groups = _groups(shape, operands)
    calls: list[Call] = []
    if len(groups) > 2:
        pairs = [expand(x, shape) for x in operands]
        operands, calls = [full for full, _ in pairs], [call for _, made in pairs for call in made]
        groups = _groups(shape, operands)
    while len(groups) < 2:
        groups.insert(0, (1, tuple(False for _ in operands)))
    (rows, full_rows), (columns, full_columns) = groups
    reshaped = [
        x.reshape(rows if full_rows[i] else 1, columns if full_columns[i] else 1)
        for i, x in enumerate(operands)
    ]
    return reshaped, (rows, columns), calls


def _groups(shape: tuple[int, ...], operands: Sequence[Array]) -> list[_Group]:
    """Merge neighbouring axes along which the same operands are full."""
    padded = [(1,) * (len(shape) - x.ndim) + x.shape for x in operands]
    groups: list[_Group] = []
    for axis, length in enumerate(shape):
        pattern = tuple(own[axis] != 1 for own in padded)
        if length == 1:
            continue
        if groups and groups[-1][1] == pattern:
            groups[-1] = (groups[-1][0] * length, pattern)
        else:
            groups.append((length, pattern))
    return groups


class BroadcastTo(Op):
    """Repeat an array along new axes and along axes of length 1."""

    rowwise = True

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the wanted shape if the input broadcasts to it."""
        old = specs[0].shape
        extra = len(self.shape) - len(old)
        wanted = tuple(
            old[axis - extra] if length is None and axis >= extra else length
            for axis, length in enumerate(self.shape)
        )
        result = broadcast_shapes(self.name, old, wanted)
        if result != wanted:
            raise ShapeError(f"broadcast_to cannot turn shape {specs[0].shape} into {self.shape}")
        return (specs[0].with_shape(result),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return gather_calls(inputs[0], outputs[0], 0, steps_to(inputs[0].shape, outputs[0].shape))

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls that add up the gradients of repeated elements."""
        gx = input_grads[0]
        return [] if gx is None else sum_onto(output_grads[0], gx)


@recorded
def broadcast_to(x: Operand, shape: Sequence[int | None]) -> Value:
    """Repeat `x` along new leading axes and along its axes of length 1.

    Args:
        x: Array or tensor.
        shape: The shape to reach; None only where `x` itself has the batch axis.

    Returns:
        `x` repeated, of that shape.

    Raises:
        ShapeError: The shape of `x` does not broadcast to it.

    Example:
        >>> broadcast_to([1.0, 2.0], (2, 2))
        array([[1., 2.],
               [1., 2.]], dtype=float32)
    """
    value, wanted = operand(x), tuple(shape)
    if None in wanted and (not value.shape or value.shape[0] is not None or len(value.shape) != len(wanted)):
        raise ShapeError(
            f"broadcast_to shape {wanted} has a batch axis (None), but x of shape {value.shape} has none"
        )
    return apply(BroadcastTo(wanted), value)
