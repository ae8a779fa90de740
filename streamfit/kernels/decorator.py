"""How kernels are compiled: one decorator, and the only place that names Numba's options.

A kernel is a function at module level over C-contiguous arrays and whole numbers. It returns nothing,
allocates little or nothing, and does not raise: its arguments are checked before the call. (Only a
*guard* kernel raises, a bare ``FloatingPointError``, to stop a call loop before harm is done.) Floats
are passed in small float64 arrays. Machine code is kept on disk, so a new model compiles nothing that an
older model has compiled, and it runs without the interpreter lock.

A kernel may call kernels, of its own file and of `streamfit.kernels`.

Numba is imported when something must be compiled, and not before: its import takes most of the time that
passes before a first training step.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from array import array
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, TypeVar, cast

from streamfit._base.uninterrupted import uninterrupted
from streamfit.kernels import native_cache, numba_internals
from streamfit.kernels.arguments import Signature, Thunk, thunk_at, types_and_words
from streamfit.kernels.blas import OF_KERNELS, calls_blas, on_one_thread
from streamfit.kernels.fingerprint import UnknownReferenceError, fingerprint

if TYPE_CHECKING:
    from numba.types import Type

    from streamfit.kernels.numba_internals import Dispatcher

F = TypeVar("F", bound=Callable[..., object])

# What may be assumed of floats: sums may be reordered, products fused, the sign of zero dropped.
# NaN and infinity keep their meaning ("nnan" and "ninf" are absent).
_FAST_MATH = frozenset({"contract", "reassoc", "nsz", "arcp"})
_OPTIONS: dict[str, object] = {"nogil": True, "error_model": "numpy", "fastmath": set(_FAST_MATH)}
# Only thunks call machine code, so it needs no entry from Python.
_BARE: dict[str, object] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

JIT_ENABLED = os.environ.get("NUMBA_DISABLE_JIT", "0").strip() in ("", "0")

_compiling = threading.RLock()
_NOTHING_TO_DO = contextlib.nullcontext()


class CompiledKernel:
    """A function that is compiled when it is needed, and not before.

    Args:
        function: The Python function.
        options: Numba's options beside, or in place of, those of all kernels.
        superword: Whether equal statements on neighbouring numbers may become one vector instruction.

    Attributes:
        py_func: The Python function.
        overloads: The address of the thunk for each signature that has been asked for.
        calls_blas: Whether any of this machine code calls BLAS.
    """

    __name__: str

    def __init__(self, function: FunctionType, options: dict[str, object], superword: bool = False) -> None:
        functools.update_wrapper(self, function)
        self.py_func, self.options, self.superword = function, options, superword
        self.overloads: dict[Signature, int] = {}
        self.calls_blas = False
        self._thunks: dict[Signature, Thunk | None] = {}
        self._without_thunk: set[Signature] = set()  # so that the disk is not searched at each call

    def __call__(self, *arguments: object) -> object:
        """Run on any arguments: by machine code from disk where they are native arrays and whole numbers."""
        found = None if self.options else types_and_words(arguments)
        if found is None:
            return self._plain(*arguments)
        signature, words = found
        try:
            thunk = self._thunks[signature]
        except KeyError:
            thunk = self._thunk(signature)
        if thunk is None:
            return self._run_publicly(*arguments)
        packed = array("q", words)
        with on_one_thread(OF_KERNELS) if self.calls_blas else _NOTHING_TO_DO:
            stopped = thunk(packed.buffer_info()[0])
        if stopped:
            raise FloatingPointError(f"kernel {self.py_func.__name__} raised")
        return None

    def _run_publicly(self, *arguments: object) -> object:
        """Run without Numba's internals; whether the machine code calls BLAS is then unknown."""
        with on_one_thread(OF_KERNELS):
            return self._plain(*arguments)

    def _thunk(self, signature: Signature) -> Thunk | None:
        address = self.address(signature)
        thunk = None if address is None else thunk_at(address)
        self._thunks[signature] = thunk
        return thunk

    def address(self, signature: Signature) -> int | None:
        """Return the address of the thunk, compiled if it must be.

        Returns:
            None where Numba's internals are missing.
        """
        if signature in self._without_thunk:
            return None
        address = self.find(signature) or self.compile(signature)
        if address is None:
            self._without_thunk.add(signature)
        return address

    def find(self, signature: Signature) -> int | None:
        """Return the address of the thunk if it is in memory or on disk."""
        address = self.overloads.get(signature)
        if address is None:
            with _compiling:
                entry = self._cache_entry(signature)
                code = entry.load() if entry else None
                if code is None or not _complete(code):
                    return None
                self.calls_blas |= calls_blas(code.needs)
                address = self.overloads[signature] = native_cache.link(code)
        return address

    def compile(self, signature: Signature) -> int | None:
        """Compile for one signature, keep the machine code on disk and return the address of the thunk.

        A signal handler that raises, as that of Ctrl-C does, waits for the end: LLVM calls back into Python,
        where an exception would be lost and leave it with half a kernel; see also `native_cache.link`.

        Returns:
            None where Numba's internals are missing.
        """
        uninterrupted(lambda: self._compile(signature))
        return self.overloads.get(signature)

    def _compile(self, signature: Signature) -> None:
        with _compiling:
            if signature not in self.overloads and numba_internals.usable():
                try:
                    self._make(signature)
                except numba_internals.CHANGED as error:
                    numba_internals.give_up(error)

    def _make(self, signature: Signature) -> None:
        from streamfit.kernels import compiling

        address, code, blas = compiling.machine_code(self, signature)
        self.calls_blas |= blas
        entry = self._cache_entry(signature)
        if code is not None and entry is not None:
            entry.store(code)
        self.overloads[signature] = address

    def _cache_entry(self, signature: Signature) -> native_cache.CacheEntry | None:
        if self._fingerprint is None:
            return None
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__}"
        return native_cache.CacheEntry(
            self.py_func.__code__.co_filename, name, repr(signature), self._fingerprint
        )

    @functools.cached_property
    def _fingerprint(self) -> str | None:
        try:
            return f"{fingerprint(self.py_func)} {sorted(_FAST_MATH)}{' superword' * self.superword}"
        except UnknownReferenceError:
            return None  # compiled anew in each process

    def dispatcher(self, counting: bool) -> Dispatcher:
        """Return Numba's compiler of the function as machine code with a thunk.

        Args:
            counting: Count references to arrays, as functions must that allocate some.
        """
        return self._counting if counting else self._uncounting

    @functools.cached_property
    def _uncounting(self) -> Dispatcher:
        return self._bare(_nrt=False)

    @functools.cached_property
    def _counting(self) -> Dispatcher:
        return self._bare()

    @functools.cached_property
    def _plain(self) -> Dispatcher:
        return self._jit()

    def _bare(self, **options: object) -> Dispatcher:
        from streamfit.kernels.thunks import CompilerWithThunk

        return self._jit(pipeline_class=CompilerWithThunk, **_BARE, **options)

    def _jit(self, **options: object) -> Dispatcher:
        import numba

        dispatcher: Dispatcher = numba.njit(**{**_OPTIONS, **self.options}, **options)(self.py_func)
        return dispatcher

    @property
    def _numba_type_(self) -> Type:
        """Return the type that Numba gives this function inside another one that it compiles."""
        import numba

        kind: Type = numba.typeof(self._nested())
        return kind

    def _nested(self) -> Dispatcher:
        """Return the compiler that is used where another function calls this one."""
        if numba_internals.usable():
            try:
                from streamfit.kernels import compiling

                return self.dispatcher(compiling.counts_references())
            except numba_internals.CHANGED as error:
                numba_internals.give_up(error)
        return self._plain

    def __reduce__(self) -> str | tuple[object, ...]:
        module, name = sys.modules.get(self.py_func.__module__), str(self.py_func.__name__)
        if getattr(module, name, None) is self and module is not sys.modules.get("__main__"):
            return name
        return (CompiledKernel, (self.py_func, self.options, self.superword))


