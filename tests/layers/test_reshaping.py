"""Shapes that do not fit, and inputs of other dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, backend, layers
from streamfit._base.errors import ShapeError


def test_elements_are_counted() -> None:
    with pytest.raises(
        ShapeError, match=r"layer 'r' cannot give samples of shape \(2, 3\) \(6 elements\) the shape"
    ):
        layers.Reshape((4,), name="r")(np.zeros((5, 2, 3)))
    with pytest.raises(ShapeError, match="the number of elements must stay the same"):
        layers.Reshape((4, -1))(layers.Input((6,)))


@pytest.mark.parametrize("shape", [(-1, -1), (0,), (-2,), (3, 0)])
def test_wrong_target_shapes_are_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match="target_shape holds positive lengths and at most one -1"):
        layers.Reshape(shape)


@pytest.mark.parametrize("dims", [(0, 1), (1, 1), (2,), (1, 3)])
def test_wrong_axes_are_refused(dims: Any) -> None:
    with pytest.raises(ValueError, match="dims must hold each of 1 to"):
        layers.Permute(dims)


def test_axes_are_counted() -> None:
    with pytest.raises(ShapeError, match=r"orders 2 axes, got samples of shape \(3,\)"):
        layers.Permute((2, 1))(np.zeros((5, 3)))
    with pytest.raises(ShapeError, match=r"repeats vectors, got samples of shape \(3, 2\)"):
        layers.RepeatVector(2)(np.zeros((5, 3, 2)))
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, got 0"):
        layers.RepeatVector(0)


def test_rescaling_makes_floats_of_images() -> None:
    found = layers.Rescaling(1 / 255)(np.array([[0, 255]], "uint8"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.0, 1.0]])


def test_rescaling_by_columns_stays_float32() -> None:
    found = layers.Rescaling(np.array([1.0, 2.0]), np.array([0.0, 1.0]))(np.ones((1, 2), "float32"))
    assert (found.dtype, found.tolist()) == (np.float32, [[1.0, 3.0]])


def test_rescaling_has_a_number_for_each_channel_where_those_are_first() -> None:
    x = np.arange(24, dtype="float32").reshape(1, 2, 3, 4)
    layer = layers.Rescaling([1.0, 2.0], offset=[0.0, 5.0])
    backend.set_image_data_format("channels_first")
    try:
        found = layer(x)
    finally:
        backend.set_image_data_format("channels_last")
    np.testing.assert_array_equal(found, np.stack([x[:, 0], 2 * x[:, 1] + 5], axis=1))


def test_samples_with_a_free_axis_are_reshaped() -> None:
    x = Input((None, 2))
    pairs, fixed = layers.Reshape((2, -1))(x), layers.Reshape((2, 3))(x)
    assert (pairs.shape, fixed.shape) == ((None, 2, None), (None, 2, 3))
    for steps in (1, 3, 6):
        data = np.arange(4.0 * steps).reshape(2, steps, 2)
        found = Model(x, pairs).predict(data, verbose=0)
        np.testing.assert_array_equal(found, data.reshape(2, 2, steps))
    assert Model(x, fixed).predict(np.zeros((2, 3, 2)), verbose=0).shape == (2, 2, 3)
    with pytest.raises(ShapeError, match=r"cannot reshape \(2, 4, 2\) \(8 elements\) to .*\(6 elements\)"):
        Model(x, fixed).predict(np.zeros((2, 4, 2)), verbose=0)
