"""Compiling with Numba: from a kernel and the types of its arguments to machine code.

This module is imported when something must be compiled, and Numba with it.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numba import from_dtype, types
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from streamfit.kernels.arguments import Signature, Type
from streamfit.kernels.blas import SYMBOLS, calls_blas
from streamfit.kernels.native_cache import MachineCode, link, missing_symbols, undefined_symbols

_kept: list[Any] = []  # what Numba compiled and we run where Numba put it


class _Counting(threading.local):
    on = False


_counting = _Counting()


def counts_references() -> bool:
    """Return whether what is being compiled counts references to arrays."""
    return _counting.on


def _numba_type(kind: Type) -> Any:
    if kind is None:
        return types.int64
    dtype, axes = kind
    return types.Array(from_dtype(np.dtype(dtype)), axes, "C")


def machine_code(compiled: Any, signature: Signature) -> tuple[int, MachineCode | None, bool]:
    """Compile a kernel; return its address, what can be kept on disk, if it can, and if it calls BLAS.

    Kernels allocate nothing, so references are only counted for the few that do not compile otherwise:
    counting takes time to compile, and calls into Numba.
    """
    kinds = tuple(_numba_type(kind) for kind in signature)
    try:
        overload = _compiled(compiled, kinds, counting=False)
    except (NumbaError, NotImplementedError):
        overload = _compiled(compiled, kinds, counting=True)
    symbol = overload.fndesc.llvm_func_name
    code = overload.library.serialize_using_object_code()[2][0]
    needs = undefined_symbols(code)
    if needs is not None and not any(name.startswith(("Py", "_Py")) for name in needs):
        machine = MachineCode(symbol, needs, code)
        if not missing_symbols(machine):
            return link(machine), machine, calls_blas(needs)
    _kept.append(overload)
    if needs is None:  # no ELF file: look at what it was made of
        needs = tuple(word for word in SYMBOLS if word in overload.library.get_llvm_str())
    return overload.library.get_pointer_to_function(symbol), None, calls_blas(needs)


def _compiled(compiled: Any, kinds: tuple[Any, ...], counting: bool) -> Any:
    before, _counting.on = _counting.on, counting
    try:
        dispatcher = compiled.dispatcher(counting)
        dispatcher.compile(kinds)
        return dispatcher.overloads[kinds]
    finally:
        _counting.on = before


def bring_symbols() -> None:
    """Make Numba's own functions known to LLVM's linker."""
    _kept.append(cpu_target.target_context)


def resolve(value: Any) -> Any:
    """Return Numba's type of something that compiled code may refer to."""
    cpu_target.typing_context.refresh()  # takes in what was registered since the last time
    return cpu_target.typing_context.resolve_value_type(value)
