"""The cross-entropy of single probabilities, element by element; formulas as in `crossentropy`."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.config import epsilon
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels import exponentials as fast
from streamfit.kernels.calls import Kernel
from streamfit.ops.casting import cast, floating
from streamfit.ops.core import Op, Operand, Value, apply, flat
from streamfit.ops.crossentropy import limits_of
from streamfit.ops.public_calls import recorded


@kernel
def binary_probabilities(t: Array, p: Array, y: Array, limits: Array) -> None:
    """Compute y = -t log(q) - (1 - t) log(1 - q), q = limited(p)."""
    low, high, one = limits[0], limits[1], p.dtype.type(1)
    for i in range(p.shape[0]):
        q = low if p[i] < low else (high if p[i] > high else p[i])
        y[i] = -(t[i] * fast.log(q) + (one - t[i]) * fast.log(one - q))


@kernel
def binary_probabilities_backward(t: Array, p: Array, gy: Array, gp: Array, limits: Array) -> None:
    """Compute gp = gy ((1 - t) / (1 - p) - t / p) within the limits, 0 outside."""
    low, high, zero, one = limits[0], limits[1], p.dtype.type(0), p.dtype.type(1)
    for i in range(p.shape[0]):
        slope = (one - t[i]) / (one - p[i]) - t[i] / p[i]
        gp[i] = zero if (p[i] < low) | (p[i] > high) else gy[i] * slope


@kernel
def binary_probabilities_target(p: Array, gy: Array, gt: Array, limits: Array) -> None:
    """Compute gt = gy (log(1 - q) - log(q)), q = limited(p)."""
    low, high, one = limits[0], limits[1], p.dtype.type(1)
    for i in range(p.shape[0]):
        q = low if p[i] < low else (high if p[i] > high else p[i])
        gt[i] = gy[i] * (fast.log(one - q) - fast.log(q))


@kernel
def binary_logits(t: Array, x: Array, y: Array) -> None:
    """Compute y = softplus(x) - x t, which cannot overflow."""
    for i in range(x.shape[0]):
        y[i] = fast.softplus(x[i]) - x[i] * t[i]


@kernel
def binary_logits_backward(t: Array, x: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy (sigmoid(x) - t)."""
    for i in range(x.shape[0]):
        gx[i] = gy[i] * (fast.sigmoid(x[i]) - t[i])


@kernel
def binary_logits_target(x: Array, gy: Array, gt: Array) -> None:
    """Compute gt = -gy x."""
    for i in range(x.shape[0]):
        gt[i] = -gy[i] * x[i]


class BinaryCrossentropy(Op):
    """Compare probabilities with target probabilities, element by element."""

    rowwise = True

    def __init__(self, from_logits: bool) -> None:
        self.from_logits, self.epsilon = from_logits, epsilon()

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the common shape."""
        t, p = specs
        if not may_equal(t.shape, p.shape):
            raise ShapeError(
                f"binary_crossentropy needs target and output of one shape; got {t.shape} and {p.shape}"
            )
        return (p,)

    def _settings(self, p: Array) -> tuple[Array, ...]:
        return () if self.from_logits else (limits_of(self.epsilon, p),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        t, p = flat(inputs[0]), flat(inputs[1])
        compute = binary_logits if self.from_logits else binary_probabilities
        return [(compute, (t, p, flat(outputs[0]), *self._settings(p)))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call for each gradient."""
        t, p, gy = flat(inputs[0]), flat(inputs[1]), flat(output_grads[0])
        gt, gp = input_grads
        calls: list[Call] = []
        back: Kernel
        if gp is not None:
            back = binary_logits_backward if self.from_logits else binary_probabilities_backward
            calls.append((back, (t, p, gy, flat(gp), *self._settings(p))))
        if gt is not None:
            back = binary_logits_target if self.from_logits else binary_probabilities_target
            calls.append((back, (p, gy, flat(gt), *self._settings(p))))
        return calls


@recorded
def binary_crossentropy(target: Operand, output: Operand, from_logits: bool = False) -> Value:
    """Compute ``-target * log(output) - (1 - target) * log(1 - output)``, element by element.

    Args:
        target: Probabilities, such as 0 and 1.
        output: Probabilities or logits; the shape of `target`.
        from_logits: Whether `output` holds logits.

    Returns:
        Same shape, the dtype of `output`. There is no mean over the last axis.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> binary_crossentropy([1.0, 0.0], [0.5, 0.5])
        array([0.6931472, 0.6931472], dtype=float32)
    """
    scores = floating(output)
    return apply(BinaryCrossentropy(from_logits), cast(floating(target), scores.dtype), scores)
