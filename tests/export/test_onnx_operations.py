"""Every operation in ONNX, by the table of operations: what runtimes compute is what kernels compute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from ops.cases import CASES, Case, Sample
from oracles import gradients
from oracles.onnx_runtimes import RUNTIMES, Session, best_runtime, check

from streamfit import ops
from streamfit._base.specs import Spec
from streamfit.export import onnx_model
from streamfit.ops.core import Tensor

pytest.importorskip("onnx")

# What no model computes when it predicts: losses, moments of a batch, random numbers.
TRAINING_ONLY = {
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    *("batch_normalize", "dropout", "random_uniform", "random_normal"),
}
EXPORTED = [
    case
    for case in CASES
    if case.name not in TRAINING_ONLY and not (case.name == "max_pool" and case.gradient == "none")
]
NO_KERNEL_OF_DOUBLES = {"conv", "average_pool", "gelu"}  # in ONNX Runtime, on processors


@dataclass(eq=False)
class Graph:
    """What the export reads of a model."""

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    output_names: list[str]
    layers: list[Any] = field(default_factory=list)


def numbered(cases: list[Case]) -> list[Any]:
    return [pytest.param(each, id=f"{each.name}-{i}") for i, each in enumerate(cases)]


def traced(case: Case, sample: Sample, dtype: str) -> tuple[Graph, list[Any], list[Any]]:
    """Return a model of one operation, its inputs and its results.

    Arrays without a batch are constants; where there are no others, they are inputs.
    """
    made = case.build(sample)
    arguments = gradients.replace_arrays(made, lambda a: a.astype(dtype) if a.dtype.kind == "f" else a)
    leaves: list[tuple[Tensor, Any]] = []
    batched = iter(sample.batched)

    def leaf(array: Any) -> Any:
        shape = (None, *array.shape[1:]) if next(batched) else array.shape
        if None not in shape and any(sample.batched):
            return array
        leaves.append((Tensor(Spec(shape, array.dtype), f"x{len(leaves)}"), array))
        return leaves[-1][0]

    function = getattr(ops, case.name)
    outputs = gradients.as_list(function(*gradients.replace_arrays(arguments, leaf), **case.settings))
    names = [f"y{i}" for i in range(len(outputs))]
    model = Graph(case.name, [tensor for tensor, _ in leaves], outputs, names)
    return model, [array for _, array in leaves], gradients.as_list(function(*arguments, **case.settings))


def exported(outputs: list[Any], *inputs: Tensor, runtime: str) -> Session:
    names = [f"y{i}" for i in range(len(outputs))]
    message = onnx_model(Graph("operations", list(inputs), outputs, names))
    return Session(message.SerializeToString(), runtime)


def tensor(shape: tuple[int | None, ...], dtype: str = "float32") -> Tensor:
    return Tensor(Spec(shape, np.dtype(dtype)), "x")


@pytest.mark.parametrize("case", numbered(EXPORTED))
def test_results_are_those_of_the_kernels(case: Case) -> None:
    for dtype, shape in (("float32", (2, 3, 2)), ("float64", (3, 1, 2))):
        runtime = best_runtime(dtype, case.name in NO_KERNEL_OF_DOUBLES)
        model, arrays, wanted = traced(case, Sample(4, shape, np.random.default_rng(1)), dtype)
        session = Session(onnx_model(model).SerializeToString(), runtime)
        check(session, arrays, wanted, 2e-5 if dtype == "float32" else 1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_whole_numbers_and_truth_values(dtype: str, runtime: str) -> None:
    values = np.random.default_rng(0).integers(0, 5, (3, 4)).astype(dtype)
    twice = [ops.maximum, ops.minimum, ops.greater, ops.equal, ops.not_equal, ops.greater_equal]
    once = [ops.sum, ops.max, ops.argmax, ops.argmin]

    def compute(x: Any) -> list[Any]:
        turned = x[:, ::-1]
        found = [function(x, turned) for function in twice]
        found += [function(x, axis=1) for function in once]
        found += [ops.cumsum(x, axis=1), ops.where(ops.equal(x, 1), x, turned), ops.mean(x, axis=1)]
        return found if dtype == "bool" else [*found, ops.add(x, turned), ops.multiply(x, turned)]

    x = tensor((None, 4), dtype)
    check(exported(compute(x), x, runtime=runtime), [values], [np.asarray(y) for y in compute(values)])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_exact_near_0_and_infinite_far_away(runtime: str) -> None:
    x = tensor((None,), "float64")
    values = np.array([0.0, 1e-12, -1e-9, 0.3, -0.9, -1.0, 800.0, np.inf, -800.0])
    session = exported([ops.expm1(x), ops.log1p(x), ops.softplus(x)], x, runtime=runtime)
    with np.errstate(all="ignore"):
        small, logs, soft = session([values])
        np.testing.assert_allclose(small, np.expm1(values), rtol=1e-12)
        np.testing.assert_allclose(logs, np.log1p(values), rtol=1e-12)
        np.testing.assert_allclose(soft[:-3], np.logaddexp(values, 0)[:-3], rtol=1e-12)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_numbers_without_a_row(runtime: str) -> None:
    x, table = tensor((None,), "int64"), np.arange(6.0).reshape(3, 2)
    session = exported([ops.take(table, x), ops.one_hot(x, 3), ops.take(np.arange(3), x)], x, runtime=runtime)
    rows, hot, whole = session([np.array([2, -1, 3, 0])])
    np.testing.assert_array_equal(rows, [[4, 5], [np.nan] * 2, [np.nan] * 2, [0, 1]])
    np.testing.assert_array_equal(hot, [[0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(whole, [2, 0, 0, 0])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("length", [2, 5, 6, 9])
def test_axes_that_the_data_decide(length: int, runtime: str) -> None:
    cuts = [
        (slice(None), slice(1, None)),
        (slice(None), slice(None, -1)),
        (slice(None), slice(None, None, -2)),
        (slice(None), slice(-2, None, None)),
        (slice(None), slice(-1, 0, -1)),
        (slice(None), -1),
        (slice(None), 1),
    ]

    def compute(x: Any) -> list[Any]:
        found = [x[cut] for cut in cuts]
        found += [
            ops.mean(x, axis=1),
            ops.flatten(x),
            ops.reshape(x, (x.shape[0], -1, 1)),
            ops.expand_dims(x, 1),
        ]
        found += [ops.ones_like(x), ops.logsumexp(x, 1), ops.softmax(x, 1)]
        return found

    x, values = (
        tensor((None, None, 2)),
        np.random.default_rng(0).normal(size=(3, length, 2)).astype("float32"),
    )
    check(exported(compute(x), x, runtime=runtime), [values], compute(values))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)])
def test_windows_over_axes_that_the_data_decide(strides: int, dilation: int, runtime: str) -> None:
    rng = np.random.default_rng(0)
    wide, tall = rng.normal(size=(3, 2, 2, 4)).astype("float32"), rng.normal(size=(3, 2, 2)).astype("float32")

    def images(x: Any) -> list[Any]:
        options = {"strides": strides, "dilation_rate": dilation, "padding": "same"}
        return [
            ops.conv(x, wide, **options),
            ops.max_pool(x, 3, strides, "same"),
            ops.average_pool(x, (2, 3), strides, "same"),
            ops.max_pool(x, 2),
        ]

    def steps(x: Any) -> list[Any]:
        return [ops.conv(x, tall, strides, "causal", dilation_rate=dilation)]

    for lengths in ((5, 6), (7, 4)):
        values = rng.normal(size=(2, *lengths, 2)).astype("float32")
        x = tensor((None, None, None, 2))
        check(exported(images(x), x, runtime=runtime), [values], images(values))
        line = tensor((None, None, 2))
        check(exported(steps(line), line, runtime=runtime), [values[:, 0]], steps(values[:, 0]))
