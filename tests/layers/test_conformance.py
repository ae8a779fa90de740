"""Every layer, by the table: values, shapes, gradients, descriptions, copies."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers.cases import CASES, Case
from layers.host_cases import HOST_CASES
from layers.image_cases import IMAGE_CASES
from oracles import gradients

from streamfit import Input, Model, layers
from streamfit._base.config import next_seed, set_random_seed
from streamfit._base.specs import Spec, may_equal
from streamfit.ops import Tensor, tracing

each = pytest.mark.parametrize("case", CASES, ids=str)
BATCHES = st.sampled_from([1, 2, 5])
NO_LAYERS = {"HostLayer", "ImageLayer", "Input", "Layer", "Pipeline", "Wrapper"}  # and bases of layers
OF_TEXT = {"SentenceEmbedding"}  # weights behind a host layer: tests/layers/test_sentence_embedding.py


@each
@given(n=BATCHES, seed=st.integers(0, 2**32))
@settings(max_examples=8)
def test_values_are_those_of_numpy(case: Case, n: int, seed: int) -> None:
    layer, inputs = case.make(), case.inputs(n, seed)
    found = case.call(layer, inputs)
    np.testing.assert_allclose(found, case.compute(layer.get_weights(), *inputs), rtol=1e-10, atol=1e-12)
    assert found.dtype == np.float64


@each
def test_float32_stays_float32(case: Case) -> None:
    layer = case.make(dtype="float32")
    inputs = case.inputs(3, dtype="float32")
    found = case.call(layer, inputs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, case.compute(layer.get_weights(), *inputs), rtol=1e-5, atol=1e-5)
    assert {weight.dtype for weight in layer.weights} <= {np.dtype("float32")}


@each
def test_symbolic_shape_is_the_real_one(case: Case) -> None:
    layer = case.make()
    inputs = case.inputs(5)
    tensors = [Tensor(Spec((None, *x.shape[1:]), x.dtype)) for x in inputs]
    symbolic, real = case.call(layer, tensors), case.call(layer, inputs)
    assert (5, *symbolic.shape[1:]) == real.shape
    assert symbolic.shape[0] is None
    assert symbolic.dtype == real.dtype


@each
def test_lengths_that_the_data_decide_are_refused_or_change_no_number(case: Case) -> None:
    inputs, reasons = case.inputs(3), []
    for axis in range(max(len(shape) for shape in case.samples)):
        layer = case.make()
        free = [(*shape[:axis], None, *shape[axis + 1 :]) for shape in case.samples]
        starts = [Input(shape, dtype=x.dtype) for shape, x in zip(free, inputs, strict=True)]
        try:
            end = case.call(layer, starts)
        except ValueError as error:
            reasons.append(str(error))
            continue
        found = Model(starts, end).predict(inputs, verbose=0)
        wanted = case.compute(layer.get_weights(), *inputs)
        assert may_equal(end.shape, wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    assert all("None" in reason for reason in reasons)  # the shape that was given, or that it is not known


@each
def test_output_shape_is_computed_without_making_weights(case: Case) -> None:
    layer, inputs = case.make(), case.inputs(5)
    set_random_seed(1)
    for batch in (None, 5):
        shapes = [(batch, *x.shape[1:]) for x in inputs]
        found = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
        assert not layer.built
        assert not layer.weights
        assert found == (batch, *case.call(case.make(), inputs).shape[1:])
    seed = next_seed()
    set_random_seed(1)
    for _ in range(2):
        case.call(case.make(), inputs)
    assert next_seed() == seed  # it drew no seed
    case.call(layer, inputs)
    weights = layer.get_weights()
    assert layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0]) == found
    assert all(np.array_equal(a, b) for a, b in zip(weights, layer.get_weights(), strict=True))


@each
def test_gradients_of_inputs_and_weights(case: Case) -> None:
    layer, inputs = case.make(), case.inputs(3)
    case.call(layer, inputs)
    if case.count is not None or not case.smooth:
        return  # no gradient goes to whole numbers, or through steps

    def on_leaves(*tensors: Any) -> Any:
        given = tensors[: len(inputs)]
        arguments = (list(given) if len(inputs) > 1 else given[0],)
        return layer.invoke(arguments, [None] * len(inputs), {}, False)[0]

    trace = gradients.Trace(on_leaves, inputs, 3, [True] * len(inputs))
    (found,) = trace.compute()
    if not trace.nodes:
        return  # the layer returns its input
    weights = np.random.default_rng(1).normal(size=found.shape)
    slopes, _ = trace.gradients([weights])
    for i, x in enumerate(inputs):
        places = range(min(x.size, 8))
        steep = gradients.finite_differences(on_leaves, inputs, i, [weights], places)
        slope = slopes[i]
        assert slope is not None
        np.testing.assert_allclose(slope.ravel()[list(places)], steep, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "Lambda"], ids=str)
def test_description_makes_an_equal_layer(case: Case) -> None:
    layer = case.make(name="mine", trainable=False)
    config = layer.get_config()
    again = type(layer)(**config)
    assert again.get_config() == config
    assert (again.name, again.dtype, again.trainable) == ("mine", "float64", False)
    inputs = case.inputs(2)
    case.call(layer, inputs)
    case.call(again, inputs)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(case.call(again, inputs), case.call(layer, inputs))


@each
def test_second_use_keeps_the_weights(case: Case) -> None:
    layer = case.make()
    first = case.call(layer, case.inputs(2))
    count = layer.count_params()
    np.testing.assert_array_equal(case.call(layer, case.inputs(2)), first)
    assert layer.count_params() == count


@each
def test_traced_twice_makes_one_set_of_weights(case: Case) -> None:
    layer = case.make()
    for _ in range(2):
        tensors = [Tensor(Spec((None, *shape), np.dtype("float64"))) for shape in case.samples]
        with tracing():
            case.call(layer, tensors)
    assert len(layer.weights) == len({id(weight) for weight in layer.weights})
    assert len({weight.name for weight in layer.weights}) == len(layer.weights)


def test_every_layer_has_a_case() -> None:
    public = {name: getattr(layers, name) for name in layers.__all__}
    classes = {n for n, c in public.items() if inspect.isclass(c) and issubclass(c, layers.Layer)} - NO_LAYERS
    on_host = {name for name in classes if issubclass(public[name], layers.HostLayer)}
    assert classes - on_host - OF_TEXT == {case.name for case in CASES}
    assert on_host == {case.name for case in (*HOST_CASES, *IMAGE_CASES)}
