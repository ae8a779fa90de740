"""Indices that are checked: a step that is about to read a row that does not exist stops before it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from streamfit._base.errors import SampleError
from streamfit._base.exact import exact, row_of
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.casting import cast, operand
from streamfit.ops.core import Op, Operand, Value, apply, as_operand, flat
from streamfit.ops.public_calls import recorded

_INT64 = np.dtype(np.int64)


@kernel
def check_whole_indices(x: Array, count: int, y: Array, wrong: Array) -> None:
    """Copy x to y; stop the call loop at a number outside [0, count), which wrong = [place, number] says."""
    for i in range(x.shape[0]):
        index = x[i]
        if index < 0 or index >= count:
            wrong[0] = i
            wrong[1] = index
            raise FloatingPointError
        y[i] = index


@kernel
def check_float_indices(x: Array, count: int, y: Array, wrong: Array) -> None:
    """Do as `check_whole_indices` with floats, which must be whole numbers."""
    for i in range(x.shape[0]):
        index = x[i]
        if not (0 <= index < count and index == np.floor(index)):
            wrong[0] = i
            wrong[1] = index
            raise FloatingPointError
        y[i] = np.int64(index)


class CheckedIndices(Op):
    """Return numbers as int64, and stop the step at one that is no index.

    Args:
        count: Indices lie in [0, count).
        what: Whose indices they are, for messages.

    Attributes:
        wrong: (2,), the place and the number that stopped the step; int64, or float64 where floats are
            checked.
    """

    differentiable = False

    def __init__(self, count: int, what: str, floats: bool) -> None:
        self.count, self.what = count, what
        self.wrong = np.zeros(2, np.float64 if floats else np.int64)

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the same shape, int64."""
        return (specs[0].with_dtype(_INT64),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        check = check_float_indices if self.wrong.dtype.kind == "f" else check_whole_indices
        return [(check, (flat(inputs[0]), self.count, flat(outputs[0]), self.wrong))]

    def error(self, shape: tuple[int, ...]) -> SampleError:
        """Return the error for the number that stopped a step; `shape` is that of the numbers of a batch."""
        place, number = self.wrong.tolist()
        return _error(self.what, number, self.count, int(place), shape)


def _error(what: str, number: object, count: int, place: int, shape: tuple[int, ...]) -> SampleError:
    row = row_of(place, shape)
    within = ", ".join(str(i) for i in np.unravel_index(place, shape)[1:])
    where = f" (position {within} of the row)" if prod(shape[1:]) > 1 else ""
    return SampleError(
        f"{what}: row {row} holds {number}; its indices must be whole numbers in [0, {count}), because it "
        f"has {count} rows{where}",
        row,
    )


@recorded
def checked_indices(x: Operand, count: int, what: str = "indices") -> Value:
    """Return numbers as int64 and check that they are indices: whole numbers in [0, count).

    A traced model checks them at each step: it stops before anything is changed, with an error that names the
    sample and the position.

    Args:
        x: Whole numbers of any dtype, or floats that hold them; of any shape, batch axis first.
        count: One more than the largest index.
        what: Whose indices they are, for messages.

    Returns:
        The same shape, int64.

    Raises:
        SampleError: A number is no index. It names the number and the row.

    Example:
        >>> checked_indices(np.array([[0.0], [2.0]]), 3).tolist()
        [[0], [2]]
        >>> checked_indices(np.array([0, 3]), 3, "layer 'words'")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        streamfit._base.errors.SampleError: layer 'words': row 1 holds 3; its indices must be whole ...
    """
    value = operand(as_operand(np.asarray(x)) if isinstance(x, (list, tuple, int, float)) else x)
    if isinstance(value, np.ndarray):
        whole = exact(value, _INT64, what)
        wrong = np.flatnonzero((whole < 0) | (whole >= count))
        if len(wrong):
            raise _error(what, whole.reshape(-1)[wrong[0]].item(), count, int(wrong[0]), whole.shape)
        return whole
    if value.dtype.kind == "b":
        value = cast(value, _INT64)
    return apply(CheckedIndices(count, what, value.dtype.kind == "f"), value)
