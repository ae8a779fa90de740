"""BLAS on one thread while our own products run.

A sum that is split over threads is rounded differently. With as many threads as processors, a run would
have other last bits on another machine, or in a container with another quota. Besides, workers and training
share the processors here; no single product should take them all.

The number of threads is a setting of the loaded BLAS library that SciPy (for compiled kernels) or NumPy
calls. It is set to one at the beginning of a call loop that calls BLAS and restored at its end, so that the
user's setting holds for the user's own computations. Only computations of other threads of the process with
the same library run on one thread during such a call loop, too.

OpenBLAS and MKL are recognised by their functions. With another library nothing is done: set its own
environment variable to 1 where bits have to be the same on any number of processors.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _ctypes import CFuncPtr

OF_KERNELS = "scipy.linalg.cython_blas"
"""The module whose BLAS compiled kernels call."""
OF_NUMPY = "numpy.linalg._umath_linalg"
SYMBOLS = ("numba_xx", "numba_xg", "numba_ez")
"""The beginnings of the names by which machine code calls BLAS and LAPACK."""
_PREFIXES, _SUFFIXES = ("", "scipy_"), ("", "64_", "_64_")
_OF_ALL_THREADS, _OF_EACH_THREAD = "openblas_set_num_threads", "openblas_set_num_threads_local"
_OPENMP = 2  # the result of openblas_get_parallel where each thread has a thread count of its own


class _Shared:
    """A thread count that all threads of the process share: it is 1 as long as one of them asks for that."""

    def __init__(self, get: Callable[[], int], put: Callable[[int], object]) -> None:
        self._get, self._put = get, put
        self._lock = threading.Lock()
        self._users: set[int] = set()
        self._before = 1

    def begin(self) -> int:
        """Set the count to one."""
        with self._lock:
            if not self._users:
                self._before = self._get()
            self._users.add(threading.get_ident())
            self._put(1)
        return 0

    def end(self, _: int | None) -> None:
        """Restore the count when no other thread needs 1, unless it was set to another value meanwhile."""
        with self._lock:
            if threading.get_ident() not in self._users:
                return
            self._users.remove(threading.get_ident())
            if not self._users and self._get() == 1:
                self._put(self._before)


class _Separate:
    """A thread count that each thread has for itself; to set it returns the earlier one."""

    def __init__(self, put: Callable[[int], int]) -> None:
        self._put = put

    def begin(self) -> int:
        """Set the count to one and return the earlier one."""
        return self._put(1)

    def end(self, before: int | None) -> None:
        """Restore the count."""
        if before is not None:
            self._put(before)


def calls_blas(needs: Iterable[str]) -> bool:
    """Return whether machine code that needs functions of these names calls BLAS.

    Example:
        >>> calls_blas(["memset", "numba_xxgemm"]), calls_blas(["memset", "exp"])
        (True, False)
    """
    return any(name.startswith(SYMBOLS) for name in needs)


@functools.cache
def _count_of(module: str) -> _Shared | _Separate | None:
    """Return the thread count of the library that a compiled module calls; None if it has none."""
    try:
        library = ctypes.CDLL(importlib.import_module(module).__file__)
    except (ImportError, OSError, TypeError):
        return None
    mkl = _function(library, "MKL_Set_Num_Threads_Local")
    if mkl is not None:
        return _Separate(mkl)
    for before in _PREFIXES:
        for behind in _SUFFIXES:
            put = _function(library, f"{before}{_OF_ALL_THREADS}{behind}")
            get = _function(library, f"{before}openblas_get_num_threads{behind}")
            if put is None or get is None:
                continue
            kind = _function(library, f"{before}openblas_get_parallel{behind}")
            own = _function(library, f"{before}{_OF_EACH_THREAD}{behind}")
            if kind is not None and own is not None and kind() == _OPENMP:
                return _Separate(own)
            return _shared(ctypes.cast(put, ctypes.c_void_p).value, get, put)
    return None


def _function(library: ctypes.CDLL, name: str) -> CFuncPtr | None:
    function: CFuncPtr | None = getattr(library, name, None)
    return function


_shared_counts: dict[int | None, _Shared] = {}


def _shared(address: int | None, get: Callable[[], int], put: Callable[[int], object]) -> _Shared:
    """Return the one object for a library, also when two modules call the same one."""
    return _shared_counts.setdefault(address, _Shared(get, put))


def own_count(module: str) -> Callable[[], object] | None:
    """Return what lets BLAS use one thread where the calling thread calls it, from now on.

    Args:
        module: `OF_KERNELS` or `OF_NUMPY`.

    Returns:
        None where all threads share one count: there `on_one_thread` of one of them holds for all.
    """
    count = _count_of(module)
    return count.begin if isinstance(count, _Separate) else None


@contextlib.contextmanager
def on_one_thread(module: str) -> Iterator[None]:
    """Let the BLAS that a module calls use one thread for a while.

    Args:
        module: `OF_KERNELS` or `OF_NUMPY`.

    Example:
        >>> import numpy as np
        >>> with on_one_thread(OF_NUMPY):
        ...     product = np.ones((2, 3)) @ np.ones((3, 2))
        >>> float(product[0, 0])
        3.0
    """
    count = _count_of(module)
    if count is None:
        yield
        return
    before: int | None = None
    try:
        before = count.begin()
        yield
    finally:
        count.end(before)
