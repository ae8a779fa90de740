"""`product_rate`: how fast one thread of this machine multiplies matrices."""

from __future__ import annotations

import time

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import products
from streamfit.kernels.calls import CallList

_SHAPES = ((512, 512, 512), (64, 768, 64))  # rows, terms of a sum, columns: by BLAS, and by our own loops
_SECONDS = 0.03  # for each of them
_LINE = 64  # bytes: programs keep their arrays at such addresses, and loops over others are slower


def product_rate() -> float:
    """Measure the library's own products of float32 matrices, on one thread.

    Returns:
        Floating-point operations in a second (a product and a sum are two), in the quickest run of a large
        and of a small product: whatever else the machine does can only slow them down.

    Example:
        >>> product_rate() > 1e7
        True
    """
    return max(_rate(*shape) for shape in _SHAPES)


def _rate(rows: int, inner: int, columns: int) -> float:
    a, b, y = _aligned(rows, inner), _aligned(inner, columns), _aligned(rows, columns)
    turned = _aligned(*products.kept_shape(inner, columns, rows))
    product, shortest = CallList(products.product(a, b, turned, y)), float("inf")
    product.run()
    ends = time.perf_counter() + _SECONDS
    while time.perf_counter() < ends or shortest == float("inf"):
        began = time.perf_counter()
        product.run()
        shortest = min(shortest, time.perf_counter() - began)
    return 2 * rows * inner * columns / max(shortest, 1e-9)


def _aligned(rows: int, columns: int) -> Array:
    memory: Array = np.ones(rows * columns + _LINE // 4, np.float32)
    first = -memory.ctypes.data % _LINE // 4
    return memory[first : first + rows * columns].reshape(rows, columns)


__all__ = ["product_rate"]
