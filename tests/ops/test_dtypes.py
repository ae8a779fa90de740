"""The common dtype of operands, eager and symbolic alike, and the exactness of sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import ops
from streamfit._base.config import set_floatx
from streamfit._base.specs import Spec
from streamfit.ops import Constant, Tensor

F32, F64, I32, I64, BOOL = (np.ones(3, name) for name in ("float32", "float64", "int32", "int64", "bool"))

MEETINGS = [
    (F32, 0.1, "float32"),
    (F32, 2, "float32"),
    (F32, True, "float32"),
    (F32, np.float64(0.1), "float32"),
    (F32, Constant(np.array(0.1)), "float32"),
    (F32, F64, "float64"),
    (F32, I64, "float32"),
    (F32, BOOL, "float32"),
    (F64, I32, "float64"),
    (I32, I64, "int64"),
    (I32, 2, "int32"),
    (I64, 0.5, "float32"),
    (BOOL, 2, "int64"),
    (BOOL, 0.5, "float32"),
    (BOOL, I32, "int32"),
    (1, 2, "int64"),
    (1, 2.0, "float32"),
    ([1, 2, 3], F64, "float64"),
]


def symbol(value: Any) -> Any:
    return Tensor(Spec(value.shape, value.dtype)) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(("a", "b", "dtype"), MEETINGS)
def test_operands_are_promoted_to_one_dtype(a: Any, b: Any, dtype: str) -> None:
    for left, right in ((a, b), (b, a)):
        assert ops.add(left, right).dtype == dtype
        assert ops.add(symbol(left), symbol(right)).dtype == dtype


def test_whole_numbers_divide_to_floats() -> None:
    np.testing.assert_array_equal(ops.divide(np.array([1, 2]), 4), np.array([0.25, 0.5], "float32"))


def test_numbers_become_floatx() -> None:
    set_floatx("float64")
    assert ops.exp(1).dtype == np.float64
    assert ops.mean(I64).dtype == np.float64
    assert ops.one_hot([1], 2).dtype == np.float64


@pytest.mark.parametrize("name", ["negative", "abs", "square", "sign", "relu"])
def test_whole_numbers_stay_whole_where_they_can(name: str) -> None:
    x = np.array([-3, 0, 2], "int32")
    y = getattr(ops, name)(x)
    assert y.dtype == np.int32
    wanted = {
        "negative": [3, 0, -2],
        "abs": [3, 0, 2],
        "square": [9, 0, 4],
        "sign": [-1, 0, 1],
        "relu": [0, 0, 2],
    }
    assert y.tolist() == wanted[name]


def test_limits_between_whole_numbers_turn_whole_numbers_into_floats() -> None:
    assert ops.clip(np.array([0, 3]), 0.5, 2.5).tolist() == [0.5, 2.5]
    assert ops.clip(np.array([0, 3]), 1, 2).dtype == np.int64


@pytest.mark.parametrize("dtype", ["float16", "complex64", "U1", "datetime64[s]"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match=r"float32|numeric"):
        ops.add(np.zeros(2, dtype), np.zeros(2, dtype))


@pytest.mark.jit
def test_long_sums_of_float32_do_not_drift() -> None:
    x = np.full(2_000_000, 0.1, "float32")
    exact = 2_000_000 * float(np.float32(0.1))
    assert abs(float(ops.sum(x)) - exact) < 0.05
    assert abs(float(ops.sum(x.reshape(-1, 2), axis=0)[0]) - exact / 2) < 0.05
    assert float(ops.mean(x)) == np.float32(0.1)


def test_sums_of_whole_numbers_are_exact() -> None:
    x = np.array([2**53, 1, 1, 1])
    assert int(ops.sum(x)) == 2**53 + 3
    assert ops.sum(np.array([True, True])).dtype == np.int64


def test_booleans_reduce() -> None:
    x = np.array([[True, False], [True, True]])
    assert ops.max(x, axis=1).tolist() == [True, True]
    assert ops.min(x, axis=1).tolist() == [False, True]
    assert ops.mean(x, axis=1).tolist() == [0.5, 1.0]


def test_casts() -> None:
    assert ops.cast([-1.7, 1.7], "int32").tolist() == [-1, 1]
    assert ops.cast([0.0, 0.3, np.nan], "bool").tolist() == [False, True, True]
    x = np.ones(2, "float32")
    assert np.shares_memory(ops.cast(x, "float32"), x)


def test_read_only_and_strided_arrays_are_fine() -> None:
    x = np.arange(12.0).reshape(3, 4)[:, ::2]
    x.flags.writeable = False
    np.testing.assert_array_equal(ops.add(x, x), 2 * x)
    np.testing.assert_array_equal(ops.sum(x, axis=0), x.sum(0))
