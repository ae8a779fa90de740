"""Thunks: one calling convention for all kernels.

Numba compiles a kernel of k words to a C function ``int32 f(result*, error*, word 1, ..., word k)``. So
kernels of different arguments have different types, and to call a function through a pointer of another type
is undefined behaviour. A *thunk* has the same type for every kernel: ``int32 thunk(int64 *words)``. It loads
exactly the words that its kernel takes, each in its own type, calls the kernel and returns its status: 0
where the kernel ran to its end, another number where it raised. The thunk is part of the kernel's machine
code, so both lie in one file of the cache.

This module uses internals of Numba; `kernels/numba_internals.py` says what happens where they are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llvmlite import ir
from numba import types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering

if TYPE_CHECKING:
    from numba.core.compiler_machinery import PassManager
    from numba.core.funcdesc import PythonFunctionDescriptor

_PREFIX = "streamfit_thunk."
_BYTES_OF_A_WORD = 8


def thunk_name(kernel: str) -> str:
    """Return the symbol of the thunk of a kernel.

    Example:
        >>> thunk_name("add")
        'streamfit_thunk.add'
    """
    return _PREFIX + kernel


def write_thunk(kernel: ir.Function) -> None:
    """Add the thunk of a kernel to the kernel's module."""
    word, status = ir.IntType(64), kernel.function_type.return_type
    shape = ir.FunctionType(status, [word.as_pointer()])
    thunk = ir.Function(kernel.module, shape, thunk_name(kernel.name))
    builder = ir.IRBuilder(thunk.append_basic_block("entry"))
    result, error, *parameters = kernel.function_type.args
    arguments = [builder.alloca(result.pointee), builder.alloca(error.pointee)]
    for index, parameter in enumerate(parameters):
        place = builder.gep(thunk.args[0], [word(index)])
        arguments.append(builder.load(builder.bitcast(place, parameter.as_pointer()), align=_BYTES_OF_A_WORD))
    # Not inlined: a kernel has the same instructions, and so the same last bits, whatever calls it.
    builder.ret(builder.call(kernel, arguments, attrs=("noinline",)))


class _LoweringWithThunk(Lower):  # type: ignore[misc]  # Numba has no types
    def lower_normal_function(self, fndesc: PythonFunctionDescriptor) -> None:
        super().lower_normal_function(fndesc)
        _, _, *parameters = self.function.function_type.args
        if [_letter(parameter) for parameter in parameters] == _layout(fndesc.argtypes):
            write_thunk(self.function)


def _layout(kinds: Sequence[types.Type]) -> list[str] | None:
    """Return the words of arguments, p for a pointer and i for an integer; None if they are no kernel's."""
    layout = ""
    for kind in kinds:
        if isinstance(kind, types.Array):
            layout += "ppiip" + 2 * kind.ndim * "i"
        elif kind == types.int64:
            layout += "i"
        else:
            return None  # a scalar function that kernels call
    return list(layout)


def _letter(parameter: ir.Type) -> str:
    if isinstance(parameter, ir.PointerType):
        return "p"
    return "i" if parameter == ir.IntType(64) else "?"


@register_pass(mutates_CFG=True, analysis_only=False)
class _NativeLoweringWithThunk(NativeLowering):  # type: ignore[misc]
    _name = "native_lowering_with_thunk"

    @property
    def lowering_class(self) -> type[_LoweringWithThunk]:
        return _LoweringWithThunk


class CompilerWithThunk(CompilerBase):  # type: ignore[misc]
    """Numba's compiler, which writes a thunk beside each function."""

    def define_pipelines(self) -> list[PassManager]:
        """Return Numba's passes, with our own in the place of the one that writes machine code."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_NativeLoweringWithThunk, NativeLowering)
        passes.passes = [entry for entry in passes.passes if entry[0] is not NativeLowering]
        passes.finalize()
        return [passes]
