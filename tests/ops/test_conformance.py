"""Every operation, by the table: values, gradients, shapes, one compilation, the native walk."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.cases import CASES, Case, Sample
from oracles import gradients
from oracles import ops as twins

from streamfit import ops
from streamfit._base.specs import Array

# Functions that are not operations: they make, hold or describe tensors.
FOUNDATIONS = {"apply", "assign", "assign_add", "is_symbolic", "shape", "tracing"}

LENGTHS = st.sampled_from([1, 1, 2, 3, 4])
SHAPES = st.lists(LENGTHS, max_size=3).map(tuple)
SEEDS = st.integers(0, 2**32)


def numbered(cases: list[Case]) -> list[Any]:
    return [pytest.param(each, id=f"{each.name}-{i}") for i, each in enumerate(cases)]


def build(
    case: Case, n: int, shape: tuple[int, ...], seed: int, dtype: str = "float64"
) -> tuple[list[Any], Sample]:
    sample = Sample(n, shape + (2,) * (case.rank - len(shape)), np.random.default_rng(seed))
    arguments = case.build(sample)
    return gradients.replace_arrays(
        arguments, lambda a: a.astype(dtype) if a.dtype.kind == "f" else a
    ), sample


def as_double(tree: Any) -> Any:
    return gradients.replace_arrays(tree, lambda a: a.astype("float64") if a.dtype.kind == "f" else a)


def close(got: Any, wanted: Any, dtype: str) -> None:
    tolerance = {"float32": 2e-5, "float64": 1e-11}[dtype]
    for g, w in zip(gradients.as_list(got), gradients.as_list(wanted), strict=True):
        assert np.shape(g) == np.shape(w)
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", numbered(CASES))
def test_values_are_those_of_the_numpy_twin(case: Case, dtype: str) -> None:
    @settings(max_examples=8)
    @given(n=st.sampled_from([1, 2, 5]), shape=SHAPES, seed=SEEDS)
    def check(n: int, shape: tuple[int, ...], seed: int) -> None:
        arguments, _ = build(case, n, shape, seed, dtype)
        got = getattr(ops, case.name)(*arguments, **case.settings)
        close(got, getattr(twins, case.name)(*as_double(arguments), **case.settings), dtype)

    check()


@pytest.mark.jit
@pytest.mark.parametrize("case", numbered(CASES))
def test_the_shape_rule_gives_the_shape_and_dtype_of_the_result(case: Case) -> None:
    @settings(max_examples=8)
    @given(n=st.sampled_from([1, 2, 5]), shape=SHAPES, seed=SEEDS)
    def check(n: int, shape: tuple[int, ...], seed: int) -> None:
        arguments, sample = build(case, n, shape, seed, "float32")
        eager = gradients.as_list(getattr(ops, case.name)(*arguments, **case.settings))
        trace = gradients.Trace(getattr(ops, case.name), arguments, n, sample.batched, **case.settings)
        assert [output.spec.at(n) for output in trace.outputs] == [value.shape for value in eager]
        assert [output.dtype for output in trace.outputs] == [value.dtype for value in eager]
        for traced, value in zip(trace.compute(), eager, strict=True):
            np.testing.assert_array_equal(traced, value)

    check()


@pytest.mark.parametrize("case", numbered([each for each in CASES if each.gradient != "none"]))
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    @settings(max_examples=8)
    @given(n=st.sampled_from([1, 2, 3]), shape=SHAPES, seed=SEEDS)
    def check(n: int, shape: tuple[int, ...], seed: int) -> None:
        arguments, sample = build(case, n, shape, seed)
        trace = gradients.Trace(getattr(ops, case.name), arguments, n, sample.batched, **case.settings)
        weights = [np.asarray(sample.rng.normal(size=value.shape)) for value in trace.compute()]
        found, _ = trace.gradients(weights)
        for i, (leaf, gradient) in enumerate(zip(trace.leaves, found, strict=True)):
            if leaf.dtype.kind == "f":
                assert gradient is not None
                assert gradient.shape == trace.value(leaf).shape
                compare(case, arguments, i, weights, gradient, sample.rng)

    check()


def compare(case: Case, arguments: Any, i: int, weights: list[Array], gradient: Array, rng: Any) -> None:
    places = rng.permutation(gradient.size)[:20]
    if case.gradient == "zero":
        wanted = np.zeros(len(places))
    else:
        twin = getattr(twins, case.name)
        wanted = gradients.finite_differences(twin, arguments, i, weights, places, **case.settings)
    np.testing.assert_allclose(gradient.reshape(-1)[places], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.jit
@pytest.mark.parametrize("case", numbered(CASES))
def test_a_second_call_compiles_nothing_and_the_native_loop_computes_the_same(case: Case) -> None:
    arguments, sample = build(case, 3, (2, 3), 1, "float32")
    trace = gradients.Trace(getattr(ops, case.name), arguments, 3, sample.batched, **case.settings)
    first = [value.copy() for value in trace.compute()]
    kernels = [function for function, _ in trace.calls]
    before = [len(function.overloads) for function in kernels]
    again = gradients.Trace(getattr(ops, case.name), arguments, 3, sample.batched, **case.settings)
    for got, wanted in zip(again.compute(native=True), first, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert [len(function.overloads) for function in kernels] == before


def test_every_function_has_a_case_and_a_twin() -> None:
    functions = {name for name in ops.__all__ if inspect.isfunction(getattr(ops, name))} - FOUNDATIONS
    tried = {case.name for case in CASES}
    assert functions == tried
    assert all(hasattr(twins, name) for name in functions)
