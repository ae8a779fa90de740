"""The Numba policy: one decorator, and the only place that names Numba's options.

A kernel is a function at module level over C-contiguous arrays and whole numbers. It returns nothing,
allocates little or nothing, and does not raise: what can be wrong is checked before it is called. (Only
a *guard* kernel raises, a bare ``FloatingPointError``, to stop a call loop before harm is done.) Floats
travel in small float64 arrays. Machine code is kept on disk, so a new model compiles nothing that an
older model has compiled, and it runs without the interpreter lock.

A kernel may call kernels, of its own file and of others.

Numba is imported when something must be compiled, and not before: that is most of the time that passes
before a first training step.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

from streamfit.kernels import native_cache
from streamfit.kernels.arguments import Signature, signature_of, words_of
from streamfit.kernels.blas import OF_KERNELS, calls_blas, on_one_thread
from streamfit.kernels.fingerprint import UnknownReferenceError, fingerprint

F = TypeVar("F", bound=Callable[..., Any])

# What may be assumed of floats: sums may be reordered, products fused, the sign of zero dropped.
# NaN and infinity keep their meaning ("nnan" and "ninf" are absent).
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}
# Machine code is called with words, so that it needs no entry from Python, and counts no references.
_BARE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

JIT_ENABLED = os.environ.get("NUMBA_DISABLE_JIT", "0").strip() in ("", "0")

_compiling = threading.RLock()
_NOTHING_TO_DO = contextlib.nullcontext()


class CompiledKernel:
    """A function that is compiled when it is needed, and not before.

    Args:
        function: The Python function.
        options: Numba's options beside, or in place of, those of all kernels.

    Attributes:
        py_func: The Python function.
        overloads: The address of the machine code for each signature that has been asked for.
        calls_blas: Whether any of this machine code calls BLAS.
    """

    def __init__(self, function: FunctionType, options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func, self.options = function, options
        self.overloads: dict[Signature, int] = {}
        self.calls_blas = False
        self._entries: dict[Signature, Callable[..., int]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run on any arguments: by machine code from disk where they are as kernels need them."""
        words = None if self.options else words_of(arguments)
        if words is None:
            return self._plain(*arguments)
        signature = signature_of(arguments)
        entry = self._entries.get(signature) or self._entry(signature)
        scratch = (ctypes.c_int64 * 8)()
        with on_one_thread(OF_KERNELS) if self.calls_blas else _NOTHING_TO_DO:
            stopped = entry(scratch, scratch, *words)
        if stopped:
            raise FloatingPointError(f"kernel {self.py_func.__name__} raised")
        return None

    def _entry(self, signature: Signature) -> Callable[..., int]:
        words = sum(1 if kind is None else 5 + 2 * kind[1] for kind in signature)
        shape = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * words)
        entry: Callable[..., int] = shape(self.find(signature) or self.compile(signature))
        self._entries[signature] = entry
        return entry

    def find(self, signature: Signature) -> int | None:
        """Return the address of the machine code if it is in memory or on disk."""
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

    def compile(self, signature: Signature) -> int:
        """Compile for one signature, keep the machine code on disk and return its address."""
        from streamfit.kernels import compiling

        with _compiling:
            if signature not in self.overloads:
                address, code, blas = compiling.machine_code(self, signature)
                self.calls_blas |= blas
                entry = self._cache_entry(signature)
                if code is not None and entry is not None:
                    entry.store(code)
                self.overloads[signature] = address
        return self.overloads[signature]

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
            return f"{fingerprint(self.py_func)} {sorted(_OPTIONS['fastmath'])}"
        except UnknownReferenceError:
            return None  # compiled anew in each process

    def dispatcher(self, counting: bool) -> Any:
        """Return Numba's compiler of the function as machine code that is called with words.

        Args:
            counting: Count references to arrays, as functions must that allocate some.
        """
        return self._counting if counting else self._uncounting

    @functools.cached_property
    def _uncounting(self) -> Any:
        return self._jit(_nrt=False, **_BARE)

    @functools.cached_property
    def _counting(self) -> Any:
        return self._jit(**_BARE)

    @functools.cached_property
    def _plain(self) -> Any:
        return self._jit()

    def _jit(self, **options: Any) -> Any:
        import numba

        return numba.njit(**{**_OPTIONS, **self.options}, **options)(self.py_func)

    @property
    def _numba_type_(self) -> Any:
        """Tell Numba what this is inside a function that it compiles."""
        from streamfit.kernels import compiling

        return self.dispatcher(compiling.counts_references())._numba_type_

    def __reduce__(self) -> Any:
        module = sys.modules.get(self.py_func.__module__)
        if getattr(module, self.py_func.__name__, None) is self and module is not sys.modules.get("__main__"):
            return self.py_func.__name__
        return (CompiledKernel, (self.py_func, self.options))


def _complete(code: native_cache.MachineCode) -> bool:
    """Return whether this process has all that machine code calls; Numba brings some of it."""
    if native_cache.missing_symbols(code):
        from streamfit.kernels import compiling

        compiling.bring_symbols()
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
    return cast(F, CompiledKernel(cast(FunctionType, function), {})) if JIT_ENABLED else function


def inlined(function: F) -> F:
    """Compile a scalar function that kernels call; it may return a value."""
    return (
        cast(F, CompiledKernel(cast(FunctionType, function), {"inline": "never"}))
        if JIT_ENABLED
        else function
    )


def exact(function: F) -> F:
    """Compile a function that kernels call and in which every operation rounds by itself, in its order."""
    return (
        cast(F, CompiledKernel(cast(FunctionType, function), {"fastmath": False}))
        if JIT_ENABLED
        else function
    )
