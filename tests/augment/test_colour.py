"""Changes of colours: each operation against another library, and all of them in one pass."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment import colour
from streamfit.augment.colour import OPERATIONS, recolour
from streamfit.augment.image_steps import ColourStep
from streamfit.augment.images import Images

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (7, 9, 3)).astype(np.uint8)
IMAGE[:3] = IMAGE[:3] // 3 + 60
PIXELS = (np.arange(18) * 53 % 256).astype(np.uint8).reshape(2, 3, 3)


def step(operation: str, *parameters: float, count: int = 1, **options: object) -> ColourStep:
    numbers = np.tile(np.array(parameters, float).reshape(1, -1), (count, 1))
    return ColourStep(operation, numbers, **options)  # type: ignore[arg-type]


def changed(image: Array, *steps: ColourStep, value_range: tuple[float, float] | None = None) -> Array:
    made = recolour(Images.of(image[None], value_range), steps, owned=False).value()
    return np.asarray(made)[0]


def unit(image: Array) -> Array:
    return image.astype(np.float32) / np.float32(255)


# Values of torchvision 0.28 for PIXELS, which cuts off what is behind the point, also of the luma.
TORCHVISION: list[tuple[str, tuple[float, ...], list[int]]] = [
    ("scale", (1.3,), [0, 68, 137, 206, 255, 11, 80, 149, 218, 255, 23, 92, 161, 230, 255, 35, 104, 172]),
    ("contrast", (1.4,), [0, 31, 105, 179, 254, 0, 44, 118, 192, 255, 0, 56, 130, 205, 255, 0, 69, 143]),
    ("saturation", (1.7,), [0, 60, 150, 149, 240, 0, 31, 122, 212, 255, 0, 61, 93, 184, 255, 0, 87, 177]),
    ("saturation", (0.3,), [30, 46, 61, 168, 184, 123, 92, 108, 123, 125, 64, 80, 154, 170, 185, 57, 73, 88]),
    ("hue", (0.2,), [74, 0, 106, 9, 212, 103, 136, 62, 168, 221, 209, 18, 198, 124, 230, 101, 27, 133]),
    ("hue", (-0.37,), [76, 106, 0, 212, 9, 204, 138, 168, 62, 18, 116, 221, 201, 230, 124, 103, 133, 27]),
    ("gamma", (0.7, 1), [0, 85, 138, 183, 224, 24, 95, 146, 191, 231, 40, 104, 154, 198, 238, 53, 113, 162]),
    ("gamma", (1.5, 1.2), [0, 29, 82, 151, 232, 2, 36, 93, 164, 247, 5, 45, 104, 177, 255, 10, 53, 115]),
    ("auto_contrast", (), [0, 46, 111, 183, 254, 0, 71, 127, 183, 254, 0, 71, 143, 208, 254, 31, 81, 143]),
    ("solarize", (100,), [0, 53, 149, 96, 43, 9, 62, 140, 87, 34, 18, 71, 131, 78, 25, 27, 80, 122]),
    ("posterize", (32,), [0, 32, 96, 128, 192, 0, 32, 96, 160, 192, 0, 64, 96, 160, 224, 0, 64, 128]),
]
# Values of the layers of Keras 3.15, of float32 images from 0 to 255.
KERAS: list[tuple[str, tuple[float, ...], list[float]]] = [
    (
        "contrast_each",
        (1.4,),
        [
            0,
            30.533,
            100.6,
            183.067,
            253.133,
            0,
            47.267,
            117.333,
            187.4,
            255,
            0,
            51.6,
            134.067,
            204.133,
            255,
            0,
            68.333,
            138.4,
        ],
    ),
    ("shift", (20,), [20, 73, 126, 179, 232, 29, 82, 135, 188, 241, 38, 91, 144, 197, 250, 47, 100, 153]),
    (
        "saturation_hsv",
        (1.7,),
        [0, 53, 106, 156.65, 212, 0, 0, 84, 168, 221, 0, 57.699, 49.8, 139.9, 230, 0, 66.5, 133],
    ),
    (
        "saturation_hsv",
        (0.3,),
        [
            74.2,
            90.1,
            106,
            196.1,
            212,
            151.1,
            136.2,
            152.1,
            168,
            221,
            160.1,
            176,
            198.2,
            214.1,
            230,
            101.2,
            117.1,
            133,
        ],
    ),
    (
        "hue",
        (0.2,),
        [74.2, 0, 106, 9, 212, 102.6, 136.2, 62, 168, 221, 208.6, 18, 198.2, 124, 230, 101.2, 27, 133],
    ),
    (
        "equalize_exact",
        (),
        [0, 51, 102, 204, 255, 0, 102, 153, 204, 255, 0, 51, 153, 204, 255, 51, 102, 153],
    ),
    (
        "auto_contrast",
        (),
        [
            0,
            46.005,
            111.923,
            183.462,
            255,
            0,
            71.538,
            127.5,
            183.462,
            255,
            0,
            71.538,
            143.077,
            208.995,
            255,
            31.154,
            81.495,
            143.077,
        ],
    ),
]


@pytest.mark.parametrize(("operation", "parameters", "expected"), TORCHVISION)
def test_uint8_is_within_a_level_of_torchvision(
    operation: str, parameters: tuple[float, ...], expected: list[int]
) -> None:
    made = changed(PIXELS, step(operation, *parameters)).reshape(-1).astype(int)
    assert np.abs(made - expected).max() <= 1


@pytest.mark.parametrize(("operation", "parameters", "expected"), KERAS)
def test_float_is_that_of_keras(operation: str, parameters: tuple[float, ...], expected: list[float]) -> None:
    given_ = PIXELS.astype(np.float32)
    made = changed(given_, step(operation, *parameters), value_range=(0, 255))
    np.testing.assert_allclose(made.reshape(-1), expected, atol=2e-3)


def blend(kind: type, factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: kind(image).enhance(factor)


@pytest.mark.parametrize(
    ("made_by", "operation", "parameters", "tolerance"),
    [
        (blend(ImageEnhance.Brightness, 1.6), "scale", (1.6,), 1),
        (blend(ImageEnhance.Contrast, 1.6), "contrast", (1.6,), 1),
        (blend(ImageEnhance.Contrast, 0.2), "contrast", (0.2,), 1),
        (blend(ImageEnhance.Color, 1.6), "saturation", (1.6,), 1),
        (blend(ImageEnhance.Color, 0), "saturation", (0.0,), 1),
        (lambda image: ImageOps.posterize(image, 3), "posterize", (32,), 0),
        (lambda image: ImageOps.solarize(image, 99), "solarize", (99,), 0),
        (ImageOps.invert, "invert", (), 0),
        (ImageOps.autocontrast, "auto_contrast", (), 1),
    ],
)
def test_uint8_is_that_of_pillow(
    made_by: Callable[[Image.Image], Image.Image],
    operation: str,
    parameters: tuple[float, ...],
    tolerance: int,
) -> None:
    expected = np.asarray(made_by(Image.fromarray(IMAGE))).astype(int)
    assert np.abs(changed(IMAGE, step(operation, *parameters)).astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("spread", [64, 7])
def test_equalize_is_that_of_pillow(spread: int) -> None:
    image = (
        RNG.integers(0, 256, (24, 40, 3)) // 256 * 0 + RNG.integers(90, 90 + spread, (24, 40, 3))
    ).astype(np.uint8)
    expected = np.asarray(ImageOps.equalize(Image.fromarray(image)))
    assert (expected != image).any()
    assert np.array_equal(changed(image, step("equalize")), expected)
    np.testing.assert_allclose(changed(unit(image), step("equalize")), unit(expected), atol=1e-6)


def test_images_of_one_value_stay() -> None:
    plain = np.full((4, 5, 3), 77, np.uint8)
    for operation in ("equalize", "equalize_exact", "auto_contrast"):
        assert np.array_equal(changed(plain, step(operation)), plain)
        np.testing.assert_allclose(changed(unit(plain), step(operation)), unit(plain), atol=1e-6)


@pytest.mark.parametrize("turn", [0.0, 0.07, 0.5, -0.5, -1 / 3])
def test_hue_is_that_of_colorsys(turn: float) -> None:
    image = unit(IMAGE)
    image[0, :3] = [[0, 0, 0], [1, 1, 1], [0.3, 0.3, 0.3]]  # without a hue
    image[1, :3] = [[1, 1, 0], [0, 1, 1], [1, 0, 1]]  # two channels are the greatest
    expected = np.empty_like(image)
    for at in np.ndindex(*image.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(float(v) for v in image[at]))
        expected[at] = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
    np.testing.assert_allclose(changed(image, step("hue", turn)), expected, atol=2e-6)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_point_operations_in_numpy(channels: int) -> None:
    image = IMAGE[..., :channels]
    wide = image.astype(float)
    shifts = np.array([30.0, -90.0, 200.0])[:channels]
    factors = np.array([0.01, 0.02, -0.5])[:channels]
    for operation, parameters, expected in (
        ("scale", [0.5], wide * 0.5),
        ("shift", [-50.25], np.clip(wide - 50.25, 0, 255)),
        ("channel_shift", shifts, np.clip(wide + shifts, 0, 255)),
        ("gamma", [2.2, 0.9], 255 * 0.9 * (wide / 255) ** 2.2),
    ):
        made = changed(image, step(operation, *parameters))
        np.testing.assert_allclose(made, expected, atol=0.501, err_msg=operation)
    made = changed(image, step("affine", *factors, *shifts, dtype="float32"))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, wide * factors + shifts, rtol=1e-6, atol=1e-4)


def test_contrast_takes_the_mean_of_all_channels_where_they_are_not_three() -> None:
    image = IMAGE[..., :2]
    expected = np.clip(image.mean() + 1.5 * (image - image.mean()), 0, 255)
    np.testing.assert_allclose(changed(image, step("contrast", 1.5)), expected, atol=0.501)


def test_black_and_white_are_those_of_the_value_range() -> None:
    image = IMAGE.astype(np.float32) / 127.5 - 1
    for operation, parameters in (
        ("scale", [1.4]),
        ("contrast", [1.4]),
        ("gamma", [0.6, 1]),
        ("posterize", [16]),
        ("hue", [0.3]),
        ("saturation", [1.8]),
        ("saturation_hsv", [1.8]),
        ("invert", []),
        ("auto_contrast", []),
        ("equalize", []),
    ):
        made = changed(image, step(operation, *parameters), value_range=(-1, 1))
        expected = changed(unit(IMAGE), step(operation, *parameters)) * 2 - 1
        np.testing.assert_allclose(made, expected, atol=3e-6, err_msg=operation)


PARAMETERS: dict[str, st.SearchStrategy[tuple[float, ...]]] = {
    "scale": st.tuples(st.floats(0.3, 2)),
    "shift": st.tuples(st.floats(-0.5, 0.5)),
    "channel_shift": st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    "invert": st.just(()),
    "contrast": st.tuples(st.floats(0.3, 2)),
    "contrast_each": st.tuples(st.floats(0.3, 2)),
    "auto_contrast": st.just(()),
    "gamma": st.tuples(st.floats(0.5, 2), st.floats(0.8, 1.2)),
    "saturation": st.tuples(st.floats(0.3, 2)),
    "saturation_hsv": st.tuples(st.floats(0.3, 2)),
    "hue": st.tuples(st.floats(-0.5, 0.5)),
}
CHAINS = st.lists(
    st.sampled_from(sorted(PARAMETERS)).flatmap(lambda name: PARAMETERS[name].map(lambda p: (name, p))),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(CHAINS)
def test_a_chain_is_its_operations_one_by_one_and_rounded_once(
    chain: list[tuple[str, tuple[float, ...]]],
) -> None:
    apart = unit(IMAGE)
    for name, parameters in chain:
        apart = changed(apart, step(name, *parameters))
    together = [step(name, *parameters) for name, parameters in chain]
    # Where a hue is not defined, or a spread nearly 0, a rounding error is magnified.
    bad = np.abs(changed(unit(IMAGE), *together) - apart) > 1e-3
    assert bad.mean() < 0.02
    in_levels = [
        step(name, *(255 * v for v in parameters)) if "shift" in name else step(name, *parameters)
        for name, parameters in chain
    ]
    bad = np.abs(changed(IMAGE, *in_levels) - 255.0 * apart) > 0.6
    assert bad.mean() < 0.02


@settings(max_examples=20, deadline=None)
@given(CHAINS, st.lists(st.booleans(), min_size=3, max_size=3), st.booleans())
def test_an_image_does_not_depend_on_others_and_inactive_ones_stay(
    chain: list[tuple[str, tuple[float, ...]]], active: list[bool], floating: bool
) -> None:
    images = [IMAGE, IMAGE[1:4, ::-1].copy(), IMAGE[:, :5].copy()]
    images = [unit(image) for image in images] if floating else images
    mask = np.array(active)
    batch = Images.of(images)
    steps = [step(name, *p, count=3, active=mask) for name, p in chain]
    for owned in (False, True):
        pixels = Images(batch.pixels.copy(), batch.starts, batch.frames, single=False)
        made = recolour(pixels, steps, owned)
        assert (made.pixels is pixels.pixels) == owned
        for row, image in enumerate(images):
            alone = changed(image, *(step(name, *p) for name, p in chain)) if active[row] else image
            assert made.image(row).dtype == image.dtype
            np.testing.assert_allclose(made.image(row), alone, atol=1e-6 if floating else 0)


def test_statistics_behind_a_change_that_mixes_channels_are_those_of_the_whole_image() -> None:
    image = np.concatenate([IMAGE.reshape(1, -1, 3)] * 18, axis=1)  # longer than a strip
    assert image.shape[1] > 1024
    for steps in (
        [step("saturation", 0.4), step("contrast", 1.5)],
        [step("scale", 0.9), step("hue", 0.2), step("equalize")],
    ):
        small = [changed(IMAGE, *steps).reshape(1, -1, 3)] * 18 if steps[-1].operation == "contrast" else None
        long = changed(image, *steps)
        if small is not None:
            assert np.array_equal(long, np.concatenate(small, axis=1))
        else:
            grey = np.asarray(ImageOps.equalize(Image.fromarray(changed(image, *steps[:-1]))))
            assert np.array_equal(long, grey)


def test_values_are_bounded_behind_each_operation() -> None:
    image = np.array([[[200, 100, 0]]], np.uint8)
    assert changed(image, step("scale", 2), step("scale", 0.5)).tolist() == [[[128, 100, 0]]]
    affine = step("affine", 2, 2, 2, 0, 0, 0, dtype="float32", value_range=(0, 510))
    assert changed(image, affine, step("scale", 2)).tolist() == [[[510, 400, 0]]]


def test_numbers_that_are_not_finite_stay() -> None:
    image = np.array([[[np.nan], [0.5]]], np.float32)
    made = changed(image, step("scale", 1.5), step("shift", 0.1))
    assert np.isnan(made[0, 0, 0])
    assert made[0, 1, 0] == np.float32(0.85)


def test_empty_images_and_batches() -> None:
    for shape in ((0, 4, 4, 3), (2, 0, 4, 3)):
        images = Images.of(np.empty(shape, np.uint8))
        made = recolour(
            images, [step("contrast", 2, count=shape[0]), step("hue", 0.1, count=shape[0])], False
        )
        assert made.pixels.size == 0


@pytest.mark.parametrize(
    ("channels", "wrong", "error", "text"),
    [
        (1, step("hue", 0.1), DataError, "three channels .* not 1; leave it out"),
        (4, step("saturation", 0.1), DataError, r"not 4; take the first three"),
        (3, step("huge", 0.1), ValueError, "unknown operation 'huge'; there are scale, "),
        (3, step("hue", 0.1, 0.2), ValueError, r"must have shape \(1, 1\) for 1 images of 3 channels"),
        (2, step("channel_shift", 0.1), ValueError, r"must have shape \(1, 2\)"),
        (2, step("affine", 1, 2), ValueError, r"must have shape \(1, 4\)"),
    ],
)
def test_what_cannot_be_done(channels: int, wrong: ColourStep, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        changed(np.zeros((2, 2, channels), np.uint8), wrong)


def test_a_range_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match="the lower number first"):
        changed(unit(IMAGE), step("scale", 0.1), value_range=(1, 0))


def test_each_operation_is_described() -> None:
    text = Path(colour.__file__).read_text(encoding="utf-8").partition("What a `ColourStep` may be")[2]
    assert [name for name in OPERATIONS if f"``'{name}'``" not in text] == []
