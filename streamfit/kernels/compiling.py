"""Compiling with Numba: from a kernel and the types of its arguments to machine code.

This module is imported when something must be compiled, and Numba with it. It uses internals of Numba;
`kernels/numba_internals.py` says what happens where they are missing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numba import from_dtype, types
from numba.core import config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from streamfit.kernels.arguments import Signature, Type
from streamfit.kernels.blas import SYMBOLS, calls_blas
from streamfit.kernels.native_cache import MachineCode, link, missing_symbols, undefined_symbols
from streamfit.kernels.numba_internals import Dispatcher, Overload
from streamfit.kernels.thunks import thunk_name

_kept: list[object] = []  # compiled functions that run where Numba put them


class KernelSource(Protocol):
    """A function that can be compiled as a kernel."""

    superword: bool

    def dispatcher(self, counting: bool) -> Dispatcher:
        """Return Numba's compiler of the function, which counts references to arrays or does not."""


class Compiled(NamedTuple):
    """A kernel that was compiled for one signature.

    Attributes:
        address: Of its thunk.
        code: The machine code to keep on disk; None if it cannot be kept.
        calls_blas: Whether it calls BLAS.
    """

    address: int
    code: MachineCode | None
    calls_blas: bool


class _Counting(threading.local):
    on = False


_counting = _Counting()


def counts_references() -> bool:
    """Return whether the function that is being compiled counts references to arrays."""
    return _counting.on


def _numba_type(kind: Type) -> types.Type:
    if kind is None:
        return types.int64
    dtype, axes = kind
    return types.Array(from_dtype(np.dtype(dtype)), axes, "C")


def machine_code(source: KernelSource, signature: Signature) -> Compiled:
    """Compile a kernel.

    Kernels allocate nothing, so references are only counted for the few that do not compile otherwise:
    counting takes time to compile, and calls into Numba.

    Raises:
        LookupError: Numba has changed, so that the kernel has no thunk.
    """
    kinds = tuple(_numba_type(kind) for kind in signature)
    try:
        overload = _compiled(source, kinds, counting=False)
    except (NumbaError, NotImplementedError):
        overload = _compiled(source, kinds, counting=True)
    library, symbol = overload.library, thunk_name(overload.fndesc.llvm_func_name)
    address = library.get_pointer_to_function(symbol)
    if not address:
        raise LookupError(f"{overload.fndesc.llvm_func_name} takes other words than kernels are called with")
    code = library.serialize_using_object_code()[2][0]
    needs = undefined_symbols(code)
    if needs is not None and not any(name.startswith(("Py", "_Py")) for name in needs):
        machine = MachineCode(symbol, needs, code)
        if not missing_symbols(machine):
            return Compiled(link(machine), machine, calls_blas(needs))
    _kept.append(overload)
    if needs is None:  # no ELF file: read the instructions that it was made from
        needs = tuple(word for word in SYMBOLS if word in library.get_llvm_str())
    return Compiled(address, None, calls_blas(needs))


def _compiled(source: KernelSource, kinds: tuple[types.Type, ...], counting: bool) -> Overload:
    before, _counting.on = _counting.on, counting
    try:
        dispatcher = source.dispatcher(counting)
        with superwords(source.superword):
            dispatcher.compile(kinds)
        return dispatcher.overloads[kinds]
    finally:
        _counting.on = before


@contextlib.contextmanager
def superwords(wanted: bool) -> Iterator[None]:
    """Let Numba compile with, or without, vector instructions for equal statements on neighbouring numbers.

    Numba has one setting for all functions; its lock keeps other threads from compiling meanwhile.
    """
    with global_compiler_lock:
        before, config.SLP_VECTORIZE = config.SLP_VECTORIZE, int(wanted) or config.SLP_VECTORIZE
        try:
            yield
        finally:
            config.SLP_VECTORIZE = before


def bring_symbols() -> None:
    """Make Numba's own functions known to LLVM's linker."""
    _kept.append(cpu_target.target_context)


def resolve(function: object) -> types.Type:
    """Return Numba's type of a function that compiled code may call."""
    cpu_target.typing_context.refresh()  # includes what was registered since the last time
    return cpu_target.typing_context.resolve_value_type(function)
