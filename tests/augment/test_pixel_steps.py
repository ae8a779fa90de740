"""Noise, blur, sharpness, cutout and erasing: against SciPy, Pillow and NumPy, and by their statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from streamfit import augment
from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.augment.blurs import BlurStep, SharpenStep
from streamfit.augment.draws import SampleDraws
from streamfit.augment.erasing import EraseStep
from streamfit.augment.image_steps import PixelStep
from streamfit.augment.images import Images
from streamfit.augment.noises import NoiseStep

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 7, 9, 3)).astype(np.uint8)
FLOATS = IMAGES.astype(np.float32) / np.float32(255)
KEYS = np.arange(12, dtype=np.uint64) * 7919
TRANSFORMS: dict[str, augment.Transform] = {
    "noise": augment.noise((0.02, 0.2)),
    "salt_and_pepper": augment.salt_and_pepper((0.1, 0.5)),
    "blur": augment.blur((0.3, 1.5)),
    "sharpen": augment.sharpen((0, 2)),
    "cutout": augment.cutout((3, 4), value=7),
    "erase": augment.erase(0.8, scale=(0.1, 0.4), value=(1, 2, 3)),
    "erase noise": augment.erase(0.8, scale=(0.1, 0.4), value="noise"),
}


def made(transform: augment.Transform, images: object = IMAGES, keys: Array = KEYS) -> Array:
    return np.asarray(transform.transform_batch(images, None, keys)[0])


def applied(step: PixelStep, images: Array) -> Array:
    return np.asarray(step.apply(Images.of(images.copy())).value())


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("images", [IMAGES, FLOATS], ids=["uint8", "float32"])
def test_each_image_is_a_function_of_its_key(name: str, images: Array) -> None:
    transform, before = TRANSFORMS[name], images.copy()
    batch = made(transform, images)
    assert np.array_equal(images, before)
    assert batch.dtype == images.dtype
    assert (batch != images).any()
    some = np.array([9, 4])
    assert np.array_equal(made(transform, images[some], KEYS[some]), batch[some])
    assert not np.array_equal(made(transform, images, KEYS + np.uint64(1)), batch)
    mixed = [images[0], images[1][:5, :4].copy(), images[2][:, :2].copy()]
    several, _ = transform.transform_batch(mixed, None, KEYS[:3])
    assert np.array_equal(several[0], batch[0])  # type: ignore[index]
    for row in (1, 2):
        alone, _ = transform.transform_batch([mixed[row]], None, KEYS[row : row + 1])
        assert np.array_equal(several[row], alone[0])  # type: ignore[index]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_only_some_images(name: str) -> None:
    transform, images = TRANSFORMS[name], Images.of(IMAGES)
    active = np.arange(12) % 3 == 0
    (step,) = transform.steps(SampleDraws(KEYS), images.frames)
    assert isinstance(step, PixelStep)
    some = step.only(active, images.frames)
    assert isinstance(some, PixelStep)
    assert np.array_equal(applied(some, IMAGES)[active], applied(step, IMAGES)[active])
    assert np.array_equal(applied(some, IMAGES)[~active], IMAGES[~active])
    assert np.array_equal(applied(step.only(active & False, images.frames), IMAGES), IMAGES)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_text_makes_the_same_transform(name: str) -> None:
    transform = TRANSFORMS[name]
    again = eval(repr(transform), vars(augment))
    assert repr(again) == repr(transform)
    assert np.array_equal(made(again), made(transform))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_empty_images_and_batches(name: str) -> None:
    transform = TRANSFORMS[name]
    assert made(transform, IMAGES[:0], KEYS[:0]).shape == (0, 0, 0, 3)
    assert made(transform, np.empty((2, 0, 4, 3), np.uint8), KEYS[:2]).shape == (2, 0, 4, 3)


# --- noise


@pytest.mark.jit
def test_noise_is_normally_distributed() -> None:
    grey = np.full((4, 100, 100, 2), 0.5, np.float32)
    noise = (made(augment.noise(0.05), grey, KEYS[:4]) - 0.5) / 0.05
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert abs(noise.std() - 1) < 0.01
    for limit, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        assert abs((np.abs(noise) > limit).mean() - share) < 4 * np.sqrt(share / noise.size)
    flat = noise.reshape(4, -1)
    neighbours = [np.corrcoef(flat[:, :-lag].ravel(), flat[:, lag:].ravel())[0, 1] for lag in (1, 2, 3, 4)]
    assert np.abs([*neighbours, np.corrcoef(flat[0], flat[1])[0, 1]]).max() < 0.03
    assert len(np.unique(flat)) > 40000


def test_noise_is_scaled_rounded_and_bounded() -> None:
    scales = np.array([0.0, 3.0, 300.0])
    step, grey = NoiseStep(scales, KEYS[:3]), np.full((3, 40, 30, 1), 128, np.float32)
    noise = applied(step, grey.astype(np.uint8)).astype(float) - 128
    exact = np.asarray(step.apply(Images.of(grey.copy(), (0, 255))).value()) - 128
    assert (noise[0] == 0).all()
    assert 2.5 < noise[1].std() < 3.5
    assert {noise[2].min(), noise[2].max()} == {-128, 127}
    assert np.abs(noise - exact).max() <= 0.5


@pytest.mark.parametrize("images", [IMAGES, FLOATS], ids=["uint8", "float32"])
def test_salt_and_pepper_are_black_and_white_pixels(images: Array) -> None:
    grey = np.full_like(images[:4].repeat(8, axis=1), images.dtype.type(0.5) or 9)
    result = made(augment.salt_and_pepper(0.3), grey, KEYS[:4])
    white = 1.0 if images is FLOATS else 255
    changed = (result != grey).any(axis=-1)
    assert (result[changed].min(axis=-1) == result[changed].max(axis=-1)).all()
    assert set(np.unique(result[changed])) == {0, white}
    assert abs(changed.mean() - 0.3) < 0.05
    assert abs((result[changed] == white).mean() - 0.5) < 0.1
    assert (made(augment.salt_and_pepper(1.0), images) % white == 0).all()
    assert np.array_equal(made(augment.salt_and_pepper(0), images), images)


# --- filters


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5, 12.0])
def test_blur_is_that_of_scipy(sigma: float) -> None:
    expected = np.stack(
        [gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="mirror") for image in IMAGES]
    )
    np.testing.assert_allclose(made(augment.blur(sigma)), expected, atol=0.501)
    np.testing.assert_allclose(made(augment.blur(sigma), FLOATS), expected / 255, atol=2e-6)


def test_blur_with_a_radius_and_at_narrow_images() -> None:
    sigmas, radii = np.array([1.5, 0.0, 1.5]), np.array([2, 2, 1])
    result = applied(BlurStep.gaussian(sigmas, radii), FLOATS[:3])
    for row, radius in ((0, 2), (2, 1)):
        expected = gaussian_filter(FLOATS[row], (1.5, 1.5, 0), mode="mirror", truncate=radius / 1.5)
        np.testing.assert_allclose(result[row], expected, atol=1e-6)
    assert np.array_equal(result[1], FLOATS[1])
    for shape in ((1, 9, 3), (7, 1, 3), (1, 1, 3), (2, 2, 3)):
        image = FLOATS[0][: shape[0], : shape[1]].copy()
        expected = gaussian_filter(image, (1.0, 1.0, 0), mode="mirror")
        np.testing.assert_allclose(made(augment.blur(1.0), image[None], KEYS[:1])[0], expected, atol=1e-6)


def test_without_blur_nothing_is_done() -> None:
    assert np.array_equal(made(augment.blur(0)), IMAGES)


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
def test_sharpen_is_that_of_pillow(factor: float) -> None:
    expected = [
        np.asarray(ImageEnhance.Sharpness(Image.fromarray(image)).enhance(factor)) for image in IMAGES
    ]
    result = applied(SharpenStep(np.full(12, factor)), IMAGES).astype(int)
    assert np.abs(result - np.stack(expected)).max() <= 1
    floats = applied(SharpenStep(np.full(12, factor)), FLOATS)
    assert np.abs(255 * floats - result).max() < 0.501


def test_sharpen_leaves_narrow_images() -> None:
    for image in (IMAGES[:1, :2], IMAGES[:1, :, :2].copy(), IMAGES[:1, :1, :1].copy()):
        assert np.array_equal(applied(SharpenStep(np.zeros(1)), image), image)


# --- boxes


def box_of(changed: Array) -> tuple[int, int, int, int]:
    """Return the box of a mask (height, width), which must be filled."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    assert changed[box[0] : box[2], box[1] : box[3]].all()
    return box


