"""Arrays joined along an axis, and parts cut out of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Shape, Spec, may_equal, merged
from streamfit.kernels import Call, kernel
from streamfit.kernels.calls import Kernel
from streamfit.kernels.matrix import fill_zero
from streamfit.ops.axes import batch_stays_first, one_axis
from streamfit.ops.casting import operand, promoted
from streamfit.ops.core import OPERATORS, Op, Operand, Value, apply, flat
from streamfit.ops.public_calls import recorded
from streamfit.ops.shape import expand_dims, squeeze
from streamfit.ops.strided import element_steps, gather_calls, scatter_calls
from streamfit.ops.sums import fold


@kernel
def put_columns(x: Array, y: Array, start: int) -> None:
    """Copy the matrix x into the columns of y from `start` on."""
    for i in range(x.shape[0]):
        part = y[i, start : start + x.shape[1]]
        for j in range(x.shape[1]):
            part[j] = x[i, j]


@kernel
def take_columns(y: Array, x: Array, start: int) -> None:
    """Fill the matrix x from the columns of y from `start` on."""
    for i in range(x.shape[0]):
        part = y[i, start : start + x.shape[1]]
        for j in range(x.shape[1]):
            x[i, j] = part[j]


class Concatenate(Op):
    """Put arrays one after the other along an axis."""

    def __init__(self, axis: int) -> None:
        self.axis, self.rowwise = axis, axis > 0

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape whose length along the axis is the sum of all."""
        shapes = [spec.shape for spec in specs]
        others = [(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in shapes]
        if not may_equal(*others):
            raise ShapeError(f"concatenate needs equal shapes except along axis {self.axis}, got {shapes}")
        lengths = [shape[self.axis] for shape in shapes]
        total = None if None in lengths else sum(length or 0 for length in lengths)
        other = merged(*others)
        return (specs[0].with_shape((*other[: self.axis], total, *other[self.axis :])),)

    def _columns(self, array: Array) -> Array:
        return array.reshape(fold(array.shape, self.axis, self.axis)[0], -1)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call for each input."""
        return self._calls(put_columns, inputs, inputs, outputs[0])

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls that cut the gradient into parts."""
        return self._calls(take_columns, inputs, input_grads, output_grads[0], reverse=True)

    def _calls(
        self,
        copy: Kernel,
        inputs: Sequence[Array],
        parts: Sequence[Array | None],
        whole: Array,
        reverse: bool = False,
    ) -> list[Call]:
        outer = fold(whole.shape, self.axis, self.axis)[0]
        calls: list[Call] = []
        start = 0
        for x, part in zip(inputs, parts, strict=True):
            if part is not None and part.size:
                pair = (part.reshape(outer, -1), whole.reshape(outer, -1))
                calls.append((copy, (*(pair[::-1] if reverse else pair), start)))
            start += x.size // outer if outer else 0
        return calls


Cut = slice | int
"""What `getitem` takes along one axis."""


class Slice(Op):
    """Cut out a regular part.

    Args:
        cuts: For each axis a slice, or a number, which leaves an axis of length 1. Counted from the end, they
            hold for axes of any length.
    """

    def __init__(self, cuts: tuple[Cut, ...]) -> None:
        self.cuts = cuts
        self.rowwise = bool(cuts) and cuts[0] == slice(None)

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the lengths that are left; None where a length is not known."""
        shape = specs[0].shape
        lengths = (_cut(shape, axis, cut)[1] for axis, cut in enumerate(self.cuts))
        return (specs[0].with_shape(tuple(lengths)),)

    def _start_and_steps(self, x: Array) -> tuple[int, list[int]]:
        apart = element_steps(x.shape)
        cuts = [_cut(x.shape, axis, cut) for axis, cut in enumerate(self.cuts)]
        start = sum(first * step for (first, _, _), step in zip(cuts, apart, strict=True))
        return start, [step * own for step, (_, _, own) in zip(apart, cuts, strict=True)]

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return gather_calls(inputs[0], outputs[0], *self._start_and_steps(inputs[0]))

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls that put the gradient in its place among zeros."""
        gx = input_grads[0]
        if gx is None:
            return []
        return [(fill_zero, (flat(gx),)), *scatter_calls(output_grads[0], gx, *self._start_and_steps(gx))]


@recorded
def concatenate(arrays: Sequence[Operand], axis: int = -1) -> Value:
    """Put arrays one after the other along an axis.

    Args:
        arrays: Arrays or tensors with equal shapes except along `axis`.
        axis: The axis to join along; not the symbolic batch.

    Returns:
        One array, in the common dtype of all.

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> concatenate([[1.0], [2.0, 3.0]])
        array([1., 2., 3.], dtype=float32)
    """
    if not len(arrays):
        raise ValueError("concatenate needs at least one array, got none")
    values = promoted(*arrays)
    place = one_axis("concatenate", axis, len(values[0].shape))
    batch_stays_first("concatenate", values[0].shape, place)
    return apply(Concatenate(place), *values)


@recorded
def stack(arrays: Sequence[Operand], axis: int = 0) -> Value:
    """Put arrays of one shape one after the other along a new axis.

    Args:
        arrays: Arrays or tensors of equal shape.
        axis: Where the new axis will be in the result; after the symbolic batch.

    Returns:
        One array with one axis more.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> stack([[1.0, 2.0], [3.0, 4.0]])
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    if not len(arrays):
        raise ValueError("stack needs at least one array, got none")
    return concatenate([expand_dims(array, axis) for array in arrays], axis)


@recorded
def split(x: Operand, parts: int | Sequence[int], axis: int = -1) -> list[Value]:
    """Cut an array into parts along an axis.

    Args:
        x: Array or tensor.
        parts: How many equal parts, or the indices at which to cut.
        axis: The axis to cut along; not the symbolic batch.

    Returns:
        The parts in order.

    Raises:
        ValueError: The length does not divide into that many parts.

    Example:
        >>> split([1.0, 2.0, 3.0, 4.0], 2)
        [array([1., 2.], dtype=float32), array([3., 4.], dtype=float32)]
    """
    value = operand(x)
    place = one_axis("split", axis, len(value.shape))
    batch_stays_first("split", value.shape, place)
    length = value.shape[place]
    if length is None:
        raise ShapeError(
            f"split needs a known length along axis {axis}, got shape {value.shape}; cut it with slices, "
            "as x[:, :2]"
        )
    if isinstance(parts, int):
        if parts < 1 or length % parts:
            raise ValueError(f"split cannot cut axis {axis} of length {length} into {parts} equal parts")
        cuts = list(range(length // parts, length, length // parts)) if length else [0] * (parts - 1)
    else:
        cuts = [int(cut) for cut in parts]
    whole = (slice(None),) * place
    edges = [0, *cuts, length]
    return [getitem(value, (*whole, slice(a, b))) for a, b in pairwise(edges)]


@recorded
def getitem(x: Operand, key: object) -> Value:
    """Compute ``x[key]`` for whole numbers, slices, ``...`` and None.

    Args:
        x: Array or tensor.
        key: An index or a tuple of them. The symbolic batch axis takes ``:`` only; of an axis without a
            known length a number in front is checked when the data give it one.

    Returns:
        The part that NumPy's indexing gives; for arrays a copy.

    Raises:
        IndexError: A number is out of range, or there are too many.
        ShapeError: The key cuts the symbolic batch.
        TypeError: The key holds something else, such as an array; use `take` for those.

    Example:
        >>> getitem([[1.0, 2.0], [3.0, 4.0]], (slice(None), 0))
        array([1., 3.], dtype=float32)
    """
    value = operand(x)
    cuts, removed, added = _parse(value.shape, key if isinstance(key, tuple) else (key,))
    whole = all(_keeps(value.shape, axis, cut) for axis, cut in enumerate(cuts))
    part = value if whole else apply(Slice(cuts), value)
    if removed:
        part = squeeze(part, removed)
    for axis in added:
        part = expand_dims(part, axis)
    return part


def _parse(shape: Shape, key: tuple[object, ...]) -> tuple[tuple[Cut, ...], list[int], list[int]]:
    """Return the cut along each axis, the axes that numbers remove, and where None adds axes after that."""
    used = len([each for each in key if each is not None and each is not Ellipsis])
    if used > len(shape):
        raise IndexError(f"too many indices for shape {shape}: {key}")
    fill = (slice(None),) * (len(shape) - used)
    place = next((i for i, each in enumerate(key) if each is Ellipsis), len(key))
    full = (*key[:place], *fill, *key[place + 1 :])
    cuts: list[Cut] = []
    removed: list[int] = []
    added: list[int] = []
    kept = 0
    for each in full:
        if each is None:
            added.append(kept)
            kept += 1
            continue
        if isinstance(each, (int, np.integer)) and not isinstance(each, bool):
            removed.append(len(cuts))
            each = int(each)
        elif isinstance(each, slice):
            kept += 1
        else:
            raise TypeError(
                f"a tensor is indexed with whole numbers, slices, ... and None, got {each!r}; see ops.take"
            )
        _cut(shape, len(cuts), each)  # raises what is wrong with it
        cuts.append(each)
    return tuple(cuts), removed, added


def _keeps(shape: Shape, axis: int, cut: Cut) -> bool:
    """Return whether a cut surely leaves its axis as it is."""
    return cut == slice(None) or (shape[axis] is not None and _cut(shape, axis, cut) == (0, shape[axis], 1))


def _cut(shape: Shape, axis: int, each: Cut) -> tuple[int, int | None, int]:
    """Return the start, the length (None where it is not known) and the step of a cut."""
    length = shape[axis]
    if length is None:
        if axis == 0 and each != slice(None):
            raise ShapeError(f"cannot cut the batch axis of shape {shape} with {each}; write : there")
        return 0, None if isinstance(each, slice) else 1, 1
    if isinstance(each, slice):
        start, stop, step = each.indices(length)
        return start, len(range(start, stop, step)), step
    if not -length <= each < length:
        raise IndexError(f"index {each} is out of range for axis {axis} of length {length}")
    return each % length, 1, 1


OPERATORS["getitem"] = getitem
