"""The cross-entropy of class numbers, for each sample; formulas as in `crossentropy`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit._base.config import epsilon
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.core import Op, apply, flat, rows
from streamfit.ops.crossentropy import classes_last, limits_of
from streamfit.ops.indexing import check_range, whole_numbers
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
        y[i] = -np.log(q)


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
def sparse_logits(t: Array, x: Array, y: Array, ignored: Array) -> None:
    """Compute y = log(sum(exp(x))) - x[t] for each row; 0 for the ignored class."""
    for i in range(x.shape[0]):
        label = t[i]
        if ignored.shape[0] and label == ignored[0]:
            y[i] = 0
            continue
        if label < 0 or label >= x.shape[1]:
            y[i] = np.nan
            continue
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += np.exp(x[i, j] - top)
        y[i] = np.log(total) - (x[i, label] - top)


@kernel
def sparse_logits_backward(t: Array, x: Array, gy: Array, gx: Array, ignored: Array) -> None:
    """Compute gx = gy (softmax(x) - one_hot(t)) for each row."""
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        label = t[i]
        used = 0 <= label < x.shape[1]
        if ignored.shape[0] and label == ignored[0]:
            used = False
        if not used:
            for j in range(x.shape[1]):
                gx[i, j] = zero
            continue
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        total = zero
        for j in range(x.shape[1]):
            gx[i, j] = np.exp(x[i, j] - top)
            total += gx[i, j]
        scale = gy[i] / total
        for j in range(x.shape[1]):
            gx[i, j] *= scale
        gx[i, label] -= gy[i]


class SparseCategoricalCrossentropy(Op):
    """Compare probabilities along the last axis with the number of the right class."""

    def __init__(self, from_logits: bool, ignore_class: int | None) -> None:
        self.from_logits, self.ignore_class, self.epsilon = from_logits, ignore_class, epsilon()

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the targets."""
        t, p = specs
        if not p.shape or t.shape != p.shape[:-1] or p.shape[-1] == 0:
            raise ShapeError(
                f"sparse_categorical_crossentropy needs target (...) and output (..., classes); "
                f"got target {t.shape} and output {p.shape}"
            )
        return (p.with_shape(t.shape),)

    def _settings(self, p: Array) -> tuple[Array, ...]:
        ignored = np.array([] if self.ignore_class is None else [self.ignore_class], dtype=np.int64)
        return (ignored,) if self.from_logits else (limits_of(self.epsilon, p), ignored)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        t, p = flat(inputs[0]), rows(inputs[1])
        compute = sparse_logits if self.from_logits else sparse_probabilities
        return [(compute, (t, p, flat(outputs[0]), *self._settings(p)))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call."""
        t, p, gp = flat(inputs[0]), rows(inputs[1]), input_grads[1]
        if gp is None:
            return []
        compute = sparse_logits_backward if self.from_logits else sparse_probabilities_backward
        return [(compute, (t, p, flat(output_grads[0]), rows(gp), *self._settings(p)))]


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1, ignore_class: int | None = None
) -> Any:
    """Compute ``-log(probability of the right class)``.

    Args:
        target: Numbers of the right classes: the shape of `output` without `axis`, or with 1 there.
            In a traced model, where they cannot be looked at, a number out of range gives NaN.
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
