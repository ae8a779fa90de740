"""Penalties: values, gradients, names, descriptions."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from oracles import gradients

from streamfit import ops, regularizers
from streamfit._base.errors import UnknownNameError

W = np.array([[1.0, -2.0], [0.5, 3.0]])
CASES: list[tuple[Any, float, Any]] = [
    (regularizers.L1(0.1), 0.65, 0.1 * np.sign(W)),
    (regularizers.L2(0.1), 1.425, 0.2 * W),
    (regularizers.L1L2(0.1, 0.2), 0.65 + 2.85, 0.1 * np.sign(W) + 0.4 * W),
]
each = pytest.mark.parametrize(("case", "value", "slope"), CASES, ids=lambda v: type(v).__name__)


@each
def test_value_and_gradient(case: Any, value: float, slope: Any) -> None:
    assert float(case(W)) == pytest.approx(value)
    trace = gradients.Trace(case, [W], 1, [False])
    assert trace.outputs[0].shape == ()
    assert float(trace.compute()[0]) == pytest.approx(value)
    found, _ = trace.gradients([np.ones(())])
    np.testing.assert_allclose(found[0], slope)


@each
def test_dtype_of_the_weight_is_kept(case: Any, value: float, slope: Any) -> None:
    assert case(W.astype("float32")).dtype == np.float32


@each
def test_description_makes_an_equal_regularizer(case: Any, value: float, slope: Any) -> None:
    again = regularizers.get({"class_name": type(case).__name__, "config": case.get_config()})
    assert again is not None
    assert float(again(W)) == float(case(W))


def test_names() -> None:
    assert repr(regularizers.get("l1")) == "L1(l1=0.01)"
    assert repr(regularizers.get("L2")) == "L2(l2=0.01)"
    assert repr(regularizers.get("l1_l2")) == "L1L2(l1=0.01, l2=0.01)"
    assert repr(regularizers.get(regularizers.L1L2)) == "L1L2(l1=0.0, l2=0.0)"
    assert regularizers.get(None) is None


def test_function_is_a_regularizer() -> None:
    def small(w: Any) -> Any:
        return ops.sum(w)

    assert regularizers.get(small) is small


@pytest.mark.parametrize("wrong", [-0.1, np.inf, np.nan, "0.1", True])
def test_wrong_factors_are_refused(wrong: Any) -> None:
    for make in (regularizers.L1, regularizers.L2, regularizers.L1L2):
        with pytest.raises(ValueError, match="must be a finite number that is zero or positive"):
            make(wrong)


def test_none_is_the_default_factor() -> None:
    assert regularizers.L1(None).l1 == 0.01


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Unknown regularizer: 'l3'"):
        regularizers.get("l3")
    with pytest.raises(TypeError, match="regularizer must be a name"):
        regularizers.get(0.01)
    with pytest.raises(TypeError, match="Regularizer must define __call__"):
        regularizers.Regularizer()(W)


def test_every_regularizer_has_a_case() -> None:
    public = {getattr(regularizers, name) for name in regularizers.__all__}
    classes = {cls for cls in public if inspect.isclass(cls)} - {regularizers.Regularizer}
    assert classes == {type(case) for case, _, _ in CASES}
