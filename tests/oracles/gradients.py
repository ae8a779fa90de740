"""A slow, plain interpreter of graphs: forward, backward, and finite differences to check them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, CallList, run
from streamfit.ops import Constant, Node, Tensor, Variable

GARBAGE = 1e30
"""The content of arrays before a kernel has written them, so that an unwritten element fails a test."""


def replace_arrays(tree: Any, function: Callable[[Array], Any]) -> Any:
    """Return nested lists and tuples with each array replaced."""
    if isinstance(tree, np.ndarray):
        return function(tree)
    if isinstance(tree, (list, tuple)):
        return type(tree)(replace_arrays(each, function) for each in tree)
    return tree


def arrays_of(tree: Any) -> list[Array]:
    """List the arrays in nested lists and tuples."""
    found: list[Array] = []
    replace_arrays(tree, found.append)
    return found


def as_list(value: Any) -> list[Any]:
    """Return the outputs of a function as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def nodes_before(outputs: Sequence[Tensor]) -> list[Node]:
    """List the nodes that make `outputs`, inputs before users."""
    done: dict[int, Node] = {}

    def visit(tensor: Tensor) -> None:
        if tensor.node is not None and id(tensor.node) not in done:
            for each in tensor.node.inputs:
                visit(each)
            done[id(tensor.node)] = tensor.node

    for output in outputs:
        visit(output)
    return list(done.values())


def garbage(spec: Spec, batch: int) -> Array:
    """Return an array of a spec full of nonsense."""
    array = np.empty(spec.at(batch), spec.dtype)
    array.fill(GARBAGE if spec.dtype.kind == "f" else 1)
    return array


class Trace:
    """Bind a function to arrays through its graph.

    Args:
        function: A function of `streamfit.ops`.
        arguments: Its arguments; arrays become inputs of the graph.
        batch: Length of the batch axis.
        batched: For each array, whether its first axis is the batch.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        batch: int,
        batched: Sequence[bool],
        **settings: Any,
    ) -> None:
        self.batch = batch
        self.leaves: list[Tensor] = []
        self.values: dict[int, Array] = {}
        flags = iter(batched)

        def leaf(array: Array) -> Tensor:
            shape = (None, *array.shape[1:]) if next(flags) else array.shape
            tensor = Tensor(Spec(shape, array.dtype))
            self.leaves.append(tensor)
            self.values[id(tensor)] = array
            return tensor

        self.outputs = as_list(function(*replace_arrays(list(arguments), leaf), **settings))
        self.nodes = nodes_before(self.outputs)
        self.scratch: dict[int, list[Array]] = {}
        self.calls = self._forward()

    def value(self, tensor: Tensor) -> Array:
        """Return the array that stands for `tensor`."""
        if isinstance(tensor, (Constant, Variable)):
            return tensor.value
        return self.values[id(tensor)]

    def _forward(self) -> list[Call]:
        calls: list[Call] = []
        for node in self.nodes:
            inputs = [self.value(tensor) for tensor in node.inputs]
            if node.op.is_view:
                self.values[id(node.outputs[0])] = inputs[0].reshape(node.outputs[0].spec.at(self.batch))
                continue
            for output in node.outputs:
                self.values[id(output)] = garbage(output.spec, self.batch)
            specs = node.op.scratch(*(tensor.spec for tensor in node.inputs))
            self.scratch[id(node)] = [garbage(spec, self.batch) for spec in specs]
            outputs = [self.value(tensor) for tensor in node.outputs]
            calls += node.op.forward(inputs, outputs, self.scratch[id(node)])
        return calls

    def compute(self, native: bool = False) -> list[Array]:
        """Run the forward calls, in one native walk or from Python, and return the outputs."""
        if native:
            CallList(self.calls).run()
        else:
            run(self.calls)
        return [self.value(output) for output in self.outputs]

    def gradients(self, output_grads: Sequence[Array]) -> tuple[list[Array | None], list[Call]]:
        """Run the backward calls and return the gradients of the leaves, None where none arrived."""
        sums: dict[int, Array] = {id(o): g.copy() for o, g in zip(self.outputs, output_grads, strict=True)}
        every: list[Call] = []
        for node in reversed(self.nodes):
            if not node.op.differentiable or not any(id(output) in sums for output in node.outputs):
                continue
            calls, parts = self._backward(node, sums)
            run(calls)
            every += calls
            for tensor, part in zip(node.inputs, parts, strict=True):
                if part is not None:
                    sums[id(tensor)] = sums.get(id(tensor), 0) + part
        return [sums.get(id(leaf)) for leaf in self.leaves], every

    def _backward(self, node: Node, sums: dict[int, Array]) -> tuple[list[Call], list[Array | None]]:
        inputs = [self.value(tensor) for tensor in node.inputs]
        outputs = [self.value(tensor) for tensor in node.outputs]
        output_grads = [sums.get(id(t), np.zeros_like(v)) for t, v in zip(node.outputs, outputs, strict=True)]
        parts = [
            garbage(Spec.of(value), 0)
            if value.dtype.kind == "f" and not isinstance(tensor, Constant)
            else None
            for tensor, value in zip(node.inputs, inputs, strict=True)
        ]
        scratch = self.scratch.get(id(node), [])
        return node.op.backward(inputs, outputs, scratch, output_grads, parts), parts


def finite_differences(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    which: int,
    weights: Sequence[Array],
    places: Sequence[int],
    step: float = 1e-6,
    **settings: Any,
) -> Array:
    """Differentiate ``sum(weights * function(...))`` at some places of one array by central differences."""

    def project(array: Array) -> float:
        counter = iter(range(len(arrays_of(list(arguments)))))
        changed = replace_arrays(list(arguments), lambda old: array if next(counter) == which else old)
        outputs = as_list(function(*changed, **settings))
        return float(sum(np.sum(w * o) for w, o in zip(weights, outputs, strict=True)))

    base = arrays_of(list(arguments))[which]
    slopes = []
    for place in places:
        up, down = base.copy(), base.copy()
        up.flat[place] += step
        down.flat[place] -= step
        slopes.append((project(up) - project(down)) / (2 * step))
    return np.array(slopes)
