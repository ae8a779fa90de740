"""Reverse-mode differentiation: from the calls of a graph to the calls of its gradient.

The chain rule is walked backwards over the ordered operations (Griewank and Walther, "Evaluating
Derivatives", 2008, chapter 3). A tensor that is used several times gets the sum of what its uses
contribute; the first contribution is written in place, later ones are added.

Where the batch is cut into blocks, each block computes its part of the gradient of a weight; the parts are
added along a fixed binary tree (`sum_parts`), so the sum does not depend on which thread computed what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy.typing as npt

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.kernels.matrix import add_into, copy_into, fill_zero
from streamfit.ops.core import Node, Tensor, Variable, flat, workspace_from
from streamfit.program.memory import pieces_of
from streamfit.program.portions import Portion, Whole

_CHUNK = 4096  # elements that stay in the nearest cache while their parts are added


class Memory(Protocol):
    """Where arrays that live for a part of a step come from."""

    def take(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialised array."""

    def give_back(self, array: Array) -> None:
        """Let others have the memory of an array."""

    def owns(self, array: Array) -> bool:
        """Return whether an array came from here and was not given back."""


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


@kernel
def sum_parts(parts: Array, first: int, last: int, total: Array, added: int) -> None:
    """Add the rows of `parts` along a binary tree, for the columns from `first` to `last` (exclusive).

    Neighbouring rows are added, then neighbouring sums, and so on, in place; the result goes to `total`, or
    is added to it where `added` is not 0.
    """
    for start in range(first, last, _CHUNK):
        stop = min(start + _CHUNK, last)
        distance = 1
        while 2 * distance < parts.shape[0]:
            for row in range(0, parts.shape[0] - distance, 2 * distance):
                for j in range(start, stop):
                    parts[row, j] += parts[row + distance, j]
            distance *= 2
        other = min(distance, parts.shape[0] - 1)  # the last sum of two; one part alone is the sum
        for j in range(start, stop):
            value = parts[0, j] + parts[other, j] if other else parts[0, j]
            total[j] = total[j] + value if added else value


