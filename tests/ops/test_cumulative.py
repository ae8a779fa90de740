"""Cumulative sums beyond the table: dtypes, exactness, free axes, the batch, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import streamfit as sf
from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Spec
from streamfit.ops import Tensor

ONES = np.ones((2, 3), "float32")


@pytest.mark.parametrize(
    ("given", "asked", "wanted"),
    [
        ("float32", None, "float32"),
        ("float64", None, "float64"),
        ("int8", None, "int64"),
        ("bool", None, "int64"),
        ("float32", "float64", "float64"),
        ("bool", "float32", "float32"),
        ("int32", "int64", "int64"),
    ],
)
def test_dtypes(given: str, asked: str | None, wanted: str) -> None:
    x = np.array([[100, 100, 0], [0, 100, 1]]).astype(given)
    found = ops.cumsum(x, 1, asked)
    assert found.dtype == wanted
    np.testing.assert_array_equal(found, np.cumsum(x, 1, dtype=wanted))
    assert ops.cumsum(Tensor(Spec((None, 3), x.dtype)), 1, asked).dtype == wanted


def test_sums_of_float32_are_rounded_once() -> None:
    x = np.random.default_rng(0).normal(1e4, 1.0, 4000).astype("float32")
    np.testing.assert_array_equal(ops.cumsum(x), np.cumsum(x, dtype="float64").astype("float32"))
    two = np.stack([x, -x], axis=1)
    np.testing.assert_array_equal(ops.cumsum(two, 0), np.cumsum(two, 0, dtype="float64").astype("float32"))
    assert np.cumsum(x)[-1] != ops.cumsum(x)[-1]  # NumPy adds up in float32


def test_whole_numbers_are_exact() -> None:
    assert ops.cumsum(np.array([2**53, 1, 1])).tolist() == [2**53, 2**53 + 1, 2**53 + 2]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (2, 0, 3)])
def test_empty_axes(shape: tuple[int, ...]) -> None:
    for axis in range(len(shape)):
        assert ops.cumsum(np.ones(shape), axis).shape == shape
    assert ops.cumsum(np.ones(shape)).shape == (0,)


def test_numbers_alone_become_a_vector() -> None:
    assert ops.cumsum(2.5).tolist() == [2.5]


def test_what_is_not_finite_stays_so_from_its_place_on() -> None:
    np.testing.assert_array_equal(
        ops.cumsum(np.array([[1.0, np.nan, 2.0], [np.inf, 1.0, -np.inf]]), 1),
        [[1.0, np.nan, np.nan], [np.inf, np.inf, np.nan]],
    )


def test_means_of_the_steps_so_far_train_on_any_length() -> None:
    x = sf.Input((None, 2), dtype="float64")
    counts = ops.cumsum(ops.ones_like(x), 1)
    model = sf.Model(x, sf.layers.Dense(1, dtype="float64")(ops.cumsum(x, 1) / counts))
    model.compile("sgd", "mse")
    for n, steps in ((3, 4), (2, 1), (5, 7)):
        data = np.random.default_rng(steps).normal(size=(n, steps, 2))
        kernel, bias = model.get_weights()
        means = np.cumsum(data, 1) / np.arange(1, steps + 1)[:, None]
        wanted = means @ kernel + bias
        np.testing.assert_allclose(model.predict(data, verbose=0), wanted, rtol=1e-12, atol=1e-12)
        model.train_on_batch(data, np.zeros((n, steps, 1)))
        slope = 2 * np.einsum("btf,bto->fo", means, wanted) / (n * steps)
        np.testing.assert_allclose(model.get_weights()[0], kernel - 0.01 * slope, rtol=1e-6)


def test_a_batch_is_added_up_along_its_samples() -> None:
    x = sf.Input((2,), dtype="float64")
    data = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(sf.Model(x, ops.cumsum(x, 0)).predict(data), np.cumsum(data, 0))
    one = sf.Input((), dtype="float64")
    np.testing.assert_array_equal(sf.Model(one, ops.cumsum(one)).predict(data[:, 0]), [0.0, 2.0, 6.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.cumsum(ONES, 2), ValueError, r"cumsum has no axis 2 .* 2 axes"),
        (lambda: ops.cumsum(ONES, 0.5), TypeError, "0.5"),
        (lambda: ops.cumsum(ONES, 0, "int32"), TypeError, r"got dtype int32; convert the result"),
        (
            lambda: ops.cumsum(ONES, 0, "int64"),
            TypeError,
            r"drop the fractions of float32 .*; .* ops\.cumsum\(ops\.cast",
        ),
        (lambda: ops.cumsum(sf.Input((3,))), ShapeError, r"join the samples .*\(None, 3\); give an axis"),
    ],
)
def test_wrong_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
