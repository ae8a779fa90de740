"""What threads ask of the system in native code: to sleep until they are woken, the time, their processors.

Linux only: ``futex`` (its manual page, section 2) sleeps where a 32-bit word has an expected value, and
wakes sleepers of that word. Whoever sleeps checks its reason again afterwards, since it may also return
early, for a signal for example. `AVAILABLE` says whether this system has it; elsewhere no kernel that uses
it may run.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from streamfit.kernels.call_loop import Instructions

if TYPE_CHECKING:
    from llvmlite import ir
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature
    from numba.types import Type

    from streamfit.kernels.float_mode import Writer

_X86, _ARM = "x86_64", "aarch64"
_NUMBER_X86, _NUMBER_ARM = 202, 98  # of the system call: asm/unistd.h
_WAIT, _WAKE = 0 | 128, 1 | 128  # linux/futex.h; 128: only threads of this process use the word
_MONOTONIC = 1  # time.h: the clock that only goes forward
_BILLION = 10**9
MASK_BYTES = 128
"""The size of a set of processors, which is that of sched.h: 1024 of them."""
AVAILABLE = sys.platform == "linux" and platform.machine() in (_X86, _ARM)


def _futex(builder: ir.IRBuilder, operation: int, address: ir.Value, value: ir.Value) -> ir.Value:
    from llvmlite import ir
    from numba.core import cgutils

    word = ir.IntType(64)
    number = word(_NUMBER_X86 if builder.module.triple.startswith(_X86) else _NUMBER_ARM)
    shape = ir.FunctionType(word, [word], var_arg=True)
    function = cgutils.get_or_insert_function(builder.module, shape, "syscall")
    # The fourth argument is the longest time to sleep: none.
    return builder.call(function, [number, address, word(operation), value, word(0), word(0), word(0)])


def _write_sleep(typing_context: TypingContext, address: Type, value: Type) -> tuple[Signature, Writer]:
    """Sleep while the low half of the word at an address is `value`, until woken or interrupted."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return _futex(builder, _WAIT, *arguments)

    return types.int64(types.int64, types.int64), generate


def _write_wake(typing_context: TypingContext, address: Type, count: Type) -> tuple[Signature, Writer]:
    """Wake up to `count` threads that sleep at an address; the result is how many there were."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return _futex(builder, _WAKE, *arguments)

    return types.int64(types.int64, types.int64), generate


def _write_nanoseconds(typing_context: TypingContext) -> tuple[Signature, Writer]:
    """Read a clock that only goes forward, in nanoseconds."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        word, half = ir.IntType(64), ir.IntType(32)
        shape = ir.FunctionType(half, [half, word.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, shape, "clock_gettime")
        time = cgutils.alloca_once(builder, word, size=word(2))
        builder.call(function, [half(_MONOTONIC), time])
        seconds, rest = builder.load(time), builder.load(builder.gep(time, [word(1)]))
        return builder.add(builder.mul(seconds, word(_BILLION)), rest)

    return types.int64(), generate


def _write_processor(typing_context: TypingContext) -> tuple[Signature, Writer]:
    """Return the number of the processor that this thread runs on; it may run on another one at once."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        shape = ir.FunctionType(ir.IntType(32), [])
        function = cgutils.get_or_insert_function(builder.module, shape, "sched_getcpu")
        return builder.sext(builder.call(function, []), ir.IntType(64))

    return types.int64(), generate


def _affinity(builder: ir.IRBuilder, name: str, mask: ir.Value) -> ir.Value:
    from llvmlite import ir
    from numba.core import cgutils

    word, half = ir.IntType(64), ir.IntType(32)
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(half, [half, word, word]), name)
    return builder.sext(builder.call(function, [half(0), word(MASK_BYTES), mask]), word)


def _write_get_affinity(typing_context: TypingContext, mask: Type) -> tuple[Signature, Writer]:
    """Write a bit for each processor that this thread may use to an address; the result is 0 if it could."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return _affinity(builder, "sched_getaffinity", *arguments)

    return types.int64(types.int64), generate


def _write_set_affinity(typing_context: TypingContext, mask: Type) -> tuple[Signature, Writer]:
    """Let this thread use the processors whose bits at an address are 1; the result is 0 if it may."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return _affinity(builder, "sched_setaffinity", *arguments)

    return types.int64(types.int64), generate


def _write_pause(typing_context: TypingContext) -> tuple[Signature, Writer]:
    """Tell the processor that this thread spins: some dozens of cycles."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        nothing, half = ir.VoidType(), ir.IntType(32)
        if builder.module.triple.startswith(_X86):
            name, given = "llvm.x86.sse2.pause", []
        else:
            name, given = "llvm.aarch64.hint", [half(1)]  # the instruction "yield"
        shape = ir.FunctionType(nothing, [half] * len(given))
        builder.call(cgutils.get_or_insert_function(builder.module, shape, name), given)
        return context.get_dummy_value()

    return types.void(), generate


sleep = cast("Callable[[int, int], int]", Instructions(_write_sleep))
wake = cast("Callable[[int, int], int]", Instructions(_write_wake))
nanoseconds = cast("Callable[[], int]", Instructions(_write_nanoseconds))
processor = cast("Callable[[], int]", Instructions(_write_processor))
get_affinity = cast("Callable[[int], int]", Instructions(_write_get_affinity))
set_affinity = cast("Callable[[int], int]", Instructions(_write_set_affinity))
pause = cast("Callable[[], None]", Instructions(_write_pause))
