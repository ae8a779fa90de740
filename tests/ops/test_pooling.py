"""Pooling beyond the table: drawn shapes, ties, missing values, gradients, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import ops as twins
from oracles.gradients import Trace, finite_differences

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.ops import Tensor
from streamfit.ops.operation import workspace_from

POOLS = ["max_pool", "average_pool"]


@st.composite
def arguments(draw: st.DrawFn, dtype: str | None = None) -> tuple[Array, dict[str, Any]]:
    """Draw inputs without two equal numbers, and settings."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rank = draw(st.integers(1, 3))
    lengths = tuple(draw(st.integers(1, 6)) for _ in range(rank))
    options = {
        "pool_size": tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        "strides": draw(st.sampled_from([None, 1, 2, 3])),
        "padding": draw(st.sampled_from(["valid", "same"])),
    }
    fits = all(n >= k for n, k in zip(lengths, options["pool_size"], strict=True))
    assume(options["padding"] == "same" or fits)
    shape = (draw(st.integers(1, 3)), *lengths, draw(st.sampled_from([1, 3, 18])))
    numbers = rng.permutation(int(np.prod(shape))).reshape(shape) / np.prod(shape) * 4 - 2
    return numbers.astype(dtype or draw(st.sampled_from(["float32", "float64"]))), options


@pytest.mark.parametrize("name", POOLS)
@given(arguments())
def test_values_are_those_of_the_plain_twin(name: str, drawn: tuple[Array, dict[str, Any]]) -> None:
    x, options = drawn
    with workspace_from(lambda shape, dtype: np.full(tuple(shape), np.nan, dtype)):
        found = getattr(ops, name)(x, **options)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, getattr(twins, name)(x, **options), rtol=1e-6)


@pytest.mark.parametrize("name", POOLS)
@given(arguments("float64"), st.integers(0, 2**32))
@settings(max_examples=40)
def test_gradients_are_those_of_finite_differences(
    name: str, drawn: tuple[Array, dict[str, Any]], seed: int
) -> None:
    x, options = drawn
    rng = np.random.default_rng(seed)
    trace = Trace(getattr(ops, name), [x], len(x), [True], **options)
    (y,) = trace.compute()
    weights = [rng.normal(size=y.shape)]
    (found,) = trace.gradients(weights)[0]
    assert found is not None
    places = rng.permutation(x.size)[:10]
    wanted = finite_differences(getattr(twins, name), [x], 0, weights, places, **options)
    np.testing.assert_allclose(found.ravel()[places], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [2, 300])
def test_the_first_of_equal_elements_gets_the_gradient(size: int) -> None:
    """Windows of up to 256 elements keep the place in a byte, larger ones in four."""
    x = np.zeros((1, size, 1))
    x[0, size // 2 :] = 7.0
    trace = Trace(ops.max_pool, [x, size], 1, [True])
    assert trace.compute()[0].tolist() == [[[7.0]]]
    (gradient,) = trace.gradients([np.full((1, 1, 1), 3.0)])[0]
    assert gradient is not None
    assert np.flatnonzero(gradient).tolist() == [size // 2]
    assert gradient[0, size // 2, 0] == 3.0


def test_a_missing_value_is_the_largest() -> None:
    x = np.array([1.0, np.nan, 5.0, np.nan, 2.0, 3.0]).reshape(1, 6, 1)
    trace = Trace(ops.max_pool, [x, 2], 1, [True])
    np.testing.assert_array_equal(trace.compute()[0].ravel(), [np.nan, np.nan, 3.0])
    (gradient,) = trace.gradients([np.ones((1, 3, 1))])[0]
    assert gradient is not None
    assert gradient.ravel().tolist() == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]


def test_padding_is_smaller_than_everything_and_counts_in_no_mean() -> None:
    x = np.full((1, 3, 3, 1), -5.0)
    assert np.unique(ops.max_pool(x, 2, padding="same")).tolist() == [-5.0]
    assert np.unique(ops.average_pool(x, 2, padding="same")).tolist() == [-5.0]
    infinite = np.full((1, 3, 1), -np.inf)
    assert ops.max_pool(infinite, 2, padding="same").ravel().tolist() == [-np.inf] * 2


def test_whole_numbers_stay_whole_where_the_largest_is_taken() -> None:
    x = np.arange(8, dtype="uint8").reshape(1, 8, 1)
    assert ops.max_pool(x, 4).dtype == np.uint8
    assert ops.max_pool(x, 4).ravel().tolist() == [3, 7]
    assert ops.average_pool(x, 4).dtype == np.float32


def test_means_are_added_up_in_float64() -> None:
    x = np.array([2.0**24, *[1.0] * 3], "float32").reshape(1, 4, 1)
    assert ops.average_pool(x, 4).item() == np.float32((2.0**24 + 3) / 4)


def test_free_axes_stay_free() -> None:
    x = Tensor(Spec((None, None, 9, 3), np.dtype("float32")))
    assert ops.max_pool(x, 2).shape == (None, None, 4, 3)
    assert ops.average_pool(x, (3, 2), 1, "same").shape == (None, None, 9, 3)


X = np.ones((2, 5, 6, 4), "float32")
SHAPE_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: ops.max_pool(np.ones((2, 4)), 2), r"one to three spatial axes .* got \(2, 4\)"),
    (lambda: ops.average_pool(np.ones((1,) * 6), 2), "one to three spatial axes"),
    (lambda: ops.max_pool(X, 6), r"window of 6 does not fit into a height of 5; .* a smaller pool_size"),
    (lambda: ops.average_pool(X[:, :0], 1, padding="same"), "height of 0; use larger inputs"),
]
VALUE_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: ops.max_pool(X, (2, 2, 2)), r"pool_size must be .* got \(2, 2, 2\)"),
    (lambda: ops.max_pool(X, 2, 0), "strides must be"),
    (lambda: ops.average_pool(X, 2, padding="causal"), "padding must be 'valid' or 'same'"),
    (lambda: ops.average_pool(X, 2, data_format="channels_first"), "Transpose the data once"),
]


@pytest.mark.parametrize(("call", "message"), SHAPE_ERRORS)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize(("call", "message"), VALUE_ERRORS)
def test_values_that_make_no_sense_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
