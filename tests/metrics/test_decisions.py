"""Counting decisions inside a step: the operations against slow counting, their guard, their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Spec
from streamfit.kernels import run
from streamfit.metrics.decisions import CountDecisions, ProbabilityGuard, decisions_of
from streamfit.metrics.step_nodes import AccumulateMean, check_weights

LEVELS = np.array([-1e-7, 0.25, 0.5, 0.5, 1.0])


def slow(y: Any, p: Any, w: Any, dtype: str) -> Any:
    """Return [target][decision][level], where NaN is a wrong decision."""
    found = np.zeros((2, 2, len(LEVELS)))
    for target, said, weight in zip(y, p, w, strict=True):
        for i, level in enumerate(LEVELS.astype(dtype)):
            decision = 1 - int(target) if np.isnan(said) else int(said > level)
            found[int(target), decision, i] += weight if weight else 0.0
    return found


@settings(max_examples=30)
@given(
    dtype=st.sampled_from(["float32", "float64"]),
    kind=st.sampled_from(["int64", "float32"]),
    n=st.integers(1, 9),
    weights=st.sampled_from([None, "rows", "all"]),
    column=st.sampled_from([None, 1, -1]),
    seed=st.integers(0, 999),
)
def test_counts(dtype: str, kind: str, n: int, weights: str | None, column: int | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.choice([0.0, 0.2, 0.25, 0.5, 0.7, 1.0, np.nan], (n, 2, 3)).astype(dtype)
    y = rng.integers(0, 2, (n, 2, 3)).astype(kind)
    given_weights = {None: [], "rows": [rng.integers(0, 3, n) / 2], "all": [rng.integers(0, 3, (n, 2)) / 2]}
    chosen = given_weights[weights]
    spread = chosen[0].reshape(n, -1, 1) * np.ones(p.shape) if chosen else np.ones(p.shape)
    state = np.zeros((2, 2, len(LEVELS) + 1))
    op = CountDecisions(LEVELS, column)
    inputs = [y, p, *chosen, state]
    assert op.infer(*(Spec.of(array) for array in inputs)) == ()
    for _ in range(2):
        run(op.forward(inputs, [], []))
    flat = [(part if column is None else part[..., column]).ravel() for part in (y, p, spread)]
    np.testing.assert_array_equal(decisions_of(state[0] + state[1]), 2 * slow(*flat, dtype))


def test_sums_keep_their_rounding_errors() -> None:
    y, p, w = np.ones((2, 1)), np.full((2, 1), 0.75), np.array([2.0**53, 1.0])
    state = np.zeros((2, 2, len(LEVELS) + 1))
    run(CountDecisions(LEVELS, None).forward([y, p, w, state], [], []))
    assert state[0].max() + state[1].max() == 2.0**53
    assert (state[0].max(), state[1].max()) == (2.0**53, 1.0)


@pytest.mark.parametrize("weights", [[], [np.array([0.0, 1.0, 2.0])]])
@pytest.mark.parametrize("column", [None, 1])
@pytest.mark.parametrize("wrong", [-0.5, 1.5, -np.inf, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (2, 0), (2, 1), None])
def test_the_guard_stops_at_what_counts_alone(weights: Any, column: Any, wrong: float, place: Any) -> None:
    p = np.array([[0.25, 0.5], [0.0, 1.0], [np.nan, 0.75]])
    if place is not None:
        p[place] = wrong
    found = np.full(2, np.nan)
    calls = ProbabilityGuard(column).forward([p, *weights, found], [], [])
    counts = place is not None and (not weights or place[0] > 0) and (column is None or place[1] == column)
    if counts:
        with pytest.raises(FloatingPointError):
            run(calls)
        among = p[1 if weights else 0 :, 1 if column else 0 :]
        assert found.tolist() == [np.nanmin(among), np.nanmax(among)]
    else:
        run(calls)
        assert np.isnan(found).all()


def test_wrong_shapes_are_refused_also_when_they_become_known_late() -> None:
    def specs(*shapes: Any) -> list[Spec]:
        return [Spec(shape, np.dtype("float64")) for shape in shapes]

    op, state = CountDecisions(LEVELS, 2), (2, 2, 6)
    assert op.infer(*specs((None, None, None), (None, None, None), (None,), state)) == ()
    assert op.infer(*specs((4, 3), (4, 3), state)) == ()
    with pytest.raises(ShapeError, match=r"targets of shape \(4, 2\) do not fit predictions of \(4, 3\)"):
        op.infer(*specs((4, 2), (4, 3), state))
    with pytest.raises(ShapeError, match=r"of shape \(4, 2\) have no column 2"):
        op.infer(*specs((4, 2), (4, 2), state))
    with pytest.raises(ShapeError, match=r"have shape \(4, 3\), and its values have shape \(4,\)"):
        op.infer(*specs((4, 3), (4, 3), (4, 3), state))
    with pytest.raises(ShapeError, match=r"have shape \(3,\), and its values have shape \(4, 1\)"):
        ProbabilityGuard(None).infer(*specs((4, 1), (3,), (2,)))
    with pytest.raises(ShapeError, match="keep a last axis in the output"):
        check_weights(*specs((None,), (None, 5)))


@given(seed=st.integers(0, 99), weighted=st.booleans())
def test_means(seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=(5, 3)), rng.integers(0, 3, 5).astype(float)
    if weighted:
        values[weights == 0] = np.nan
    state = np.zeros(4)
    run(AccumulateMean().forward([values, *([weights] if weighted else []), state], [], []))
    counts = weights[:, None] * np.ones((5, 3)) if weighted else np.ones((5, 3))
    wanted = [(np.where(counts > 0, values, 0.0) * counts).sum(), counts.sum()]
    assert state[:2] + state[2:] == pytest.approx(np.array(wanted))
