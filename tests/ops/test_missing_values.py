"""NaN and infinity pass through operations as arithmetic says, and never become ordinary numbers."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import ops

NAN, INF = np.nan, np.inf

KEEP_NAN = [
    *(
        "negative",
        "abs",
        "sign",
        "square",
        "sqrt",
        "floor",
        "round",
        "sin",
        "cos",
        "exp",
        "expm1",
        "log",
        "log1p",
    ),
    *(
        "tanh",
        "sigmoid",
        "softplus",
        "log_sigmoid",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
    ),
    *("softsign", "hard_sigmoid", "stop_gradient"),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 37])  # 37 fills vectors and leaves a remainder
@pytest.mark.parametrize("name", KEEP_NAN)
def test_a_nan_stays_a_nan_and_harms_no_neighbour(name: str, length: int, dtype: str) -> None:
    x = np.full(length, 0.5, dtype)
    x[length // 2] = NAN
    y = getattr(ops, name)(x)
    assert np.flatnonzero(np.isnan(y)).tolist() == [length // 2]


@pytest.mark.parametrize("pair", [(NAN, 1.0), (2.0, NAN), (NAN, NAN)])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"])
def test_a_nan_in_a_pair_gives_a_nan(name: str, pair: tuple[float, float]) -> None:
    a, b = (np.full(19, value, "float32") for value in pair)
    assert np.isnan(getattr(ops, name)(a, b)).all()
    assert np.isnan(getattr(ops, name)(a, b[:1])).all()


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std"])
def test_a_nan_in_a_reduction_gives_a_nan_in_its_row_only(name: str, axis: int | None) -> None:
    x = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    x[2, 3] = NAN
    y = getattr(ops, name)(x, axis=axis)
    wanted = np.zeros(y.shape, bool)
    wanted[{0: 3, 1: 2, None: ()}[axis]] = True
    np.testing.assert_array_equal(np.isnan(y), wanted)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_argmax_and_argmin_find_the_first_nan(name: str) -> None:
    x = np.array([[5.0, NAN, -9.0, NAN, 9.0], [NAN, 1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(getattr(ops, name)(x, axis=1), [1, 0])
    np.testing.assert_array_equal(getattr(ops, name)(x, axis=1), getattr(np, name)(x, axis=1))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_a_nan_spoils_its_row_of_a_softmax_only(name: str) -> None:
    for place in (0, 2):
        x = np.zeros((3, 3), "float32")
        x[1, place] = NAN
        y = getattr(ops, name)(x).reshape(3, -1)
        assert np.isnan(y[1]).all()
        assert np.isfinite(y[[0, 2]]).all()


def test_comparisons_with_nan_are_false_except_not_equal() -> None:
    x = np.full(9, NAN)
    for name in ("greater", "greater_equal", "less", "less_equal", "equal"):
        assert not getattr(ops, name)(x, x).any()
    assert ops.not_equal(x, x).all()


@pytest.mark.parametrize(
    ("name", "x", "wanted"),
    [
        ("exp", [INF, -INF, 1e9, -1e9], [INF, 0, INF, 0]),
        ("log", [0.0, -1.0, INF], [-INF, NAN, INF]),
        ("sqrt", [-1.0, INF], [NAN, INF]),
        ("tanh", [INF, -INF], [1, -1]),
        ("sigmoid", [INF, -INF, 1e9, -1e9], [1, 0, 1, 0]),
        ("softplus", [INF, -INF, 1e9, -1e9], [INF, 0, 1e9, 0]),
        ("relu", [INF, -INF], [INF, 0]),
        ("sign", [INF, -INF], [1, -1]),
        ("logsumexp", [[-INF, -INF], [INF, 0.0], [-INF, 0.0]], [-INF, INF, 0]),
        ("softmax", [[-INF, 0.0]], [[0, 1]]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinities(name: str, x: list[float], wanted: list[float], dtype: str) -> None:
    np.testing.assert_array_equal(getattr(ops, name)(np.array(x, dtype)), np.array(wanted, dtype))


def test_division_by_zero_raises_nothing() -> None:
    np.testing.assert_array_equal(ops.divide(np.array([1.0, -1.0, 0.0]), 0.0), [INF, -INF, NAN])


@pytest.mark.parametrize("from_logits", [False, True])
def test_crossentropies_keep_nan(from_logits: bool) -> None:
    p = np.array([[0.5, NAN], [0.5, 0.5]], "float32")
    eye = np.eye(2, dtype="float32")
    assert np.isnan(ops.categorical_crossentropy(eye, p, from_logits)).tolist() == [True, False]
    assert np.isnan(ops.sparse_categorical_crossentropy([0, 1], p, from_logits)).tolist() == [True, False]
    assert np.isnan(ops.binary_crossentropy(eye, p, from_logits)).tolist() == [[False, True], [False, False]]
