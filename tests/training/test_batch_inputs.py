"""Batches as users give them become lists of arrays of the model's shapes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, ShapeError, losses
from streamfit._base.specs import Spec
from streamfit.training.batch_inputs import BatchInputs, as_array, by_name
from streamfit.training.compile_config import NamedMetric, OutputPlan

FLOAT = np.dtype("float32")


def batch_inputs(*shapes: tuple[int, ...], loss: Any = "mse", temporal: bool = False) -> BatchInputs:
    inputs = [Input((3,), name="p"), Input((1,), name="q")]
    plans = [OutputPlan(f"o{i}", losses.get(loss), 1.0, temporal=temporal) for i in range(len(shapes))]
    return BatchInputs(inputs, plans, [Spec((None, *shape), FLOAT) for shape in shapes])


def test_by_name_takes_lists_tuples_and_dicts() -> None:
    a, b = np.zeros(1), np.ones(1)
    for given in ([a, b], (a, b), {"b": b, "a": a}, {"b": b, "a": a, "c": a}):
        assert by_name("input", given, ["a", "b"]) == [a, b]
    assert by_name("input", a, ["a"]) == [a]
    assert by_name("input", [1.0, 2.0], ["a"])[0].tolist() == [1.0, 2.0]


def test_inputs_in_order_and_rank_1_as_a_column() -> None:
    p, q = np.zeros((4, 3)), np.arange(4.0)
    found = batch_inputs((1,)).inputs({"q": q, "p": p})
    assert found[0] is p
    assert found[1].shape == (4, 1)
    with pytest.raises(ShapeError, match=r"expected q to have shape \(1,\) for each sample"):
        batch_inputs((1,)).inputs([p, p])


def test_data_that_no_input_reads_are_told_of_once() -> None:
    made = batch_inputs((1,))
    given = {"p": np.zeros((4, 3)), "q": np.zeros((4, 1)), "r": np.zeros(4), "s": np.zeros(4)}
    with pytest.warns(
        UserWarning, match=r"x holds \['r', 's'\], which the model does not read; its inputs are \['p', 'q'\]"
    ):
        made.inputs(given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.inputs(given)
        batch_inputs((1,)).inputs({"p": given["p"], "q": given["q"]})


def test_targets_of_no_output_are_not_used() -> None:
    made = batch_inputs((1,), (2,))
    y = {"o0": np.zeros((4, 1)), "o1": np.zeros((4, 2))}
    found = made.targets({**y, "z": np.zeros(4)})
    assert [id(target) for target in found] == [id(y["o0"]), id(y["o1"])]
    with pytest.raises(DataError, match='No data provided for "o1"'):
        made.targets({"o0": y["o0"], "z": y["o1"]})


def test_targets_take_the_shape_of_their_output() -> None:
    made = batch_inputs((1,), (2,))
    y = [np.zeros(4), np.zeros((4, 2))]
    assert [t.shape for t in made.targets(y) if t is not None] == [(4, 1), (4, 2)]


def test_outputs_without_loss_and_metrics_have_no_targets() -> None:
    plans = [
        OutputPlan("a", None, 1.0),
        OutputPlan("b", None, 1.0, [NamedMetric("mae", "mae", False)]),
        OutputPlan("c", losses.get("mse"), 1.0),
    ]
    made = BatchInputs([Input((1,), name="x")], plans, [Spec((None, 1), FLOAT)] * 3)
    y = np.zeros((2, 1))
    for given in ([None, y, y], [y, y], {"b": y, "c": y}):
        found = made.targets(given)
        assert found[0] is None
        assert [t.shape for t in found[1:] if t is not None] == [(2, 1), (2, 1)]
    with pytest.raises(DataError, match="output 'b' needs targets"):
        made.targets(None)


def test_weights_are_float64_and_contiguous() -> None:
    made, y = batch_inputs((1,)), [np.zeros((4, 1))]
    for given in (np.arange(8, dtype="int32")[::2], np.arange(4.0)[:, None], [0, 1, 2, 3]):
        (weight,) = made.weights(given, y, None)
        assert weight is not None
        assert (weight.dtype, weight.shape, weight.flags.c_contiguous) == (np.float64, (4,), True)
    assert made.weights(None, y, None) == [None]


def test_class_weights_multiply() -> None:
    (weight,) = batch_inputs((1,)).weights(np.array([1.0, 2.0]), [np.array([[1.0], [0.0]])], {0: 5, 1: 3})
    assert weight is not None
    assert weight.tolist() == [3.0, 10.0]


def test_labels_that_are_no_classes_have_no_weight() -> None:
    with pytest.raises(DataError, match=r"The classes \{0.5\} exist in the data but not"):
        batch_inputs((1,)).weights(None, [np.array([[0.5], [0.0]])], {0: 5, 1: 3})


def test_temporal_weights() -> None:
    y = [np.zeros((4, 5, 1))]
    (weight,) = batch_inputs((5, 1), temporal=True).weights(np.ones((4, 5)), y, None)
    assert weight is not None
    assert weight.shape == (4, 5)


@pytest.mark.parametrize("value", ["text", [["a"]], np.array([None])])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(DataError, match="x must be numbers, got an array of dtype"):
        as_array(value, "x")
