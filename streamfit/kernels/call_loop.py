"""The walk: kernels that jump to other kernels, so that a list of them runs in one native call.

The arguments of a kernel are pointers and 64-bit integers, which every 64-bit calling convention passes as
one class of argument, so a function of k words can be called with k loaded words. This is why kernels
take no float scalars. Surplus words are harmless (the caller owns the argument area), so a handful of
widths serve all kernels.
"""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Any, cast

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel
from streamfit.kernels.float_mode import write_flush, write_restore

WIDTHS = (16, 32, 48, 64, 80, 96, 128)


class Instructions:
    """A function that kernels call and whose instructions are written out, not compiled from Python.

    Args:
        generator: Given Numba's typing context and the arguments, returns a signature and a function that
            writes the instructions.
    """

    def __init__(self, generator: Any) -> None:
        self.py_func = cast(FunctionType, generator)

    @functools.cached_property
    def _numba_type_(self) -> Any:
        from numba.extending import intrinsic

        from streamfit.kernels import compiling

        return compiling.resolve(intrinsic(self.py_func))


def _write_jump(typing_context: Any, address: Any, words: Any, count: Any) -> Any:
    """Call the kernel at `address` with `count` words that are stored from `words` on."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, words, count = arguments
        word, status = ir.IntType(64), ir.IntType(32)
        source = builder.inttoptr(words, word.as_pointer())
        result = builder.ptrtoint(cgutils.alloca_once(builder, ir.ArrayType(word, 4)), word)
        error = builder.ptrtoint(cgutils.alloca_once(builder, word), word)
        outcome = cgutils.alloca_once(builder, status)
        end = builder.append_basic_block("end")
        for width in WIDTHS:
            fits, wider = builder.append_basic_block("fits"), builder.append_basic_block("wider")
            builder.cbranch(builder.icmp_signed("<=", count, word(width)), fits, wider)
            builder.position_at_end(fits)
            function = builder.inttoptr(address, ir.FunctionType(status, [word] * (2 + width)).as_pointer())
            loaded = [builder.load(builder.gep(source, [word(i)])) for i in range(width)]
            builder.store(builder.call(function, [result, error, *loaded]), outcome)
            builder.branch(end)
            builder.position_at_end(wider)
        builder.store(status(-1), outcome)
        builder.branch(end)
        builder.position_at_end(end)
        return builder.load(outcome)

    return types.int32(types.int64, types.int64, types.int64), generate


_jump: Any = Instructions(_write_jump)


@kernel
def call_loop(  # pragma: no cover - jumps to machine code, so it runs compiled only
    addresses: Array,
    offsets: Array,
    counts: Array,
    words: Array,
    failed: Array,
    moving: Array,
    strides: Array,
    asked: Array,
    steps: int,
) -> None:
    """Run all calls `steps` times, or fewer; after each time the words `moving` go on by their strides.

    Args:
        addresses: Of the kernels, int64 (calls,).
        offsets: Where the words of each call begin in `words`, int64 (calls,).
        counts: How many words each call has, int64 (calls,).
        words: All words, int64.
        failed: Gets the number of the call that raised, counted from 1, and the step; and how many times all
            calls were run, int64 (3,).
        moving: Places in `words`, int64 (m,).
        strides: What to add there, int64 (m,).
        asked: Looked at after each time: not 0 where somebody waits for the end of a step, int64 (1,).
        steps: How many times.
    """
    base = words.ctypes.data
    for step in range(steps):
        for i in range(addresses.shape[0]):
            if _jump(addresses[i], base + 8 * offsets[i], counts[i]) != 0:
                failed[0] = i + 1
                failed[1] = step
                return
        for i in range(moving.shape[0]):
            words[moving[i]] += strides[i]
        if asked[0] != 0:
            failed[2] = step + 1
            return
    failed[2] = steps


_flush: Any = Instructions(write_flush)
_restore: Any = Instructions(write_restore)


@kernel
def enter(address: int, words: int, count: int) -> None:  # pragma: no cover - runs compiled only
    """Run the kernel at `address` with words that lie in memory: few arguments are soon passed.

    Everything in it takes denormal numbers as zero; the caller's mode is put back in the end.
    """
    mode = _flush()
    status = _jump(address, words, count)
    _restore(mode)
    if status != 0:
        raise FloatingPointError
