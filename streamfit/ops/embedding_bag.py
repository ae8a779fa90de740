"""The rows of a table that each sample names, combined into one: `embedding_bag`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from streamfit._base.checks import check_same_shape
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.kernels.matrix import fill_zero
from streamfit.ops.casting import floating, operand
from streamfit.ops.comparisons import logical_and, not_equal, where
from streamfit.ops.core import Operand, Value, apply, flat
from streamfit.ops.indexing import check_range, whole_numbers
from streamfit.ops.operation import workspace
from streamfit.ops.public_calls import recorded
from streamfit.ops.row_lookup import RowLookup

COMBINERS = ("sum", "mean", "sqrtn")
_SUM, _MEAN = 0, 1  # their places in COMBINERS; the third is sqrt(n)


@kernel
def embedding_bag_forward(table: Array, ids: Array, combiner: int, y: Array, scale: Array) -> None:
    """Combine the rows of the table that ids[i] names into y[i]; negative numbers name none.

    A number beyond the table gives NaN.

    Args:
        table: (rows, width).
        ids: int64 (n, m).
        combiner: The place of the combiner in `COMBINERS`.
        y: Gets the combinations, (n, width); zeros where no row is named.
        scale: Gets what the sum of the rows is multiplied by, (n,).
    """
    real = y.dtype.type
    rows = table.shape[0]
    for i in range(ids.shape[0]):
        count, k = 0, 0
        for j in range(y.shape[1]):
            y[i, j] = 0
        while k < ids.shape[1]:
            a = ids[i, k]
            if k + 3 < ids.shape[1]:  # four rows at once, where none is left out
                b, c, d = ids[i, k + 1], ids[i, k + 2], ids[i, k + 3]
                if min(min(a, b), min(c, d)) >= 0 and max(max(a, b), max(c, d)) < rows:
                    for j in range(y.shape[1]):
                        y[i, j] += (table[a, j] + table[b, j]) + (table[c, j] + table[d, j])
                    k, count = k + 4, count + 4
                    continue
            if a >= rows:
                for j in range(y.shape[1]):
                    y[i, j] = np.nan
            elif a >= 0:
                for j in range(y.shape[1]):
                    y[i, j] += table[a, j]
            k, count = k + 1, count + int(a >= 0)
        divisor = np.float64(max(count, 1))
        if combiner == _SUM:
            scale[i] = 1
        else:
            scale[i] = real(1.0 / (divisor if combiner == _MEAN else np.sqrt(divisor)))
            for j in range(y.shape[1]):
                y[i, j] *= scale[i]


@kernel
def scale_rows_into(gy: Array, scale: Array, g: Array) -> None:
    """Write gy[i] * scale[i] to g[i]."""
    for i in range(gy.shape[0]):
        factor = scale[i]
        for j in range(gy.shape[1]):
            g[i, j] = gy[i, j] * factor


@kernel
def embedding_bag_backward(ids: Array, g: Array, gx: Array) -> None:
    """Add g[i] to the rows of gx that ids[i] names, in the order of the ids."""
    for i in range(ids.shape[0]):
        for k in range(ids.shape[1]):
            row = ids[i, k]
            if 0 <= row < gx.shape[0]:
                for j in range(g.shape[1]):
                    gx[row, j] += g[i, j]


class EmbeddingBag(RowLookup):
    """Combine rows of a table; the gradient of a row is that of all samples that name it."""

    def __init__(self, combiner: str) -> None:
        self.combiner = combiner

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the ids with the last axis replaced by that of the table."""
        table, ids = specs
        if table.rank != 2:
            raise ShapeError(
                f"embedding_bag takes a table of shape (rows, width), got one of shape {table.shape}"
            )
        if ids.rank < 2:
            raise ShapeError(
                f"embedding_bag combines the rows that the last axis of ids names, behind the axis of "
                f"samples; got ids of shape {ids.shape}; write ids[:, None] for one id a sample"
            )
        return (Spec((*ids.shape[:-1], table.shape[1]), table.dtype),)

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the scale of each combination."""
        return (Spec(specs[1].shape[:-1], specs[0].dtype),)

    def bags(self, ids: Array) -> Array:
        """Return the numbers of each sample as a row."""
        return ids.reshape(prod(ids.shape[:-1]), ids.shape[-1])

    def bag_gradient(self, scratch: Sequence[Array], gy: Array) -> tuple[Array, list[Call]]:
        """Return the gradient of a sum of rows, for each sample."""
        rows = gy.reshape(prod(gy.shape[:-1]), gy.shape[-1])
        if self.combiner == "sum":
            return rows, []
        scaled = workspace(rows.shape, rows.dtype)
        return scaled, [(scale_rows_into, (rows, flat(scratch[0]), scaled))]

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        table, ids = inputs
        y = outputs[0].reshape(prod(ids.shape[:-1]), table.shape[1])
        combiner = COMBINERS.index(self.combiner)
        return [(embedding_bag_forward, (table, self.bags(ids), combiner, y, flat(scratch[0])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls that add the gradient to the rows that were named."""
        gx = input_grads[0]
        if gx is None:
            return []
        g, calls = self.bag_gradient(scratch, output_grads[0])
        return [*calls, (fill_zero, (flat(gx),)), (embedding_bag_backward, (self.bags(inputs[1]), g, gx))]


@recorded
def embedding_bag(
    table: Operand,
    ids: Operand,
    mask: Operand | None = None,
    combiner: str = "mean",
    padding: int | None = None,
) -> Value:
    """Look rows of a table up by number and combine those of each sample into one.

    The rows themselves are never held: memory is that of the result, however many ids a sample has. An id
    that occurs twice in a sample counts twice. A sample without any id gives zeros, whatever the combiner,
    where a mean would be 0 / 0.

    Args:
        table: Floats of shape (rows, width).
        ids: Whole numbers in [0, rows), of shape (batch, ..., n). In a traced model, where the numbers are
            not known, one beyond the table gives NaN; see `checked_indices`.
        mask: Of the shape of `ids`; an id is left out where it is 0 or False. None for none.
        combiner: How the rows are combined: their ``'sum'``, their ``'mean'``, or ``'sqrtn'``, their sum
            divided by the square root of their number.
        padding: An id that is left out wherever it occurs, usually 0; None for none.

    Returns:
        The shape of `ids` with its last axis replaced by width, in the dtype of the table.

    Raises:
        ValueError: The combiner is unknown, an id is out of range, or the mask has another shape.
        ShapeError: `ids` has no axis to combine, or the table is no matrix.

    Example:
        >>> table = [[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]]
        >>> embedding_bag(table, [[1, 2, 0], [2, 2, 2], [0, 0, 0]], padding=0)
        array([[2., 3.],
               [3., 4.],
               [0., 0.]], dtype=float32)
    """
    if combiner not in COMBINERS:
        raise ValueError(f"combiner must be one of {COMBINERS}, got {combiner!r}")
    numbers, rows = whole_numbers("embedding_bag", ids), floating(table)
    if len(rows.shape) == 2:
        check_range("embedding_bag", numbers, rows.shape[0])
    kept = None if padding is None else not_equal(numbers, padding)
    if mask is not None:
        counts = operand(mask)
        check_same_shape("the mask of embedding_bag", counts.shape, numbers.shape)
        counts = not_equal(counts, 0)
        kept = counts if kept is None else logical_and(kept, counts)
    if kept is not None:
        numbers = where(kept, numbers, np.int64(-1))
    return apply(EmbeddingBag(combiner), rows, numbers)
