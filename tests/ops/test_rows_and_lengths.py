"""What every operation promises to programs: rows that can be computed apart, and lengths that are not known.

The nodes are those of the conformance table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from ops.cases import CASES, Case
from ops.test_conformance import build, numbered
from oracles.gradients import Trace, garbage

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import run
from streamfit.ops import Node, Tensor
from streamfit.ops.operation import block_from
from streamfit.program.blocks import is_rowwise

ROWS = 5
CUTS = [slice(0, 2), slice(2, 3), slice(3, 5)]


def traced(case: Case) -> Trace:
    arguments, sample = build(case, ROWS, (2, 3), 1)
    trace = Trace(getattr(ops, case.name), arguments, ROWS, sample.batched, **case.settings)
    trace.compute()
    return trace


def cut(tensors: Sequence[Tensor], arrays: Sequence[Array], rows: slice) -> list[Array]:
    """Return the rows of arrays with a batch axis, and other arrays as they are."""
    return [a[rows].copy() if t.spec.batched else a for t, a in zip(tensors, arrays, strict=True)]


def has_gradient(node: Node) -> bool:
    return node.op.differentiable and all(tensor.dtype.kind == "f" for tensor in node.outputs)


def results(
    node: Node, inputs: Sequence[Array], output_grads: Sequence[Array], rows: slice
) -> tuple[list[Array], list[Array | None]]:
    """Run a node on some rows alone: its outputs, and the gradients of its inputs."""
    with block_from(rows.start):
        mine = cut(node.inputs, inputs, rows)
        grads = cut(node.outputs, output_grads, rows)
        specs = [Spec.of(array) for array in mine]
        outputs = [
            garbage(Spec.of(grad).with_dtype(t.dtype), 0) for grad, t in zip(grads, node.outputs, strict=True)
        ]
        scratch = [garbage(spec, 0) for spec in node.op.scratch(*specs)]
        run(node.op.forward(mine, outputs, scratch))
        parts = [garbage(spec, 0) if spec.dtype.kind == "f" else None for spec in specs]
        if has_gradient(node):
            run(node.op.backward(mine, outputs, scratch, grads, parts))
        return outputs, parts


def numbers(array: Array) -> Array:
    return array.astype("float64")


@pytest.mark.parametrize("case", numbered(CASES))
def test_rows_computed_apart_are_those_of_the_whole(case: Case) -> None:
    trace, rng = traced(case), np.random.default_rng(0)
    for node in trace.nodes:
        if node.op.is_view or not is_rowwise(node):
            continue
        inputs = [trace.value(tensor) for tensor in node.inputs]
        grads = [rng.normal(size=trace.value(t).shape).astype(t.dtype) for t in node.outputs]
        outputs, slopes = results(node, inputs, grads, slice(0, ROWS))
        parts = [results(node, inputs, grads, rows) for rows in CUTS]
        for number, whole in enumerate(outputs):
            together = np.concatenate([part[0][number] for part in parts])
            np.testing.assert_allclose(numbers(together), numbers(whole), rtol=1e-11, atol=1e-11)
        for number, (tensor, slope) in enumerate(zip(node.inputs, slopes, strict=True)):
            if slope is None or not has_gradient(node):
                continue
            own: list[Any] = [part[1][number] for part in parts]
            joined = np.concatenate(own) if tensor.spec.batched else np.sum(own, axis=0)
            np.testing.assert_allclose(joined, slope, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", numbered(CASES))
def test_the_shape_rule_knows_what_it_does_not_know(case: Case) -> None:
    """With any lengths hidden it refuses, or gives a shape that the real one fits."""
    for node in traced(case).nodes:
        for hidden in some_hidden([tensor.spec for tensor in node.inputs]):
            try:
                found = node.op.infer(*hidden)
            except ShapeError:
                continue
            for output, spec in zip(node.outputs, found, strict=True):
                assert may_equal(spec.shape, output.shape)
                assert spec.dtype == output.dtype


def some_hidden(specs: Sequence[Spec]) -> list[list[Spec]]:
    """Return the specs with the lengths of one or two axes hidden, of one input or of all."""
    places = [(i, axis) for i, spec in enumerate(specs) if spec.batched for axis in range(1, spec.rank)]
    found = []
    for chosen in [[place] for place in places] + [list(pair) for pair in combinations(places, 2)] + [places]:
        changed = [list(spec.shape) for spec in specs]
        for i, axis in chosen:
            changed[i][axis] = None
        found.append([spec.with_shape(tuple(s)) for spec, s in zip(specs, changed, strict=True)])
    return found
