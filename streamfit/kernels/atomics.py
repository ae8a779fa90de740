"""Words of memory that several threads read and write: instructions that kernels call with an address.

Each takes the address of an aligned 64-bit word. They are ordered as the memory model of LLVM and C11 says of
sequentially consistent operations: all threads see them in one order, and what a thread wrote before one of
them is seen by a thread that has read its result. `word_at` and `put_word` are plain, for words that only one
thread uses at a time.
"""

from __future__ import annotations

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

_BYTES = 8
_ORDER = "seq_cst"


def _place(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    from llvmlite import ir

    return builder.inttoptr(address, ir.IntType(64).as_pointer())


def _write_word_at(typing_context: TypingContext, address: Type) -> tuple[Signature, Writer]:
    """Read a word."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.load(_place(builder, arguments[0]), align=_BYTES)

    return types.int64(types.int64), generate


def _write_put_word(typing_context: TypingContext, address: Type, value: Type) -> tuple[Signature, Writer]:
    """Write a word."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        builder.store(arguments[1], _place(builder, arguments[0]), align=_BYTES)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _write_read(typing_context: TypingContext, address: Type) -> tuple[Signature, Writer]:
    """Read a word that other threads write."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.load_atomic(_place(builder, arguments[0]), _ORDER, _BYTES)

    return types.int64(types.int64), generate


def _write_write(typing_context: TypingContext, address: Type, value: Type) -> tuple[Signature, Writer]:
    """Write a word that other threads read."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        builder.store_atomic(arguments[1], _place(builder, arguments[0]), _ORDER, _BYTES)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _write_add(typing_context: TypingContext, address: Type, value: Type) -> tuple[Signature, Writer]:
    """Add to a word; the result is what it was before."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.atomic_rmw("add", _place(builder, arguments[0]), arguments[1], _ORDER)

    return types.int64(types.int64, types.int64), generate


def _write_replace(
    typing_context: TypingContext, address: Type, old: Type, new: Type
) -> tuple[Signature, Writer]:
    """Write `new` where the word is `old`; the result is what it was before."""
    from numba.core import types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        address, old, new = arguments
        pair = builder.cmpxchg(_place(builder, address), old, new, _ORDER, _ORDER)
        return builder.extract_value(pair, 0)

    return types.int64(types.int64, types.int64, types.int64), generate


word_at = cast("Callable[[int], int]", Instructions(_write_word_at))
put_word = cast("Callable[[int, int], None]", Instructions(_write_put_word))
read = cast("Callable[[int], int]", Instructions(_write_read))
write = cast("Callable[[int, int], None]", Instructions(_write_write))
add = cast("Callable[[int, int], int]", Instructions(_write_add))
replace = cast("Callable[[int, int, int], int]", Instructions(_write_replace))
