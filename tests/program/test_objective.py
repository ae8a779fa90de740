"""Weighted sums and running means against NumPy, and their gradients against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamfit._base.errors import ShapeError
from streamfit.kernels import run
from streamfit.ops.core import Constant
from streamfit.program import AccumulateMean, AccumulateScalar, State, weighted_mean, weighted_total
from streamfit.program.objective import SHARES, Reduced, WeightedMean


def case(seed: int, batch: int, steps: int | None, weighted_steps: bool) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    shape = (batch,) if steps is None else (batch, steps)
    weights = rng.random(shape if weighted_steps else (batch,))
    return rng.normal(size=shape), weights, (rng.random(shape) < 0.6).astype(float)


def spread(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return weights if weights.shape == values.shape else np.repeat(weights[:, None], values.shape[1], 1)


def reference(values: Any, weights: Any, mask: Any, reduction: str) -> float:
    """Write the definition down, slowly."""
    w = spread(weights, values)
    m = np.ones_like(values) if mask is None else mask
    total = sum(a * b for a, b, c in zip(values.flat, w.flat, m.flat, strict=True) if c)
    if reduction == "sum":
        return float(total)
    mass = (w * m).sum() if reduction == "mean_with_sample_weight" else m.sum()
    return float(total / mass) if mass else 0.0


CASES = st.tuples(
    st.integers(0, 99), st.integers(1, 7), st.one_of(st.none(), st.integers(1, 4)), st.booleans()
)


@given(case=CASES, masked=st.booleans(), reduction=st.sampled_from(sorted(SHARES)))
def test_the_reduced_loss(case: Any, masked: bool, reduction: str) -> None:
    values, weights, mask = globals()["case"](*case)
    mask = mask if masked else None
    found = weighted_mean(values, weights, mask, reduction)
    assert found == pytest.approx(reference(values, weights, mask, reduction), rel=1e-12, abs=1e-12)


def gradient(op: Any, inputs: list[np.ndarray]) -> np.ndarray:
    specs = [Constant(array).spec for array in inputs]
    out, gout = np.zeros(()), np.full((), 1.7)
    scratch = [np.zeros(spec.at(0)) for spec in op.scratch(*specs)]
    result = np.zeros_like(inputs[0])
    run(op.forward(inputs, [out], scratch))
    run(op.backward(inputs, [out], scratch, [gout], [result, *[None] * (len(inputs) - 1)]))
    assert op.backward(inputs, [out], scratch, [gout], [None] * len(inputs)) == []
    return result


@given(case=CASES, masked=st.booleans(), reduction=st.sampled_from(sorted(SHARES)), plain=st.booleans())
def test_its_gradient(case: Any, masked: bool, reduction: str, plain: bool) -> None:
    values, weights, mask = globals()["case"](*case)
    op: Any = WeightedMean() if plain else Reduced(SHARES[reduction])
    masked, reduction = masked and not plain, "mean" if plain else reduction
    inputs = [values, weights, mask] if masked else [values, weights]
    found = gradient(op, inputs)
    for place in np.ndindex(values.shape):
        step = np.zeros_like(values)
        step[place] = 1e-6
        rise = reference(values + step, weights, mask if masked else None, reduction)
        rise -= reference(values - step, weights, mask if masked else None, reduction)
        assert found[place] == pytest.approx(1.7 * rise / 2e-6, rel=1e-6, abs=1e-8)


def test_what_does_not_count_may_be_nan() -> None:
    values, mask = np.array([1.0, np.nan, 3.0]), np.array([1.0, 0.0, 1.0])
    assert weighted_mean(values, np.ones(3), mask, "mean") == 2.0
    assert gradient(Reduced(0), [values, np.ones(3), mask]).tolist() == [0.85, 0.0, 0.85]


@given(case=CASES)
def test_running_means(case: Any) -> None:
    values, weights, _ = globals()["case"](*case)
    state = np.array([1.0, 2.0])
    run(AccumulateMean().forward([values, weights, state], [], []))
    w = spread(weights, values)
    assert state.tolist() == pytest.approx([1 + (w * values).sum(), 2 + w.sum()])
    state[:] = 0
    run(AccumulateMean().forward([values, state], [], []))
    run(AccumulateScalar().forward([np.array(2.5), weights, state], [], []))
    count = len(weights)
    assert state.tolist() == pytest.approx([values.sum() + 2.5 * count, values.size + count])


def test_totals() -> None:
    terms = [np.array(2.0), np.array(3.0, np.float32)]
    assert weighted_total(terms, [0.5, 4.0]) == 13.0
    with pytest.raises(ShapeError, match="scalar"):
        weighted_total([np.zeros(2)], [1.0])


@pytest.mark.parametrize("op", [WeightedMean(), Reduced(0)])
def test_weights_that_do_not_fit_are_refused(op: Any) -> None:
    with pytest.raises(ShapeError, match=r"weights of shape \(3,\) do not fit losses of shape \(2,\)"):
        op.infer(Constant(np.zeros(2)).spec, Constant(np.zeros(3)).spec)


def test_a_state_is_not_copied() -> None:
    array = np.zeros(2)
    assert State(array).value is array
