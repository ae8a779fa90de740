"""`TrainableFlags`: the flags as they were when they were read."""

from __future__ import annotations

import numpy as np

from streamfit import Input, Sequential, layers
from streamfit.training import TrainableFlags


def names(weights: list[object]) -> list[str]:
    return [weight.name for weight in weights]  # type: ignore[attr-defined]


def stack() -> Sequential:
    inner = Sequential([layers.Dense(2), layers.Dense(3, use_bias=False)])
    return Sequential([Input((4,)), inner, layers.Dense(1)])


def test_all_weights_once_in_order() -> None:
    model = stack()
    assert TrainableFlags(model).weights(model) == model.trainable_weights == model.weights


def test_flags_are_those_of_the_reading() -> None:
    model = stack()
    flags = TrainableFlags(model)
    model.trainable = False
    assert flags.weights(model) == model.weights
    assert TrainableFlags(model).weights(model) == []
    model.trainable = True
    model.layers[0].layers[1].trainable = False
    assert TrainableFlags(model).weights(model) == model.trainable_weights
    assert len(model.trainable_weights) == 4


def test_a_frozen_layer_freezes_what_is_inside() -> None:
    model = stack()
    model.layers[0].trainable = False
    assert TrainableFlags(model).weights(model) == model.layers[1].weights


def test_flags_of_single_weights() -> None:
    layer = layers.Dense(2)
    layer(np.ones((1, 3), "float32"))
    layer.bias.trainable = False
    flags = TrainableFlags(layer)
    layer.bias.trainable = True
    assert names(flags.weights(layer)) == ["kernel"]


def test_layers_that_are_built_later_count_as_they_were_marked() -> None:
    model = Sequential([layers.Dense(2), layers.Dense(1)])
    model.layers[0].trainable = False
    flags = TrainableFlags(model)
    model.layers[0].trainable = True
    model.build((None, 3))
    assert flags.weights(model) == model.layers[1].weights


def test_a_shared_layer_counts_once() -> None:
    shared = layers.Dense(3)
    model = Sequential([Input((3,)), Sequential([shared]), Sequential([shared])])
    assert len(TrainableFlags(model).weights(model)) == 2
