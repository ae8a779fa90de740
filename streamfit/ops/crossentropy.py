"""Cross-entropies for each sample, fused with the softmax or the sigmoid where logits are given.

The formulas are those of Keras 3: probabilities are divided by their sum over the classes (binary ones
are not) and limited to [epsilon, 1 - epsilon] before the logarithm. The gradient is exactly that of
this formula: it is 0 where a probability was limited. The limits are rounded to the dtype of
the output, as in Keras. A NaN stays a NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.config import epsilon
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels import exponentials as fast
from streamfit.ops.axes import batch_stays_first, one_axis
from streamfit.ops.casting import cast, floating
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows
from streamfit.ops.public_calls import recorded
from streamfit.ops.shape import transpose


@kernel
def categorical_probabilities(t: Array, p: Array, y: Array, logs: Array, line: Array, limits: Array) -> None:
    """Compute y = -sum(t log(limited(p / sum(p)))) for each row.

    The logarithms are kept in `logs` and computed in one long loop over `line`, the flat view of `logs`,
    so that the compiler makes vector code for rows of any length.
    """
    low, high = limits[0], limits[1]
    for i in range(p.shape[0]):
        total = p.dtype.type(0)
        for j in range(p.shape[1]):
            total += p[i, j]
        for j in range(p.shape[1]):
            q = p[i, j] / total
            logs[i, j] = low if q < low else (high if q > high else q)
    for k in range(line.shape[0]):
        line[k] = fast.log(line[k])
    for i in range(p.shape[0]):
        loss = p.dtype.type(0)
        for j in range(p.shape[1]):
            loss -= t[i, j] * logs[i, j]
        y[i] = loss


@kernel
def categorical_probabilities_backward(t: Array, p: Array, gy: Array, gp: Array, limits: Array) -> None:
    """Differentiate `categorical_probabilities` with respect to p."""
    low, high, zero = limits[0], limits[1], p.dtype.type(0)
    for i in range(p.shape[0]):
        total = p.dtype.type(0)
        for j in range(p.shape[1]):
            total += p[i, j]
        mixed = p.dtype.type(0)
        for j in range(p.shape[1]):
            q = p[i, j] / total
            slope = zero if (q < low) | (q > high) else -gy[i] * t[i, j] / q
            gp[i, j] = slope
            mixed += slope * q
        for j in range(p.shape[1]):
            gp[i, j] = (gp[i, j] - mixed) / total


@kernel
def categorical_logits(
    t: Array, x: Array, y: Array, logs: Array, line: Array, powers: Array, powers_line: Array
) -> None:
    """Compute y = -sum(t log_softmax(x)) for each row.

    The logarithms of the softmax are kept in `logs`, the softmax in `powers`; `line` and `powers_line` are
    their flat views, for a loop that becomes vector code for rows of any length.
    """
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        for j in range(x.shape[1]):
            logs[i, j] = x[i, j] - top
    for k in range(line.shape[0]):
        powers_line[k] = fast.exp(line[k])
    for i in range(x.shape[0]):
        total, loss = x.dtype.type(0), x.dtype.type(0)
        for j in range(x.shape[1]):
            total += powers[i, j]
        shift = fast.log(total)
        for j in range(x.shape[1]):
            powers[i, j] /= total
            logs[i, j] -= shift
            loss -= t[i, j] * logs[i, j]
        y[i] = loss


@kernel
def categorical_logits_backward(t: Array, gy: Array, gx: Array, powers: Array) -> None:
    """Compute gx = gy (softmax(x) sum(t) - t) for each row."""
    for i in range(gx.shape[0]):
        weight = gx.dtype.type(0)
        for j in range(gx.shape[1]):
            weight += t[i, j]
        for j in range(gx.shape[1]):
            gx[i, j] = gy[i] * (powers[i, j] * weight - t[i, j])


@kernel
def categorical_target(gy: Array, gt: Array, logs: Array) -> None:
    """Compute gt = -gy logs for each row."""
    for i in range(gt.shape[0]):
        for j in range(gt.shape[1]):
            gt[i, j] = -gy[i] * logs[i, j]


class CategoricalCrossentropy(Op):
    """Compare probabilities with target probabilities along the last axis."""

    rowwise = True

    def __init__(self, from_logits: bool) -> None:
        self.from_logits, self.epsilon = from_logits, epsilon()

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape without the last axis."""
        t, p = specs
        if not may_equal(t.shape, p.shape) or not p.shape or p.shape[-1] == 0:
            raise ShapeError(
                f"categorical_crossentropy needs target and output of one shape (..., classes); "
                f"got target {t.shape} and output {p.shape}"
            )
        return (p.with_shape(p.shape[:-1]),)

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the specs of the logarithms, and of the softmax of logits."""
        return (specs[1], specs[1]) if self.from_logits else (specs[1],)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        t, p, y = rows(inputs[0]), rows(inputs[1]), flat(outputs[0])
        kept = [view for each in scratch for view in (rows(each), flat(each))]
        if self.from_logits:
            return [(categorical_logits, (t, p, y, *kept))]
        return [(categorical_probabilities, (t, p, y, *kept, limits_of(self.epsilon, p)))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call for each gradient."""
        t, p, gy = rows(inputs[0]), rows(inputs[1]), flat(output_grads[0])
        gt, gp = input_grads
        calls: list[Call] = []
        if gp is not None and self.from_logits:
            calls.append((categorical_logits_backward, (t, gy, rows(gp), rows(scratch[1]))))
        elif gp is not None:
            limits = limits_of(self.epsilon, p)
            calls.append((categorical_probabilities_backward, (t, p, gy, rows(gp), limits)))
        if gt is not None:
            calls.append((categorical_target, (gy, rows(gt), rows(scratch[0]))))
        return calls


def limits_of(fuzz: float, p: Array) -> Array:
    """Return [fuzz, 1 - fuzz] in the dtype of p.

    Example:
        >>> limits_of(0.25, np.zeros(1, "float32"))
        array([0.25, 0.75], dtype=float32)
    """
    return np.array([fuzz, 1 - fuzz], dtype=p.dtype)


def classes_last(name: str, x: Operand, axis: int) -> Value:
    """Move the axis of the classes to the end, as floats.

    Raises:
        ShapeError: The axis is the symbolic batch, or `x` has no axis.
    """
    value = floating(x)
    rank = len(value.shape)
    if not rank:
        raise ShapeError(f"{name} needs an axis of classes, got a single number")
    place = one_axis(name, axis, rank)
    batch_stays_first(name, value.shape, place)
    return transpose(value, [*(i for i in range(rank) if i != place), place])


@recorded
def categorical_crossentropy(
    target: Operand, output: Operand, from_logits: bool = False, axis: int = -1
) -> Value:
    """Compute ``-sum(target * log(probabilities))`` over the classes.

    Args:
        target: Probabilities of the classes, such as one-hot rows.
        output: Probabilities (they are divided by their sum) or logits; the shape of `target`.
        from_logits: Whether `output` holds logits.
        axis: The axis of the classes.

    Returns:
        The shape without `axis`, the dtype of `output`.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        array([0.6931472], dtype=float32)
    """
    scores = classes_last("categorical_crossentropy", output, axis)
    wanted = cast(classes_last("categorical_crossentropy", target, axis), scores.dtype)
    return apply(CategoricalCrossentropy(from_logits), wanted, scores)
