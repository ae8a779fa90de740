"""Losses of a batch as one number, against NumPy, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import ShapeError
from streamfit.program import weighted_mean
from streamfit.program.objective import Reduced

REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight"]


def expected(values: Any, weights: Any, mask: Any, reduction: str) -> tuple[float, Any]:
    """Return the reduced loss and its gradient, the slow way."""
    spread = np.broadcast_to(
        weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim)), values.shape
    )
    counts = np.ones(values.shape) if mask is None else mask
    share = {
        "sum": 1.0,
        "mean_with_sample_weight": (spread * counts).sum(),
    }.get(reduction, counts.sum())
    factors = spread * counts / share if share else np.zeros(values.shape)
    return float((np.where(counts > 0, values, 0.0) * factors).sum()), factors


@given(
    shape=st.sampled_from([(1,), (5,), (4, 3), (2, 3, 2)]),
    axes=st.integers(1, 2),
    masked=st.booleans(),
    reduction=st.sampled_from(REDUCTIONS),
    seed=st.integers(0, 99),
)
def test_values(shape: Any, axes: int, masked: bool, reduction: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    weights = rng.random(shape[: min(axes, len(shape))])
    mask = (rng.random(shape) < 0.6).astype("float64") if masked else None
    want, _ = expected(values, weights, mask, reduction)
    assert float(weighted_mean(values, weights, mask, reduction)) == pytest.approx(want, rel=1e-12, abs=1e-12)


def test_the_gradient_of_each_reduction() -> None:
    rng = np.random.default_rng(0)
    values, weights, mask = (
        rng.normal(size=(4, 3)),
        rng.random(4),
        (rng.random((4, 3)) < 0.6).astype("float64"),
    )
    for share, reduction in enumerate(["sum_over_batch_size", "sum", "mean_with_sample_weight"]):
        for given_mask in (mask, None):
            op = Reduced(share)
            inputs = [values, weights] if given_mask is None else [values, weights, given_mask]
            out, scale, gradient = np.empty(()), np.empty(1), np.full((4, 3), np.nan)
            for kernel, arguments in op.forward(inputs, [out], [scale]):
                kernel(*arguments)
            nones = [None] * (len(inputs) - 1)
            for kernel, arguments in op.backward(inputs, [out], [scale], [np.array(2.0)], [gradient, *nones]):
                kernel(*arguments)
            want, want_gradient = expected(values, weights, given_mask, reduction)
            assert float(out) == pytest.approx(want, rel=1e-12)
            np.testing.assert_allclose(gradient, 2 * want_gradient, rtol=1e-12)


def test_what_does_not_count_may_be_nan() -> None:
    values = np.array([1.0, np.nan, 3.0])
    assert float(weighted_mean(values, np.ones(3), np.array([1.0, 0.0, 1.0]))) == 2.0


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_that_counts_is_zero(reduction: str) -> None:
    assert float(weighted_mean(np.ones(3), np.ones(3), np.zeros(3), reduction)) == 0.0


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"weights of shape \(3,\) do not fit losses of shape \(2,\)"):
        weighted_mean(np.ones(2), np.ones(3), None, "sum")
    with pytest.raises(ShapeError, match=r"a mask of shape \(3,\) does not fit losses of shape \(2,\)"):
        weighted_mean(np.ones(2), np.ones(2), np.ones(3))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("masked", [False, True])
def test_what_weighs_nothing_may_be_nan(reduction: str, masked: bool) -> None:
    values, weights = np.array([[1.0, 2.0], [4.0, 8.0], [3.0, 5.0]]), np.array([1.0, 0.0, 2.0])
    mask = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]) if masked else None
    want, _ = expected(values, weights, mask, reduction)
    values[1] = np.nan, np.inf
    assert float(weighted_mean(values, weights, mask, reduction)) == pytest.approx(want)
    if not masked and reduction == "sum_over_batch_size":  # all weights known to be 1
        assert np.isnan(float(weighted_mean(values, np.ones(3), chosen=False)))
