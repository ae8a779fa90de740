"""`clone_model`: what a clone has of the model beside new layers."""

from __future__ import annotations

import pytest

from streamfit import Model, Sequential, layers
from streamfit.models import clone_model


def test_a_clone_is_compiled_as_the_model_is() -> None:
    x = layers.Input((3,))
    for model in (Sequential([x, layers.Dense(1)]), Model(x, layers.Dense(1)(x))):
        assert not clone_model(model).compiled
        model.compile("sgd", "mse")
        twin = clone_model(model)
        assert twin.compiled
        assert twin.optimizer is not model.optimizer
        assert twin.optimizer.get_config() == model.optimizer.get_config()


def test_tensors_to_begin_with_have_the_structure_of_the_inputs() -> None:
    x, y = layers.Input((3,), name="x"), layers.Input((3,), name="y")
    model = Model({"x": x, "y": y}, x + y)
    assert clone_model(model, {"x": x, "y": y}).output_shape == (None, 3)
    with pytest.raises(ValueError, match="input_tensors must have the structure of the inputs"):
        clone_model(model, (x, y))
    pair = Model([x, y], x + y)
    assert clone_model(pair, (x, y)).output_shape == (None, 3)
