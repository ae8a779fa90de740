"""Every operation in ONNX, by the table of operations: what runtimes compute is what kernels compute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from ops.cases import CASES, Case, Sample
from oracles import gradients
from oracles.onnx_runtimes import RUNTIMES, Session, check

from streamfit import ops
from streamfit._base.specs import Spec
from streamfit.export import onnx_model
from streamfit.ops.core import Tensor

# What no model computes when it predicts: losses, moments of a batch, random numbers.
TRAINING_ONLY = {
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    *("batch_normalize", "dropout", "random_uniform", "random_normal"),
}
EXPORTED = [case for case in CASES if case.name not in TRAINING_ONLY]
NO_KERNEL_OF_DOUBLES = {"conv", "average_pool", "gelu"}  # in ONNX Runtime, on processors
NOT_OF_WHOLE_NUMBERS = {"max_pool"}


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
    """Return a model of one operation, its inputs and its results; what has no batch is a constant."""
    made = case.build(sample)
    arguments = gradients.replace_arrays(made, lambda a: a.astype(dtype) if a.dtype.kind == "f" else a)
    leaves: list[tuple[Tensor, Any]] = []
    batched = iter(sample.batched)

    def leaf(array: Any) -> Any:
        if not next(batched):
            return array
        leaves.append((Tensor(Spec((None, *array.shape[1:]), array.dtype), f"x{len(leaves)}"), array))
        return leaves[-1][0]

    function = getattr(ops, case.name)
    outputs = gradients.as_list(function(*gradients.replace_arrays(arguments, leaf), **case.settings))
    outputs = [each for each in outputs if isinstance(each, Tensor)]
    names = [f"y{i}" for i in range(len(outputs))]
    model = Graph(case.name, [tensor for tensor, _ in leaves], outputs, names)
    return model, [array for _, array in leaves], gradients.as_list(function(*arguments, **case.settings))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("case", numbered(EXPORTED))
def test_results_are_those_of_the_kernels(case: Case, runtime: str) -> None:
    if case.name in NOT_OF_WHOLE_NUMBERS and case.gradient == "none":
        pytest.skip("refused, see below")
    for dtype, shape in (("float32", (2, 3, 2)), ("float64", (3, 1, 2))):
        if dtype == "float64" and runtime == "onnxruntime" and case.name in NO_KERNEL_OF_DOUBLES:
            continue
        model, arrays, wanted = traced(case, Sample(4, shape, np.random.default_rng(1)), dtype)
        if not model.inputs or not model.outputs:
            return  # nothing but constants
        session = Session(onnx_model(model).SerializeToString(), runtime)
        check(session, arrays, wanted, 2e-5 if dtype == "float32" else 1e-6)