def test_cutout_is_a_box_around_any_pixel() -> None:
    ones = np.ones((400, 5, 6, 1), np.float32)
    result = made(augment.cutout((3, 2)), ones, np.arange(400, dtype=np.uint64))
    boxes = {box_of(image[..., 0] == 0) for image in result}
    expected = {
        (max(row - 1, 0), max(column - 1, 0), min(row + 2, 5), min(column + 1, 6))
        for row in range(5)
        for column in range(6)
    }
    assert boxes == expected


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.floats(0.05, 0.5), st.floats(0.05, 0.5)), st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)))
def test_erased_boxes_have_the_area_and_ratio(scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    scale, ratio = (min(scale), max(scale)), (min(ratio), max(ratio))
    ones = np.ones((5, 30, 20, 1), np.float32)
    result = made(augment.erase(1, scale, ratio), ones, KEYS[:5])
    for image in result:
        if (image == 1).all():  # none fitted
            assert max(scale) * max(ratio[1], 1 / ratio[0]) > 0.4
            continue
        top, left, bottom, right = box_of(image[..., 0] == 0)
        height, width = bottom - top, right - left
        assert (height - 0.5) * (width - 0.5) <= scale[1] * 600
        assert (height + 0.5) * (width + 0.5) >= scale[0] * 600
        assert (height - 0.5) / (width + 0.5) <= ratio[1]
        assert (height + 0.5) / (width - 0.5) >= ratio[0]


def test_erasing_reaches_all_edges_and_has_its_probability() -> None:
    ones = np.ones((300, 6, 6, 1), np.float32)
    keys = np.arange(300, dtype=np.uint64)
    result = made(augment.erase(0.5, (0.1, 0.3)), ones, keys)
    erased = (result == 0).any(axis=(1, 2, 3))
    assert 120 < erased.sum() < 180
    for edge in (result[:, 0], result[:, -1], result[:, :, 0], result[:, :, -1]):
        assert (edge == 0).any()
    assert np.array_equal(made(augment.erase(1, scale=(1, 1)), ones, keys), ones)  # no box fits


@pytest.mark.parametrize("images", [IMAGES, FLOATS], ids=["uint8", "float32"])
def test_what_boxes_are_filled_with(images: Array) -> None:
    boxes = np.tile([[1, 2, 6, 8]], (12, 1))
    colours = np.tile([[0.0, 0.5, 1.0]], (12, 1)) * (255 if images is IMAGES else 1)
    filled = applied(EraseStep(boxes, colours), images)
    expected = images.copy()
    expected[:, 1:6, 2:8] = np.rint(colours[0]) if images is IMAGES else colours[0]
    assert np.array_equal(filled, expected)
    noisy = applied(EraseStep(boxes, colours, KEYS), images)
    inside, white = noisy[:, 1:6, 2:8].astype(float), 255 if images is IMAGES else 1
    assert inside.min() >= 0
    assert inside.max() <= white
    assert abs(inside.mean() / white - 0.5) < 0.05
    assert abs(inside.std() / white - 12**-0.5) < 0.03
    assert len(np.unique(inside)) > 200
    noisy[:, 1:6, 2:8] = images[:, 1:6, 2:8]
    assert np.array_equal(noisy, images)


def test_boxes_are_erased_behind_normalize() -> None:
    chain = augment.chain(augment.normalize(0.5, 0.1), augment.cutout(3, value=-9.0))
    result = made(chain)
    assert result.dtype == np.float32
    assert all((image == -9).any() for image in result)


# --- errors


@pytest.mark.parametrize(
    ("write", "error", "text"),
    [
        (lambda: augment.noise(-1), ValueError, "std must not be negative"),
        (lambda: augment.noise((1, 0.5)), ValueError, "lowest, highest"),
        (lambda: augment.salt_and_pepper(1.5), ValueError, "between 0 and 1"),
        (lambda: augment.blur(-0.1), ValueError, "sigma must not be negative"),
        (lambda: augment.blur(float("inf")), ValueError, "finite"),
        (lambda: augment.sharpen((-1, 1)), ValueError, "not negative"),
        (lambda: augment.cutout(0), ValueError, "at least 1"),
        (lambda: augment.cutout(2.5), TypeError, "whole number"),  # type: ignore[arg-type]
        (lambda: augment.cutout(2, value="grey"), ValueError, "or 'noise'"),  # type: ignore[arg-type]
        (lambda: augment.erase(scale=0.1), TypeError, "must be a pair"),  # type: ignore[arg-type]
        (lambda: augment.erase(scale=(0.1, 2)), ValueError, "parts of the area"),
        (lambda: augment.erase(ratio=(0, 2)), ValueError, "positive"),
        (lambda: augment.erase(2), ValueError, "between 0 and 1"),
    ],
)
def test_wrong_arguments(write: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        write()


def test_colours_that_images_cannot_have() -> None:
    with pytest.raises(DataError, match="value has 2 numbers, and the images have 3 channels"):
        made(augment.cutout(2, value=(1, 2)))
    with pytest.raises(DataError, match=r"from 0 to 255, got -1\.0"):
        made(augment.cutout(2, value=-1))


@pytest.mark.parametrize(
    "transform",
    [
        augment.brightness(0.1),
        augment.equalize(0.0),
        augment.noise(0.1),
        augment.salt_and_pepper(),
        augment.sharpen(),
    ],
    ids=repr,
)
def test_float_images_of_another_unit_are_refused(transform: augment.Transform) -> None:
    images = FLOATS.copy()
    images[3] *= 255
    with pytest.raises(SampleError, match=r"black is 0 and white is 1, .* value_range=\(0, 255\)") as caught:
        made(transform, images)
    assert caught.value.row == 3
    images[3] = np.nan
    images[4] = FLOATS[4] * 2 - 0.5  # as a filter may have it
    made(transform, images)
    made(augment.chain(augment.rescale(255.0), transform), FLOATS)
    made(augment.chain(transform, value_range=(0, 255)), FLOATS * 255)
    with pytest.raises(SampleError, match=r"or \(-1, 1\)"):
        made(transform, FLOATS * 2 - 1)
    made(augment.chain(transform, value_range=(-1, 1)), FLOATS * 2 - 1)
