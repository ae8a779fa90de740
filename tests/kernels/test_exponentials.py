"""The vectorised exponentials: within one unit in the last place of the exact value, special values too."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

from streamfit._base.specs import Array
from streamfit.kernels import JIT_ENABLED, kernel
from streamfit.kernels import exponentials as ours


@kernel
def exp_all(x: Array, y: Array) -> None:
    """Apply exp."""
    for i in range(x.shape[0]):
        y[i] = ours.exp(x[i])


@kernel
def expm1_all(x: Array, y: Array) -> None:
    """Apply expm1."""
    for i in range(x.shape[0]):
        y[i] = ours.expm1(x[i])


@kernel
def log_all(x: Array, y: Array) -> None:
    """Apply log."""
    for i in range(x.shape[0]):
        y[i] = ours.log(x[i])


@kernel
def log1p_all(x: Array, y: Array) -> None:
    """Apply log1p."""
    for i in range(x.shape[0]):
        y[i] = ours.log1p(x[i])


@kernel
def tanh_all(x: Array, y: Array) -> None:
    """Apply tanh."""
    for i in range(x.shape[0]):
        y[i] = ours.tanh(x[i])


@kernel
def sigmoid_all(x: Array, y: Array) -> None:
    """Apply sigmoid."""
    for i in range(x.shape[0]):
        y[i] = ours.sigmoid(x[i])


@kernel
def softplus_all(x: Array, y: Array) -> None:
    """Apply softplus."""
    for i in range(x.shape[0]):
        y[i] = ours.softplus(x[i])


def exact_sigmoid(x: Array) -> Array:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def exact_softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


PAIRS = [
    (exp_all, np.exp),
    (expm1_all, np.expm1),
    (log_all, np.log),
    (log1p_all, np.log1p),
    (tanh_all, np.tanh),
    (sigmoid_all, exact_sigmoid),
    (softplus_all, exact_softplus),
]
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-45,
    1e-38,
    1e38,
    -1e38,
    88.7,
    88.8,
    -87.4,
    -103.9,
    -104.0,
]
NAMES = [exact.__name__ for _, exact in PAIRS]


def numbers(dtype: str) -> Array:
    """Return special values, every exponent of float32, and what lies where models compute."""
    rng = np.random.default_rng(0)
    n = 20_000 if JIT_ENABLED else 300
    bits = rng.integers(0, 1 << 32, n, dtype=np.uint64).astype(np.uint32).view("float32")
    small = np.exp(rng.uniform(-40, 0, n)) * rng.choice([-1, 1], n)
    parts = [
        np.array(SPECIAL),
        bits,
        small,
        rng.normal(0, 3, n),
        rng.uniform(-104, 89, n),
        rng.uniform(0.5, 2, n),
    ]
    with np.errstate(all="ignore"):  # some bits are signalling NaNs
        return np.concatenate([part.astype(dtype) for part in parts])


@pytest.mark.parametrize(("function", "exact"), PAIRS, ids=NAMES)
def test_float32_is_within_one_unit_in_the_last_place(function: Any, exact: Callable[[Array], Array]) -> None:
    x = numbers("float32")
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        function(x, y)
        wanted = exact(x.astype("float64")).astype("float32")
    np.testing.assert_array_equal(np.isnan(y), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(wanted))
    finite = np.isfinite(wanted)
    apart = np.abs(ordered(y[finite]) - ordered(wanted[finite]))
    assert apart.max() <= 1
    assert np.mean(apart != 0) < 0.002


def ordered(x: Array) -> Array:
    """Number the floats in order, so that neighbours are 1 apart."""
    bits = x.view(np.int32).astype(np.int64)
    return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))


@pytest.mark.parametrize(("function", "exact"), PAIRS, ids=NAMES)
def test_float64_is_that_of_the_library(function: Any, exact: Callable[[Array], Array]) -> None:
    x = numbers("float64")
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        function(x, y)
        wanted = exact(x)
    np.testing.assert_allclose(y, wanted, rtol=1e-13, atol=0)


@pytest.mark.jit
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86 machine code")
@pytest.mark.parametrize("function", [pair[0] for pair in PAIRS], ids=NAMES)
def test_the_loops_become_vector_code(function: Any) -> None:
    fresh = numba.njit(error_model="numpy")(function.py_func)  # of what comes from disk there is no listing
    x = np.ones(8, "float32")
    fresh(x, x.copy())
    (code,) = fresh.inspect_asm().values()
    assert "mulpd" in code  # packed float64; single ones are mulsd
