"""Layers of several inputs: nothing is broadcast, and the short functions."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import layers
from streamfit._base.errors import ShapeError

ELEMENTWISE = [
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
]


@pytest.mark.parametrize("cls", ELEMENTWISE)
def test_shapes_must_agree(cls: type[layers.Layer]) -> None:
    with pytest.raises(ShapeError, match=r"needs tensors of one shape, got \[\(2, 3\), \(2, 1\)\]"):
        cls()([np.ones((2, 3)), np.ones((2, 1))])
    with pytest.raises(ShapeError, match="where broadcasting is meant"):
        cls()([layers.Input((3,)), layers.Input((3, 1))])


@pytest.mark.parametrize("cls", [*ELEMENTWISE, layers.Concatenate])
def test_two_tensors_are_needed(cls: type[layers.Layer]) -> None:
    with pytest.raises(ShapeError, match="needs a list of at least two tensors, got 1"):
        cls()([np.ones((2, 3))])
    with pytest.raises(ShapeError, match="needs a list of at least two tensors, got 1"):
        cls()(np.ones((2, 3)))


def test_subtraction_takes_exactly_two() -> None:
    with pytest.raises(ShapeError, match="needs exactly two tensors, got 3"):
        layers.Subtract()([np.ones((2, 3))] * 3)


def test_samples_are_not_concatenated() -> None:
    with pytest.raises(ValueError, match="axis 0 is the batch"):
        layers.Concatenate(axis=0)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "average", "maximum", "minimum"])
def test_short_functions_are_the_layers(name: str) -> None:
    pair = [np.full((1, 2), 3.0), np.full((1, 2), 2.0)]
    wanted = getattr(layers, name.capitalize())()(pair)
    np.testing.assert_array_equal(getattr(layers, name)(pair), wanted)
    assert getattr(layers, name)([layers.Input((2,))] * 2, name="both").node.op.name == "both"


def test_short_concatenate() -> None:
    assert layers.concatenate([np.ones((1, 2)), np.ones((1, 3))]).shape == (1, 5)
    assert layers.concatenate([np.ones((1, 2, 3)), np.ones((1, 1, 3))], axis=1).shape == (1, 3, 3)
