"""The kernels that several packages share."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit.kernels.matrix import add_into, copy_into, fill_zero


@pytest.mark.parametrize("n", [0, 1, 7, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_filling(dtype: str, n: int) -> None:
    out = np.ones(n, dtype)
    fill_zero(out)
    np.testing.assert_array_equal(out, np.zeros(n, dtype))


@pytest.mark.parametrize("source", ["float32", "float64", "int64", "bool", "uint8"])
@pytest.mark.parametrize("target", ["float32", "float64", "int64"])
def test_copying_converts(source: str, target: str) -> None:
    x = np.array([0, 1, 1, 0, 1], source)
    out = np.full(5, 9, target)
    copy_into(x, out)
    np.testing.assert_array_equal(out, x.astype(target))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adding(dtype: str) -> None:
    x, out = np.arange(33, dtype=dtype), np.ones(33, dtype)
    add_into(x, out)
    np.testing.assert_array_equal(out, x + 1)
