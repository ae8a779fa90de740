"""Every loss, by the table: values, gradients, shapes, reductions, weights, names, descriptions."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gradients
from oracles import losses as reference

from streamfit import losses
from streamfit._base.names import snake_case

RNG = np.random.Generator


def real(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape)


def bits(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, 2, size=shape).astype(np.float64)


def chance(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.01, 0.99, size=shape)


def counts(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, 5, size=shape).astype(np.float64)


def from_one(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(1, 5, size=shape).astype(np.float64)


def one_hot(rng: RNG, shape: tuple[int, ...]) -> Any:
    return np.eye(shape[-1])[rng.integers(0, shape[-1], size=shape[:-1])]


def labels(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, shape[-1], size=shape[:-1])


@dataclass(frozen=True)
class Case:
    name: str
    target: Any
    output: Any
    settings: dict[str, Any] = field(default_factory=dict)
    from_two: bool = False

    def __str__(self) -> str:
        return "-".join([self.name, *self.settings])

    @property
    def function(self) -> str:
        return snake_case(self.name)

    def draw(self, seed: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
        if self.from_two:
            shape = (*shape[:-1], max(2, shape[-1]))
        rng = np.random.default_rng(seed)
        return self.target(rng, shape), self.output(rng, shape)

    def make(self, **more: Any) -> losses.Loss:
        made: losses.Loss = getattr(losses, self.name)(**self.settings, **more)
        return made


CASES = [
    Case("MeanSquaredError", real, real),
    Case("MeanAbsoluteError", real, real),
    Case("MeanAbsolutePercentageError", from_one, real),
    Case("MeanSquaredLogarithmicError", chance, chance),
    Case("Huber", real, real),
    Case("Huber", real, real, {"delta": 0.3}),
    Case("LogCosh", real, real),
    Case("CosineSimilarity", real, real),
    Case("BinaryCrossentropy", bits, chance),
    Case("BinaryCrossentropy", bits, real, {"from_logits": True}),
    Case("BinaryCrossentropy", chance, chance, {"label_smoothing": 0.2}),
    Case("CategoricalCrossentropy", one_hot, chance, from_two=True),
    Case("CategoricalCrossentropy", one_hot, real, {"from_logits": True}, from_two=True),
    Case("CategoricalCrossentropy", one_hot, chance, {"label_smoothing": 0.2}, from_two=True),
    Case("SparseCategoricalCrossentropy", labels, chance, from_two=True),
    Case("SparseCategoricalCrossentropy", labels, real, {"from_logits": True}, from_two=True),
    Case("SparseCategoricalCrossentropy", labels, chance, {"ignore_class": 0}, from_two=True),
    Case("KLDivergence", chance, chance),
    Case("KLDivergence", one_hot, chance),
    Case("Poisson", counts, chance),
    Case("Hinge", bits, real),
    Case("SquaredHinge", bits, real),
    Case("CategoricalHinge", one_hot, real, from_two=True),
]
each = pytest.mark.parametrize("case", CASES, ids=str)
SHAPES = st.sampled_from([(1, 1), (1, 3), (2, 1), (4, 3), (3, 1, 2), (2, 3, 4)])
SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each
@given(seed=SEEDS, shape=SHAPES)
@settings(max_examples=15)
def test_values_are_those_of_the_reference(case: Case, dtype: str, seed: int, shape: tuple[int, ...]) -> None:
    y, p = case.draw(seed, shape)
    y, p = (a.astype(dtype) if a.dtype.kind == "f" else a for a in (y, p))
    wanted = reference.by_sample(getattr(reference, case.function), y, p, **case.settings)
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    for found in (case.make().values(y, p), getattr(losses, case.function)(y, p, **case.settings)):
        assert found.dtype == dtype
        assert found.shape == p.shape[:-1]
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@each
@given(seed=SEEDS, shape=SHAPES)
@settings(max_examples=8)
def test_traced_values_and_gradients(case: Case, seed: int, shape: tuple[int, ...]) -> None:
    y, p = case.draw(seed, shape)
    n = len(p)

    def values(output: Any) -> Any:
        return case.make().values(y, output)

    trace = gradients.Trace(case.make().values, [y, p], n, [True, True])
    (found,) = trace.compute()
    assert trace.outputs[0].shape == (None, *p.shape[1:-1])
    np.testing.assert_allclose(found, values(p), rtol=1e-12, atol=1e-12)
    weights = np.random.default_rng(seed).normal(size=found.shape)
    slopes, _ = trace.gradients([weights])
    places = range(min(p.size, 6))
    steep = gradients.finite_differences(values, [p], 0, [weights], places)
    assert slopes[1] is not None
    np.testing.assert_allclose(slopes[1].ravel()[list(places)], steep, rtol=2e-4, atol=2e-5)


@each
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_reductions(case: Case, reduction: str, weighted: bool) -> None:
    y, p = case.draw(1, (6, 3))
    weights = np.random.default_rng(2).uniform(size=6) if weighted else None
    loss = case.make(reduction=reduction)
    values = case.make().values(y, p)
    found = loss(y, p, weights)
    if case.settings.get("ignore_class") is not None:
        counted = (y != case.settings["ignore_class"]).astype(np.float64)
        factors = counted if weights is None else counted * weights
        whole = counted.sum() if reduction in ("sum_over_batch_size", "mean") else factors.sum()
        wanted: Any = (values * factors).sum() / whole
        if reduction in ("sum", "none"):
            wanted = (values * factors).sum() if reduction == "sum" else values * factors
    else:
        wanted = reference.reduced(values, weights, reduction)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@each
def test_description_makes_an_equal_loss(case: Case) -> None:
    loss = case.make(reduction="sum", name="mine")
    again = losses.get({"class_name": case.name, "config": loss.get_config()})
    assert type(again) is type(loss)
    assert again is not None
    assert again.get_config() == loss.get_config()
    y, p = case.draw(1, (3, 3))
    assert again(y, p) == loss(y, p)


@each
def test_missing_numbers_show(case: Case) -> None:
    y, p = case.draw(1, (2, 3))
    p[0, 0] = np.nan
    if case.settings.get("ignore_class") is not None:
        y[0] = 1
    values = case.make().values(y, p)
    assert np.isnan(values[0])
    assert np.isfinite(values[1])


@each
def test_every_spelling_finds_the_loss(case: Case) -> None:
    cls = getattr(losses, case.name)
    for spelling in (case.name, case.function, cls, getattr(losses, case.function), cls()):
        assert type(losses.get(spelling)) is cls


def test_every_loss_has_a_case() -> None:
    public = {name: getattr(losses, name) for name in losses.__all__}
    classes = {name for name, cls in public.items() if inspect.isclass(cls)} - {"Loss", "FunctionLoss"}
    assert classes == {case.name for case in CASES}
    functions = {f.__name__ for f in public.values() if inspect.isfunction(f)} - {"get", "check_labels"}
    assert functions == {case.function for case in CASES}
