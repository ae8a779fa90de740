"""`Op`: one differentiable operation, and the memory that its calls work in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from streamfit._base.names import snake_case
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call


class _Memory(threading.local):
    take: Callable[[Sequence[int], npt.DTypeLike], Array] | None = None
    first_row: int = 0


_memory = _Memory()


@contextmanager
def workspace_from(take: Callable[[Sequence[int], npt.DTypeLike], Array]) -> Iterator[None]:
    """Let `workspace` get its memory from `take` inside the block, on this thread."""
    before, _memory.take = _memory.take, take
    try:
        yield
    finally:
        _memory.take = before


def workspace(shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
    """Return uninitialised memory for the calls of one `Op.forward` or `Op.backward`; other nodes reuse
    it.
    """
    take = _memory.take
    return np.empty(tuple(shape), dtype) if take is None else take(shape, dtype)


@contextmanager
def block_from(row: int) -> Iterator[None]:
    """Let `first_row` be `row` inside the block, on this thread."""
    before, _memory.first_row = _memory.first_row, row
    try:
        yield
    finally:
        _memory.first_row = before


def first_row() -> int:
    """Return the number, in the whole batch, of the first row of the arrays of `Op.forward` or `Op.backward`.

    Operations whose rows depend on their place in the batch, such as random ones, read it.
    """
    return _memory.first_row


class Op:
    """One differentiable operation. Subclasses are immutable and hold only settings.

    `forward` and `backward` do not compute: they return kernel calls, with the given arrays as
    arguments. All arrays are C-contiguous. `backward` overwrites the gradients that are needed (an entry
    of `input_grads` is None where no gradient is needed); where a tensor is used several times, the
    program adds up its gradients. Memory that only the calls of one `forward` or `backward` need comes from
    `workspace`. Nothing stays in outputs, scratch or workspace from one step to the next.
    """

    differentiable: ClassVar[bool] = True
    is_view: ClassVar[bool] = False
    """Whether the one output is the first input under another shape, in the same memory."""

    rowwise: bool = False
    """Whether each row of the outputs depends on the same row of the batched inputs alone, and the gradient
    by an input without a batch axis is a sum over rows. A batch may then be cut into blocks of rows, for
    which `forward` and `backward` are called apart."""

    @property
    def name(self) -> str:
        """Return the operation's name in snake case."""
        return snake_case(type(self).__name__)

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the specs of the outputs, or raise `ShapeError`.

        In a graph lengths may be None (not known); where a program runs all are known.
        """
        raise TypeError(f"{type(self).__name__} defines no shape rule")

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the specs of arrays that `forward` fills and `backward` reads; all lengths are known."""
        return ()

    def multiply_adds(self, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> int:
        """Return how many products of two numbers the forward pass adds up; all lengths are known.

        It is defined for matrix products and convolutions, whose two operands are the first two inputs; the
        gradient by each of these takes as many. 0 for all others.
        """
        return 0

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return the calls that fill `outputs`."""
        raise TypeError(f"{type(self).__name__} defines no forward calls")

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls that fill those of `input_grads` that are not None."""
        raise TypeError(f"{type(self).__name__} cannot be differentiated")

    def settle(self, inputs: Sequence[Array], output_grad: Array) -> list[Call]:
        """Return, for a view, the calls that change its gradient in place before the input takes it."""
        return []


def with_outputs(
    op: Op, arrays: Sequence[Array], outputs: Sequence[Array] | None = None
) -> tuple[Sequence[Array], list[Call]]:
    """Return `outputs`, or new arrays, for the results of `op` on `arrays`, and the calls that fill them."""
    specs = [Spec.of(array) for array in arrays]
    results = op.infer(*specs)
    if op.is_view:
        return [arrays[0].reshape(results[0].at(0))], []
    if outputs is None:
        outputs = [np.empty(spec.at(0), spec.dtype) for spec in results]
    scratch = [np.empty(spec.at(0), spec.dtype) for spec in op.scratch(*specs)]
    return outputs, op.forward(arrays, outputs, scratch)
