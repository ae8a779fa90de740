"""The comparison with Keras: its cases are distinct and complete, and what is apart fails."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from oracles.benchmarks import BENCHMARKS, load

import streamfit


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The cases."""
    return load(BENCHMARKS / "parity" / "cases.py", monkeypatch)


@pytest.fixture
def compare(cases: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that compares."""
    return load(BENCHMARKS / "parity" / "compare.py", monkeypatch)


@pytest.fixture
def one_side(cases: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that trains."""
    monkeypatch.setattr(cases, "STEPS", 2)
    return load(BENCHMARKS / "parity" / "one_side.py", monkeypatch)


def test_cases_have_names_of_their_own_and_use_every_network(cases: ModuleType) -> None:
    assert not [name for name, count in Counter(case.name for case in cases.CASES).items() if count > 1]
    assert {case.network for case in cases.CASES} == {"", *cases.NETWORKS}
    assert {case.extra for case in cases.CASES} == set(cases.EXTRAS)
    inside = {layer for network in cases.NETWORKS.values() for layer, _ in network}
    assert inside >= {
        *("BatchNormalization", "Embedding", "Masking", "GlobalAveragePooling1D"),
        *("Conv2D", "MaxPooling2D"),
    }


def test_sequences_end_in_masked_steps_and_have_one_that_counts(cases: ModuleType) -> None:
    for case in (case for case in cases.CASES if case.network in cases.INPUTS):
        data = cases.batches(case)
        real = data.x != 0 if data.x.ndim == 3 else (data.x != 0).any(-1)
        assert real[..., 0].all()
        assert not real.all()
        assert (real[..., :-1] >= real[..., 1:]).all()
        weight = data.sample_weight
        assert (None if weight is None else weight.shape[1:]) == {
            "": None,
            "samples": real.shape[1:2],
            "positions": real.shape[1:],
        }[case.weighted]


def test_a_side_computes_outputs_gradient_and_steps(one_side: ModuleType, cases: ModuleType) -> None:
    case = cases.Case("sgd", "mse", "tanh", "", "steps", "positions", ("MeanAbsoluteError",))
    found = one_side.train(streamfit, case)
    assert found["outputs"].shape == (cases.BATCH, cases.LENGTH, 3)
    assert found["metrics"].shape == (2,)  # without weights, and with them
    assert found["metrics"][0] != found["metrics"][1]
    assert found["gradient"].shape == found["weights"].shape
    assert np.abs(found["gradient"]).max() > 1e-3


def figures(case: Any) -> dict[str, Any]:
    kinds = ("losses", "metrics", "outputs", "gradient", "weights", "last outputs")
    return {f"{kind}:{case.name}": np.array([2.0, 1.0]) for kind in kinds}


def test_what_is_apart_fails(cases: ModuleType, compare: ModuleType) -> None:
    case = cases.CASES[0]
    assert compare.judge(compare.differences(case, figures(case), figures(case)))
    for what in figures(case):
        for worse in (1.0 - 1e-3, np.nan, np.inf):
            ours = figures(case)
            ours[what][1] = worse
            assert not compare.judge(compare.differences(case, ours, figures(case))), what
    other = figures(case) | {f"outputs:{case.name}": np.zeros((2, 1))}
    assert not compare.judge(compare.differences(case, other, figures(case)))


def test_lookups_must_be_the_same(compare: ModuleType) -> None:
    ours = {"vocabulary:lookup x": np.array(["a", "b"]), "numbers:lookup x": np.array([0, 1])}
    assert compare.same_lookup("x", ours, ours)
    assert not compare.same_lookup("x", ours, ours | {"vocabulary:lookup x": np.array(["b", "a"])})
    assert not compare.same_lookup("x", ours, ours | {"numbers:lookup x": np.array([0, 2])})
    assert not compare.same_lookup("x", ours, ours | {"numbers:lookup x": np.array([[0, 1]])})
