"""A layer is built once, by its first call or by the user."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import Model, Sequential, layers, ops

X = np.ones((2, 3), "float32")


class Inner(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(4)

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.factor = self.add_weight("factor", (), "ones")

    def call(self, x):
        return self.dense(x) * self.factor


class Outer(Inner):
    def build(self, input_shape):
        assert not self.built
        super().build(input_shape)
        assert not self.built  # its own part is still to come
        self.shift = self.add_weight("shift", (), "zeros")

    def call(self, x):
        return super().call(x) + self.shift


def test_a_layer_that_the_user_builds_keeps_its_weights():
    layer = layers.Dense(4)
    assert not layer.built
    layer.build((None, 3))
    assert layer.built
    kernel = layer.kernel
    assert layer(X).shape == (2, 4)
    assert layer.kernel is kernel
    assert len(layer.weights) == 2


def test_layers_that_others_build_have_each_weight_once():
    layer = Outer()
    layer(X)
    assert layer.built
    assert layer.dense.built
    assert sorted(weight.name for weight in layer.weights) == ["bias", "factor", "kernel", "shift"]


def test_a_layer_without_weights_may_be_built_again():
    layer = layers.Flatten()
    layer.build((None, 3))
    assert layer.built
    layer.build((None, 5))


def test_building_again_is_refused():
    layer = layers.Dense(4)
    layer(X)
    with pytest.raises(ValueError, match=r"layer 'dense.*' is built and has its weights"):
        layer.build((None, 5))
    assert len(layer.weights) == 2


def test_a_build_that_fails_may_be_tried_again():
    class Fussy(layers.Layer):
        def build(self, input_shape):
            if input_shape[-1] != 3:
                raise ValueError("needs 3 columns")
            self.factor = self.add_weight("factor", input_shape[-1:], "ones")

        def call(self, x):
            return x * self.factor

    layer = Fussy()
    with pytest.raises(ValueError, match="3 columns"):
        layer.build((None, 2))
    assert not layer.built
    np.testing.assert_array_equal(layer(X), X)
    assert len(layer.weights) == 1


def test_building_inside_a_traced_call_makes_numbers():
    class Late(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            if not self.dense.built:
                self.dense.build((None, x.shape[-1]))
            return self.dense(ops.abs(x))

    model = Sequential([layers.Input((3,)), Late()])
    model.compile("sgd", "mse")
    model.fit(X, np.ones((2, 1), "float32"), verbose=0)
    assert len(model.weights) == 2


def test_a_stack_may_be_built_again():
    stack = Sequential([layers.Dense(2)])
    stack.build((None, 3))
    stack.build((None, 3))
    assert stack.built
    assert len(stack.weights) == 2


def test_a_subclass_of_model_is_not_built_without_a_graph():
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model.build((None, 3))
    assert not model.built
    assert model(X).shape == (2, 1)
