"""The decorator: fast-math flags keep NaN and infinity, and kernels are compiled once and kept."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from streamfit._base.specs import Array
from streamfit.kernels import kernel
from streamfit.kernels.arguments import signature_of
from streamfit.kernels.decorator import JIT_ENABLED, inlined, superword_kernel


@kernel
def classify(x: Array, out: Array) -> None:
    """Write 1 for NaN, 2 for plus infinity, 3 for minus infinity and 0 for other numbers."""
    for i in range(x.shape[0]):
        if x[i] != x[i]:
            out[i] = 1
        elif np.isinf(x[i]):
            out[i] = 2 if x[i] > 0 else 3
        else:
            out[i] = 0


@kernel
def total_of(x: Array, out: Array) -> None:
    """Add up the vector x, which the compiler may do in lanes."""
    total = x.dtype.type(0)
    for i in range(x.shape[0]):
        total += x[i]
    out[0] = total


@kernel
def invert(x: Array, out: Array) -> None:
    """Compute 1 / x without ever raising."""
    for i in range(x.shape[0]):
        out[i] = 1 / x[i]


@inlined
def twice(value: float) -> float:
    """Return a value, as scalar functions may."""
    return value + value


@kernel
def double(x: Array, out: Array) -> None:
    """Call a scalar function of the same file."""
    for i in range(x.shape[0]):
        out[i] = twice(x[i])


@kernel
def wait_for(flag: Array) -> None:
    """Wait for another thread, which can only run if this kernel has released the interpreter lock."""
    flag[1] = 1
    for _ in range(2_000_000_000):
        np.random.random()  # a call the compiler cannot look into, so that it reads the flag each time
        if flag[0] != 0:
            flag[1] = 2
            return


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_keep_their_meaning(dtype: str) -> None:
    x = np.array([0.0, np.nan, np.inf, -np.inf, 1e30] * 5, dtype)
    out = np.zeros(len(x), "int64")
    classify(x, out)
    assert out.tolist() == [0, 1, 2, 3, 0] * 5


@pytest.mark.parametrize(("values", "wanted"), [([1.0, np.nan], np.nan), ([np.inf, 1.0], np.inf)])
def test_sums_in_lanes_keep_nan_and_infinity(values: list[float], wanted: float) -> None:
    out = np.zeros(1)
    for length in (2, 3, 33, 100):
        x = np.ones(length)
        x[-2:] = values
        total_of(x, out)
        np.testing.assert_array_equal(out, [wanted])


def test_infinity_minus_infinity_is_nan() -> None:
    out = np.zeros(1)
    with np.errstate(invalid="ignore"):
        total_of(np.array([np.inf, 1.0, -np.inf, 1.0]), out)
    assert np.isnan(out[0])


def test_division_by_zero_raises_nothing() -> None:
    out = np.zeros(3)
    with np.errstate(divide="ignore"):
        invert(np.array([0.0, 2.0, np.inf]), out)
    assert out.tolist() == [np.inf, 0.5, 0.0]


def test_a_kernel_may_call_a_scalar_function_of_its_file() -> None:
    out = np.zeros(2)
    double(np.array([1.0, 2.5]), out)
    assert out.tolist() == [2, 5]


@pytest.mark.jit
def test_each_combination_of_types_is_compiled_once() -> None:
    out = np.zeros(1)
    total_of(np.ones(3), out)
    before = len(total_of.overloads)
    for n in (1, 5, 1000):
        total_of(np.ones(n), out)
    assert len(total_of.overloads) == before
    total_of(np.ones(3, "float32"), out)
    assert len(total_of.overloads) <= before + 1


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_kernels_let_other_threads_run() -> None:
    flag = np.zeros(2, dtype=np.int64)
    wait_for.compile(signature_of((flag,)))  # type: ignore[attr-defined]
    waiting = threading.Thread(target=wait_for, args=(flag,), daemon=True)
    waiting.start()
    while flag[1] == 0 and waiting.is_alive():
        pass
    flag[0] = 1
    waiting.join(20)
    assert flag[1] == 2


@superword_kernel
def add_pairs(x: Array, out: Array) -> None:
    """Add 1 to two numbers, by statements of which LLVM may make one instruction."""
    for i in range(x.shape[0] // 2):
        one, other = x[2 * i], x[2 * i + 1]
        out[2 * i], out[2 * i + 1] = one + 1, other + 1


def test_superwords_are_a_setting_of_one_kernel() -> None:
    out = np.empty(6)
    add_pairs(np.arange(6.0), out)
    assert out.tolist() == [1, 2, 3, 4, 5, 6]
    if JIT_ENABLED:
        from numba.core import config

        from streamfit.kernels.compiling import superwords

        before = config.SLP_VECTORIZE
        with superwords(True):
            assert config.SLP_VECTORIZE == 1
        with superwords(False):
            assert before == config.SLP_VECTORIZE
        assert before == config.SLP_VECTORIZE
