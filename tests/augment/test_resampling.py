"""`resized` against dense weights in NumPy, Pillow, and values of Keras."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from streamfit import DataError
from streamfit._base.errors import SampleError
from streamfit.augment.images import Images
from streamfit.augment.resampling import RESAMPLINGS, resize_image, resized

FILTERS = [name for name in RESAMPLINGS if name != "nearest"]
WAVES = np.sin(np.arange(35) * 1.7).reshape(1, 5, 7, 1).astype("float32")

# keras.ops.image.resize(WAVES, (3, 4), interpolation=..., antialias=...) of Keras 3.15.1 on JAX 0.7.
KERAS = {
    ("nearest", False): [
        [0.0, -0.25554, 0.49411, -0.69987],
        [-0.9718, 0.87927, -0.72836, 0.52908],
        [-0.45833, 0.67023, -0.83763, 0.9494],
    ],
    ("bilinear", False): [
        [0.22653, -0.15056, 0.12757, 0.01035],
        [-0.47273, 0.69616, -0.71052, 0.62067],
        [-0.6229, 0.73426, -0.72331, 0.51006],
    ],
    ("bilinear", True): [
        [0.26304, -0.06404, 0.02707, 0.15571],
        [-0.2835, 0.33035, -0.35116, 0.51932],
        [-0.55855, 0.40839, -0.39312, 0.38561],
    ],
    ("bicubic", False): [
        [0.24947, -0.22389, 0.19776, -0.07967],
        [-0.56442, 0.78211, -0.79825, 0.66925],
        [-0.67869, 0.81866, -0.80479, 0.58861],
    ],
    ("bicubic", True): [
        [0.34684, -0.12516, 0.0152, 0.19205],
        [-0.30833, 0.38817, -0.45124, 0.61742],
        [-0.64784, 0.5041, -0.4557, 0.41068],
    ],
    ("lanczos3", False): [
        [0.28823, -0.3213, 0.15426, -0.10763],
        [-0.61812, 0.75788, -0.86024, 0.7288],
        [-0.74135, 0.87686, -0.78487, 0.64188],
    ],
    ("lanczos3", True): [
        [0.4292, -0.1731, 0.00695, 0.24669],
        [-0.28145, 0.42477, -0.52243, 0.67872],
        [-0.68735, 0.56271, -0.48614, 0.37586],
    ],
}


def triangle(x):
    return np.maximum(0, 1 - x)


def cubic(x):
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


def lanczos(x):
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


SHAPES = {"bilinear": triangle, "bicubic": cubic, "lanczos3": lanczos}


def dense_weights(low, high, count, interpolation, antialias):
    """The weight of each pixel from `low` on and below `high` (whole numbers) for each of the result."""
    scale = (high - low) / count
    pixels = np.arange(low, high)
    if interpolation == "area":
        begin = low + np.arange(count)[:, None] * scale
        weights = np.maximum(0, np.minimum(begin + scale, pixels + 1) - np.maximum(begin, pixels))
    else:
        middle = low + (np.arange(count)[:, None] + 0.5) * scale
        weights = SHAPES[interpolation](np.abs(pixels + 0.5 - middle) / (max(scale, 1) if antialias else 1))
    return weights / weights.sum(axis=1, keepdims=True)


def dense(image, size, interpolation, antialias, box=None):
    """An image (height, width, channels) resized by matrix products in float64."""
    left, upper, right, lower = box or (0, 0, image.shape[1], image.shape[0])
    part = image[upper:lower, left:right].astype("float64")
    rows = dense_weights(0, lower - upper, size[0], interpolation, antialias)
    columns = dense_weights(0, right - left, size[1], interpolation, antialias)
    return np.einsum("ij,jkc,lk->ilc", rows, part, columns)


def rounded(values):
    return np.floor(np.clip(values + 0.5, 0, 255)).astype("uint8")


@st.composite
def cases(draw):
    lengths = st.integers(1, 9)
    count, channels = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 4]))
    shapes = [(draw(lengths), draw(lengths), channels) for _ in range(count)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    sizes = [(draw(lengths), draw(lengths)) for _ in shapes]
    boxes = []
    for height, width, _ in shapes:
        left, upper = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        boxes.append((left, upper, draw(st.integers(left + 1, width)), draw(st.integers(upper + 1, height))))
    return images, sizes, boxes


@given(cases(), st.sampled_from(FILTERS), st.booleans())
def test_boxes_of_images_of_any_size_are_weighted_as_by_dense_matrices(case, interpolation, antialias):
    images, sizes, boxes = case
    wanted = [
        dense(image, size, interpolation, antialias, box)
        for image, size, box in zip(images, sizes, boxes, strict=True)
    ]
    made = resized(Images.of(images), sizes, interpolation, antialias, np.array(boxes, "float64"))
    small = [image.astype("float32") / 255 for image in images]
    floats = resized(Images.of(small), sizes, interpolation, antialias, np.array(boxes, "float64"))
    for row, expected in enumerate(wanted):
        assert_allclose(floats.image(row), expected / 255, atol=2e-6)
        # A sum that ends in a half may be rounded either way.
        assert np.abs(made.image(row).astype(int) - rounded(expected)).max() <= 1
        assert_allclose(made.image(row), np.clip(expected, 0, 255), atol=0.501)


@given(cases())
def test_nearest_takes_the_pixel_that_holds_the_centre(case):
    images, sizes, boxes = case
    made = resized(Images.of(images), sizes, "nearest", boxes=np.array(boxes, "float64"))
    for row, (image, size, (left, upper, right, lower)) in enumerate(zip(images, sizes, boxes, strict=True)):
        # In whole numbers, where nothing is rounded.
        rows = upper + (2 * np.arange(size[0]) + 1) * (lower - upper) // (2 * size[0])
        columns = left + (2 * np.arange(size[1]) + 1) * (right - left) // (2 * size[1])
        assert_array_equal(made.image(row), image[rows][:, columns])


@pytest.mark.parametrize(("interpolation", "antialias"), KERAS)
def test_values_of_keras(interpolation, antialias):
    made = resized(Images.of(WAVES), (3, 4), interpolation, antialias).value()
    assert_allclose(made[0, :, :, 0], KERAS[interpolation, antialias], atol=1e-4)


@pytest.mark.parametrize(
    ("interpolation", "filter_of_pillow"),
    [
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos3", Image.Resampling.LANCZOS),
        ("nearest", Image.Resampling.NEAREST),
    ],
)
@pytest.mark.parametrize("size", [(7, 5), (23, 17), (4, 30)])
def test_pillow_agrees_within_one_level(interpolation, filter_of_pillow, size):
    # Of middle brightness, as Pillow cuts off at 0 and 255 between its two passes, too.
    image = np.random.default_rng(1).integers(90, 170, (13, 19, 3), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(image).resize((size[1], size[0]), filter_of_pillow)).astype(int)
    made = resized(Images.of(image[None]), size, interpolation).value()[0]
    assert np.abs(made - wanted).max() <= 1
    box = (2.5, 1.25, 18.0, 12.5)
    if interpolation == "bilinear" and size[0] < 10:  # where pixels beyond the box weigh nothing in both
        inner = resized(Images.of(image[None]), (40, 50), "nearest", boxes=np.array([box])).value()[0]
        other = Image.fromarray(image).resize((50, 40), filter_of_pillow.NEAREST, box=box)
        assert_array_equal(inner, np.asarray(other))


def test_area_is_the_mean_of_blocks():
    images = np.random.default_rng(2).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    blocks = images.reshape(2, 3, 2, 2, 4, 3).sum(axis=(2, 4))
    assert_array_equal(resized(Images.of(images), (3, 2), "area").value(), (blocks + 4) // 8)


@pytest.mark.extras
def test_opencv_agrees_on_area():
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(3).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    wanted = cv2.resize(image, (6, 4), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(resized(Images.of(image[None]), (4, 6), "area").value()[0] - wanted).max() <= 1


@pytest.mark.parametrize("interpolation", RESAMPLINGS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_an_equal_size_keeps_each_bit(interpolation, dtype):
    images = np.random.default_rng(4).integers(0, 256, (2, 5, 7, 3)).astype(dtype)
    assert_array_equal(resized(Images.of(images), (5, 7), interpolation).value(), images)


def test_other_boxes_of_equal_images_have_their_own_weights():
    images = np.random.default_rng(5).integers(0, 256, (3, 6, 6, 1), dtype=np.uint8)
    boxes = [(0, 0, 5, 4), (1, 2, 6, 6), (1, 2, 6, 6)]
    made = resized(Images.of(images), (3, 4), "bilinear", boxes=np.array(boxes, "float64"))
    for row, box in enumerate(boxes):
        assert_allclose(made.image(row), dense(images[row], (3, 4), "bilinear", True, box), atol=0.501)


def test_overshoot_is_cut_off_in_bytes_and_kept_in_floats():
    edge = np.repeat([[0, 0, 0, 255, 255, 255]], 2, axis=0).astype("uint8")[None, :, :, None]
    made = resized(Images.of(edge), (2, 12), "lanczos3").value()
    assert made.min() == 0
    assert made.max() == 255
    floats = resized(Images.of(edge / np.float32(255)), (2, 12), "lanczos3").value()
    assert floats.min() < -0.01
    assert floats.max() > 1.01


def test_a_batch_of_grey_images_of_different_sizes_becomes_one_array():
    images = [np.full((3, 4), 7, np.uint8), np.full((9, 2), 8, np.uint8)]
    made = resized(Images.of(images), (2, 5), "bicubic").value()
    assert made.shape == (2, 2, 5)
    assert made[0].tolist() == [[7] * 5] * 2
    assert made[1].tolist() == [[8] * 5] * 2


def test_an_empty_batch_stays_empty():
    made = resized(Images.of(np.zeros((0, 4, 4, 3), np.uint8)), (2, 2))
    assert len(made) == 0


def test_what_cannot_be_resized_is_named():
    images = Images.of([np.zeros((3, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8)])
    with pytest.raises(SampleError, match=r"height and width \[0, 4\]") as caught:
        resized(images, (2, 2))
    assert caught.value.row == 1
    whole = Images.of(np.zeros((2, 3, 4, 1), np.uint8))
    with pytest.raises(DataError, match="at least 1, got"):
        resized(whole, (0, 2))
    with pytest.raises(ValueError, match="write one of 'nearest', 'bilinear'"):
        resized(whole, (2, 2), "linear")
    for box in ([0, 0, 5, 3], [-1, 0, 4, 3], [2, 0, 2, 3], [np.nan, 0, 4, 3]):
        with pytest.raises(SampleError, match="inside its image of height 3 and width 4") as caught:
            resized(whole, (2, 2), boxes=np.array([[0, 0, 4, 3], box], "float64"))
        assert caught.value.row == 1


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", RESAMPLINGS)
def test_one_image_has_the_bits_of_a_batch(interpolation, antialias):
    images = np.random.default_rng(3).integers(0, 256, (1, 7, 9, 3), dtype=np.uint8)
    box = (1.0, 2.0, 9.0, 6.0)
    for dtype in ("uint8", "float32"):
        wanted, made = np.empty(5 * 4 * 3, dtype), np.empty((5, 4, 3), dtype)
        resized(Images.of(images), (5, 4), interpolation, antialias, np.array([box]), wanted)
        resize_image(images[0], made, interpolation, antialias, box)
        assert_array_equal(made.reshape(-1), wanted)


def test_an_infinite_pixel_stays_where_it_is():
    image = np.array([[[np.inf], [1.0], [2.0]]], "float32")
    made = resized(Images.of(image[None]), (1, 6), "bilinear", False).value()[0, 0, :, 0]
    assert_array_equal(made[[0, 3, 4, 5]], np.array([np.inf, 1.25, 1.75, 2.0], "float32"))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_nothing_is_written_beyond_the_result(channels):
    images = Images.of(np.ones((1, 3, 3, channels), "float32"))
    memory = np.full(2 * 2 * channels + 8, 7.0, "float32")
    resized(images, (2, 2), "bilinear", False, out=memory[: 2 * 2 * channels])
    assert_array_equal(memory[2 * 2 * channels :], 7.0)
    assert_array_equal(memory[: 2 * 2 * channels], 1.0)
