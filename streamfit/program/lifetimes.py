"""Lifetimes: until when the arrays of a program are needed, so that later nodes get their memory.

The moments of a run are numbers: node i runs forward at moment i and, of n nodes, backward at moment 2 n - i.
An array of a view lives in the memory of the array that it views: both are one *root*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from streamfit.ops.core import Node, Tensor

FOREVER = 1 << 62


def view_roots(nodes: Iterable[Node]) -> dict[Tensor, Tensor]:
    """Return, for each output of a view, the tensor in whose memory it lives; `nodes` are in their order."""
    roots: dict[Tensor, Tensor] = {}
    for node in nodes:
        if node.op.is_view:
            roots[node.outputs[0]] = roots.get(node.inputs[0], node.inputs[0])
    return roots


class Lifetimes:
    """Until when each tensor is needed.

    Args:
        nodes: The operations in their order.
        differentiated: Those whose gradient is computed; it may read their inputs and outputs.
        kept: Tensors that are read after the run.
    """

    def __init__(
        self, nodes: Sequence[Node], differentiated: Collection[Node], kept: Iterable[Tensor]
    ) -> None:
        self._roots = view_roots(nodes)
        self._last: dict[Tensor, int] = {}
        self._ending: dict[int, list[Tensor]] = {}
        count = len(nodes)
        for i, node in enumerate(nodes):
            last = 2 * count - i if node in differentiated else i
            for tensor in (*node.inputs, *node.outputs):
                root = self.root(tensor)
                self._last[root] = max(self._last.get(root, 0), last)
        for tensor in kept:
            self._last[self.root(tensor)] = FOREVER
        for tensor, last in self._last.items():
            if tensor.node is not None:
                self._ending.setdefault(last, []).append(tensor)

    def root(self, tensor: Tensor) -> Tensor:
        """Return the tensor in whose memory this one lives."""
        return self._roots.get(tensor, tensor)

    def ending(self, moment: int) -> Sequence[Tensor]:
        """List the tensors, each a root, that are not needed after this moment."""
        return self._ending.get(moment, ())
