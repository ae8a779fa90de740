"""Constraints: values against NumPy, names, descriptions, wrong arguments, tracing."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from oracles import constraints as reference

from streamfit import constraints, ops
from streamfit._base.errors import ShapeError, UnknownNameError
from streamfit._base.specs import Spec

AXES = st.one_of(
    st.none(),
    st.integers(-3, 2),
    st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3, unique=True),
    st.sampled_from([(0, 2), (-1, 0), [2, 0], (1,), np.array([0, 1])]),
)
NORMS: list[tuple[Any, Any, Any]] = [
    (lambda axis: constraints.MaxNorm(1.5, axis), reference.max_norm(1.5), "max_norm"),
    (lambda axis: constraints.MaxNorm(0.0, axis), reference.max_norm(0.0), "max_norm-0"),
    (lambda axis: constraints.UnitNorm(axis), reference.unit_norm(), "unit_norm"),
    (
        lambda axis: constraints.MinMaxNorm(0.5, 2.0, axis=axis),
        reference.min_max_norm(0.5, 2.0, 1.0),
        "min_max_norm",
    ),
    (
        lambda axis: constraints.MinMaxNorm(0.5, 2.0, 0.25, axis),
        reference.min_max_norm(0.5, 2.0, 0.25),
        "min_max_norm-rate",
    ),
]
each_norm = pytest.mark.parametrize(("make", "change"), [n[:2] for n in NORMS], ids=[n[2] for n in NORMS])
CASES = [
    constraints.MaxNorm(3.0, [0, 1]),
    constraints.UnitNorm(1),
    constraints.MinMaxNorm(0.5, 1.5, 0.5, None),
    constraints.NonNeg(),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: type(case).__name__)
W = np.random.default_rng(0).normal(size=(3, 4, 2))


def weights(dtype: str) -> st.SearchStrategy[Any]:
    numbers = st.one_of(st.floats(-10, 10, width=32), st.just(0.0))
    shapes = arrays.array_shapes(min_dims=3, max_dims=3, max_side=4)
    return arrays.arrays(dtype, shapes, elements=numbers)


@each_norm
@given(w=weights("float64"), axis=AXES)
@settings(max_examples=40)
def test_norms_are_those_of_numpy(make: Any, change: Any, w: Any, axis: Any) -> None:
    plain = axis.tolist() if isinstance(axis, np.ndarray) else axis
    expected = reference.by_vectors(w, plain, change)
    np.testing.assert_allclose(make(axis)(w), expected, rtol=1e-12, atol=1e-12)


@each_norm
def test_float32_stays_float32_and_is_rounded_once(make: Any, change: Any) -> None:
    w = W.astype("float32")
    found = make([0, 1])(w)
    assert found.dtype == np.float32
    exact = reference.by_vectors(w.astype("float64"), [0, 1], change)
    np.testing.assert_array_max_ulp(found, exact.astype("float32"), 1)


@each_norm
def test_vectors_of_zeros_stay_and_those_with_nan_become_nan(make: Any, change: Any) -> None:
    w = np.ones((3, 3))
    w[:, 0], w[1, 1] = 0.0, np.nan
    found = make(0)(w)
    assert (found[:, 0] == 0).all()
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[:, 2], change(np.ones(3)))


def test_norms_of_large_and_of_tiny_numbers_neither_overflow_nor_vanish() -> None:
    w = np.full((4, 1), 1e30, "float32")
    np.testing.assert_allclose(constraints.UnitNorm()(w), np.full((4, 1), 0.5), rtol=1e-6)
    tiny = np.full((4, 1), 1e-30, "float32")
    np.testing.assert_allclose(constraints.MaxNorm(1.0)(tiny), tiny * (2e-30 / 1e-7), atol=1e-45)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_negative_weights_become_zero_and_nan_stays(dtype: str) -> None:
    found = constraints.NonNeg()(np.array([-1.0, 0.0, 2.0, np.nan, -np.inf, np.inf], dtype))
    np.testing.assert_array_equal(found, [0.0, 0.0, 2.0, np.nan, 0.0, np.inf])
    assert found.dtype == dtype


def test_base_changes_nothing() -> None:
    np.testing.assert_array_equal(constraints.Constraint()(W), W)


@each
def test_description_makes_an_equal_constraint(case: Any) -> None:
    again = constraints.get({"class_name": type(case).__name__, "config": case.get_config()})
    assert repr(again) == repr(case)
    assert again is not None
    np.testing.assert_array_equal(again(W), case(W))


def test_names_and_the_defaults_of_keras() -> None:
    assert repr(constraints.get("max_norm")) == "MaxNorm(max_value=2.0, axis=0)"
    assert repr(constraints.get("MaxNorm")) == "MaxNorm(max_value=2.0, axis=0)"
    assert repr(constraints.get("unit_norm")) == "UnitNorm(axis=0)"
    assert repr(constraints.get("MinMaxNorm")) == "MinMaxNorm(min_value=0.0, max_value=1.0, rate=1.0, axis=0)"
    assert repr(constraints.get("non_neg")) == "NonNeg()"
    assert repr(constraints.get(constraints.NonNeg)) == "NonNeg()"
    assert constraints.max_norm is constraints.MaxNorm
    assert constraints.get(None) is None
    assert constraints.MaxNorm(2, (np.int64(0), 1)).get_config() == {"max_value": 2.0, "axis": [0, 1]}


def test_function_is_a_constraint() -> None:
    def half(w: Any) -> Any:
        return w * 0.5

    assert constraints.get(half) is half


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: constraints.MaxNorm(-1), ValueError, "max_value must be a number that is zero or positive"),
        (lambda: constraints.MaxNorm(np.nan), ValueError, "zero or positive, got nan"),
        (lambda: constraints.MaxNorm("2"), ValueError, "zero or positive, got '2'"),
        (lambda: constraints.MinMaxNorm(2.0, 1.0), ValueError, "max_value 1.0 is less than min_value 2.0"),
        (lambda: constraints.MinMaxNorm(rate=1.5), ValueError, r"rate must be a number in \[0, 1\], got 1.5"),
        (
            lambda: constraints.UnitNorm(0.5),
            TypeError,
            "axis must be a whole number, a list",
        ),
        (lambda: constraints.UnitNorm(["0"]), TypeError, "axis must be a whole number"),
        (lambda: constraints.UnitNorm([]), ValueError, "axis must name at least one axis"),
        (lambda: constraints.get("max_nrom"), UnknownNameError, "Did you mean 'max_norm'"),
        (lambda: constraints.get(2.0), TypeError, "constraint must be a name, an instance"),
        (lambda: constraints.UnitNorm(3)(W), ValueError, "UnitNorm has no axis 3 in an array of 3 axes"),
        (lambda: constraints.UnitNorm([0, -3])(W), ValueError, "UnitNorm names an axis twice"),
        (lambda: constraints.norms.NormConstraint()(W), TypeError, "NormConstraint must define _limits"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_constraint_cannot_be_differentiated() -> None:
    with pytest.raises(TypeError, match="ScaleToNorm cannot be differentiated"):
        constraints.ScaleToNorm(0, 1, (0.0, 1.0, 1.0)).backward([], [], [], [], [])


def of_numpy(w: Any) -> Any:
    return np.clip(w, 0.0, 1.0)


def of_other_numbers(w: Any) -> Any:
    return np.ones((3, 4, 2))


def of_its_values(w: Any) -> Any:
    return w.numpy().clip(0, 1)


@pytest.mark.parametrize(
    ("constraint", "error", "message"),
    [
        (of_numpy, TypeError, r"'of_numpy' of weight 'k' cannot be traced .*NumPy cannot compute"),
        (of_other_numbers, TypeError, "returned a ndarray, not a tensor made of the weight"),
        (of_its_values, TypeError, r"cannot be traced .*ops.clip\(w, 0.0, 1.0\) for np.clip\(w, 0, 1\)"),
        (
            lambda w: ops.sum(w),
            ShapeError,
            r"must keep its shape \(3, 4, 2\) and dtype float64, got shape \(\)",
        ),
        (lambda w: ops.cast(w, "float32"), ShapeError, "got shape .* and dtype float32"),
    ],
)
def test_what_cannot_be_traced_is_refused(constraint: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        constraints.traced(constraint, Spec.of(W), "k")


def test_every_constraint_has_a_case() -> None:
    public = {getattr(constraints, name) for name in constraints.__all__}
    classes = {c for c in public if inspect.isclass(c) and issubclass(c, constraints.Constraint)}
    assert classes - {constraints.Constraint} == {type(case) for case in CASES}
