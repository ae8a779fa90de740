"""Portions: the whole batch, or one block of its rows, as the calls of a step are listed for it.

Guarantee kept here: the blocks of one section write to no memory that another of them reads. A tensor that
only blocks use has an array of its own in each block, from memory of that block; other tensors have one
array, of which each block sees its rows, and whose memory is free again at the end of a section.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.ops.core import Node, Tensor, Variable
from streamfit.program.memory import Arena


class Whole:
    """Arrays of the whole batch, which all portions see.

    Attributes:
        arrays: By tensor.
        grads: The gradients of these tensors, as far as they are known.
        memory: Where they live.
        blocked: Tensors that are not here: each block has its own.
    """

    def __init__(self, memory: Arena, blocked: Collection[Tensor] = ()) -> None:
        self.arrays: dict[Tensor, Array] = {}
        self.grads: dict[Tensor, Array] = {}
        self.memory, self.blocked = memory, blocked
        self._unused: list[Array] = []

    def give_back_later(self, array: Array) -> None:
        """Give back an array at the end of the section: until then another block may read it."""
        self._unused.append(array)

    def end_section(self) -> None:
        """Give back what was not needed any more."""
        for array in self._unused:
            self.memory.give_back(array)
        self._unused.clear()


class Portion:
    """One flow of calls: that of the whole batch, or of one block of rows.

    Args:
        whole: The arrays that all portions see.
        memory: Where arrays of this portion alone live.
        count: The rows of the whole batch.
        rows: The rows of the block; None for the whole batch.
        number: The number of the block.

    Attributes:
        calls: The calls of the section under way.
        grads: Gradients of tensors that this portion alone has.
        seen: Tensors of `whole` to whose gradient this portion has contributed.
        parts: This block's part of the gradient of tensors without a batch axis.
        scratch: The scratch arrays of each node.
    """

    def __init__(
        self, whole: Whole, memory: Arena, count: int, rows: slice | None = None, number: int = 0
    ) -> None:
        self.whole, self.memory, self.count, self.rows, self.number = whole, memory, count, rows, number
        self.arrays: dict[Tensor, Array] = {}
        self.grads: dict[Tensor, Array] = {}
        self.seen: set[Tensor] = set()
        self.parts: dict[Tensor, Array] = {}
        self.scratch: dict[Node, list[Array]] = {}
        self.calls: list[Call] = []

    @property
    def first_row(self) -> int:
        """Return the number, in the whole batch, of the first row."""
        return 0 if self.rows is None else self.rows.start

    def array(self, tensor: Tensor) -> Array:
        """Return the array of a tensor: of a batched one the rows of this portion."""
        own = self.arrays.get(tensor)
        return self.own_rows(tensor, self.whole.arrays[tensor]) if own is None else own

    def own_rows(self, tensor: Tensor, array: Array) -> Array:
        """Return the rows of this portion, of an array of the whole batch."""
        return array[self.rows] if self.rows is not None and tensor.spec.batched else array

    def is_own(self, tensor: Tensor) -> bool:
        """Return whether this portion has an array of its own for a tensor."""
        return self.rows is not None and tensor in self.whole.blocked

    def make(self, tensor: Tensor, shape: Sequence[int]) -> Array:
        """Return uninitialised memory for an output of shape `shape` in this portion."""
        if self.is_own(tensor):
            self.arrays[tensor] = self.memory.take(shape, tensor.dtype)
            return self.arrays[tensor]
        if tensor not in self.whole.arrays:
            self.whole.arrays[tensor] = self.whole.memory.take(self.full(tensor, shape), tensor.dtype)
        return self.own_rows(tensor, self.whole.arrays[tensor])

    def make_view(self, tensor: Tensor, source: Tensor, shape: Sequence[int]) -> None:
        """Let a tensor be another shape of the array of `source`."""
        if self.is_own(tensor):
            self.arrays[tensor] = self.array(source).reshape(tuple(shape))
        elif tensor not in self.whole.arrays:
            self.whole.arrays[tensor] = self.whole.arrays[source].reshape(self.full(tensor, shape))

    def full(self, tensor: Tensor, shape: Sequence[int]) -> tuple[int, ...]:
        """Return a shape with as many rows as the whole batch, where a tensor is batched."""
        return (self.count, *shape[1:]) if self.rows is not None and tensor.spec.batched else tuple(shape)

    def give_back(self, tensor: Tensor) -> None:
        """Give back the array of a tensor that is not needed any more in this portion."""
        if self.is_own(tensor):
            self.memory.give_back(self.arrays[tensor])
        elif self.rows is None:
            self.whole.memory.give_back(self.whole.arrays[tensor])

    def give_back_scratch(self, node: Node) -> None:
        """Give back the scratch arrays of a node."""
        for array in self.scratch.pop(node, ()):
            self.memory.give_back(array)

    def forget_parts(self) -> None:
        """Forget the parts that were added up at the end of the section: all but those of variables."""
        self.parts = {tensor: part for tensor, part in self.parts.items() if isinstance(tensor, Variable)}

    def take_calls(self) -> list[Call]:
        """Return the calls of the section and begin another one."""
        calls, self.calls = self.calls, []
        return calls
