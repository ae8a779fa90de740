"""`Wrapper`: layers around another one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamfit import Model, Sequential, layers
from streamfit.saving import custom_object_scope

X = np.array([[-1.0, 2.0], [3.0, -4.0]], "float32")


class Negated(layers.Wrapper):
    def call(self, x):
        return -self.layer(x)


def test_a_wrapper_builds_and_trains_the_layer_that_it_holds() -> None:
    dense = layers.Dense(3)
    layer = Negated(dense)
    layer.build((None, 2))
    assert dense.built
    np.testing.assert_allclose(layer(X), -dense(X))
    assert layer.weights == dense.weights
    model = Sequential([layers.Input((2,)), layer])
    model.compile("sgd", "mse")
    before = dense.kernel.numpy()
    model.fit(X, np.ones((2, 3), "float32"), verbose=0)
    assert not np.array_equal(before, dense.kernel.numpy())


def test_a_wrapper_is_made_again_with_its_layer() -> None:
    layer = Negated(layers.Dense(3, "relu", name="inner"), name="outer")
    config = json.loads(json.dumps(layer.get_config()))
    twin = Negated.from_config(config)
    assert twin.name == "outer"
    assert twin.layer.get_config() == layer.layer.get_config()
    x = layers.Input((2,))
    model = Model(x, layer(x))
    with custom_object_scope({"Negated": Negated}):
        again = Model.from_config(model.get_config())
    assert type(again.layers[-1]) is Negated
    assert again.layers[-1].layer.units == 3


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="layer must be a layer, got 'relu' of type str"):
        Negated("relu")  # type: ignore[arg-type]
