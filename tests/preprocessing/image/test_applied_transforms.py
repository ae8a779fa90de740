"""Transforms of `ImageDataGenerator` by given parameters: those of Keras-Preprocessing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from streamfit import set_random_seed
from streamfit._base.errors import DataError
from streamfit.preprocessing import image as ours
from streamfit.preprocessing.image import ImageDataGenerator
from streamfit.preprocessing.image.transform_parameters import TransformParameters

theirs = pytest.importorskip("keras_preprocessing.image")

MODES = "constant", "nearest", "reflect", "wrap"


def drawn(rng: np.random.Generator, **others: object) -> dict[str, object]:
    found: dict[str, object] = {
        "theta": rng.uniform(-180, 180),
        "tx": rng.uniform(-9, 9),
        "ty": rng.uniform(-9, 9),
        "shear": rng.uniform(-40, 40),
        "zx": rng.uniform(0.3, 2.5),
        "zy": rng.uniform(0.3, 2.5),
    }
    return found | others


def agree(x: np.ndarray, parameters: dict[str, object], tolerance: float, **options: object) -> None:
    """Compare both libraries; SciPy warns of the name by which Keras-Preprocessing calls it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        wanted = theirs.ImageDataGenerator(**options).apply_transform(x.copy(), parameters)
    found = ImageDataGenerator(**options).apply_transform(x, parameters)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, atol=tolerance, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_warps_are_those_of_keras_preprocessing(mode: str, order: int, data_format: str) -> None:
    rng = np.random.default_rng(order)
    for channels, height, width in ((1, 9, 7), (3, 8, 11), (4, 5, 5), (3, 1, 6), (3, 6, 1)):
        shape = (height, width, channels) if data_format == "channels_last" else (channels, height, width)
        x = rng.uniform(0, 255, shape).astype("float32")
        cases = [
            drawn(rng),
            drawn(rng, flip_horizontal=True),
            drawn(rng, flip_vertical=True, flip_horizontal=1),
        ]
        cases += [{"tx": 3, "ty": -2}, {"tx": 40, "ty": -30}, {"theta": 90}, {"flip_vertical": True}, {}]
        for parameters in cases:
            options = {"fill_mode": mode, "cval": 7.5, "interpolation_order": order}
            agree(x, parameters, 1e-4, data_format=data_format, **options)


@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_images_of_other_dtypes(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (7, 9, 3)).astype(dtype)
    for _ in range(5):
        agree(x, drawn(rng, channel_shift_intensity=None), 1e-9 if dtype == "float64" else 0, dtype=dtype)


def test_channel_shift_and_brightness_come_behind_the_warp() -> None:
    rng = np.random.default_rng(1)
    for channels in (1, 3, 4):
        x = rng.uniform(-20, 200, (8, 9, channels)).astype("float32")
        for factor in (0.0, 0.3, 1.0, 1.7):
            agree(x, drawn(rng, channel_shift_intensity=-30.0, brightness=factor), 1, fill_mode="reflect")
        agree(x, {"channel_shift_intensity": 50.0, "flip_horizontal": True}, 1e-5)
        agree(x, {"brightness": 1.3}, 0)
    flat = np.full((4, 4, 1), 3, "float32")
    agree(flat, {"brightness": 0.5}, 0)


def test_brightness_of_images_with_channels_first_is_that_of_channels_last() -> None:
    x = np.random.default_rng(2).uniform(0, 9, (4, 5, 4)).astype("float32")
    last = ImageDataGenerator().apply_transform(x, {"brightness": 0.7})
    first = ImageDataGenerator(data_format="channels_first")
    assert np.array_equal(
        first.apply_transform(x.transpose(2, 0, 1), {"brightness": 0.7}), last.transpose(2, 0, 1)
    )


def test_functions_of_single_images() -> None:
    x = np.random.default_rng(3).uniform(0, 255, (3, 8, 6)).astype("float32")
    axes = {"row_axis": 1, "col_axis": 2, "channel_axis": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        wanted = theirs.apply_affine_transform(x, 30, 1, 2, 10, 0.8, 1.2, **axes, fill_mode="wrap")
    found = ours.apply_affine_transform(x, 30, 1, 2, 10, 0.8, 1.2, **axes, fill_mode="wrap")
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.array_equal(ours.apply_channel_shift(x, 20.0), theirs.apply_channel_shift(x, 20.0))
    last = x.transpose(1, 2, 0)
    assert np.array_equal(ours.apply_brightness_shift(last, 0.6), theirs.apply_brightness_shift(last, 0.6))


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: ours.random_rotation(x, 40),
        lambda x: ours.random_shift(x, 0.3, 0.3),
        lambda x: ours.random_shear(x, 40),
        lambda x: ours.random_zoom(x, (0.5, 1.5)),
        lambda x: ours.random_channel_shift(x, 40.0),
        lambda x: ours.random_brightness(x, (0.2, 0.9)),
    ],
)
def test_random_functions_follow_the_seed(draw: object) -> None:
    x = np.random.default_rng(4).uniform(0, 255, (3, 8, 6)).astype("float32")
    set_random_seed(1)
    one, two = draw(x), draw(x)
    set_random_seed(1)
    assert np.array_equal(draw(x), one)
    assert not np.array_equal(one, two)
    assert one.shape == x.shape
    assert not np.array_equal(one, x)


def test_errors() -> None:
    x = np.zeros((4, 4, 1), "float32")
    with pytest.raises(ValueError, match=r"'rotation' is no parameter of a transform.*'theta'"):
        TransformParameters.of({"rotation": 3})
    with pytest.raises(DataError, match="rank 3"):
        ours.apply_channel_shift(x[0], 1.0)
    with pytest.raises(DataError, match="rank 3"):
        ImageDataGenerator().apply_transform(x[None], {})
    with pytest.raises(ValueError, match="fill_mode='mirror'"):
        ours.apply_affine_transform(x, fill_mode="mirror")
    with pytest.raises(ValueError, match="between 0 and 5"):
        ours.apply_affine_transform(x, order=6)
    with pytest.raises(ValueError, match="zoom_range"):
        ours.random_zoom(x, 0.5)