class Lookups(Protocol):
    """The lookups in tables, which are differentiated by rows."""

    def reads(self, node: Node) -> bool:
        """Return whether a node is such a lookup."""

    def backward(self, node: Node, scratch: Sequence[Array], gy: Array) -> list[Call]:
        """Return the calls that differentiate a lookup; `gy` is the gradient of its output."""


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
        whole: The arrays that all portions see; gets the gradients of their tensors.
        variables: Where the gradient of each variable goes.
        needed: The tensors whose gradient is needed: `dependents`.
        tables: Variables whose gradient is a list of rows.
        blocks: How many blocks there are.
    """

    def __init__(
        self,
        whole: Whole,
        variables: Mapping[Variable, Array],
        needed: set[Tensor],
        tables: Lookups,
        blocks: int = 1,
    ) -> None:
        self._whole, self._variables, self._needed = whole, variables, needed
        self._tables, self._blocks = tables, blocks
        self._parts: dict[Tensor, Array] = {}
        self._shared: dict[int, int] = {}  # by address, how many other tensors have a gradient

    def start(self, objective: Tensor, seed: Array) -> None:
        """Begin with the derivative of the objective by itself, 1."""
        if objective in self._needed:
            self._whole.grads[objective] = seed

    def add(self, node: Node, portion: Portion) -> None:
        """Add the calls of a node in one portion."""
        wanted = [tensor in self._needed for tensor in node.inputs]
        known = [self._known(tensor, portion) for tensor in node.outputs]
        if node.op.differentiable and any(wanted) and any(grad is not None for grad in known):
            self._differentiate(node, portion, wanted, known)
        for tensor in node.outputs:
            grads = self._whole.grads if portion.rows is None else portion.grads
            grad = grads.pop(tensor, None)
            if grad is not None and self._is_unused(grad, portion.memory):
                portion.memory.give_back(grad)

    def end_section(self, nodes: Sequence[Node]) -> list[list[Call]]:
        """Give back what the blocks have used up for these nodes.

        Returns:
            The calls, for each block, that add up their parts of what is no variable.
        """
        sums = self._sums()
        for node in nodes:
            for tensor in node.outputs:
                grad = self._whole.grads.pop(tensor, None)
                if grad is not None and self._is_unused(grad, self._whole.memory):
                    self._whole.give_back_later(grad)
        return sums

    def _known(self, tensor: Tensor, portion: Portion) -> Array | None:
        if portion.is_own(tensor):
            return portion.grads.get(tensor)
        if portion.rows is not None and tensor not in portion.seen:
            return None
        grad = self._whole.grads.get(tensor)
        return None if grad is None else portion.own_rows(tensor, grad)

    def _differentiate(
        self, node: Node, portion: Portion, wanted: Sequence[bool], known: Sequence[Array | None]
    ) -> None:
        borrowed = Borrowing(portion.memory)
        grads = [
            self._or_zeros(t, grad, portion, borrowed) for t, grad in zip(node.outputs, known, strict=True)
        ]
        if node.op.is_view:
            portion.calls += node.op.settle([portion.array(tensor) for tensor in node.inputs], grads[0])
            self._pass_through(node, portion, grads[0])
            return
        if self._tables.reads(node):
            portion.calls += self._tables.backward(node, portion.scratch[node], grads[0])
            borrowed.give_back()
            return
        targets: list[Array | None] = []
        additions: list[Call] = []
        for tensor, needs in zip(node.inputs, wanted, strict=True):
            target, addition = self._target(tensor, portion, borrowed) if needs else (None, None)
            targets.append(target)
            additions += [addition] if addition else []
        with workspace_from(borrowed.take):
            portion.calls += node.op.backward(
                [portion.array(tensor) for tensor in node.inputs],
                [portion.array(tensor) for tensor in node.outputs],
                portion.scratch[node],
                grads,
                targets,
            )
        portion.calls += additions
        borrowed.give_back()

    def _or_zeros(self, tensor: Tensor, grad: Array | None, portion: Portion, borrowed: Borrowing) -> Array:
        """Return a gradient; zeros for one of several outputs on which the objective does not depend."""
        if grad is None:
            grad = borrowed.take(portion.array(tensor).shape, tensor.dtype)
            portion.calls.append((fill_zero, (flat(grad),)))
        return grad

    def _target(self, tensor: Tensor, portion: Portion, borrowed: Borrowing) -> tuple[Array, Call | None]:
        """Return where to write a contribution, and the call that adds it to earlier ones."""
        before = self._before(tensor, portion)
        if before is None:
            return self._first(tensor, portion), None
        contribution = borrowed.take(before.shape, tensor.dtype)
        return contribution, (add_into, (flat(contribution), flat(before)))

    def _before(self, tensor: Tensor, portion: Portion) -> Array | None:
        """Return the sum of the contributions so far, or None."""
        if portion.rows is not None and not tensor.spec.batched:
            return portion.parts.get(tensor)
        return self._known(tensor, portion)

    def _first(self, tensor: Tensor, portion: Portion) -> Array:
        """Return where to write the first contribution."""
        like = portion.array(tensor)
        if portion.rows is not None and not tensor.spec.batched:
            parts = self._parts.get(tensor)
            if parts is None:
                parts = self._whole.memory.take((self._blocks, like.size), tensor.dtype)
                self._parts[tensor] = parts
            portion.parts[tensor] = parts[portion.number].reshape(like.shape)
            return portion.parts[tensor]
        if portion.is_own(tensor):
            portion.grads[tensor] = portion.memory.take(like.shape, tensor.dtype)
            return portion.grads[tensor]
        if tensor not in self._whole.grads:
            self._whole.grads[tensor] = self._new_whole(tensor, portion.full(tensor, like.shape))
        portion.seen.add(tensor)
        return portion.own_rows(tensor, self._whole.grads[tensor])

    def _new_whole(self, tensor: Tensor, shape: Sequence[int]) -> Array:
        if isinstance(tensor, Variable):
            return self._variables[tensor]
        return self._whole.memory.take(shape, tensor.dtype)

    def _pass_through(self, node: Node, portion: Portion, grad: Array) -> None:
        """Let the gradient of a view be that of its input."""
        tensor, output = node.inputs[0], node.outputs[0]
        before = self._before(tensor, portion)
        if before is not None:
            portion.calls.append((add_into, (flat(grad), flat(before))))
        elif isinstance(tensor, Variable) or (portion.rows is not None and not tensor.spec.batched):
            portion.calls.append((copy_into, (flat(grad), flat(self._first(tensor, portion)))))
        elif portion.is_own(tensor):
            portion.grads[tensor] = self._share(grad).reshape(portion.array(tensor).shape)
        else:
            if tensor not in self._whole.grads:
                shape = portion.full(tensor, portion.array(tensor).shape)
                self._whole.grads[tensor] = self._share(self._whole.grads[output]).reshape(shape)
            portion.seen.add(tensor)

    def _is_unused(self, grad: Array, memory: Memory) -> bool:
        """Return whether memory can have a gradient back: no other tensor has it now."""
        address = grad.ctypes.data
        if self._shared.get(address):
            self._shared[address] -= 1
            return False
        return memory.owns(grad)

    def _share(self, grad: Array) -> Array:
        address = grad.ctypes.data
        self._shared[address] = self._shared.get(address, 0) + 1
        return grad

    def _sums(self) -> list[list[Call]]:
        """Return the calls that add up the parts of tensors that are no variables, in as many lists as
        blocks.
        """
        calls: list[list[Call]] = [[] for _ in range(self._blocks)]
        for tensor in [tensor for tensor in self._parts if not isinstance(tensor, Variable)]:
            parts = self._parts.pop(tensor)
            added = tensor in self._whole.grads
            if not added:
                shape = self._whole.arrays[tensor].shape
                self._whole.grads[tensor] = self._whole.memory.take(shape, tensor.dtype)
            total, pieces = flat(self._whole.grads[tensor]), pieces_of(parts.shape[1], self._blocks)
            for own, piece in zip(calls, pieces, strict=False):  # a small tensor has fewer pieces
                own.append((sum_parts, (parts, piece.start, piece.stop, total, int(added))))
            self._whole.give_back_later(parts)
        return calls

    def sums_of_variables(self, pieces: Sequence[slice], places: Mapping[Variable, int]) -> list[list[Call]]:
        """Return the calls that add up the parts of variables, a list for each piece of the flat vectors.

        Args:
            pieces: The elements of each piece.
            places: Where each variable begins in the flat vectors.
        """
        return [
            [
                call
                for variable, parts in self._parts.items()
                if isinstance(variable, Variable)
                for call in self._sum_within(variable, parts, piece, places[variable])
            ]
            for piece in pieces
        ]

    def _sum_within(self, variable: Variable, parts: Array, piece: slice, place: int) -> list[Call]:
        first, last = max(piece.start - place, 0), min(piece.stop - place, parts.shape[1])
        total, added = flat(self._variables[variable]), int(variable in self._whole.grads)
        return [(sum_parts, (parts, first, last, total, added))] if first < last else []
