"""How the processor treats denormal numbers: the instructions that change and restore it.

Some processors need a hundred times as long for numbers below the smallest normal one (1.2e-38 in single
precision), and training produces them: the moments of weights without gradient decay into them and stay
there. So native code runs with denormal results and operands taken as zero. The mode belongs to a thread, so
the caller's mode is restored at the end, however a call loop ends.

On x86-64 the mode is in the register MXCSR (Intel's manual, volume 1, 10.2.3: bit 15 flushes results, bit 6
operands), on AArch64 in FPCR (Arm's manual, D24: bit 24 does both). Elsewhere nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llvmlite import ir
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature
    from numba.types import Type

Writer = Callable[["BaseContext", "ir.IRBuilder", "Signature", Sequence["ir.Value"]], "ir.Value"]
"""A function that writes the instructions of a call and returns its result."""

_X86_FLUSH = 1 << 15 | 1 << 6
_ARM_FLUSH = 1 << 24


def write_flush(typing_context: TypingContext) -> tuple[Signature, Writer]:
    """Take denormal numbers as zero from here on; the result is the earlier mode."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = _processor(builder)
        if kind == "x86":
            before = cgutils.alloca_once(builder, half)
            _call_x86(builder, "stmxcsr", before)
            flushing = cgutils.alloca_once(builder, half)
            builder.store(builder.or_(builder.load(before), half(_X86_FLUSH)), flushing)
            _call_x86(builder, "ldmxcsr", flushing)
            return builder.zext(builder.load(before), word)
        if kind == "arm":
            mode = _arm(builder, "get.fpcr", ir.FunctionType(word, []), [])
            flushing = builder.or_(mode, word(_ARM_FLUSH))
            _arm(builder, "set.fpcr", ir.FunctionType(ir.VoidType(), [word]), [flushing])
            return mode
        return word(0)

    return types.int64(), generate


def write_restore(typing_context: TypingContext, mode: Type) -> tuple[Signature, Writer]:
    """Restore a mode that `write_flush` has returned."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        (mode,) = arguments
        word, half = ir.IntType(64), ir.IntType(32)
        kind = _processor(builder)
        if kind == "x86":
            place = cgutils.alloca_once(builder, half)
            builder.store(builder.trunc(mode, half), place)
            _call_x86(builder, "ldmxcsr", place)
        elif kind == "arm":
            _arm(builder, "set.fpcr", ir.FunctionType(ir.VoidType(), [word]), [mode])
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _processor(builder: ir.IRBuilder) -> str:
    name = builder.module.triple.split("-")[0]
    if name in ("x86_64", "amd64"):
        return "x86"
    return "arm" if name in ("aarch64", "arm64") else ""


def _call_x86(builder: ir.IRBuilder, name: str, place: ir.Value) -> None:
    from llvmlite import ir
    from numba.core import cgutils

    pointer = ir.IntType(8).as_pointer()
    shape = ir.FunctionType(ir.VoidType(), [pointer])
    function = cgutils.get_or_insert_function(builder.module, shape, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, pointer)])


def _arm(builder: ir.IRBuilder, name: str, shape: ir.FunctionType, arguments: Sequence[ir.Value]) -> ir.Value:
    from numba.core import cgutils

    function = cgutils.get_or_insert_function(builder.module, shape, f"llvm.aarch64.{name}")
    return builder.call(function, arguments)
