"""The call loop: kernels that call other kernels by address, so that a list of them runs in one native call.

Every address is that of a *thunk*, a function ``int32 thunk(int64 *words)`` which takes the arguments of its
kernel from memory (`kernels/thunks.py`). So one type of call serves kernels of any arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, cast

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel
from streamfit.kernels.float_mode import write_flush, write_restore

if TYPE_CHECKING:
    from llvmlite import ir
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature
    from numba.types import Type

    from streamfit.kernels.float_mode import Writer

Generator = Callable[..., tuple["Signature", "Writer"]]


class Instructions:
    """A function that kernels call and whose instructions are written out, not compiled from Python.

    Args:
        generator: Given Numba's typing context and the arguments, returns a signature and a function that
            writes the instructions.
    """

    def __init__(self, generator: Generator) -> None:
        self.py_func = cast(FunctionType, generator)

    @functools.cached_property
    def _numba_type_(self) -> Type:
        from numba.extending import intrinsic

        from streamfit.kernels import compiling

        return compiling.resolve(intrinsic(self.py_func))


def _write_call(typing_context: TypingContext, thunk: Type, words: Type) -> tuple[Signature, Writer]:
    """Call the thunk at an address with the address of its words; the result is its status."""
    from llvmlite import ir
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        thunk, words = arguments
        pointer = ir.IntType(64).as_pointer()
        function = builder.inttoptr(thunk, ir.FunctionType(ir.IntType(32), [pointer]).as_pointer())
        return builder.call(function, [builder.inttoptr(words, pointer)])

    return types.int32(types.int64, types.int64), generate


call_thunk = cast("Callable[[int, int], int]", Instructions(_write_call))
_flush = cast("Callable[[], int]", Instructions(write_flush))
_restore = cast("Callable[[int], None]", Instructions(write_restore))


@kernel
def call_loop(  # pragma: no cover - calls machine code, so it runs compiled only
    thunks: Array,
    starts: Array,
    words: Array,
    outcome: Array,
    moving: Array,
    strides: Array,
    asked: Array,
    steps: int,
) -> None:
    """Run all calls `steps` times, or fewer; after each time, add the strides to the words `moving`.

    Args:
        thunks: Addresses of the kernels' thunks, int64 (calls,).
        starts: Addresses of the words of each call, int64 (calls,).
        words: The words of all calls, int64.
        outcome: Gets the number of the call that raised, counted from 1, and the step; and how many times all
            calls were run, int64 (3,).
        moving: Places in `words`, int64 (m,).
        strides: What to add there, int64 (m,).
        asked: Read after each time: not 0 where another thread waits for the end of a step, int64 (1,).
        steps: How many times.
    """
    outcome[0] = 0  # a signal handler may have raised before the last outcome was read
    for step in range(steps):
        for i in range(thunks.shape[0]):
            if call_thunk(thunks[i], starts[i]) != 0:
                outcome[0] = i + 1
                outcome[1] = step
                return
        for i in range(moving.shape[0]):
            words[moving[i]] += strides[i]
        if asked[0] != 0:
            outcome[2] = step + 1
            return
    outcome[2] = steps


@kernel
def enter(thunk: int, words: int) -> None:  # pragma: no cover - runs compiled only
    """Call the thunk of a kernel with denormal numbers taken as zero, then restore the caller's mode."""
    mode = _flush()
    status = call_thunk(thunk, words)
    _restore(mode)
    if status != 0:
        raise FloatingPointError
