"""`Training`: the variables that a program trains, their gradient, and the calls that change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.ops.core import Variable
from streamfit.program.constraining import constraint_calls
from streamfit.program.memory import FlatVariables


@kernel
def tick(step_state: Array) -> None:
    """Count one finished training step."""
    step_state[1] += 1


class Training:
    """The variables that a program trains, their gradient, and the calls of optimizer and constraints.

    Args:
        variables: The trainable variables; they move into one flat vector.
        step_state: int64 array [seed, finished steps], shape (2,).
        update: Given (weights, gradient, sizes, step_state), returns the optimizer's calls.
    """

    def __init__(
        self,
        variables: Sequence[Variable],
        step_state: Array,
        update: Callable[[Array, Array, Array, Array], list[Call]],
    ) -> None:
        self.flat = FlatVariables(variables)
        self.gradient = self.flat.zeros_like()
        self.step_state = step_state
        self.grads = dict(zip(self.flat.variables, self.flat.views(self.gradient), strict=True))
        self._update = update
        self.rebind()

    def rebind(self) -> None:
        """Make the calls anew; programs that use the old ones must forget their bindings."""
        update = self._update(self.flat.vector, self.gradient, self.flat.sizes, self.step_state)
        bounds = constraint_calls(self.flat.variables)
        self.calls: list[Call] = [*update, *bounds, (tick, (self.step_state,))]
