"""`streamfit.backend`: the settings of ``keras.backend``."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import Sequential, layers
from streamfit import backend as K  # noqa: N812 - as scripts of Keras write it
from streamfit.preprocessing.image import img_to_array


def test_settings_are_read_and_written() -> None:
    assert (K.backend(), K.floatx(), K.epsilon(), K.image_data_format()) == (
        "streamfit",
        "float32",
        1e-7,
        "channels_last",
    )
    K.set_floatx("float64")
    K.set_epsilon(1e-3)
    try:
        assert K.cast_to_floatx([1, 2]).dtype == "float64"
        assert K.epsilon() == 1e-3
    finally:
        K.set_floatx("float32")
        K.set_epsilon(1e-7)
    assert K.cast_to_floatx(np.zeros(2)).dtype == "float32"
    with pytest.raises(ValueError, match="above 0"):
        K.set_epsilon(0)
    with pytest.raises(ValueError, match="above 0"):
        K.set_epsilon(float("inf"))
    with pytest.raises(TypeError, match="epsilon"):
        K.set_epsilon("small")
    with pytest.raises(ValueError, match="'channels_last' or 'channels_first'"):
        K.set_image_data_format("channels_middle")


def test_names_begin_again() -> None:
    K.clear_session()
    assert [layers.Dense(1).name, layers.Dense(1).name] == ["dense", "dense_1"]
    K.clear_session()
    assert layers.Dense(1).name == "dense"


def test_channels_first_is_honoured_or_refused() -> None:
    K.set_image_data_format("channels_first")
    try:
        assert img_to_array(np.zeros((4, 5, 3))).shape == (3, 4, 5)
        for make in (lambda: layers.Conv2D(2, 3), layers.MaxPooling2D, layers.GlobalAveragePooling2D):
            with pytest.raises(
                ValueError, match="image_data_format is 'channels_first', which layers do not"
            ):
                make()
        model = Sequential(
            [
                layers.Conv2D(2, 3, data_format="channels_last", input_shape=(8, 8, 3)),
                layers.MaxPooling2D(data_format="channels_last"),
                layers.AveragePooling2D(data_format="channels_last"),
            ]
        )
        assert model(np.zeros((1, 8, 8, 3), "float32")).shape == (1, 1, 1, 2)
    finally:
        K.set_image_data_format("channels_last")
