"""Matrix products: loops for small matrices, BLAS for large ones; the choice depends on shapes alone.

A call of BLAS has a cost that small products do not recover, and Numba reaches BLAS through SciPy, whose
import takes longer than everything else before the first step. BLAS runs on one thread here (see
`kernels/blas.py`), so that the number of processors changes no bit. The loops work on tiles of four by
four numbers, so that each loaded row is used four times. Their innermost loop runs along the last axis,
where it becomes vector code. A product with few columns would not fill the vectors; there one factor is
transposed first and the innermost loop runs along the sums instead.
"""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.calls import Call
from streamfit.kernels.decorator import kernel
from streamfit.kernels.gemm import gemm

LOOPS_UP_TO = 1 << 22
"""Products of up to so many multiplications use the loops; larger ones gain by the blocks of BLAS."""
_NARROW = 16  # columns that fill the widest vector register of single precision


@kernel
def turn(a: Array, turned: Array) -> None:
    """Compute turned = a.T, four rows at a time."""
    rows, columns = a.shape
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        for j in range(columns):
            p, q, s, t = a[i, j], a[i + 1, j], a[i + 2, j], a[i + 3, j]
            turned[j, i], turned[j, i + 1], turned[j, i + 2], turned[j, i + 3] = p, q, s, t
    for i in range(whole, rows):
        for j in range(columns):
            turned[j, i] = a[i, j]


@kernel
def product_by_tiles(a: Array, b: Array, y: Array) -> None:
    """Compute y = a @ b, in tiles of four rows of a and four rows of b."""
    rows, inner, columns = y.shape[0], a.shape[1], y.shape[1]
    whole_rows, whole_inner = rows - rows % 4, inner - inner % 4
    for r in range(rows):
        for j in range(columns):
            y[r, j] = 0
    for r in range(0, whole_rows, 4):
        for i in range(0, whole_inner, 4):
            p0, p1, p2, p3 = a[r, i], a[r, i + 1], a[r, i + 2], a[r, i + 3]
            q0, q1, q2, q3 = a[r + 1, i], a[r + 1, i + 1], a[r + 1, i + 2], a[r + 1, i + 3]
            s0, s1, s2, s3 = a[r + 2, i], a[r + 2, i + 1], a[r + 2, i + 2], a[r + 2, i + 3]
            t0, t1, t2, t3 = a[r + 3, i], a[r + 3, i + 1], a[r + 3, i + 2], a[r + 3, i + 3]
            for j in range(columns):
                b0, b1, b2, b3 = b[i, j], b[i + 1, j], b[i + 2, j], b[i + 3, j]
                y[r, j] += p0 * b0 + p1 * b1 + p2 * b2 + p3 * b3
                y[r + 1, j] += q0 * b0 + q1 * b1 + q2 * b2 + q3 * b3
                y[r + 2, j] += s0 * b0 + s1 * b1 + s2 * b2 + s3 * b3
                y[r + 3, j] += t0 * b0 + t1 * b1 + t2 * b2 + t3 * b3
        for i in range(whole_inner, inner):
            p0, q0, s0, t0 = a[r, i], a[r + 1, i], a[r + 2, i], a[r + 3, i]
            for j in range(columns):
                y[r, j] += p0 * b[i, j]
                y[r + 1, j] += q0 * b[i, j]
                y[r + 2, j] += s0 * b[i, j]
                y[r + 3, j] += t0 * b[i, j]
    for r in range(whole_rows, rows):
        for i in range(inner):
            p0 = a[r, i]
            for j in range(columns):
                y[r, j] += p0 * b[i, j]


@kernel
def product_by_sums(a: Array, turned: Array, y: Array) -> None:
    """Compute y = a @ turned.T, for few columns of y: four rows of a at a time, along the sums."""
    rows, inner = a.shape
    whole, zero = rows - rows % 4, y.dtype.type(0)
    for r in range(0, whole, 4):
        for j in range(y.shape[1]):
            p, q, s, t = zero, zero, zero, zero
            for i in range(inner):
                b = turned[j, i]
                p += a[r, i] * b
                q += a[r + 1, i] * b
                s += a[r + 2, i] * b
                t += a[r + 3, i] * b
            y[r, j], y[r + 1, j], y[r + 2, j], y[r + 3, j] = p, q, s, t
    for r in range(whole, rows):
        for j in range(y.shape[1]):
            p = zero
            for i in range(inner):
                p += a[r, i] * turned[j, i]
            y[r, j] = p


