"""Reverse-mode differentiation: from the calls of a graph to the calls of its gradient.

The chain rule is walked backwards over the ordered operations (Griewank and Walther, "Evaluating
Derivatives", 2008, chapter 3). A tensor that is used several times gets the sum of what its uses
contribute; the first contribution is written in place, later ones are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.kernels.matrix import add_into, copy_into, fill_zero
from streamfit.ops.core import Node, Tensor, Variable, flat

Take = Callable[[Tensor], Array]


def dependents(nodes: Sequence[Node], variables: Iterable[Variable]) -> set[Tensor]:
    """Find the tensors that change when one of `variables` changes a little."""
    found: set[Tensor] = set(variables)
    for node in nodes:
        if node.op.differentiable and any(tensor in found for tensor in node.inputs):
            found.update(tensor for tensor in node.outputs if tensor.dtype.kind == "f")
    return found


class Gradient:
    """Write the calls that differentiate one scalar with respect to variables.

    Args:
        arrays: The array of each tensor of the graph.
        scratch: The scratch arrays of each node.
        grads: Where the gradient of each variable goes.
        take: Gives memory for the gradient of a tensor.
    """

    def __init__(
        self,
        arrays: dict[Tensor, Array],
        scratch: dict[Node, list[Array]],
        grads: dict[Variable, Array],
        take: Take,
    ) -> None:
        self._arrays, self._scratch, self._variables, self._take = arrays, scratch, grads, take
        self._grads: dict[Tensor, Array] = {}
        self.calls: list[Call] = []

    def build(self, nodes: Sequence[Node], objective: Tensor, seed: Array) -> list[Call]:
        """Return the calls; `seed` holds the derivative of the objective by itself, 1."""
        needed = dependents(nodes, self._variables)
        if objective in needed:
            self._grads[objective] = seed
        for node in reversed(nodes):
            wanted = [tensor in needed for tensor in node.inputs]
            if node.op.differentiable and any(wanted) and any(t in self._grads for t in node.outputs):
                self._differentiate(node, wanted)
        return self.calls

    def _differentiate(self, node: Node, wanted: Sequence[bool]) -> None:
        output_grads = [self._output_grad(tensor) for tensor in node.outputs]
        if node.op.is_view:
            inputs = [self._arrays[tensor] for tensor in node.inputs]
            self.calls += node.op.settle(inputs, output_grads[0])
            self._pass_through(node.inputs[0], output_grads[0])
            return
        targets: list[Array | None] = []
        additions: list[Call] = []
        for tensor, needs in zip(node.inputs, wanted, strict=True):
            target, addition = self._target(tensor) if needs else (None, None)
            targets.append(target)
            additions += [addition] if addition else []
        self.calls += node.op.backward(
            [self._arrays[tensor] for tensor in node.inputs],
            [self._arrays[tensor] for tensor in node.outputs],
            self._scratch[node],
            output_grads,
            targets,
        )
        self.calls += additions

    def _output_grad(self, tensor: Tensor) -> Array:
        if tensor not in self._grads:  # one of several outputs, which the objective does not depend on
            self._grads[tensor] = self._take(tensor)
            self.calls.append((fill_zero, (flat(self._grads[tensor]),)))
        return self._grads[tensor]

    def _target(self, tensor: Tensor) -> tuple[Array, Call | None]:
        """Return where to write a contribution, and the call that adds it to earlier ones."""
        if tensor in self._grads:
            contribution = self._take(tensor)
            return contribution, (add_into, (flat(contribution), flat(self._grads[tensor])))
        if isinstance(tensor, Variable):
            self._grads[tensor] = self._variables[tensor]
        else:
            self._grads[tensor] = self._take(tensor)
        return self._grads[tensor], None

    def _pass_through(self, tensor: Tensor, grad: Array) -> None:
        if tensor in self._grads:
            self.calls.append((add_into, (flat(grad), flat(self._grads[tensor]))))
        elif isinstance(tensor, Variable):
            self._grads[tensor] = self._variables[tensor]
            self.calls.append((copy_into, (flat(grad), flat(self._grads[tensor]))))
        else:
            self._grads[tensor] = grad.reshape(self._arrays[tensor].shape)
