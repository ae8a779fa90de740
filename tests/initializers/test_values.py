"""Values of initializers: constants exactly, distributions by their moments and limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import initializers
from streamfit.initializers.scaling import fans

BIG = (300, 200)  # 60,000 draws: a standard deviation is known to 0.3 %


def test_constants() -> None:
    assert initializers.Zeros()((2,)).tolist() == [0.0, 0.0]
    assert initializers.Ones()(()).tolist() == 1.0
    assert initializers.Constant([[1, 2]])((1, 2)).tolist() == [[1.0, 2.0]]
    assert initializers.Identity(3.0)((2, 3)).tolist() == [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]]


def test_constants_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Constant holds values of shape \(2,\), the weight has shape \(3,\)"
    ):
        initializers.Constant([1.0, 2.0])((3,))
    with pytest.raises(ValueError, match=r"Identity makes matrices, the weight has shape \(3,\)"):
        initializers.Identity()((3,))


def test_uniform_draws_fill_their_range() -> None:
    values = initializers.RandomUniform(-1.0, 3.0, seed=1)(BIG, "float64")
    assert values.min() == pytest.approx(-1.0, abs=0.01)
    assert values.max() == pytest.approx(3.0, abs=0.01)
    assert values.mean() == pytest.approx(1.0, abs=0.02)


def test_normal_draws_have_their_moments() -> None:
    values = initializers.RandomNormal(1.0, 2.0, seed=1)(BIG, "float64")
    assert values.mean() == pytest.approx(1.0, abs=0.04)
    assert values.std() == pytest.approx(2.0, rel=0.02)


def test_truncated_draws_are_within_two_deviations() -> None:
    values = initializers.TruncatedNormal(1.0, 2.0, seed=1)(BIG, "float64")
    assert np.abs(values - 1.0).max() <= 4.0
    assert np.abs(values - 1.0).max() > 3.9
    assert values.std() == pytest.approx(2.0 * 0.8796, rel=0.02)


# Name, variance times fan_in + fan_out, or fan_in: from the papers.
SCALED: list[tuple[Any, float]] = [
    (initializers.GlorotUniform, 2 / (300 + 200)),
    (initializers.GlorotNormal, 2 / (300 + 200)),
    (initializers.HeUniform, 2 / 300),
    (initializers.HeNormal, 2 / 300),
    (initializers.LecunUniform, 1 / 300),
    (initializers.LecunNormal, 1 / 300),
]


@pytest.mark.parametrize(("cls", "variance"), SCALED)
def test_variance_is_that_of_the_paper(cls: Any, variance: float) -> None:
    values = cls(seed=1)(BIG, "float64")
    assert values.var() == pytest.approx(variance, rel=0.03)
    limit = (3 * variance) ** 0.5 if "Uniform" in cls.__name__ else 2 * variance**0.5 / 0.8796
    assert 0.99 * limit < np.abs(values).max() <= limit * 1.0001


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling(mode: str, distribution: str) -> None:
    n = {"fan_in": 300, "fan_out": 200, "fan_avg": 250}[mode]
    values = initializers.VarianceScaling(3.0, mode, distribution, seed=1)(BIG, "float64")
    assert values.var() == pytest.approx(3.0 / n, rel=0.03)


def test_fans_of_convolution_kernels() -> None:
    assert fans((3, 3, 4, 8)) == (36, 72)
    assert fans((5,)) == (5, 5)
    assert fans(()) == (1, 1)


@given(shape=st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple))
@settings(max_examples=30)
def test_shorter_side_of_an_orthogonal_matrix_is_orthonormal(shape: tuple[int, ...]) -> None:
    matrix = initializers.Orthogonal(2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    product = matrix @ matrix.T if len(matrix) < shape[-1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4.0 * np.eye(len(product)), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.RandomUniform(1.0, 0.0), r"got minval=1\.0 and maxval=0\.0"),
        (lambda: initializers.RandomNormal(stddev=-1.0), r"stddev must be zero or positive, got -1\.0"),
        (lambda: initializers.TruncatedNormal(stddev=-1.0), r"stddev must be zero or positive, got -1\.0"),
        (lambda: initializers.VarianceScaling(0.0), r"scale must be positive, got 0\.0"),
        (
            lambda: initializers.VarianceScaling(mode="fan"),
            "mode must be one of fan_in, fan_out, fan_avg, got 'fan'",
        ),
        (
            lambda: initializers.VarianceScaling(distribution="gauss"),
            "distribution must be one of .* got 'gauss'",
        ),
        (lambda: initializers.Orthogonal()((3,)), r"Orthogonal needs a shape of two axes or more"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