def _complete(code: native_cache.MachineCode) -> bool:
    """Return whether this process has all functions that machine code calls; Numba brings some."""
    if native_cache.missing_symbols(code) and numba_internals.usable():
        try:
            from streamfit.kernels import compiling

            compiling.bring_symbols()
        except numba_internals.CHANGED as error:
            numba_internals.give_up(error)
    return not native_cache.missing_symbols(code)


def kernel(function: F) -> F:
    """Compile `function` on its first call for each combination of array types, and keep it on disk.

    Args:
        function: A function at module level that takes C-contiguous arrays and whole numbers and
            returns nothing.

    Example:
        >>> import numpy as np
        >>> from streamfit.kernels.matrix import add_into
        >>> total = np.ones(3, "float32")
        >>> add_into(np.full(3, 2, "float32"), total)
        >>> total
        array([3., 3., 3.], dtype=float32)
    """
    return _compiled(function, {})


def superword_kernel(function: F) -> F:
    """Compile a kernel as `kernel` does, and let equal statements on neighbouring numbers be one instruction.

    LLVM calls this superword-level parallelism; Numba leaves it out. It is for short groups of numbers that
    are too few for a loop, as the channels of a pixel are.
    """
    return cast(F, CompiledKernel(cast(FunctionType, function), {}, True)) if JIT_ENABLED else function


def inlined(function: F) -> F:
    """Compile a scalar function that kernels call; it may return a value."""
    return _compiled(function, {"inline": "never"})


def exact(function: F) -> F:
    """Compile a function that kernels call and in which every operation rounds by itself, in its order."""
    return _compiled(function, {"fastmath": False})


def _compiled(function: F, options: dict[str, object]) -> F:
    return cast(F, CompiledKernel(cast(FunctionType, function), options)) if JIT_ENABLED else function
