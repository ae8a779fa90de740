"""`resize` and `random_resized_crop`."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from streamfit import augment
from streamfit.augment.draws import SampleDraws
from streamfit.augment.images import Images
from streamfit.augment.labels import Labels
from streamfit.augment.run import run

WAVES = np.sin(np.arange(35) * 1.7).reshape(1, 5, 7, 1).astype("float32")

# keras.ops.image.resize(WAVES, size, crop_to_aspect_ratio=True or pad_to_aspect_ratio=True), Keras 3.15.1.
ASPECTS = {
    ("crop", (4, 4)): [
        [0.83146, -0.4576, -0.09027, 0.77241],
        [0.65988, 0.05337, -0.5366, 0.75473],
        [0.07488, 0.51826, -0.63262, 0.25991],
        [-0.57311, 0.65859, -0.32083, -0.41566],
    ],
    ("crop", (3, 6)): [
        [-0.49503, 0.74356, -0.16915, -0.4875, 0.71259, -0.01627],
        [-0.86089, 0.48911, 0.26889, -0.66889, 0.39791, 0.54944],
        [-0.85842, 0.0254, 0.59189, -0.56409, -0.08703, 0.88006],
    ],
    ("crop", (6, 2)): [
        [-0.92581, -0.92581],
        [-0.9525, -0.9525],
        [-0.7422, -0.7422],
        [-0.32467, -0.32467],
        [0.19292, 0.19292],
        [0.64961, 0.64961],
    ],
    ("pad", (4, 4)): [
        [0.13945, -0.12725, 0.11873, -0.05175],
        [-0.11522, 0.28562, -0.30805, 0.34623],
        [-0.65325, 0.84607, -0.84699, 0.66275],
        [-0.22306, 0.25037, -0.2444, 0.16152],
    ],
    ("pad", (3, 6)): [
        [-0.05151, 0.65911, -0.263, -0.02461, 0.52349, -0.1257],
        [-0.24295, 0.02634, 0.51305, -0.69268, 0.71227, 0.13227],
        [-0.15219, -0.63702, 0.69317, -0.55618, 0.07372, 0.2366],
    ],
    ("pad", (6, 2)): [
        [0.0, 0.0],
        [0.0, 0.0],
        [0.69579, 0.71994],
        [-0.33054, -0.42281],
        [0.0, 0.0],
        [0.0, 0.0],
    ],
}


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("keep_aspect", "size"), ASPECTS)
def test_aspects_of_keras(keep_aspect, size):
    made = augment.resize(size, antialias=False, keep_aspect=keep_aspect)(WAVES)
    assert_allclose(made[0, :, :, 0], ASPECTS[keep_aspect, size], atol=1e-4)


def test_the_shorter_side_gets_the_size_and_the_longer_one_its_proportion():
    shorter = augment.resize(4, keep_aspect="shorter")
    made = shorter([noise(8, 11, 3), noise(7, 3, 3), noise(4, 4, 3)])
    assert [image.shape for image in made] == [(4, 5, 3), (9, 4, 3), (4, 4, 3)]
    whole = augment.chain(shorter, augment.center_crop(4))([noise(8, 11, 3), noise(7, 3, 3)])
    assert whole.shape == (2, 4, 4, 3)


def test_the_border_is_filled():
    made = augment.resize(4, "nearest", keep_aspect="pad", fill_value=9)(np.full((1, 2, 4, 1), 5, np.uint8))
    assert made[0, :, 0, 0].tolist() == [9, 5, 5, 9]
    made = augment.resize(4, "nearest", keep_aspect="pad", fill_mode="nearest")(noise(1, 2, 4, 1))
    assert_array_equal(made[0, 0], made[0, 1])


def test_without_antialias_it_is_joined_with_its_neighbours():
    joined = augment.chain(augment.resize((6, 8), antialias=False), augment.crop(5), augment.flip())
    images = noise(3, 9, 9, 3)
    apart = augment.resize((6, 8), antialias=False)(images)
    # Whole pixels of the resized image, so the same values, of which each is rounded once.
    frames = Images.of(images).frames
    steps = joined.steps(SampleDraws(np.arange(3, dtype=np.uint64)), frames)
    made, _ = run(steps, Images.of(images), Labels({}, None))
    wanted, _ = run(steps[1:], Images.of(apart), Labels({}, None))
    assert_array_equal(made.value(), wanted.value())


def test_resizing_some_images_keeps_the_others_to_the_bit():
    images = noise(3, 5, 6, 3)
    frames = Images.of(images).frames
    (step,) = augment.resize((3, 4), "lanczos3").steps(SampleDraws(np.zeros(3, np.uint64)), frames)
    made, _ = run([step.only(np.array([True, False, True]), frames)], Images.of(images), Labels({}, None))
    whole = augment.resize((3, 4), "lanczos3")(images)
    assert_array_equal(made.image(0), whole[0])
    assert_array_equal(made.image(1), images[1])
    assert_array_equal(made.image(2), whole[2])


def test_images_of_the_user_are_not_written_to():
    images = noise(2, 5, 6, 3)
    before = images.copy()
    augment.chain(augment.resize((5, 6)), augment.flip(p=1))(images)
    assert_array_equal(images, before)


def box_by_hand(draws, row, height, width, scale, ratio):
    """The rule of torchvision, one sample and one try after the other."""
    areas = draws.uniform("area", *scale, (10,))[row] * (height * width)
    ratios = np.exp(draws.uniform("ratio", math.log(ratio[0]), math.log(ratio[1]), (10,)))[row]
    for area, wide in zip(areas, ratios, strict=True):
        w, h = round(math.sqrt(area * wide)), round(math.sqrt(area / wide))
        if 0 < w <= width and 0 < h <= height:
            top = draws.uniform("row", 0, height - h + 1)[row]
            left = draws.uniform("column", 0, width - w + 1)[row]
            return int(left), int(top), int(left) + w, int(top) + h
    w, h = width, height
    if width / height < ratio[0]:
        h = max(1, round(width / ratio[0]))
    elif width / height > ratio[1]:
        w = max(1, round(height * ratio[1]))
    top, left = (height - h) // 2, (width - w) // 2
    return left, top, left + w, top + h


lengths = st.integers(1, 40)
shares = st.sampled_from([(0.08, 1.0), (0.9, 1.0), (1.0, 1.0), (0.01, 0.02)])
ratios = st.sampled_from([(3 / 4, 4 / 3), (0.2, 0.5), (2.0, 3.0), (1.0, 1.0)])


@given(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=4), shares, ratios, st.integers(0, 2**60))
def test_boxes_are_drawn_as_torchvision_says(sizes, scale, ratio, seed):
    frames = Images.of([np.zeros((*size, 1), np.uint8) for size in sizes]).frames
    draws = SampleDraws(np.arange(seed, seed + len(sizes), dtype=np.uint64))
    crop = augment.random_resized_crop((3, 4), scale, ratio, antialias=True)
    (step,) = crop.steps(draws, frames)
    for row, (height, width) in enumerate(sizes):
        wanted = box_by_hand(draws, row, height, width, scale, ratio)
        assert tuple(step.boxes[row]) == wanted
        left, upper, right, lower = wanted
        assert 0 <= left < right <= width
        assert 0 <= upper < lower <= height


def test_the_middle_is_taken_where_no_box_fits():
    images = np.zeros((1, 4, 12, 1), np.uint8)
    images[:, :, 4:8] = 200
    made = augment.random_resized_crop(4, scale=(1, 1), ratio=(1, 1))(images, seed=0)
    assert (made == 200).all()


def test_an_antialiased_box_is_that_of_pillow():
    images = np.random.default_rng(5).integers(90, 170, (3, 30, 40, 3), dtype=np.uint8)
    frames, draws = Images.of(images).frames, SampleDraws(np.array([3, 4, 5], np.uint64))
    crop = augment.random_resized_crop((7, 6), interpolation="bicubic", antialias=True)
    (step,) = crop.steps(draws, frames)
    made, _ = run([step], Images.of(images), Labels({}, None))
    for row in range(3):
        part = Image.fromarray(images[row]).crop(tuple(step.boxes[row].astype(int)))
        wanted = np.asarray(part.resize((6, 7), Image.Resampling.BICUBIC)).astype(int)
        assert np.abs(made.image(row) - wanted).max() <= 1


def test_without_antialias_the_box_is_read_bilinearly():
    images = noise(2, 20, 30, 3).astype("float32")
    frames, draws = Images.of(images).frames, SampleDraws(np.array([3, 4], np.uint64))
    made, _ = run(
        augment.random_resized_crop((5, 4)).steps(draws, frames), Images.of(images), Labels({}, None)
    )
    (boxed,) = augment.random_resized_crop((5, 4), antialias=True).steps(draws, frames)
    left, upper, right, lower = boxed.boxes.T[:, :, None]
    x = left + (np.arange(4) + 0.5) * (right - left) / 4 - 0.5
    y = upper + (np.arange(5) + 0.5) * (lower - upper) / 5 - 0.5
    for row in range(2):
        rows = np.maximum(0, 1 - np.abs(np.clip(y[row], 0, 19)[:, None] - np.arange(20)))
        columns = np.maximum(0, 1 - np.abs(np.clip(x[row], 0, 29)[:, None] - np.arange(30)))
        wanted = np.einsum("ij,jkc,lk->ilc", rows, images[row], columns)
        assert_allclose(made.image(row), wanted, atol=1e-3)


def test_wrong_arguments_are_refused():
    for wrong, text in (
        (lambda: augment.resize((4, 4, 3)), "pair"),
        (lambda: augment.resize(0), "at least 1"),
        (lambda: augment.resize(4, "cubic"), "'bicubic'"),
        (lambda: augment.resize(4, keep_aspect="fit"), "'shorter'"),
        (lambda: augment.resize((4, 5), keep_aspect="shorter"), "one number"),
        (lambda: augment.resize(4, fill_mode="edge"), "'nearest'"),
        (lambda: augment.random_resized_crop(4, scale=(0.5, 1.5)), "at most 1"),
        (lambda: augment.random_resized_crop(4, scale=(0, 1)), "above 0"),
        (lambda: augment.random_resized_crop(4, ratio=(2, 1)), "lowest"),
        (lambda: augment.random_resized_crop(4, interpolation="linear"), "'bilinear'"),
    ):
        with pytest.raises(ValueError, match=text):
            wrong()
    with pytest.raises(TypeError, match="pair"):
        augment.random_resized_crop(4, scale=0.5)
    with pytest.raises(TypeError, match="whole number"):
        augment.resize("4")
