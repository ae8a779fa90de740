"""A constraint on the sign of weights."""

from __future__ import annotations

from streamfit import ops
from streamfit.constraints.constraint import Constraint, registry
from streamfit.ops.core import Operand, Value


class NonNeg(Constraint):
    """Set negative weights to zero; a NaN stays a NaN.

    Example:
        >>> NonNeg()([-1.0, 2.0])
        array([0., 2.], dtype=float32)
    """

    def __call__(self, w: Operand) -> Value:
        """Return the values for the weight `w`."""
        return ops.relu(w)


non_neg = NonNeg

registry.register(NonNeg, "non_neg", "NonNeg")
