"""Gradients where finite differences fail: at kinks, ties and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles.gradients import Trace

from streamfit import ops
from streamfit._base.specs import Array


def gradients_of(function: Callable[..., Any], *arrays: Any, **settings: Any) -> list[Array | None]:
    """Differentiate the sum of the outputs."""
    arrays = tuple(np.asarray(a) for a in arrays)
    trace = Trace(lambda *xs: function(*xs, **settings), arrays, 1, [False] * len(arrays))
    outputs = trace.compute()
    return trace.gradients([np.ones_like(output) for output in outputs])[0]


@pytest.mark.parametrize(
    ("name", "slope"),
    [("relu", 0.0), ("abs", 0.0), ("leaky_relu", 0.2), ("elu", 1.0), ("softsign", 1.0)],
)
def test_the_slope_at_zero_is_a_choice_that_holds(name: str, slope: float) -> None:
    (gradient,) = gradients_of(getattr(ops, name), np.zeros(3))
    np.testing.assert_allclose(gradient, slope)


def test_clip_passes_the_gradient_at_its_limits_and_not_beyond() -> None:
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    (gradient,) = gradients_of(lambda v: ops.clip(v, 0, 1), x)
    np.testing.assert_array_equal(gradient, [0, 1, 1, 1, 0])


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_operands_share_the_gradient(name: str) -> None:
    a, b = gradients_of(getattr(ops, name), np.ones(2), np.ones(2))
    np.testing.assert_array_equal(a, [0.5, 0.5])
    np.testing.assert_array_equal(b, [0.5, 0.5])


@pytest.mark.parametrize(("name", "x"), [("max", [1.0, 3.0, 3.0]), ("min", [9.0, 3.0, 3.0])])
def test_equal_extremes_share_the_gradient(name: str, x: list[float]) -> None:
    (gradient,) = gradients_of(getattr(ops, name), x)
    np.testing.assert_array_equal(gradient, [0, 0.5, 0.5])


def test_powers_of_zero_have_finite_gradients() -> None:
    base, exponent = gradients_of(ops.power, np.zeros(2), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(base, [1, 0])
    np.testing.assert_array_equal(exponent, [0, 0])


def test_squares_of_negative_numbers_have_gradients() -> None:
    (gradient,) = gradients_of(lambda x: ops.power(x, 3), np.array([-2.0]))
    np.testing.assert_array_equal(gradient, [12])


def test_one_operand_used_twice_gets_both_gradients() -> None:
    (gradient,) = gradients_of(lambda x: ops.multiply(x, x), np.array([3.0]))
    np.testing.assert_array_equal(gradient, [6])


def test_repeated_indices_add_their_gradients() -> None:
    (gradient, none) = gradients_of(ops.take, np.zeros((3, 2)), np.array([1, 1, 2]))
    np.testing.assert_array_equal(gradient, [[0, 0], [2, 2], [1, 1]])
    assert none is None


def test_limited_probabilities_pass_no_gradient() -> None:
    target, output = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    assert gradients_of(ops.categorical_crossentropy, target, output)[1].tolist() == [[0, 0]]
    assert gradients_of(ops.sparse_categorical_crossentropy, np.array([1]), output)[1].tolist() == [[0, 0]]
    assert gradients_of(ops.binary_crossentropy, target, output)[1].tolist() == [[0, 0]]


def test_ignored_classes_pass_no_gradient() -> None:
    labels, output = np.array([0, -1]), np.array([[0.5, 0.5], [0.5, 0.5]])
    for from_logits in (False, True):
        settings = {"from_logits": from_logits, "ignore_class": -1}
        (_, gradient) = gradients_of(ops.sparse_categorical_crossentropy, labels, output, **settings)
        assert gradient[0].any()
        assert not gradient[1].any()


def test_dropout_drops_the_same_places_of_the_gradient() -> None:
    x = np.ones(1000)
    (gradient, _) = gradients_of(lambda v, c: ops.dropout(v, 0.3, c, 5), x, np.array([3, 4]))
    np.testing.assert_array_equal(gradient, ops.dropout(x, 0.3, np.array([3, 4]), 5))


def test_a_cast_through_whole_numbers_stops_the_gradient() -> None:
    (gradient,) = gradients_of(lambda x: ops.cast(ops.cast(x, "int64"), "float64"), np.ones(2))
    assert gradient is None or not gradient.any()


def test_a_cast_between_floats_passes_the_gradient() -> None:
    (gradient,) = gradients_of(lambda x: ops.cast(x, "float64"), np.ones(2, "float32"))
    assert gradient.dtype == np.float32
    np.testing.assert_array_equal(gradient, [1, 1])
