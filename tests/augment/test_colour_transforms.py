"""The transforms of colours: what they draw, their arguments, and chains of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import streamfit as sf
from streamfit import augment
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import ColourStep
from streamfit.augment.images import Images

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 5, 6, 3)).astype(np.uint8)
LARGE = np.random.default_rng(1).integers(0, 256, (40, 16, 17, 3)).astype(np.uint8)  # Pillow equalizes these
KEYS = np.arange(40, dtype=np.uint64) * 7919
DRAWING: dict[str, augment.Transform] = {
    "brightness": augment.brightness(0.3),
    "contrast": augment.contrast(0.3),
    "saturation": augment.saturation(0.3),
    "hue": augment.hue(0.2),
    "color_jitter": augment.color_jitter(0.3, 0.3, 0.3, 0.1),
    "gamma": augment.gamma((0.5, 2)),
    "channel_shift": augment.channel_shift(0.2),
    "posterize": augment.posterize(2),
    "solarize": augment.solarize(),
    "equalize": augment.equalize(),
    "auto_contrast": augment.auto_contrast(),
    "grayscale": augment.grayscale(0.5),
    "invert": augment.invert(),
}
SETTLED = {
    "normalize": augment.normalize((0.1, 0.2, 0.3), 0.5),
    "rescale": augment.rescale(1 / 255, offset=-0.5),
    "to_float": augment.to_float(),
}


def made(transform: augment.Transform, images: Array = IMAGES, keys: Array = KEYS) -> Array:
    return np.asarray(transform.transform_batch(images, None, keys)[0])


@pytest.mark.parametrize("name", DRAWING)
def test_each_image_is_a_function_of_its_key(name: str) -> None:
    transform, images = DRAWING[name], LARGE if name == "equalize" else IMAGES
    batch = made(transform, images)
    assert batch.dtype == np.uint8
    some = np.array([31, 4, 17])
    assert np.array_equal(made(transform, images[some], KEYS[some]), batch[some])
    assert not np.array_equal(made(transform, images, KEYS + np.uint64(1)), batch)
    assert (batch != images).any()


@pytest.mark.jit
@pytest.mark.parametrize("name", [*DRAWING, *SETTLED])
def test_text_makes_the_same_transform(name: str) -> None:
    transform = {**DRAWING, **SETTLED}[name]
    again = eval(repr(transform), vars(augment))
    assert repr(again) == repr(transform)
    assert np.array_equal(made(again), made(transform))


@pytest.mark.parametrize(
    "kind", [augment.equalize, augment.auto_contrast, augment.grayscale, augment.invert, augment.posterize]
)
def test_a_probability_is_that_of_images(kind: Callable[..., augment.Transform]) -> None:
    images = LARGE if kind is augment.equalize else IMAGES
    always, never = made(kind(p=1), images), made(kind(p=0), images)
    assert np.array_equal(never, images)
    drawn = made(kind(p=0.25), images)
    done = np.array([np.array_equal(a, b) for a, b in zip(drawn, always, strict=True)])
    assert np.array_equal(drawn[~done], images[~done])
    assert 3 <= done.sum() <= 20


def test_limits_are_kept_and_reached() -> None:
    frames = Images.of(IMAGES).frames
    draws = SampleDraws(np.arange(500, dtype=np.uint64))
    for transform, low, high in (
        (augment.brightness(0.3), 0.7, 1.3),
        (augment.brightness(3), 0, 4),
        (augment.contrast((0.5, 0.9)), 0.5, 0.9),
        (augment.saturation(0.1), 0.9, 1.1),
        (augment.hue(0.2), -0.2, 0.2),
        (augment.gamma((0.5, 2)), 0.5, 2),
        (augment.channel_shift((-0.1, 0.2)), -25.5, 51),
    ):
        (step,) = transform.steps(draws, frames)
        assert isinstance(step, ColourStep)
        drawn = step.parameters[:, : 1 if "gamma" in repr(transform) else None]
        assert low <= drawn.min() < low + 0.05 * (high - low), transform
        assert high - 0.05 * (high - low) < drawn.max() <= high, transform


def test_color_jitter_is_its_parts_in_one_pass() -> None:
    jitter = augment.color_jitter(0.4, 0.4, 0.4, 0.1)
    steps = jitter.steps(SampleDraws(KEYS), Images.of(IMAGES).frames)
    assert [step.operation for step in steps if isinstance(step, ColourStep)] == [
        "scale",
        "contrast",
        "saturation",
        "hue",
    ]
    assert augment.color_jitter(hue=0.1).steps(SampleDraws(KEYS), Images.of(IMAGES).frames)[0] != steps[0]
    assert augment.color_jitter().steps(SampleDraws(KEYS), Images.of(IMAGES).frames) == []
    assert np.array_equal(made(augment.color_jitter()), IMAGES)


def test_normalize_is_that_of_the_definition() -> None:
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (IMAGES / 255 - mean) / std
    assert made(augment.normalize()).dtype == np.float32
    np.testing.assert_allclose(made(augment.normalize()), expected, atol=1e-6)
    floats = (IMAGES / 255).astype(np.float32)
    np.testing.assert_allclose(made(augment.normalize(), floats), expected, atol=1e-6)
    np.testing.assert_allclose(made(augment.to_float()), floats, atol=1e-7)
    np.testing.assert_allclose(made(augment.rescale(2.0, offset=3)), IMAGES * 2.0 + 3, atol=1e-4)
    grey = IMAGES[..., :1]
    np.testing.assert_allclose(made(augment.normalize(0.5, 0.25), grey), (grey / 255 - 0.5) / 0.25, atol=1e-6)


def test_operations_behind_a_new_unit_use_its_black_and_white() -> None:
    inverted = made(augment.chain(augment.rescale(1 / 127.5, offset=-1), augment.invert(p=1)))
    np.testing.assert_allclose(inverted, 1 - IMAGES / 127.5, atol=1e-6)
    same = augment.chain(augment.color_jitter(0.4, 0.4, 0.4, 0.1), augment.to_float())
    first = augment.chain(augment.color_jitter(0.4, 0.4, 0.4, 0.1))
    np.testing.assert_allclose(made(same) * 255, made(first), atol=0.501)


def test_a_new_unit_is_for_all_images() -> None:
    (step,) = augment.to_float().steps(SampleDraws(KEYS), Images.of(IMAGES).frames)
    with pytest.raises(ValueError, match="write it outside of maybe"):
        step.only(np.arange(40) < 3, Images.of(IMAGES).frames)


def test_colours_of_a_source_differ_between_passes_and_leave_the_arrays_alone() -> None:
    kept = IMAGES.copy()
    source = sf.source(IMAGES, np.arange(40)).map(augment.color_jitter(0.4, 0.4, 0.4, 0.1)).batch(8)
    first, second = (np.concatenate([np.asarray(x) for x, _ in source]) for _ in range(2))
    assert first.shape == IMAGES.shape
    assert not np.array_equal(first, second)
    assert np.array_equal(IMAGES, kept)


@pytest.mark.parametrize(
    ("write", "error", "text"),
    [
        (lambda: augment.brightness((-1, 1)), ValueError, "factors that are not negative"),
        (lambda: augment.brightness("much"), TypeError, "must be a number"),  # type: ignore[arg-type]
        (lambda: augment.hue(0.6), ValueError, "half of the circle"),
        (lambda: augment.color_jitter(hue=(0, 1)), ValueError, "hue must be within"),
        (lambda: augment.gamma((0, 1)), ValueError, "positive"),
        (lambda: augment.gamma(2), TypeError, "must be a pair"),  # type: ignore[arg-type]
        (lambda: augment.gamma((1, 2), gain=-1), ValueError, "gain must not be negative"),
        (lambda: augment.rescale(float("inf")), ValueError, "scale must be finite"),
        (lambda: augment.posterize(0), ValueError, "at least 1"),
        (lambda: augment.posterize(9), ValueError, "bits must be 1 to 8"),
        (lambda: augment.equalize(p=1.5), ValueError, "between 0 and 1"),
        (lambda: augment.normalize(0.5, 0), ValueError, "std must be positive"),
        (lambda: augment.normalize((), 1), ValueError, "one for each channel"),
        (lambda: augment.normalize(float("inf"), 1), ValueError, "finite"),
        (lambda: augment.rescale(0), ValueError, "makes all values equal"),
        (lambda: augment.channel_shift((3, 1)), ValueError, "lowest, highest"),
        (lambda: augment.channel_shift(60), ValueError, "write 60 / 255"),
    ],
)
def test_wrong_arguments(write: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        write()


def test_wrong_channels() -> None:
    with pytest.raises(DataError, match="has 3 numbers for mean, and the images have 2 channels"):
        made(augment.normalize(), IMAGES[..., :2])
    with pytest.raises(DataError, match=r"'grayscale' is for images .* not 1; leave it out, or"):
        made(augment.grayscale(1), IMAGES[..., :1])
