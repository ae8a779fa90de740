"""`load_img`, `img_to_array`, `array_to_img`, `save_img`: as in Keras; the oracle is Keras-Preprocessing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_preprocessing import image as keras_image
from oracles.pictures import encoded, picture
from PIL import Image

from streamfit import utils
from streamfit._base import config
from streamfit._base.errors import DataError
from streamfit.preprocessing import image
from streamfit.preprocessing.image import array_to_img, img_to_array, load_img, save_img


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write one picture."""
    found = tmp_path / "ä b.png"
    found.write_bytes(encoded(picture(21, 33), "png"))
    return found


def test_both_places() -> None:
    for name in ("load_img", "img_to_array", "array_to_img", "save_img"):
        assert getattr(utils, name) is getattr(image, name)


@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("size", [None, (21, 33), (10, 40), (50, 7)])
def test_load_img_as_keras(path: Path, color_mode: str, size: tuple[int, int] | None) -> None:
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"):
        found = load_img(path, color_mode, size, interpolation)  # type: ignore[arg-type]
        wanted = keras_image.load_img(
            str(path), color_mode=color_mode, target_size=size, interpolation=interpolation
        )
        assert found.mode == wanted.mode
        np.testing.assert_array_equal(img_to_array(found), keras_image.img_to_array(wanted))


def test_load_img_of_other_arguments(path: Path) -> None:
    whole = img_to_array(load_img(path))
    for same in (str(path), str(path).encode(), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(img_to_array(load_img(same)), whole)
    for gray in (
        load_img(path, True),
        load_img(path, grayscale=True),
        load_img(path, color_mode="grayscale"),
    ):
        assert gray.mode == "L"
    assert load_img(path, False).mode == "RGB"
    square = load_img(path, target_size=7, interpolation="box", keep_aspect_ratio=True)
    wanted = Image.fromarray(picture(21, 33)[:, 6:27]).resize((7, 7), Image.Resampling.BOX)
    np.testing.assert_array_equal(np.asarray(square), np.asarray(wanted))


def test_load_img_turns_pictures_of_phones(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(encoded(picture(8, 24), "jpeg", exif=exif))
    assert img_to_array(load_img(tmp_path / "a.jpg")).shape == (24, 8, 3)
    assert img_to_array(load_img(tmp_path / "a.jpg", upright=False)).shape == (8, 24, 3)
    assert img_to_array(load_img(tmp_path / "a.jpg", target_size=(12, 4))).shape == (12, 4, 3)


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_gray_images_keep_their_depth(tmp_path: Path, dtype: str) -> None:
    deep = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (5, 6, 1), dtype=dtype)
    file = tmp_path / "a.tiff"
    Image.fromarray(deep[..., 0]).save(file)
    np.testing.assert_array_equal(img_to_array(load_img(file, "grayscale"), dtype=dtype), deep)


def test_load_img_refuses(path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png' cannot be opened"):
        load_img(tmp_path / "none.png")
    with pytest.raises(DataError, match="21 x 33 pixels, more than 100"):
        load_img(path, max_pixels=100)
    for wrong, why in (
        ({"color_mode": "bgr"}, "color_mode='bgr': write"),
        ({"interpolation": "cubic"}, "interpolation='cubic': write"),
        ({"target_size": (1, 2, 3)}, r"write \(height, width\)"),
        ({"target_size": (0, 2)}, "at least 1"),
    ):
        with pytest.raises(ValueError, match=why):
            load_img(path, **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs a path"):
        load_img(3)  # type: ignore[arg-type]


@given(st.sampled_from([1, 3, 4]), st.booleans(), st.integers(0, 2**32 - 1))
def test_arrays_to_images_and_back_as_keras(channels: int, scale: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 255, (4, 5, channels)) if not scale else rng.normal(size=(4, 5, channels))
    for data_format in ("channels_last", "channels_first"):
        given = x if data_format == "channels_last" else x.transpose(2, 0, 1)
        found = array_to_img(given, data_format, scale)
        wanted = keras_image.array_to_img(given, data_format, scale)
        assert found.mode == wanted.mode
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))
        back = img_to_array(found, data_format)
        np.testing.assert_array_equal(back, keras_image.img_to_array(wanted, data_format))
        assert back.dtype == np.float32
        assert back.shape == given.shape


def test_deep_gray_arrays() -> None:
    x = np.array([[[-5], [70_000]]])
    made = array_to_img(x, scale=False, dtype="int32")
    assert made.mode == "I"
    assert img_to_array(made, dtype="int32").tolist() == x.tolist()
    assert np.asarray(array_to_img(np.full((2, 2, 1), 7.0))).max() == 0  # as in Keras


def test_default_formats() -> None:
    try:
        config.set_image_data_format("channels_first")
        assert img_to_array(np.zeros((2, 3))).shape == (1, 2, 3)
        assert array_to_img(np.zeros((3, 4, 5))).size == (5, 4)
    finally:
        config.set_image_data_format("channels_last")
    with pytest.raises(ValueError, match="'channels_last' or 'channels_first'"):
        img_to_array(np.zeros((2, 3)), "first")


@pytest.mark.parametrize(
    ("x", "why"),
    [
        (np.zeros((2, 3)), "must have shape"),
        (np.zeros((2, 3, 2)), "got 2 channels"),
        (np.full((2, 3, 3), np.nan), "not finite"),
        (np.full((2, 3, 3), 256.0), "values from 256.0 to 256.0"),
        (np.full((2, 3, 1), -1.0), "np.clip"),
    ],
)
def test_arrays_that_are_no_images(x: np.ndarray, why: str) -> None:
    with pytest.raises(DataError, match=why):
        array_to_img(x, scale=False)


def test_save_img(tmp_path: Path) -> None:
    x = picture()
    for name in ("a.png", "a.bmp", "a.tif", "a.TIFF"):
        save_img(tmp_path / name, x, scale=False)
        np.testing.assert_array_equal(np.asarray(load_img(tmp_path / name)), x)
    save_img(tmp_path / "a.jpg", x, quality=100)
    assert load_img(tmp_path / "a.jpg").size == (17, 12)
    file = io.BytesIO()
    save_img(file, x.transpose(2, 0, 1), "channels_first", "png", scale=False)
    np.testing.assert_array_equal(np.asarray(load_img(file)), x)
    with pytest.warns(UserWarning, match="JPEG has no alpha"):
        save_img(tmp_path / "b.jpg", picture(channels=4))
    with pytest.raises(ValueError, match=r"ends in \.png"):
        save_img(tmp_path / "a", x)
    with pytest.raises(ValueError, match="no format that Pillow writes"):
        save_img(tmp_path / "a.xyz", x)
    with pytest.raises(DataError, match="must have shape"):
        img_to_array(np.zeros(3))
