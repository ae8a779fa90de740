"""Every metric that averages, by the table: values, weights, batches, tracing, copies, descriptions."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gradients
from oracles import losses as reference

from streamfit import metrics

RNG = np.random.Generator


def real(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape)


def bits(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, 2, size=shape)


def few(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, 3, size=shape).astype(np.float64)


def from_one(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(1, 5, size=shape)


def chance(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.01, 0.99, size=shape)


def one_hot(rng: RNG, shape: tuple[int, ...]) -> Any:
    return np.eye(shape[-1])[rng.integers(0, shape[-1], size=shape[:-1])]


def labels(rng: RNG, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, shape[-1], size=shape[:-1])


def opposite_cosine(y: Any, p: Any) -> float:
    return -reference.cosine_similarity(y, p)


def each_square(y: Any, p: Any) -> list[float]:
    return [(a - b) ** 2 for a, b in zip(y, p, strict=True)]


@dataclass(frozen=True)
class Case:
    name: str
    reference: Any
    target: Any
    output: Any
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.name, *self.settings])

    def make(self) -> metrics.MeanMetric:
        made: metrics.MeanMetric = getattr(metrics, self.name)(**self.settings)
        return made

    def draw(self, seed: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        return self.target(rng, shape), self.output(rng, shape)


CASES = [
    Case("Accuracy", reference.accuracy, few, few),
    Case("BinaryAccuracy", reference.binary_accuracy, bits, chance),
    Case("BinaryAccuracy", reference.binary_accuracy, bits, real, {"threshold": 0.0}),
    Case("CategoricalAccuracy", reference.categorical_accuracy, one_hot, chance),
    Case("SparseCategoricalAccuracy", reference.sparse_categorical_accuracy, labels, chance),
    Case("TopKCategoricalAccuracy", reference.top_k_categorical_accuracy, one_hot, chance, {"k": 2}),
    Case("SparseTopKCategoricalAccuracy", reference.sparse_top_k_categorical_accuracy, labels, few, {"k": 2}),
    Case("MeanSquaredError", reference.mean_squared_error, real, real),
    Case("RootMeanSquaredError", each_square, real, real),
    Case("MeanAbsoluteError", reference.mean_absolute_error, real, real),
    Case("MeanAbsolutePercentageError", reference.mean_absolute_percentage_error, from_one, real),
    Case("MeanSquaredLogarithmicError", reference.mean_squared_logarithmic_error, chance, chance),
    Case("LogCoshError", reference.log_cosh, real, real),
    Case("CosineSimilarity", opposite_cosine, real, real),
    Case("BinaryCrossentropy", reference.binary_crossentropy, bits, chance),
    Case("BinaryCrossentropy", reference.binary_crossentropy, bits, real, {"from_logits": True}),
    Case(
        "CategoricalCrossentropy",
        reference.categorical_crossentropy,
        one_hot,
        chance,
        {"label_smoothing": 0.1},
    ),
    Case("SparseCategoricalCrossentropy", reference.sparse_categorical_crossentropy, labels, chance),
    Case("KLDivergence", reference.kl_divergence, chance, chance),
    Case("Poisson", reference.poisson, from_one, chance),
    Case("Hinge", reference.hinge, bits, real),
    Case("SquaredHinge", reference.squared_hinge, bits, real),
    Case("CategoricalHinge", reference.categorical_hinge, one_hot, real),
]
each = pytest.mark.parametrize("case", CASES, ids=str)
SHAPES = st.sampled_from([(1, 2), (4, 3), (5, 3), (3, 2, 4)])
NO_AVERAGES = {
    *("Metric", "MeanMetric", "FunctionMetric", "MeanMetricWrapper", "Mean", "Sum"),
    *("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives", "Precision", "Recall", "AUC"),
    *("SensitivityAtSpecificity", "SpecificityAtSensitivity", "PrecisionAtRecall", "RecallAtPrecision"),
}


def mean(case: Case, y: Any, p: Any, weights: Any = None) -> float:
    settings = case.settings if case.reference not in (each_square, opposite_cosine) else {}
    values = reference.by_sample(case.reference, y, p, **settings)
    found = float(reference.reduced(values, weights, "mean_with_sample_weight"))
    return found**0.5 if case.reference is each_square else found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each
@given(seed=st.integers(0, 2**32), shape=SHAPES, weighted=st.booleans())
@settings(max_examples=15)
def test_result_is_that_of_the_reference(
    case: Case, dtype: str, seed: int, shape: tuple[int, ...], weighted: bool
) -> None:
    y, p = case.draw(seed, shape)
    p = p.astype(dtype)
    weights = np.random.default_rng(seed).uniform(size=len(p)) if weighted else None
    metric = case.make()
    metric.update_state(y, p, sample_weight=weights)
    assert isinstance(metric.result(), float)
    assert metric.result() == pytest.approx(mean(case, y, p, weights), rel=1e-4, abs=1e-5)


@each
@given(seed=st.integers(0, 2**32), cut=st.integers(0, 7))
@settings(max_examples=8)
def test_batches_of_any_length_add_up(case: Case, seed: int, cut: int) -> None:
    y, p = case.draw(seed, (7, 3))
    whole, parts = case.make(), case.make()
    whole.update_state(y, p)
    for piece in (slice(cut), slice(cut, None)):
        if len(p[piece]):
            parts.update_state(y[piece], p[piece])
    assert parts.result() == pytest.approx(whole.result())


@each
def test_reset_forgets_and_nothing_seen_is_zero(case: Case) -> None:
    metric = case.make()
    assert metric.result() == 0.0
    metric(*case.draw(1, (4, 3)))
    metric.reset_state()
    assert metric.result() == 0.0
    metric(*case.draw(1, (4, 3)))
    metric.reset_states()
    assert metric.total.tolist() == [0.0] * 4


@each
@given(seed=st.integers(0, 2**32), shape=SHAPES)
@settings(max_examples=6)
def test_traced_values_are_the_eager_ones(case: Case, seed: int, shape: tuple[int, ...]) -> None:
    y, p = case.draw(seed, shape)
    trace = gradients.Trace(case.make().values, [y, p], len(p), [True, True])
    (found,) = trace.compute()
    np.testing.assert_array_equal(found, case.make().values(y, p))
    assert trace.outputs[0].shape == (None, *found.shape[1:])


@each
def test_copies_have_a_state_of_their_own(case: Case) -> None:
    metric = case.make()
    metric(*case.draw(1, (4, 3)))
    for other in (metric.clone(), copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert other.result() == metric.result()
        other.reset_state()
        assert other.total.tolist() == [0.0] * 4
    assert metric.total[1] > 0


@each
def test_description_makes_an_equal_metric(case: Case) -> None:
    metric = case.make()
    again = metrics.get({"class_name": case.name, "config": metric.get_config()})
    assert again is not None
    assert again.get_config() == metric.get_config()
    assert again(*case.draw(1, (4, 3))) == metric(*case.draw(1, (4, 3)))


# A comparison with NaN is false, so an accuracy takes it for a wrong prediction.
@pytest.mark.parametrize("case", [case for case in CASES if "Accuracy" not in case.name], ids=str)
def test_missing_numbers_show(case: Case) -> None:
    y, p = case.draw(1, (2, 3))
    p[0, 0] = np.nan
    assert np.isnan(case.make()(y, p))


def test_every_metric_that_averages_has_a_case() -> None:
    classes = {name for name in metrics.__all__ if inspect.isclass(getattr(metrics, name))}
    assert classes - NO_AVERAGES == {case.name for case in CASES}
