"""`Sequential`: building a stack, at once or with the first data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import data

from streamfit import Input, Sequential, layers


@pytest.mark.parametrize(
    "start",
    [
        lambda: [Input((3,)), layers.Dense(2)],
        lambda: [layers.InputLayer((3,)), layers.Dense(2)],
        lambda: [layers.Dense(2, input_shape=(3,))],
        lambda: [layers.Dense(2, input_shape=3)],
    ],
)
def test_ways_to_give_the_shape(start: Any) -> None:
    model = Sequential(start())
    assert model.built
    assert model.count_params() == 8
    assert model.output_shape == (None, 2)
    assert [type(layer).__name__ for layer in model.layers] == ["Dense"]


@pytest.mark.parametrize("how", ["fit", "predict", "train_on_batch", "build"])
def test_a_stack_without_a_shape_is_built_by_the_first_data(how: str) -> None:
    model = Sequential([layers.Dense(4), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert not model.weights
    x, y = data()
    if how == "build":
        model.build((None, 3))
    elif how == "predict":
        model.predict(x)
    else:
        getattr(model, how)(x, y)
    assert model.count_params() == 21
    assert len(model.fit(x, y, verbose=0).epoch) == 1


def test_features_of_rank_1_are_one_column() -> None:
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.arange(6.0)
    assert len(model.fit(x, x, verbose=0).epoch) == 1
    assert model.predict(x).shape == model.predict(x[:, None]).shape == (6, 1)


def test_add_and_pop() -> None:
    model = Sequential([Input((3,)), layers.Dense(4), layers.Dense(2)])
    x, _ = data()
    top = model.predict(x)
    model.pop()
    assert model.output_shape == (None, 4)
    kernel, bias = model.layers[0].get_weights()
    np.testing.assert_allclose(model.predict(x), x @ kernel + bias, rtol=1e-5, atol=1e-6)
    model.add(layers.Dense(5))
    assert model.output_shape == (None, 5)
    assert top.shape == (10, 2)


def test_a_compiled_stack_that_grows_is_trained_whole() -> None:
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = data()
    model.add(layers.Dense(1))
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_a_stack_that_is_emptied() -> None:
    model = Sequential([layers.Dense(1)])
    model.pop()
    with pytest.raises(ValueError, match="the stack has no layers"):
        model.pop()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"has no layers: add some, e.g. model.add\(Dense\(10\)\)"):
        model.fit(*data(), verbose=0)


def test_what_cannot_be_added() -> None:
    model = Sequential([Input((3,)), layers.Dense(2)])
    with pytest.raises(TypeError, match="Sequential takes layers, got 'relu' of type str"):
        model.add("relu")
    with pytest.raises(TypeError, match=r"Sequential takes layers, got .* of type type; write Dense"):
        model.add(layers.Dense)
    with pytest.raises(ValueError, match="is in the stack already"):
        model.add(model.layers[0])
    with pytest.raises(ValueError, match="an Input must be the first entry"):
        model.add(Input((3,)))
    assert len(model.layers) == 1


def test_several_inputs_are_refused() -> None:
    model = Sequential([layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = data()
    with pytest.raises(ValueError, match="a Sequential model has one input, got several"):
        model.fit([x, x], y, verbose=0)


def test_stacks_inside_stacks() -> None:
    inner = Sequential([layers.Dense(4, "relu"), layers.Dense(2)])
    model = Sequential([Input((3,)), inner, layers.Dense(1)])
    assert len(model.weights) == 6
    x, y = data()
    model.compile("sgd", "mse")
    before = inner.get_weights()
    model.fit(x, y, verbose=0)
    assert all((a != b).any() for a, b in zip(before, inner.get_weights(), strict=True))


def test_a_built_stack_inside_a_stack_gives_the_shape() -> None:
    model = Sequential([Sequential([Input((3,)), layers.Dense(4)]), layers.Dense(1)])
    assert model.input_shape == (None, 3)
    assert model.output_shape == (None, 1)


def test_a_subclass_may_keep_its_layers_as_attributes() -> None:
    class Own(Sequential):
        def __init__(self) -> None:
            super().__init__([Input((3,))])
            self.last = layers.Dense(2)
            self.add(self.last)

    model = Own()
    assert model.layers == [model.last]


def test_an_attribute_is_not_a_layer_of_the_stack() -> None:
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.remembered = layers.Dense(7)
    assert len(model.layers) == 1
    model.add(layers.Dense(1))
    assert model.output_shape == (None, 1)
    assert len(model.layers) == 2


def test_pop_returns_the_layer_which_may_be_added_again() -> None:
    model = Sequential([Input((3,)), layers.Dense(4, name="low"), layers.Dense(2, name="high")])
    high = model.pop()
    assert high.name == "high"
    model.add(layers.Dense(4))
    model.add(high)
    assert model.layers[-1] is high
    assert high.input is model.layers[1].output
    assert model.output is high.output
    model.compile("sgd", "mse")
    model.fit(data()[0], data(outputs=2)[1], verbose=0)


def test_a_layer_that_does_not_fit_leaves_the_stack_as_it_was() -> None:
    model = Sequential([Input((3,)), layers.Dense(4)])
    with pytest.raises(ValueError, match="repeats vectors"):
        model.add(Sequential([layers.RepeatVector(2), layers.RepeatVector(2)]))
    assert len(model.layers) == 1
    assert model.output_shape == (None, 4)
    model.add(layers.Dense(2))
    assert model.predict(data()[0]).shape == (10, 2)
    empty = Sequential()
    with pytest.raises(ValueError, match="repeats vectors"):
        empty.add(layers.RepeatVector(2, input_shape=(3, 2)))
    assert empty.layers == []
    empty.add(layers.Dense(2, input_shape=(5,)))
    assert empty.input_shape == (None, 5)


class Doubled(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 2.0


@pytest.mark.parametrize("built", [True, False])
def test_description_makes_an_equal_stack(built: bool) -> None:
    start = [Input((3,), name="x")] if built else []
    inner = Sequential([layers.Dense(4, "tanh", kernel_constraint="max_norm"), layers.Dropout(0.5)])
    model = Sequential([*start, inner, Doubled(name="two"), layers.Dense(2)], name="whole")
    inner.trainable = False
    inner.layers[0].trainable = True
    config = model.get_config()
    again = Sequential.from_config(config, custom_objects={"Doubled": Doubled})
    assert again.get_config() == config
    assert again.name == "whole"
    assert [type(layer) for layer in again.layers] == [Sequential, Doubled, layers.Dense]
    x, y = data(outputs=2)
    for each in (model, again):
        each.compile("sgd", "mse")
        each.fit(x, y, verbose=0)
    assert [w.shape for w in again.trainable_weights] == [w.shape for w in model.trainable_weights]
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_descriptions_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Unknown layer: 'Dence'. Did you mean 'Dense'\?"):
        Sequential.from_config({"layers": [{"class_name": "Dence", "config": {}}]})
    with pytest.raises(ValueError, match=r"if the class is yours, pass custom_objects={'Doubled': Doubled}"):
        Sequential.from_config(Sequential([Doubled()]).get_config())
    with pytest.raises(ValueError, match="a layer is described by"):
        Sequential.from_config({"layers": ["Dense"]})
    with pytest.raises(ValueError, match="layers must be a list of descriptions"):
        Sequential.from_config({"layers": "Dense"})
