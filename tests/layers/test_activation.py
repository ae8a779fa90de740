"""Activation layers: wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import activations, layers
from streamfit._base.errors import UnknownNameError


@pytest.mark.parametrize("name", ["max_value", "negative_slope", "threshold"])
def test_negative_settings_of_relu_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be zero or positive, got -1"):
        layers.ReLU(**{name: -1})


def test_unknown_activation_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'softmax'"):
        layers.Activation("sofmax")


@pytest.mark.parametrize("layer", [layers.Activation("relu"), layers.Dense(1, "relu", input_dim=1)])
def test_a_changed_activation_is_looked_up(layer: layers.Activation | layers.Dense) -> None:
    layer.activation = "linear"
    assert layer.activation is activations.linear
    layer.activation = np.tanh
    assert layer.activation is np.tanh
    with pytest.raises(UnknownNameError, match="Did you mean 'tanh'"):
        layer.activation = "tahn"
