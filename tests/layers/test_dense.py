"""The dense layer beyond the table: weights, fused activations, wrong arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import activations, constraints, initializers, layers, ops, regularizers
from streamfit._base.errors import ShapeError, UnknownNameError
from streamfit.kernels.bias_activation import FUSED
from streamfit.layers.base import LayerCall


def operations(layer: layers.Layer, x: Any) -> list[str]:
    """List the operations that one use of a layer consists of, last first."""
    tensor = layer(x)
    found: list[str] = []
    use = tensor.node.op
    assert isinstance(use, LayerCall)
    (result,) = use.expand([x], training=False)
    while result.node is not None:
        found.append(result.node.op.name)
        result = result.node.inputs[0]
    return found


@pytest.mark.parametrize("name", FUSED)
def test_simple_activations_are_fused(name: str) -> None:
    x = layers.Input((3,))
    assert operations(layers.Dense(2, name), x) == ["dense"]
    assert operations(layers.Dense(2, activations.get(name)), x) == ["dense"]


def test_other_activations_follow() -> None:
    assert operations(layers.Dense(2, "softmax"), layers.Input((3,))) == ["softmax", "dense"]


def test_function_that_only_has_the_name_is_not_fused() -> None:
    def relu(x: Any) -> Any:
        return ops.negative(x)

    layer = layers.Dense(1, relu, kernel_initializer="ones")
    assert layer(np.ones((1, 2), "float32")).tolist() == [[-2.0]]


def test_layer_can_be_an_activation() -> None:
    layer = layers.Dense(1, layers.LeakyReLU(0.5), kernel_initializer=initializers.Constant(-1.0))
    assert layer(np.ones((1, 2), "float32")).tolist() == [[-1.0]]


def test_whole_numbers_and_other_floats_become_the_layers_type() -> None:
    layer = layers.Dense(1, kernel_initializer="ones")
    for dtype in ("uint8", "int64", "float64", "bool"):
        found = layer(np.ones((2, 3), dtype))
        assert found.dtype == np.float32
        assert found.tolist() == [[3.0], [3.0]]


def test_weights_have_their_names_shapes_and_first_values() -> None:
    layer = layers.Dense(2, kernel_initializer="ones", bias_initializer=initializers.Constant(0.5))
    assert not layer.built
    layer(np.ones((1, 3), "float32"))
    assert [(w.name, w.shape) for w in layer.weights] == [("kernel", (3, 2)), ("bias", (2,))]
    assert layer.get_weights()[1].tolist() == [0.5, 0.5]
    assert layer.count_params() == 8


def test_penalties_belong_to_their_weights() -> None:
    layer = layers.Dense(2, kernel_regularizer="l2", bias_regularizer=regularizers.L1(0.5))
    layer(np.ones((1, 3), "float32"))
    assert [(type(r).__name__, w.name) for r, w in layer.penalties] == [("L2", "kernel"), ("L1", "bias")]


def test_description_holds_everything() -> None:
    layer = layers.Dense(
        2,
        "relu",
        use_bias=False,
        kernel_initializer=initializers.HeNormal(seed=3),
        kernel_regularizer=regularizers.L2(0.5),
        kernel_constraint=constraints.MaxNorm(3.0),
        name="top",
    )
    assert layer.get_config() == {
        "name": "top",
        "dtype": "float32",
        "trainable": True,
        "units": 2,
        "activation": "relu",
        "use_bias": False,
        "kernel_initializer": {"class_name": "HeNormal", "config": {"seed": 3}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
        "bias_regularizer": None,
        "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 3.0, "axis": 0}},
        "bias_constraint": None,
    }


def test_input_dim_is_the_shape_of_a_sample() -> None:
    assert layers.Dense(2, input_dim=3).sample_shape == (3,)
    assert layers.Dense(2, input_shape=(4, 3)).sample_shape == (4, 3)


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", None, True])
def test_wrong_units_are_refused(units: Any) -> None:
    with pytest.raises(ValueError, match="units must be a whole number of at least 1"):
        layers.Dense(units)


def test_numpy_units_are_taken() -> None:
    assert type(layers.Dense(np.int64(3)).units) is int


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'relu'"):
        layers.Dense(2, "rleu")
    with pytest.raises(UnknownNameError, match="Unknown initializer"):
        layers.Dense(2, kernel_initializer="nothing")
    with pytest.raises(TypeError, match="unexpected keyword argument 'unit'"):
        layers.Dense(2, unit=3)


def test_wrong_shapes_are_refused() -> None:
    layer = layers.Dense(2, name="top")
    with pytest.raises(
        ShapeError, match=r"layer 'top' needs inputs of shape \(batch, ..., n\), got \(None,\)"
    ):
        layer(np.ones(3))
    layer(np.ones((1, 3)))
    with pytest.raises(
        ShapeError, match=r"layer 'top' was built for inputs with a last axis of 3, got shape"
    ):
        layer(np.ones((1, 4)))
    with pytest.raises(ShapeError, match="a last axis of 3"):
        layer(layers.Input((4,)))


def test_there_is_no_bias_without_use_bias() -> None:
    for layer in (layers.Dense(2, use_bias=False), layers.Conv1D(2, 3, use_bias=False)):
        assert layer.bias is None
        layer.build((None, 4, 3))
        assert layer.bias is None
        assert [weight.name for weight in layer.weights] == ["kernel"]
