"""The Numba policy: one decorator, and the only place that names Numba's options.

A kernel is a function at module level over C-contiguous arrays and whole numbers. It returns nothing,
allocates little or nothing, and does not raise: what can be wrong is checked before it is called. (Only
a *guard* kernel raises, a bare ``FloatingPointError``, to stop a walk before harm is done.) Floats
travel in small float64 arrays. Kernels are cached on disk, so a new model compiles nothing that an
older model has compiled, and they release the interpreter lock.

A kernel may call kernels of its own file and of `streamfit.kernels`. Numba's cache does not notice
that a callee in another file changed; within one file it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

# What may be assumed of floats: sums may be reordered, products fused, the sign of zero dropped.
# NaN and infinity keep their meaning ("nnan" and "ninf" are absent).
_FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

JIT_ENABLED = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]


def kernel(function: F) -> F:
    """Compile `function` on its first call for each combination of array types, and cache it on disk.

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
    compiled: F = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FASTMATH)(function)
    return compiled


def inlined(function: F) -> F:
    """Compile a scalar function that kernels of the same file call; it may return a value."""
    compiled: F = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_FASTMATH, inline="never")(
        function
    )
    return compiled
