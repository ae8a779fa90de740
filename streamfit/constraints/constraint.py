"""`Constraint`: changes a weight after each step of the optimizer; and how one is traced."""

from __future__ import annotations

from collections.abc import Callable

from streamfit._base.configs import Configurable
from streamfit._base.errors import ShapeError
from streamfit._base.names import Registry, describe_callable
from streamfit._base.specs import Spec
from streamfit.ops.casting import operand
from streamfit.ops.core import Operand, Tensor, Value, recording, tracing

registry: Registry[type[Constraint]] = Registry("constraint")


class Constraint(Configurable):
    """Base of all constraints: called with a weight, returns the values that it shall have.

    After every update by the optimizer, a weight gets the values that its constraint returns for it. A
    constraint is traced once, so a subclass composes `streamfit.ops`. A function of a weight can replace a
    constraint. The constraint of this class changes nothing.

    Example:
        >>> from streamfit import ops
        >>> class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return ops.minimum(w, 1.0)
        >>> AtMostOne()([0.5, 2.0])
        array([0.5, 1. ], dtype=float32)
    """

    def __call__(self, w: Operand) -> Value:
        """Return the values for the weight `w`, in its shape and dtype."""
        return operand(w)


def traced(constraint: Callable[[Tensor], Value], spec: Spec, name: str = "") -> tuple[Tensor, Tensor]:
    """Return a tensor in the place of a weight, and what a constraint makes of it.

    Args:
        constraint: A constraint or a function composed of `ops`.
        spec: Shape and dtype of the weight.
        name: Name of the weight, for messages.

    Raises:
        TypeError: The constraint computes with NumPy, or returns no tensor.
        ShapeError: It returns another shape or dtype than that of the weight, or refuses the weight's.

    Example:
        >>> import numpy as np
        >>> from streamfit import ops
        >>> weight, result = traced(lambda w: ops.maximum(w, 0.0), Spec((3,), np.dtype("float32")))
        >>> result.node.op.name
        'maximum'
    """
    weight = Tensor(spec, name)
    what = f"constraint {describe_callable(constraint)!r} of weight {name!r}"
    advice = (
        "it is called once, with a symbolic tensor, and becomes part of the training step; compose it of "
        "streamfit.ops, such as ops.clip(w, 0.0, 1.0) for np.clip(w, 0, 1)"
    )
    try:
        with tracing(), recording(None):
            result = constraint(weight)
    except (TypeError, AttributeError) as error:
        raise TypeError(f"{what} cannot be traced ({error}): {advice}") from error
    except ValueError as error:
        raise ShapeError(f"{what}: {error}") from error
    if not isinstance(result, Tensor):
        kind = type(result).__name__
        raise TypeError(f"{what} returned a {kind}, not a tensor made of the weight: {advice}")
    if result.spec != spec:
        raise ShapeError(
            f"{what} must keep its shape {spec.shape} and dtype {spec.dtype}, got shape {result.shape} and "
            f"dtype {result.dtype}"
        )
    return weight, result
