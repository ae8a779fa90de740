"""Reverse-mode differentiation: from the calls of a graph to the calls of its gradient.

The chain rule is walked backwards over the ordered operations (Griewank and Walther, "Evaluating
Derivatives", 2008, chapter 3). A tensor that is used several times gets the sum of what its uses
contribute; the first contribution is written in place, later ones are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy.typing as npt

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.kernels.matrix import add_into, copy_into, fill_zero
from streamfit.ops.core import Node, Tensor, Variable, flat, workspace_from


class Memory(Protocol):
    """Where arrays that live for a part of a step come from."""

    def take(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialised array."""

    def give_back(self, array: Array) -> None:
        """Let others have the memory of an array."""


class Borrowing:
    """Take arrays for the calls of one node, and give them back together."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._taken: list[Array] = []

    def take(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialised array."""
        self._taken.append(self._memory.take(shape, dtype))
        return self._taken[-1]

    def give_back(self) -> None:
        """Give all of them back: the calls that use them are listed."""
        for array in self._taken:
            self._memory.give_back(array)
        self._taken.clear()


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
        memory: Where the gradients of other tensors live until they are used.
        done: Called with the number of each node, from the last to the first, when its gradient is listed.
    """

    def __init__(
        self,
        arrays: dict[Tensor, Array],
        scratch: dict[Node, list[Array]],
        grads: dict[Variable, Array],
        memory: Memory,
        done: Callable[[int], None],
    ) -> None:
        self._arrays, self._scratch, self._variables, self._memory = arrays, scratch, grads, memory
        self._done = done
        self._grads: dict[Tensor, Array] = {}
        self._owned: set[int] = set()  # addresses of gradients in `memory`
        self.calls: list[Call] = []

    def build(self, nodes: Sequence[Node], objective: Tensor, seed: Array) -> list[Call]:
        """Return the calls; `seed` holds the derivative of the objective by itself, 1."""
        needed = dependents(nodes, self._variables)
        if objective in needed:
            self._grads[objective] = seed
        for i in reversed(range(len(nodes))):
            node = nodes[i]
            wanted = [tensor in needed for tensor in node.inputs]
            if node.op.differentiable and any(wanted) and any(t in self._grads for t in node.outputs):
                self._differentiate(node, wanted)
            for tensor in node.outputs:
                if tensor in self._grads:
                    self._let_go(self._grads.pop(tensor))
            self._done(i)
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
        borrowed = Borrowing(self._memory)
        for tensor, needs in zip(node.inputs, wanted, strict=True):
            target, addition = self._target(tensor, borrowed) if needs else (None, None)
            targets.append(target)
            additions += [addition] if addition else []
        with workspace_from(borrowed.take):
            self.calls += node.op.backward(
                [self._arrays[tensor] for tensor in node.inputs],
                [self._arrays[tensor] for tensor in node.outputs],
                self._scratch[node],
                output_grads,
                targets,
            )
        self.calls += additions
        borrowed.give_back()

    def _take(self, tensor: Tensor) -> Array:
        array = self._memory.take(self._arrays[tensor].shape, tensor.dtype)
        self._owned.add(array.ctypes.data)
        return array

    def _let_go(self, grad: Array) -> None:
        """Give back the memory of a gradient that was used, unless another tensor has it now."""
        address = grad.ctypes.data
        if address in self._owned and all(other.ctypes.data != address for other in self._grads.values()):
            self._owned.remove(address)
            self._memory.give_back(grad)

    def _output_grad(self, tensor: Tensor) -> Array:
        if tensor not in self._grads:  # one of several outputs, which the objective does not depend on
            self._grads[tensor] = self._take(tensor)
            self.calls.append((fill_zero, (flat(self._grads[tensor]),)))
        return self._grads[tensor]

    def _target(self, tensor: Tensor, borrowed: Borrowing) -> tuple[Array, Call | None]:
        """Return where to write a contribution, and the call that adds it to earlier ones."""
        if tensor in self._grads:
            contribution = borrowed.take(self._arrays[tensor].shape, tensor.dtype)
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
