"""Inputs of models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import layers
from streamfit._base.config import set_floatx
from streamfit.layers.base import clear_names
from streamfit.ops import Tensor


def test_input_is_a_tensor_with_an_open_batch() -> None:
    x = layers.Input((3, 4), name="x", dtype="uint8")
    assert type(x) is Tensor
    assert (x.shape, x.dtype, x.name) == ((None, 3, 4), np.dtype("uint8"), "x")
    assert layers.Input(()).shape == (None,)
    assert layers.Input(3).shape == (None, 3)
    assert layers.Input(shape=[np.int64(3)], batch_size=8).shape == (None, 3)


def test_default_dtype_is_floatx() -> None:
    assert layers.Input((3,)).dtype == np.float32
    set_floatx("float64")
    assert layers.Input((3,)).dtype == np.float64


def test_names_are_numbered() -> None:
    clear_names()
    assert [layers.Input((1,)).name for _ in range(2)] == ["input", "input_1"]


@pytest.mark.parametrize("shape", [(0, None), (0,), (-1,), (2.5,), ("3",), (True,)])
def test_wrong_shapes_are_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match="every axis of a sample needs a length of at least 1"):
        layers.Input(shape)


def test_missing_shape_and_wrong_batch_size_are_refused() -> None:
    with pytest.raises(ValueError, match="Input needs shape="):
        layers.Input()
    with pytest.raises(ValueError, match="batch_size must be None or a whole number of at least 1, got 0"):
        layers.Input((3,), batch_size=0)
    with pytest.raises(ValueError, match="Input needs shape="):
        layers.InputLayer()


def test_input_layer_takes_both_names_of_the_shape() -> None:
    assert layers.InputLayer((3,)).sample_shape == (3,)
    assert layers.InputLayer(input_shape=(3, 4)).sample_shape == (3, 4)
    with pytest.raises(TypeError, match="either shape or input_shape, got both"):
        layers.InputLayer((3,), input_shape=(3,))


def test_the_batch_may_be_part_of_the_shape() -> None:
    assert layers.Input(batch_shape=(None, 3)).shape == (None, 3)
    assert layers.Input(batch_shape=(8, 3, None)).shape == (None, 3, None)
    assert layers.Input(batch_shape=[4]).shape == (None,)
    for wrong, message in [
        ({"shape": (3,), "batch_shape": (8, 3)}, "shape and batch_shape say the same"),
        ({"batch_size": 8, "batch_shape": (8, 3)}, "batch_size and batch_shape say the same"),
        ({"batch_shape": ()}, "batch_shape begins with the batch"),
        ({"batch_shape": (0, 3)}, "batch_size must be None or a whole number of at least 1"),
        ({"batch_shape": (None, -3)}, "every axis of a sample"),
        ({"shape": (3,), "sparse": True}, "leave sparse=True out"),
        ({"shape": (3,), "ragged": True}, "leave ragged=True out"),
    ]:
        for make in (layers.Input, layers.InputLayer):
            with pytest.raises(ValueError, match=message):
                make(**wrong)  # type: ignore[operator]


def test_an_input_may_be_a_tensor_that_there_is() -> None:
    x = layers.Input((3,), name="x")
    assert layers.Input(tensor=x) is x
    layer = layers.InputLayer(input_tensor=x)
    assert layer.output is x
    assert (layer.batch_shape, layer.dtype) == ((None, 3), "float32")
    layers.InputLayer((3,), batch_size=2, dtype="float32", input_tensor=x)
    layers.InputLayer(batch_shape=(2, 3), input_tensor=x)
    for wrong in [{"shape": (4,)}, {"batch_shape": (None, 4)}, {"dtype": "float64"}]:
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.* contradicts the tensor"):
            layers.InputLayer(input_tensor=x, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"input_tensor must be a tensor, .* got ndarray"):
        layers.InputLayer(input_tensor=np.zeros((2, 3)))  # type: ignore[arg-type]


def test_input_layer_has_the_shape_of_the_batch_and_a_tensor() -> None:
    layer = layers.InputLayer((2, 3), batch_size=4, name="start")
    assert (layer.batch_shape, layer.sample_shape) == ((4, 2, 3), (2, 3))
    assert layer.output is layer.tensor()
    assert (layer.output.shape, layer.output.name) == ((None, 2, 3), "start")
    twin = layers.InputLayer.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert twin.batch_shape == (4, 2, 3)
    text = layers.InputLayer.from_config(layers.InputLayer((), dtype="string").get_config())
    assert text.dtype == "string"
