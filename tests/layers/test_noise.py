"""Dropout and noise: rates, keys, streams; nothing in inference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import ops as reference

from streamfit import layers
from streamfit._base.config import set_random_seed
from streamfit.layers.noise import KeyedLayer
from streamfit.ops.core import STEP_STATE, Tensor, is_symbolic

X = np.ones((100, 50), "float32")


def traced_keys(layer: KeyedLayer) -> tuple[Any, int]:
    return layer.key(layers.Input((3,)))


def test_dropped_share_and_scale() -> None:
    y = layers.Dropout(0.25, seed=1)(X, training=True)
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)


def test_noise_has_its_deviation() -> None:
    y = layers.GaussianNoise(0.5, seed=1)(X, training=True)
    assert y.mean() == pytest.approx(1.0, abs=0.03)
    assert y.std() == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("layer", [layers.Dropout(0.5), layers.GaussianNoise(1.0)])
def test_inference_changes_nothing(layer: Any) -> None:
    np.testing.assert_array_equal(layer(X), X)


@pytest.mark.parametrize("layer", [layers.Dropout(0.0), layers.GaussianNoise(0.0)])
def test_zero_strength_changes_nothing(layer: Any) -> None:
    np.testing.assert_array_equal(layer(X, training=True), X)


def test_unseeded_draws_are_new_each_time_and_follow_the_random_seed() -> None:
    layer = layers.Dropout(0.5)
    assert (layer(X, training=True) != layer(X, training=True)).any()
    draws = []
    for _ in range(2):
        set_random_seed(3)
        draws.append(layers.Dropout(0.5, name="same")(X, training=True))
    np.testing.assert_array_equal(draws[0], draws[1])


def test_seeded_layers_draw_equal_sequences() -> None:
    one, other = layers.Dropout(0.5, seed=1), layers.Dropout(0.5, seed=1)
    first = [layer(X, training=True) for layer in (one, other)]
    second = [layer(X, training=True) for layer in (one, other)]
    np.testing.assert_array_equal(*first)
    np.testing.assert_array_equal(*second)
    assert (first[0] != second[0]).any()
    assert (layers.Dropout(0.5, seed=2)(X, training=True) != first[0]).any()


def test_traced_layer_reads_the_step_state_of_the_program() -> None:
    layer = layers.Dropout(0.5)
    layer.stream = 7
    tensor = layer(layers.Input((3,)))
    (result,) = tensor.node.op.expand([Tensor(tensor.spec)], training=True)
    assert result.node.op.name == "dropout"
    assert any(leaf is STEP_STATE for leaf in result.node.inputs)
    assert is_symbolic(STEP_STATE)


def test_stream_decides_what_is_dropped() -> None:
    layer = layers.Dropout(0.5, seed=5)
    (step_state, stream) = layer.key(X)
    again = layers.Dropout(0.5, seed=5)
    np.testing.assert_array_equal(again(X, training=True), reference.dropout(X, 0.5, step_state, stream))


def test_streams_are_numbered_in_order_and_keep_what_is_set() -> None:
    first, fixed, second = layers.Dropout(0.1), layers.Dropout(0.1, seed=4), layers.GaussianNoise(0.1)
    seeded = fixed.stream
    layers.number_streams([layers.Dense(2), first, fixed, second])
    assert (first.stream, fixed.stream, second.stream) == (0, seeded, 1)
    third = layers.Dropout(0.1)
    layers.number_streams([second, third])
    assert (second.stream, third.stream) == (1, 0)


def test_streams_of_layers_inside_layers_are_found() -> None:
    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.drop = layers.Dropout(0.1)

    blocks = [Block(), Block()]
    layers.number_streams(blocks)
    assert [block.drop.stream for block in blocks] == [0, 1]


def test_unnumbered_layers_of_different_names_draw_different_numbers() -> None:
    one, other = traced_keys(layers.Dropout(0.5)), traced_keys(layers.Dropout(0.5))
    assert one[0] is other[0] is STEP_STATE
    assert one[1] != other[1]


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, "0.5", None, float("nan"), True])
def test_wrong_rates_are_refused(rate: Any) -> None:
    with pytest.raises(ValueError, match=r"rate must be a number in \[0, 1\)"):
        layers.Dropout(rate)


def test_other_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="stddev must be zero or positive, got -1"):
        layers.GaussianNoise(-1)
    with pytest.raises(TypeError, match=r"seed must be a whole number or None, got 0\.5"):
        layers.Dropout(0.5, seed=0.5)


def test_settings_are_checked_when_they_are_changed() -> None:
    dropout, noise = layers.Dropout(0.5), layers.GaussianNoise(1.0)
    dropout.rate, noise.stddev = np.float32(0.25), 2
    assert (dropout.rate, noise.stddev) == (0.25, 2.0)
    assert (type(dropout.rate), type(noise.stddev)) == (float, float)
    with pytest.raises(ValueError, match=r"rate must be a number in \[0, 1\)"):
        dropout.rate = 1.0
    with pytest.raises(ValueError, match="stddev must be zero or positive, got nan"):
        noise.stddev = float("nan")
    assert (dropout.rate, noise.stddev) == (0.25, 2.0)