@kernel
def turned_product_by_tiles(a: Array, b: Array, y: Array) -> None:
    """Compute y = a.T @ b, in tiles of four columns of a and four rows of b."""
    rows, inner, columns = y.shape[0], a.shape[0], y.shape[1]
    whole_rows, whole_inner = rows - rows % 4, inner - inner % 4
    for r in range(rows):
        for j in range(columns):
            y[r, j] = 0
    for r in range(0, whole_rows, 4):
        for i in range(0, whole_inner, 4):
            p0, q0, s0, t0 = a[i, r], a[i, r + 1], a[i, r + 2], a[i, r + 3]
            p1, q1, s1, t1 = a[i + 1, r], a[i + 1, r + 1], a[i + 1, r + 2], a[i + 1, r + 3]
            p2, q2, s2, t2 = a[i + 2, r], a[i + 2, r + 1], a[i + 2, r + 2], a[i + 2, r + 3]
            p3, q3, s3, t3 = a[i + 3, r], a[i + 3, r + 1], a[i + 3, r + 2], a[i + 3, r + 3]
            for j in range(columns):
                b0, b1, b2, b3 = b[i, j], b[i + 1, j], b[i + 2, j], b[i + 3, j]
                y[r, j] += p0 * b0 + p1 * b1 + p2 * b2 + p3 * b3
                y[r + 1, j] += q0 * b0 + q1 * b1 + q2 * b2 + q3 * b3
                y[r + 2, j] += s0 * b0 + s1 * b1 + s2 * b2 + s3 * b3
                y[r + 3, j] += t0 * b0 + t1 * b1 + t2 * b2 + t3 * b3
        for i in range(whole_inner, inner):
            p0, q0, s0, t0 = a[i, r], a[i, r + 1], a[i, r + 2], a[i, r + 3]
            for j in range(columns):
                y[r, j] += p0 * b[i, j]
                y[r + 1, j] += q0 * b[i, j]
                y[r + 2, j] += s0 * b[i, j]
                y[r + 3, j] += t0 * b[i, j]
    for r in range(whole_rows, rows):
        for i in range(0, whole_inner, 4):
            p0, p1, p2, p3 = a[i, r], a[i + 1, r], a[i + 2, r], a[i + 3, r]
            for j in range(columns):
                y[r, j] += p0 * b[i, j] + p1 * b[i + 1, j] + p2 * b[i + 2, j] + p3 * b[i + 3, j]
        for i in range(whole_inner, inner):
            p0 = a[i, r]
            for j in range(columns):
                y[r, j] += p0 * b[i, j]


@kernel
def product_by_blas(a: Array, b: Array, y: Array) -> None:
    """Compute y = a @ b."""
    gemm(a, b, y, 0, 0, 0)


@kernel
def left_by_blas(gy: Array, b: Array, ga: Array) -> None:
    """Compute ga = gy @ b.T."""
    gemm(gy, b, ga, 0, 1, 0)


@kernel
def right_by_blas(a: Array, gy: Array, gb: Array) -> None:
    """Compute gb = a.T @ gy."""
    gemm(a, gy, gb, 1, 0, 0)


def _loops(a: Array, b: Array) -> bool:
    return int(a.shape[0] * b.size) <= LOOPS_UP_TO


def turned_shape(inner: int, columns: int, rows: int = 1) -> tuple[int, int]:
    """Return the shape of the array that the products of `rows` rows with an (inner, columns) matrix need."""
    return (columns, inner) if rows * inner * columns <= LOOPS_UP_TO else (0, 0)


def kept_shape(inner: int, columns: int, rows: int) -> tuple[int, int]:
    """Return the shape of the array that `product` fills and `left` reads; nothing where `left` fills it."""
    return turned_shape(inner, columns, rows) if columns < _NARROW else (0, 0)


def product(a: Array, b: Array, turned: Array, y: Array) -> list[Call]:
    """Return the calls of y = a @ b.

    Args:
        a: Shape (rows, inner).
        b: Shape (inner, columns).
        turned: Shape ``kept_shape(inner, columns, rows)`` or ``turned_shape``; `left` reads what is left in
        it. y: Shape (rows, columns).
    """
    if not _loops(a, b):
        return [(product_by_blas, (a, b, y))]
    if b.shape[1] < _NARROW:
        return [(turn, (b, turned)), (product_by_sums, (a, turned, y))]
    return [(product_by_tiles, (a, b, y))]


def left(gy: Array, b: Array, turned: Array, ga: Array) -> list[Call]:
    """Return the calls of ga = gy @ b.T, the gradient of the left factor; after `product`."""
    if not _loops(gy, b):
        return [(left_by_blas, (gy, b, ga))]
    if b.shape[0] < _NARROW:
        return [(product_by_sums, (gy, b, ga))]
    turning: list[Call] = [] if b.shape[1] < _NARROW else [(turn, (b, turned))]
    return [*turning, (product_by_tiles, (gy, turned, ga))]


def right(a: Array, gy: Array, turned: Array, gb: Array) -> list[Call]:
    """Return the calls of gb = a.T @ gy, the gradient of the right factor; after `left`."""
    if not _loops(a, gb):
        return [(right_by_blas, (a, gy, gb))]
    if gb.shape[1] < _NARROW:
        return [(turned_product_by_tiles, (gy, a, turned)), (turn, (turned, gb))]
    return [(turned_product_by_tiles, (a, gy, gb))]
