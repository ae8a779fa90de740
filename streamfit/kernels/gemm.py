"""General matrix products (GEMM of BLAS) for kernels: of transposed factors, of parts of matrices, added up.

``np.dot`` inside a kernel reaches the same function of BLAS, but only for whole arrays, and together with
Numba's handling of errors, which keeps the kernel from being stored on disk. Here the call is written out.
Numba's function finds BLAS through SciPy when it is first called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import numba_internals
from streamfit.kernels.call_loop import Instructions
from streamfit.kernels.decorator import CompiledKernel, inlined

if TYPE_CHECKING:
    from llvmlite import ir
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature
    from numba.types import Type

    from streamfit.kernels.float_mode import Writer

_SYMBOL = "numba_xxgemm"


def _write_gemm(
    typing_context: TypingContext, a: Type, b: Type, y: Type, turn_a: Type, turn_b: Type, add: Type
) -> tuple[Signature, Writer]:
    """Call BLAS. Its matrices are stored by columns, so it is asked for the transpose: y.T = b.T @ a.T."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        size, letter, pointer = ir.IntType(64), ir.IntType(8), ir.IntType(8).as_pointer()
        element = context.get_value_type(signature.args[2].dtype)
        bytes_of_element = context.get_abi_sizeof(element)

        def matrix(place: int) -> tuple[list[ir.Value], list[ir.Value]]:
            """Return the lengths of a matrix, and the arguments by which BLAS finds it."""
            array = context.make_array(signature.args[place])(context, builder, arguments[place])
            lengths = cgutils.unpack_tuple(builder, array.shape, 2)
            stride = builder.sdiv(cgutils.unpack_tuple(builder, array.strides, 2)[0], size(bytes_of_element))
            apart = builder.select(builder.icmp_signed(">", stride, lengths[1]), stride, lengths[1])
            return lengths, [builder.bitcast(array.data, pointer), apart]

        def number(value: ir.Value) -> ir.Value:
            place = cgutils.alloca_once(builder, element)
            builder.store(builder.sitofp(value, element), place)
            return builder.bitcast(place, pointer)

        def turned(place: int) -> ir.Value:
            is_turned = builder.icmp_signed("!=", arguments[place], size(0))
            return builder.select(is_turned, letter(ord("T")), letter(ord("N")))

        (rows_a, columns_a), at_a = matrix(0)
        _, at_b = matrix(1)
        (rows, columns), at_y = matrix(2)
        inner = builder.select(builder.icmp_signed("!=", arguments[3], size(0)), rows_a, columns_a)
        kinds = [letter] * 3 + [size] * 3 + [pointer, pointer, size, pointer, size, pointer, pointer, size]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(32), kinds), _SYMBOL
        )
        code = letter(ord("s" if bytes_of_element == 4 else "d"))  # single or double precision
        lengths = [columns, rows, inner]
        factors = [number(size(1)), *at_b, *at_a, number(arguments[5])]
        status = builder.call(function, [code, turned(4), turned(3), *lengths, *factors, *at_y])
        with builder.if_then(builder.icmp_signed("!=", status, status.type(0)), likely=False):
            stop = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, stop, "llvm.trap"), [])  # no BLAS
        return status

    return types.int32(a, b, y, types.int64, types.int64, types.int64), generate


@inlined
def multiply_by_dot(a: Array, b: Array, y: Array, turn_a: int, turn_b: int, add: int) -> int:
    """Compute what `gemm` computes with functions of NumPy, in memory of its own."""
    left = np.ascontiguousarray(a.T) if turn_a else np.ascontiguousarray(a)
    right = np.ascontiguousarray(b.T) if turn_b else np.ascontiguousarray(b)
    product = np.dot(left, right)
    y[:, :] = product + y if add else product
    return 0


class _Gemm(Instructions):
    """`gemm`: the call of BLAS, or NumPy's functions where kernels are compiled without Numba's internals or
    run as Python.
    """

    @property
    def _numba_type_(self) -> Type:
        if numba_internals.usable():
            return super()._numba_type_
        return cast(CompiledKernel, multiply_by_dot)._numba_type_

    def __call__(self, a: Array, b: Array, y: Array, turn_a: int, turn_b: int, add: int) -> int:
        return multiply_by_dot(a, b, y, turn_a, turn_b, add)


gemm = cast("Callable[[Array, Array, Array, int, int, int], int]", _Gemm(_write_gemm))
"""Compute ``y = a @ b + add * y``, only inside kernels.

Args:
    a: A matrix, or the part of one between some rows and some columns; neighbours in a row lie side by side.
    b: Likewise, of the same dtype.
    y: Likewise; it overlaps neither of them.
    turn_a: 1 to take ``a.T`` in the place of `a`, else 0.
    turn_b: Likewise for `b`.
    add: 1 to add to `y`, 0 to overwrite it; then `y` is not read.
"""
