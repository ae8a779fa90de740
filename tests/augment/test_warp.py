"""Warps: against SciPy in every fill mode, and each way to take pixels against following them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates

from streamfit import augment
from streamfit.augment import matrices as m
from streamfit.augment.image_steps import FILL_MODES, INTERPOLATIONS, WarpStep
from streamfit.augment.images import Images
from streamfit.augment.warp import plan_warp
from streamfit.augment.warp_rows import follow, take_one
from streamfit.kernels.decorator import kernel

SIZE = (7, 9)
SCIPY = {
    "constant": "grid-constant",  # the fill value is interpolated with, as OpenCV's BORDER_CONSTANT does
    "nearest": "nearest",
    "reflect": "reflect",
    "mirror": "mirror",
    "wrap": "grid-wrap",
}
TILTED = m.identities(1) + np.array([[0.1, 0.02, -1.0], [-0.03, 0.2, 0.5], [0.01, -0.02, 0.1]])
MATRICES = {
    "rotation": m.about_centre(m.rotations([33.0]), [SIZE]),
    "zoom": m.scales([0.37], [1.7]),
    "shift": m.translations([1.25], [-2.5]),
    "far": m.translations([-33.0], [40.25]),
    "whole shift": m.translations([3.0], [-2.0]),
    "flip": m.about_centre(m.mirrors([True], [True]), [SIZE]),
    "quarter turn": m.about_centre(m.rotations([90.0]), [SIZE], [SIZE[::-1]]).round(12),
    "perspective": TILTED,
}


def picture(dtype="float32", channels=3, size=SIZE, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "uint8":
        return rng.integers(0, 256, (*size, channels), np.uint8)
    return rng.random((*size, channels), np.float32)


def warped(image, matrices, sizes=None, **options):
    """One image behind steps with these matrices."""
    images = Images.of([image])
    sizes = sizes or [image.shape[:2]] * len(matrices)
    steps = [
        WarpStep(matrix, np.array([size]), **options) for matrix, size in zip(matrices, sizes, strict=True)
    ]
    return plan_warp(steps, images.frames).images(images).image(0)


def oracle(image, matrix, size, mode, value, order):
    """The same by SciPy, in float64."""
    columns, rows = np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)
    x, y, w = matrix @ np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)])
    points = np.stack([y / w, x / w]) - 0.5
    channels = np.moveaxis(image.astype(np.float64), -1, 0)
    taken = [map_coordinates(c, points, order=order, mode=SCIPY[mode], cval=value) for c in channels]
    return np.stack(taken, -1).reshape(*size, -1)


@pytest.mark.parametrize("mode", FILL_MODES)
@pytest.mark.parametrize("name", MATRICES)
def test_bilinear_as_scipy(name, mode):
    for channels in (1, 2, 3, 4):
        image = picture(channels=channels)
        made = warped(image, [MATRICES[name]], fill_mode=mode, fill_value=0.3)
        assert_allclose(made, oracle(image, MATRICES[name][0], SIZE, mode, 0.3, 1), atol=1e-6)


@pytest.mark.parametrize("mode", FILL_MODES)
@pytest.mark.parametrize("name", sorted(set(MATRICES) - {"shift", "far"}))  # whose points lie between pixels
def test_nearest_as_scipy(name, mode):
    image = picture("uint8", 2)
    made = warped(image, [MATRICES[name]], fill_mode=mode, fill_value=7, interpolation="nearest")
    assert_array_equal(made, oracle(image, MATRICES[name][0], SIZE, mode, 7, 0))


def test_uint8_is_rounded():
    image = picture("uint8", 3)
    made = warped(image, [MATRICES["rotation"]], fill_mode="reflect")
    exact = oracle(image, MATRICES["rotation"][0], SIZE, "reflect", 0, 1)
    assert np.abs(made - exact).max() <= 0.5 + 1e-4


def test_a_grey_level_stays_the_same_behind_any_warp():
    image = np.full((*SIZE, 3), 0.1, np.float32)
    for matrix in MATRICES.values():
        assert_array_equal(warped(image, [matrix], fill_mode="mirror"), image)


@kernel
def one_by_one(pixels, size, channels, made, made_size, last, matrices, frames, modes, values, interpolation):
    """Take every pixel as those are taken that have neighbours outside of the image."""
    for row in range(made_size[0]):
        for column in range(made_size[1]):
            x, y, outside = follow(column + 0.5, row + 0.5, last, matrices, frames, modes)
            to = (row * made_size[1] + column) * channels
            if outside >= 0:
                for c in range(channels):
                    made[to + c] = values[outside]
            else:
                take_one(pixels, 0, size, channels, x, y, modes[last], values[last], interpolation, made, to)


def check_same_bits(image, matrices, sizes, mode, interpolation):
    images = Images.of([image])
    steps = [
        WarpStep(matrix, np.array([size]), mode, 3.0, interpolation)
        for matrix, size in zip(matrices, sizes, strict=True)
    ]
    warp = plan_warp(steps, images.frames)
    made = warp.images(images)
    expected = np.empty_like(made.pixels)
    one_by_one(
        images.pixels,
        images.sizes[0],
        images.channels,
        expected,
        made.sizes[0],
        int(warp.counts[0]) - 1,
        warp.matrices[0],
        warp.sizes[0],
        warp.modes[0],
        warp.values[0],
        warp.interpolation,
    )
    assert_array_equal(made.pixels, expected)


ENTRIES = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.0]),
    st.floats(-3, 3),
    st.floats(allow_nan=True, allow_infinity=True),
)
AFFINE = st.tuples(*[ENTRIES] * 6).map(lambda entries: np.array([*entries, 0, 0, 1.0]).reshape(1, 3, 3))
ANY_MATRIX = st.one_of(
    st.sampled_from(list(MATRICES.values())),
    AFFINE,
    st.tuples(*[ENTRIES] * 9).map(lambda entries: np.array(entries).reshape(1, 3, 3)),
)
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")  # kernels as plain Python, huge numbers
@settings(max_examples=150)
@given(
    matrices=st.lists(ANY_MATRIX, min_size=1, max_size=3),
    sizes=st.lists(SIZES, min_size=4, max_size=4),
    dtype=st.sampled_from(["uint8", "float32"]),
    channels=st.integers(1, 4),
    mode=st.sampled_from(FILL_MODES),
    interpolation=st.sampled_from(INTERPOLATIONS),
)
def test_each_way_gives_the_same_bits(matrices, sizes, dtype, channels, mode, interpolation):
    """Also of matrices with NaN, infinity and huge numbers."""
    image = picture(dtype, channels, sizes[0])
    check_same_bits(image, matrices, sizes[1 : len(matrices) + 1], mode, interpolation)


def test_pixels_of_a_neighbour_are_not_read():
    """A batch whose other images are NaN: nothing of them comes into the one between."""
    image = picture(channels=3)
    holes = np.full_like(image, np.nan)
    images = Images.of([holes, image, holes])
    for matrix in MATRICES.values():
        for mode in FILL_MODES:
            step = WarpStep(np.repeat(matrix, 3, axis=0), images.sizes, mode)
            made = plan_warp([step], images.frames).images(images).image(1)
            assert np.isfinite(made).all()


def move_steps():
    """Steps without interpolation, each with the size of its result."""
    flip = m.about_centre(m.mirrors([True], [False]), [SIZE])
    return {
        "flip": (flip, SIZE),
        "crop": (m.translations([-2.0], [-1.0]), (4, 5)),
        "pad": (m.translations([2.0], [3.0]), (12, 14)),
        "out": (m.translations([-20.0], [0.0]), SIZE),
        "turn": (m.about_centre(m.rotations([90.0]), [SIZE], [SIZE[::-1]]).round(12), SIZE[::-1]),
    }


@pytest.mark.parametrize("mode", FILL_MODES)
def test_steps_at_once_as_one_by_one(mode):
    """Each step fills what is outside its own frame, also where the next one shows it."""
    names = list(move_steps())
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chosen = [move_steps()[names[k]] for k in rng.integers(0, len(names), 3)]
        image = picture("uint8", 3)
        matrices, sizes = [list(part) for part in zip(*chosen, strict=True)]
        options = {"fill_mode": mode, "fill_value": 9}
        expected = image
        for matrix, size in chosen:
            expected = warped(expected, [matrix], [size], **options)
        assert_array_equal(warped(image, matrices, sizes, **options), expected)


def test_a_crop_behind_a_rotation_costs_no_second_frame():
    images = Images.of([picture()])
    crop = WarpStep(m.translations([-2.0], [-1.0]), np.array([[4, 5]]))
    turn = WarpStep(MATRICES["rotation"], np.array([SIZE]))
    assert plan_warp([turn, crop], images.frames).counts.tolist() == [1]
    assert plan_warp([turn, turn], images.frames).counts.tolist() == [2]


def test_images_of_different_sizes():
    images = [picture(size=(5, 8)), picture(size=(9, 4))]
    sizes = np.array([image.shape[:2] for image in images])
    step = WarpStep(m.about_centre(m.rotations([20.0, -30.0]), sizes), sizes, "reflect")
    batch = Images.of(images)
    made = plan_warp([step], batch.frames).images(batch)
    for row, image in enumerate(images):
        assert_array_equal(
            made.image(row), warped(image, [step.matrices[row : row + 1]], fill_mode="reflect")
        )


def test_images_that_may_not_be_written_to():
    image = picture("uint8")[None]
    expected = augment.rotate(20)(image, seed=1)
    image.flags.writeable = False
    assert_array_equal(augment.rotate(20)(image, seed=1), expected)


def test_points_of_a_row_far_outside_are_folded_as_numpy_pads():
    """Pixels many frames away, in every mode and for every small length."""
    modes = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap"}
    for length in range(1, 6):
        for mode, padding in modes.items():
            image = picture("uint8", 1, (2, length))
            expected = np.pad(image[..., 0], ((0, 0), (17, 17)), mode=padding)
            size, shift = (2, length + 34), m.translations([17.0], [0.0])
            assert_array_equal(warped(image, [shift], [size], fill_mode=mode)[..., 0], expected)
            near = shift + np.array([[0, 0, 0], [0, 0, 1e-9], [0, 0, 0]])  # interpolated, and rounded back
            assert_array_equal(warped(image, [near], [size], fill_mode=mode)[..., 0], expected)
