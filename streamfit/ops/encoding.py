"""Whole numbers as rows of counts, and floats as numbers of bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamfit._base.config import floatx
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels.matrix import fill_zero
from streamfit.ops.axes import batch_stays_first, one_axis
from streamfit.ops.casting import cast, operand
from streamfit.ops.core import Op, Operand, Value, apply, flat
from streamfit.ops.indexing import whole_numbers
from streamfit.ops.public_calls import recorded

_INT32 = np.dtype(np.int32)


@kernel
def count_rows(indices: Array, y: Array, most: int) -> None:
    """Add 1 to y[i, indices[i, k]] for each k, but no further than to `most` unless that is 0."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = 0
        for k in range(indices.shape[1]):
            place = indices[i, k]
            if 0 <= place < y.shape[1] and not (most > 0 and y[i, place] >= most):
                y[i, place] += 1


@kernel
def weigh_rows(indices: Array, weights: Array, y: Array) -> None:
    """Add weights[i, k] to y[i, indices[i, k]] for each k."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = 0
        for k in range(indices.shape[1]):
            place = indices[i, k]
            if 0 <= place < y.shape[1]:
                y[i, place] += weights[i, k]


@kernel
def weigh_rows_backward(indices: Array, gy: Array, gw: Array) -> None:
    """Set gw[i, k] = gy[i, indices[i, k]], or 0 where there is no such column."""
    zero = gw.dtype.type(0)
    for i in range(gw.shape[0]):
        for k in range(gw.shape[1]):
            place = indices[i, k]
            gw[i, k] = gy[i, place] if 0 <= place < gy.shape[1] else zero


@kernel
def find_bins(x: Array, bins: Array, y: Array) -> None:
    """Set y to how many of the ascending bins each x is not below."""
    for i in range(x.shape[0]):
        low, high = 0, bins.shape[0]
        while low < high:
            middle = (low + high) >> 1
            if x[i] < bins[middle]:
                high = middle
            else:
                low = middle + 1
        y[i] = low


class CountRows(Op):
    """Count whole numbers along the last axis, with weights if there is a second input."""

    rowwise = True

    def __init__(self, classes: int, dtype: str, most: int) -> None:
        self.classes, self.dtype, self.most = classes, dtype, most

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape with another last axis."""
        if len(specs) > 1 and not may_equal(specs[0].shape, specs[1].shape):
            raise ShapeError(
                f"bincount takes a weight for each number: numbers of shape {specs[0].shape}, weights of "
                f"shape {specs[1].shape}"
            )
        return (Spec((*specs[0].shape[:-1], self.classes), np.dtype(self.dtype)),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        y = outputs[0].reshape(-1, self.classes)
        rows = [x.reshape(len(y), x.shape[-1]) for x in inputs]
        if len(rows) > 1:
            return [(weigh_rows, (rows[0], rows[1], y))]
        return [(count_rows, (rows[0], y, self.most))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that gives each weight the gradient of its column; none goes to the numbers."""
        calls: list[Call] = []
        gy = output_grads[0].reshape(-1, self.classes)
        if input_grads[0] is not None:
            calls.append((fill_zero, (flat(input_grads[0]),)))
        gw = input_grads[1] if len(inputs) > 1 else None
        if gw is not None:
            numbers, slopes = (each.reshape(len(gy), each.shape[-1]) for each in (inputs[0], gw))
            calls.append((weigh_rows_backward, (numbers, gy, slopes)))
        return calls


class Digitize(Op):
    """Find the bin of each number."""

    rowwise = True
    differentiable = False

    def __init__(self, bins: Sequence[float]) -> None:
        self.bins = np.array(bins, np.float64)

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the same shape, int32."""
        return (specs[0].with_dtype(_INT32),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(find_bins, (flat(inputs[0]), self.bins, flat(outputs[0])))]


def _counted(name: str, x: Operand, classes: int, dtype: npt.DTypeLike, most: int, *weights: Value) -> Value:
    numbers = whole_numbers(name, x)
    batch_stays_first(name, numbers.shape, one_axis(name, -1, len(numbers.shape)))
    return apply(CountRows(int(classes), np.dtype(dtype).name, most), numbers, *weights)


@recorded
def multi_hot(x: Operand, classes: int, dtype: npt.DTypeLike | None = None) -> Value:
    """Write the whole numbers along the last axis as one row with a 1 in the column of each.

    Args:
        x: Whole numbers, of any shape with an axis; one out of range has no column.
        classes: Length of the rows.
        dtype: Dtype of the result; `floatx` by default.

    Returns:
        The shape of `x` with `classes` in the place of its last axis.

    Raises:
        ShapeError: The only axis is the batch, whose samples are not to be mixed.

    Example:
        >>> multi_hot([[0, 2, 2]], 4)
        array([[1., 0., 1., 0.]], dtype=float32)
    """
    return _counted("multi_hot", x, classes, dtype or floatx(), 1)


@recorded
def bincount(
    x: Operand, classes: int, weights: Operand | None = None, dtype: npt.DTypeLike | None = None
) -> Value:
    """Count the whole numbers along the last axis: one row with how often each number occurs.

    Args:
        x: Whole numbers, of any shape with an axis; one out of range has no column.
        classes: Length of the rows; unlike `numpy.bincount`, the data do not change it.
        weights: What each number counts, in the shape of `x`; 1 by default. A gradient goes to them.
        dtype: Dtype of the result; by default that of the weights, or `floatx`.

    Returns:
        The shape of `x` with `classes` in the place of its last axis.

    Raises:
        ShapeError: The weights have another shape; or the only axis is the batch, whose samples are not to be
            mixed.

    Example:
        >>> bincount([[0, 2, 2]], 4)
        array([[1., 0., 2., 0.]], dtype=float32)
        >>> bincount([[0, 2, 2]], 4, weights=[[0.5, 1.0, 2.0]])
        array([[0.5, 0. , 3. , 0. ]], dtype=float32)
    """
    if weights is None:
        return _counted("bincount", x, classes, dtype or floatx(), 0)
    given = operand(weights)
    given = cast(given, dtype or (given.dtype if given.dtype.kind == "f" else floatx()))
    return _counted("bincount", x, classes, given.dtype, 0, given)


@recorded
def digitize(x: Operand, bins: Sequence[float]) -> Value:
    """Find the bin of each number, as `numpy.digitize` does: i where ``bins[i - 1] <= x < bins[i]``.

    Args:
        x: Array or tensor of any shape; NaN is in the last bin.
        bins: The bounds between the bins, ascending.

    Returns:
        The same shape, int32.

    Raises:
        ValueError: `bins` are not ascending.

    Example:
        >>> digitize([-1.0, 0.0, 0.5, 2.0], [0.0, 1.0])
        array([0, 1, 1, 2], dtype=int32)
    """
    bounds = np.asarray(bins, np.float64)
    if bounds.ndim != 1 or not (bounds[1:] >= bounds[:-1]).all():
        raise ValueError(f"bins must be a list of ascending numbers, got {bins!r}")
    return apply(Digitize(bounds.tolist()), operand(x))
