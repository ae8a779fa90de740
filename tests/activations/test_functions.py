"""Every activation against its formula, its gradient against finite differences, and its name."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gradients

from streamfit import activations
from streamfit._base.errors import UnknownNameError


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


FORMULAS: dict[str, Any] = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "gelu": gelu,
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0.0), 1.0),
    "log_sigmoid": lambda x: math.log(sigmoid(x)),
    "tanh": math.tanh,
    "hard_tanh": lambda x: min(max(x, -1.0), 1.0),
    "tanh_shrink": lambda x: x - math.tanh(x),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "silu": lambda x: x * sigmoid(x),
    "hard_silu": lambda x: x * min(max(x / 6 + 0.5, 0.0), 1.0),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "exponential": math.exp,
}
OVER_ROWS = ("softmax", "log_softmax")
ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
X = np.random.default_rng(0).normal(scale=4.0, size=(5, 3))


@pytest.mark.parametrize("name", FORMULAS)
@given(x=st.floats(-20, 20))
@settings(max_examples=25)
def test_values_are_those_of_the_formula(name: str, x: float) -> None:
    found = activations.get(name)(np.array([[x]]))
    assert found[0, 0] == pytest.approx(FORMULAS[name](x), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", [*FORMULAS, *OVER_ROWS])
def test_gradients(name: str) -> None:
    function = activations.get(name)
    if name == "linear":
        assert function(X) is X
        return
    trace = gradients.Trace(function, [X], 5, [True])
    np.testing.assert_array_equal(trace.compute()[0], function(X))
    weights = np.random.default_rng(1).normal(size=X.shape)
    slopes, _ = trace.gradients([weights])
    steep = gradients.finite_differences(function, [X], 0, [weights], range(X.size))
    assert slopes[0] is not None
    np.testing.assert_allclose(slopes[0].ravel(), steep, rtol=1e-4, atol=1e-6)


def test_softmax_over_any_axis() -> None:
    powers = np.exp(X - X.max())
    np.testing.assert_allclose(activations.softmax(X), powers / powers.sum(-1, keepdims=True))
    np.testing.assert_allclose(activations.softmax(X, axis=0), powers / powers.sum(0))
    np.testing.assert_allclose(activations.log_softmax(X, axis=0), np.log(powers / powers.sum(0)))


def test_relu_with_all_its_arguments() -> None:
    wanted = [[3.0 if x >= 3 else x if x >= 1 else 0.1 * (x - 1) for x in row] for row in X]
    np.testing.assert_allclose(activations.relu(X, 0.1, 3.0, 1.0), wanted)
    np.testing.assert_allclose(activations.relu(X, 0.1), np.where(X > 0, X, 0.1 * X))


def test_settings_of_the_others() -> None:
    np.testing.assert_allclose(activations.leaky_relu(X, 0.5), np.where(X > 0, X, 0.5 * X))
    np.testing.assert_allclose(activations.elu(X, 2.0), np.where(X > 0, X, 2.0 * np.expm1(np.minimum(X, 0))))
    near = activations.gelu(X, approximate=True)
    np.testing.assert_allclose(near, activations.gelu(X), atol=1e-3)
    assert (near != activations.gelu(X)).any()


def test_every_activation_has_a_formula() -> None:
    functions = {n for n in activations.__all__ if n not in {"Activation", "get", "name_of", "names"}}
    assert functions == set(FORMULAS) | set(OVER_ROWS) | set(ALIASES)
    assert set(activations.names()) == functions
    assert all(inspect.isfunction(getattr(activations, name)) for name in functions)


@pytest.mark.parametrize("name", [*FORMULAS, *OVER_ROWS, *ALIASES])
def test_names_go_both_ways(name: str) -> None:
    function = activations.get(name)
    assert function is getattr(activations, name)
    assert activations.name_of(function) == ALIASES.get(name, name)
    assert activations.get(name.replace("_", "").upper()) is function


def test_other_identifiers() -> None:
    def mine(x: Any) -> Any:
        return x

    assert activations.get(None) is activations.linear
    assert activations.get(mine) is mine
    assert activations.name_of(mine) == "mine"


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown activation: 'rleu'\. Did you mean 'relu'\?"):
        activations.get("rleu")
    with pytest.raises(TypeError, match="activation must be a name"):
        activations.get(3)
