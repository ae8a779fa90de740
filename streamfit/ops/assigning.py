"""Assigning to variables inside a layer: statistics that move with the data, states, counters."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call
from streamfit.kernels.matrix import copy_into
from streamfit.ops.arithmetic import add
from streamfit.ops.casting import cast
from streamfit.ops.core import (
    OPERATORS,
    Constant,
    Op,
    Operand,
    Tensor,
    Variable,
    as_operand,
    flat,
    is_symbolic,
    recorder,
)
from streamfit.ops.unary import stop_gradient


class Assign(Op):
    """Copy a value into the memory of a variable; has no output."""

    differentiable = False

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing.

        Raises:
            ShapeError: The value has another shape than the variable.
        """
        value, variable = specs
        if not may_equal(value.shape, variable.shape):
            raise ShapeError(
                f"assign: a variable of shape {variable.shape} cannot hold a value of {value.shape}"
            )
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(copy_into, (flat(inputs[0]), flat(inputs[1])))]


def assign(variable: Variable, value: Operand) -> None:
    """Give a variable another value, as a layer does for a moving average.

    In a model, the value takes effect at the end of a step, after the check for finite numbers: a step that
    is stopped leaves the variable as it was. Operations that come later in the same step read the new value,
    without a gradient. A layer that changes its variables only in training asks for ``training``. On
    arrays the variable changes now.

    Args:
        variable: The variable.
        value: Its new value, of the variable's shape; cast to its dtype.

    Raises:
        ShapeError: The value has another shape.
        TypeError: The first argument is no variable.

    Example:
        >>> import numpy as np
        >>> count = Variable(np.zeros(2, "float32"), "count", trainable=False)
        >>> assign(count, np.ones(2, "float32"))
        >>> count.numpy()
        array([1., 1.], dtype=float32)
    """
    if not isinstance(variable, Variable):
        raise TypeError(f"assign changes a Variable, such as add_weight returns, got {variable!r}")
    known = recorder()
    if known is None and not is_symbolic(variable):
        variable.assign(cast(as_operand(value, variable.dtype), variable.dtype))
        return
    made = cast(as_operand(value, variable.dtype, symbolic=True), variable.dtype)
    if not may_equal(tuple(made.shape), variable.shape):
        raise ShapeError(
            f"assign: the variable {variable.name!r} of shape {variable.shape} cannot hold a value of "
            f"{tuple(made.shape)}; give the value that shape"
        )
    if known is None:
        return  # a graph is being built: the calls are traced again for each program
    tensor = made if isinstance(made, Tensor) else Constant(made)
    known.assigned[variable] = tensor
    known.current[variable] = stop_gradient(tensor)  # type: ignore[assignment]  # of a tensor


def assign_add(variable: Variable, value: Operand) -> None:
    """Add to a variable; see `assign`.

    Args:
        variable: The variable.
        value: What to add, of its shape.

    Example:
        >>> import numpy as np
        >>> count = Variable(np.zeros(2, "float32"), "count", trainable=False)
        >>> assign_add(count, np.ones(2, "float32"))
        >>> count.numpy()
        array([1., 1.], dtype=float32)
    """
    assign(variable, add(variable, value))


OPERATORS["assign"] = assign  # type: ignore[assignment]  # the only one that returns nothing
