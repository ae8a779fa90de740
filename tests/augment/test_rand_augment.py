"""`rand_augment` and `trivial_augment`: each image is what Pillow makes of it, operations equally often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from streamfit import augment
from streamfit.augment.draws import SampleDraws
from streamfit.augment.images import Frames
from streamfit.augment.run import grouped

HEIGHT, WIDTH = 16, 22
NAMES = 14


def picture() -> np.ndarray:
    """Return an image with shapes and colours that no two operations change alike."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    made = np.stack([30 + 7 * columns, 210 - 8 * rows, 60 + 4 * (rows + columns)], axis=-1)
    made[4:9, 3:10] = [200, 40, 90]
    made[10:13, 12:20] = [25, 190, 205]
    return made.astype(np.uint8)


def candidates(
    image: np.ndarray,
    shear: float,
    shift: tuple[float, float],
    degrees: float,
    factor: float,
    bits: int,
    threshold: float,
) -> dict[str, np.ndarray]:
    """Return what Pillow makes of an image, by the name of the operation and its sign."""
    given = Image.fromarray(image)

    def affine(*numbers: float) -> Image.Image:
        return given.transform(given.size, Image.Transform.AFFINE, numbers, Image.Resampling.NEAREST)

    made = {
        "identity": given,
        "posterize": ImageOps.posterize(given, bits),
        "solarize": ImageOps.solarize(given, int(np.ceil(threshold))),
        "auto_contrast": ImageOps.autocontrast(given),
        "equalize": ImageOps.equalize(given),
    }
    for sign, text in ((1, "+"), (-1, "-")):
        made |= {
            f"shear_x{text}": affine(1, sign * shear, 0, 0, 1, 0),
            f"shear_y{text}": affine(1, 0, 0, sign * shear, 1, 0),
            f"translate_x{text}": affine(1, 0, sign * int(shift[1]), 0, 1, 0),
            f"translate_y{text}": affine(1, 0, 0, 0, 1, sign * int(shift[0])),
            f"rotate{text}": given.rotate(sign * degrees, Image.Resampling.NEAREST),
            f"brightness{text}": ImageEnhance.Brightness(given).enhance(1 + sign * factor),
            f"saturation{text}": ImageEnhance.Color(given).enhance(1 + sign * factor),
            f"contrast{text}": ImageEnhance.Contrast(given).enhance(1 + sign * factor),
            f"sharpness{text}": ImageEnhance.Sharpness(given).enhance(1 + sign * factor),
        }
    return {name: np.asarray(each).astype(int) for name, each in made.items()}


def named(images: np.ndarray, known: dict[str, np.ndarray]) -> Counter[str]:
    """Return how often each operation was done."""
    found: Counter[str] = Counter()
    for image in images.astype(int):
        distance = {name: float(np.abs(image - other).mean()) for name, other in known.items()}
        first, second = sorted(distance, key=distance.__getitem__)[:2]
        assert distance[first] < 1.0, "no operation"
        assert distance[second] > distance[first] + 0.3, f"{first} or {second}"
        found[first] += 1
    return found


@pytest.mark.jit
def test_each_operation_is_that_of_pillow_and_as_frequent_as_the_others() -> None:
    n = 1400
    images = np.tile(picture(), (n, 1, 1, 1))
    made = augment.rand_augment(1, 12, interpolation="nearest")(images, seed=3)
    strength = 12 / 30
    known = candidates(
        picture(),
        0.3 * strength,
        (150 / 331 * HEIGHT * strength, 150 / 331 * WIDTH * strength),
        30 * strength,
        0.9 * strength,
        round(8 - 4 * strength),
        255 * (1 - strength),
    )
    found = named(np.asarray(made), known)
    assert set(found) == set(known)
    for name, count in found.items():
        share = 1 / NAMES if name[-1] not in "+-" else 0.5 / NAMES
        assert abs(count / n - share) < 4 * np.sqrt(share / n), name


