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
