"""The cross-entropy of class numbers, for each sample; formulas as in `crossentropy`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.config import epsilon
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels import exponentials as fast
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows
from streamfit.ops.crossentropy import classes_last, limits_of
from streamfit.ops.indexing import check_range, whole_numbers
from streamfit.ops.public_calls import recorded
from streamfit.ops.shape import squeeze


@kernel
def sparse_probabilities(t: Array, p: Array, y: Array, limits: Array, ignored: Array) -> None:
    """Compute y = -log(limited(p[t] / sum(p))) for each row; 0 for the ignored class."""
    low, high = limits[0], limits[1]
    for i in range(p.shape[0]):
        label = t[i]
        if ignored.shape[0] and label == ignored[0]:
            y[i] = 0
            continue
        if label < 0 or label >= p.shape[1]:
            y[i] = np.nan
            continue
        total = p.dtype.type(0)
        for j in range(p.shape[1]):
            total += p[i, j]
        q = p[i, label] / total
        q = low if q < low else (high if q > high else q)
        y[i] = -fast.log(q)


@kernel
def sparse_probabilities_backward(
    t: Array, p: Array, gy: Array, gp: Array, limits: Array, ignored: Array
) -> None:
    """Differentiate `sparse_probabilities`."""
    low, high, zero = limits[0], limits[1], p.dtype.type(0)
    for i in range(p.shape[0]):
        label = t[i]
        used = 0 <= label < p.shape[1]
        if ignored.shape[0] and label == ignored[0]:
            used = False
        total = p.dtype.type(0)
        for j in range(p.shape[1]):
            total += p[i, j]
        slope, mixed = zero, zero
        if used:
            q = p[i, label] / total
            slope = zero if (q < low) | (q > high) else -gy[i] / q
            mixed = slope * q
        for j in range(p.shape[1]):
            gp[i, j] = ((slope if used and j == label else zero) - mixed) / total if used else zero


@kernel
def sparse_logits(t: Array, x: Array, y: Array, powers: Array, line: Array, ignored: Array) -> None:
    """Compute y = log(sum(exp(x))) - x[t] for each row; 0 for the ignored class.

    The softmax is kept in `powers`; `line` is its flat view, for a loop that becomes vector code for rows
    of any length.
    """
    for i in range(x.shape[0]):
        label, top = t[i], x[i, 0]
        for j in range(1, x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        for j in range(x.shape[1]):
            powers[i, j] = x[i, j] - top
        y[i] = powers[i, label] if 0 <= label < x.shape[1] else np.nan
    for k in range(line.shape[0]):
        line[k] = fast.exp(line[k])
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += powers[i, j]
        for j in range(x.shape[1]):
            powers[i, j] /= total
        y[i] = fast.log(total) - y[i]
        if ignored.shape[0] and t[i] == ignored[0]:
            y[i] = 0


@kernel
def sparse_logits_backward(t: Array, gy: Array, gx: Array, powers: Array, ignored: Array) -> None:
    """Compute gx = gy (softmax(x) - one_hot(t)) for each row."""
    for i in range(gx.shape[0]):
        label = t[i]
        used = 0 <= label < gx.shape[1]
        if ignored.shape[0] and label == ignored[0]:
            used = False
        scale = gy[i] if used else gx.dtype.type(0)
        for j in range(gx.shape[1]):
            gx[i, j] = scale * powers[i, j]
        if used:
            gx[i, label] -= scale


class SparseCategoricalCrossentropy(Op):
    """Compare probabilities along the last axis with the number of the right class."""

    rowwise = True

    def __init__(self, from_logits: bool, ignore_class: int | None) -> None:
        self.from_logits, self.ignore_class, self.epsilon = from_logits, ignore_class, epsilon()

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the targets."""
        t, p = specs
        if not p.shape or not may_equal(t.shape, p.shape[:-1]) or p.shape[-1] == 0:
            raise ShapeError(
                f"sparse_categorical_crossentropy needs target (...) and output (..., classes); "
                f"got target {t.shape} and output {p.shape}"
            )
        return (p.with_shape(t.shape),)

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Keep the softmax of logits."""
        return (specs[1],) if self.from_logits else ()

    def _ignored(self) -> Array:
        return np.array([] if self.ignore_class is None else [self.ignore_class], dtype=np.int64)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        t, p, y = flat(inputs[0]), rows(inputs[1]), flat(outputs[0])
        if self.from_logits:
            return [(sparse_logits, (t, p, y, rows(scratch[0]), flat(scratch[0]), self._ignored()))]
        return [(sparse_probabilities, (t, p, y, limits_of(self.epsilon, p), self._ignored()))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call."""
        t, p, gy = flat(inputs[0]), rows(inputs[1]), flat(output_grads[0])
        if input_grads[1] is None:
            return []
        gp = rows(input_grads[1])
        if self.from_logits:
            return [(sparse_logits_backward, (t, gy, gp, rows(scratch[0]), self._ignored()))]
        return [(sparse_probabilities_backward, (t, p, gy, gp, limits_of(self.epsilon, p), self._ignored()))]


@recorded
def sparse_categorical_crossentropy(
    target: Operand,
    output: Operand,
    from_logits: bool = False,
    axis: int = -1,
    ignore_class: int | None = None,
) -> Value:
    """Compute ``-log(probability of the right class)``.

    Args:
        target: Numbers of the right classes: the shape of `output` without `axis`, or with 1 there.
            In a traced model, where the numbers are not known, one out of range gives NaN.
        output: Probabilities (they are divided by their sum) or logits.
        from_logits: Whether `output` holds logits.
        axis: The axis of the classes in `output`.
        ignore_class: Samples with this target have loss and gradient 0; it may be out of range.

    Returns:
        The shape of `output` without `axis`, and its dtype.

    Raises:
        ShapeError: The shapes do not fit together.
        ValueError: A target is out of range.

    Example:
        >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        array([0.6931472], dtype=float32)
    """
    name = "sparse_categorical_crossentropy"
    scores = classes_last(name, output, axis)
    labels = whole_numbers(name, target)
    if len(labels.shape) == len(scores.shape) and labels.shape[axis] == 1:
        labels = squeeze(labels, axis)
    if isinstance(labels, np.ndarray):
        checked = labels if ignore_class is None else np.where(labels == ignore_class, 0, labels)
        check_range(name, checked, scores.shape[-1])
    return apply(SparseCategoricalCrossentropy(from_logits, ignore_class), labels, scores)