@pytest.mark.jit
def test_trivial_augment_draws_the_magnitude_too() -> None:
    images = np.tile(picture(), (600, 1, 1, 1))
    made = np.asarray(augment.trivial_augment(levels=3, interpolation="nearest")(images, seed=3))
    known = []
    for level, bits in ((1, 5), (2, 2)):
        shift, factor = (16 * level, 16 * level), 0.495 * level
        known += candidates(
            picture(), factor, shift, 67.5 * level, factor, bits, 255 * (1 - level / 2)
        ).values()
    distances = [[float(np.abs(image - other).mean()) for other in known] for image in made.astype(int)]
    assert np.max(np.min(distances, axis=1)) < 1.5
    assert len(set(np.argmin(distances, axis=1).tolist())) > 34


def test_a_round_is_one_warp_one_pass_of_colours_and_one_of_sharpness() -> None:
    frames = Frames(np.full((5, 2), 8), 3, np.dtype(np.uint8), (0.0, 255.0))
    steps = augment.rand_augment(2).steps(SampleDraws(np.arange(5, dtype=np.uint64)), frames)
    assert len(list(grouped(steps))) == 6
    assert augment.rand_augment(0).steps(SampleDraws(np.arange(5, dtype=np.uint64)), frames) == []


@pytest.mark.parametrize("transform", [augment.rand_augment(), augment.trivial_augment()])
def test_a_function_of_the_key(transform: augment.Transform) -> None:
    keys = np.arange(9, dtype=np.uint64) * np.uint64(977)
    for channels, dtype in ((3, np.uint8), (1, np.uint8), (3, np.float32), (4, np.float32)):
        images = np.random.default_rng(0).integers(0, 256, (9, 7, 9, channels)).astype(dtype)
        images = images / np.float32(255) if dtype == np.float32 else images
        whole = np.asarray(transform.transform_batch(images, None, keys)[0])
        assert whole.dtype == dtype
        assert whole.shape == images.shape
        assert whole.min() >= 0
        assert whole.max() <= (1 if dtype == np.float32 else 255)
        parts = [transform.transform_batch(images[at], None, keys[at])[0] for at in (slice(4), slice(4, 9))]
        np.testing.assert_array_equal(np.concatenate([np.asarray(part) for part in parts]), whole)
        assert sum(not np.array_equal(a, b) for a, b in zip(whole, images, strict=True)) > 2


def test_magnitude_zero_and_images_of_different_sizes() -> None:
    images = [picture(), picture()[:7, :9]]
    made = augment.rand_augment(3)(images, seed=1)
    assert [image.shape for image in made] == [image.shape for image in images]  # type: ignore[attr-defined]
    keys = np.arange(60, dtype=np.uint64)
    still = np.asarray(
        augment.rand_augment(1, 0).transform_batch(np.tile(picture(), (60, 1, 1, 1)), None, keys)[0]
    )
    changed = [image for image in still if not np.array_equal(image, picture())]
    assert len({image.tobytes() for image in changed}) <= 2  # auto-contrast and equalize have no magnitude


def test_points_move_along() -> None:
    image = np.zeros((9, 11, 1), np.float32)
    image[4, 6] = 1
    points = np.tile(np.array([[6.5, 4.5]], np.float32), (80, 1, 1))
    turn = augment.rand_augment(1, 20).with_labels("points")
    x, y = turn(np.tile(image, (80, 1, 1, 1)), points, seed=5)  # type: ignore[misc]
    moved = 0
    for picture_of, point in zip(x, y[:, 0], strict=True):
        weights = picture_of[..., 0] * (picture_of[..., 0] > 0.05)
        if not weights.sum() or np.ptp(picture_of) < 0.2:
            continue
        rows, columns = np.mgrid[:9, :11] + 0.5
        found = (weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()
        np.testing.assert_allclose(found, point, atol=0.5)
        moved += not np.allclose(point, [6.5, 4.5])
    assert moved > 10


def test_errors() -> None:
    with pytest.raises(ValueError, match="magnitude=31 of levels=31: write a number from 0 to 30"):
        augment.rand_augment(2, 31)
    with pytest.raises(ValueError, match="levels must be at least 2"):
        augment.trivial_augment(levels=1)
    with pytest.raises(ValueError, match="interpolation='cubic'"):
        augment.rand_augment(interpolation="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fill_mode='white'"):
        augment.rand_augment(fill_mode="white")  # type: ignore[arg-type]
    assert repr(augment.rand_augment(1, 4, fill_mode="nearest", interpolation="nearest")) == (
        "rand_augment(1, 4, levels=31, interpolation='nearest', fill_mode='nearest')"
    )
