"""The tensors of layers and models, and models cut out of other models."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from oracles.models import data, two_heads

from streamfit import Input, Model, Sequential, layers
from streamfit.optimizers import SGD


def same(left: list[Any], right: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def functional() -> Model:
    start = Input((3,), name="x")
    low = layers.Dense(4, "relu", name="low")(start)
    return Model(start, layers.Dense(2, name="high")(low))


def stacked() -> Model:
    return Sequential([Input((3,)), layers.Dense(4, "relu", name="low"), layers.Dense(2, name="high")])


def late() -> Model:
    model = Sequential([layers.Dense(4, "relu", name="low"), layers.Dense(2, name="high")])
    model.build((None, 3))
    return model


def grown() -> Model:
    model = Sequential([layers.Dense(4, "relu", input_shape=(3,), name="low")])
    for units in (7, 2):
        model.add(layers.Dense(units, name="high"))
        if units == 7:
            model.pop()
    return model


makers = pytest.mark.parametrize("make", [functional, stacked, late, grown])


@makers
def test_layers_know_their_tensors(make: Any) -> None:
    model = make()
    low, high = model.get_layer("low"), model.get_layer("high")
    assert low.input is model.input is model.inputs[0]
    assert high.input is low.output
    assert high.output is model.output is model.outputs[0]
    assert (low.output_shape, high.output_shape, model.output_shape) == ((None, 4), (None, 2), (None, 2))


@makers
@pytest.mark.parametrize(
    "way",
    [lambda m: m, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
    ids=["same", "deep", "pickle"],
)
def test_a_model_cut_out_of_a_model_shares_its_weights(make: Any, way: Any) -> None:
    model = way(make())
    part = Model(model.input, model.get_layer("low").output)
    x, _ = data()
    kernel, bias = model.layers_inside[0].get_weights()
    np.testing.assert_allclose(part.predict(x), np.maximum(x @ kernel + bias, 0), rtol=1e-5, atol=1e-6)
    assert part.weights == model.layers_inside[0].weights
    assert part.layers_inside == [model.layers_inside[0]]
    model.compile(SGD(0.1), "mse")
    model.fit(x, data(outputs=2)[1], verbose=0)
    kernel, bias = model.layers_inside[0].get_weights()
    np.testing.assert_allclose(part.predict(x), np.maximum(x @ kernel + bias, 0), rtol=1e-5, atol=1e-6)


def test_the_rest_of_a_model_can_be_cut_out_too() -> None:
    model = stacked()
    low = model.get_layer("low")
    rest = Model(low.output, model.output)
    x, _ = data()
    part = Model(model.input, low.output)
    np.testing.assert_array_equal(rest.predict(part.predict(x)), model.predict(x))


def test_a_rest_is_trained_with_the_shared_weights_and_has_inputs_of_its_own() -> None:
    start, other = Input((3,), name="start"), Input((4,), name="other")
    low = layers.Dense(4, name="low")(start)
    high = layers.Dense(1, name="high")
    whole = Model([start, other], high(layers.add([low, other])))
    rest = Model([low, other], whole.output)
    assert rest.input_names == ["low", "other"]
    assert rest.input is not low
    assert [type(layer) for layer in rest.layers_inside] == [layers.Add, layers.Dense]
    assert rest.weights == high.weights
    rest.compile(SGD(0.1), "mse")
    rng = np.random.default_rng(0)
    a, b, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 1))
    before = whole.get_weights()
    rest.fit([a, b], y, verbose=0)
    assert same(before[:2], whole.get_weights()[:2])
    assert not same(before[2:], whole.get_weights()[2:])
    kernel, bias = high.get_weights()
    np.testing.assert_allclose(rest.predict([a, b]), (a + b) @ kernel + bias, rtol=1e-4, atol=1e-5)
    assert high.output is whole.output


def test_what_cannot_begin_a_rest_is_refused() -> None:
    start = Input((4, 3), name="start")
    masked = layers.Masking()(start)
    out = layers.Dense(2)(masked)
    with pytest.raises(ValueError, match="has a mask, so it cannot be an input of a model"):
        Model(masked, out)
    low = layers.Dense(3)(start)
    both = layers.add([low, start])
    with pytest.raises(ValueError, match="the outputs need the input 'start', which is not among"):
        Model(low, both)


def test_several_outputs_of_the_layers_inside() -> None:
    model = functional()
    both = Model(model.input, [layer.output for layer in model.layers_inside])
    x, _ = data()
    low, high = both.predict(x)
    assert (low.shape, high.shape) == ((10, 4), (10, 2))
    np.testing.assert_array_equal(high, model.predict(x))


def test_tensors_of_layers_with_several_inputs_and_of_models_with_several_of_both() -> None:
    model = two_heads()
    assert model.input == model.inputs
    assert model.output == model.outputs
    (add,) = [layer for layer in model.layers_inside if isinstance(layer, layers.Add)]
    assert add.input == model.input
    assert add.output.shape == (None, 3)
    one = Input((3,), name="one")
    named = Model({"one": one}, {"twice": one + one})
    assert named.input == {"one": one}
    assert list(named.output) == ["twice"]


def test_tensors_of_a_layer_with_masks_are_the_results_alone() -> None:
    start = Input((4, 3))
    masked = layers.Masking()
    dense = layers.Dense(2)
    out = dense(masked(start))
    assert masked.output.mask is not None
    assert dense.input is masked.output
    assert dense.output is out
    assert dense.output_shape == (None, 4, 2)


def test_constants_are_no_input() -> None:
    start = Input((3,))

    class Plus(layers.Layer):
        def call(self, x: Any, other: Any) -> Any:
            return x + other

    plus = Plus()
    plus(start, np.ones(3, "float32"))
    assert plus.input is start


@pytest.mark.parametrize("what", ["input", "output", "output_shape"])
def test_a_layer_that_was_not_used_has_none_and_one_used_twice_the_first(what: str) -> None:
    layer = layers.Dense(2, name="d")
    with pytest.raises(AttributeError, match=f"layer 'd' has no {what} yet: it was not called on a tensor"):
        getattr(layer, what)
    layer(np.ones((1, 3), "float32"))
    with pytest.raises(AttributeError, match=f"layer 'd' has no {what} yet"):
        getattr(layer, what)
    layer(Input((3,)))
    first = getattr(layer, what)
    layer(Input((3,)))
    assert first is not None
    assert getattr(layer, what) is first or what == "output_shape"


def test_a_stack_of_layers_of_another_model() -> None:
    base = functional()
    shorter = Sequential([Input((3,)), *base.layers_inside[:-1]])
    assert base.layers_inside[0].output.shape == (None, *shorter.layers[0].output_shape[1:])
    assert Model(base.input, base.layers_inside[0].output).output_shape == base.layers_inside[0].output_shape


def test_training_and_nesting_are_no_uses() -> None:
    model = functional()
    start = Input((3,))
    outer = Model(start, layers.Dense(1)(model(start)))
    outer.compile("sgd", "mse")
    outer.fit(*data(), verbose=0)
    outer.summary(print_fn=str)
    model.get_layer("low").compute_output_shape((None, 3))
    assert model.get_layer("low").output_shape == (None, 4)
    assert outer.layers_inside[0] is model
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize("what", ["input", "output", "input_shape", "output_shape"])
def test_a_model_that_is_not_built_has_none(what: str) -> None:
    model = Sequential([layers.Dense(2)], name="m")
    with pytest.raises(
        AttributeError, match=f"model 'm' has no {what} yet, as it is not built: give it an Input"
    ):
        getattr(model, what)
    model.build((None, 3))
    assert getattr(model, what) is not None


def test_layers_of_a_stack_inside_a_subclass_have_tensors_of_the_stack() -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.stack = Sequential([layers.Dense(4), layers.Dense(2)])

        def call(self, x: Any) -> Any:
            return self.stack(x)

    model = Own()
    model.compile("sgd", "mse")
    model.fit(data()[0], data(outputs=2)[1], verbose=0)
    low = model.stack.layers_inside[0]
    part = Model(model.stack.input, low.output)
    kernel, bias = low.get_weights()
    x, _ = data()
    np.testing.assert_allclose(part.predict(x), x @ kernel + bias, rtol=1e-5, atol=1e-6)


# -- transfer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
@makers
def test_a_pretrained_body_stays_to_the_bit_until_it_is_unfrozen(make: Any, nested: bool) -> None:
    x, y = data()
    base = make()
    base.compile(SGD(0.1, momentum=0.9), "mse")
    base.fit(x, data(outputs=2)[1], epochs=2, verbose=0)
    if nested:
        body: Any = Model(base.input, base.get_layer("low").output)
        start = Input((3,))
        model = Model(start, layers.Dense(1)(body(start)))
    else:
        model = Model(base.input, layers.Dense(1)(base.get_layer("low").output))
        body = base.get_layer("low")
    body.trainable = False
    model.compile(SGD(0.1, momentum=0.9), "mse")
    before, features = base.get_weights(), Model(base.input, base.get_layer("low").output).predict(x)
    first = model.layers_inside[-1].get_weights()
    model.fit(x, y, epochs=3, verbose=0)
    assert same(before, base.get_weights())
    assert not same(first, model.layers_inside[-1].get_weights())
    kernel, bias = model.layers_inside[-1].get_weights()
    np.testing.assert_allclose(model.predict(x), features @ kernel + bias, rtol=1e-4, atol=1e-6)
    body.trainable = True
    model.compile(SGD(0.1), "mse")
    model.fit(x, y, verbose=0)
    assert not same(before[:2], base.get_weights()[:2])
    assert same(before[2:], base.get_weights()[2:])


def test_some_layers_of_a_nested_body_are_frozen() -> None:
    x, y = data()
    base = stacked()
    start = Input((3,))
    model = Model(start, layers.Dense(1)(base(start)))
    base.layers_inside[0].trainable = False
    model.compile(SGD(0.1), "mse")
    before = base.get_weights()
    model.fit(x, y, verbose=0)
    assert same(before[:2], base.get_weights()[:2])
    assert not same(before[2:], base.get_weights()[2:])
    assert model.trainable_weights == [*base.layers_inside[1].weights, *model.layers[-1].weights]


def test_shapes_are_tried_with_what_a_model_reads() -> None:
    def lookup() -> layers.Layer:
        return layers.StringLookup(vocabulary=["a"])

    text = Sequential([Input((None,), dtype="string"), lookup(), layers.Embedding(3, 2)])
    assert text.compute_output_shape((None, 5)) == (None, 5, 2)
    unbuilt = Sequential([lookup(), layers.Embedding(2**25, 2)])
    assert unbuilt.compute_output_shape((4, 5)) == (4, 5, 2)
    assert not unbuilt.built
    large = Sequential([Input((5,), dtype="int64"), layers.Embedding(2**25, 2)])
    assert large.compute_output_shape((None, 5)) == (None, 5, 2)
    a, b = Input((3,), dtype="string", name="a"), Input((3,), name="b")
    both = layers.Embedding(3, 4)(lookup()(a)) + layers.Dense(4)(b)[:, None]
    assert Model([b, a], both).compute_output_shape([(None, 3), (None, 3)]) == (None, 3, 4)
    named = Model({"b": b, "a": a}, both)
    assert named.compute_output_shape({"a": (2, 3), "b": (2, 3)}) == (2, 3, 4)
