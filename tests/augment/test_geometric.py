"""Geometric transforms: against Pillow, NumPy and Gaussian filters; labels; draws by keys alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from streamfit import augment
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import WarpStep
from streamfit.augment.images import Images
from streamfit.augment.run import grouped
from streamfit.augment.warp import plan_warp

TRANSFORMS = {
    "rotate": augment.rotate(40),
    "translate": augment.translate(0.2, (0, 0.3)),
    "zoom": augment.zoom(0.3, (0.9, 1.4)),
    "shear": augment.shear(20, 10),
    "affine": augment.affine(20, translate=(0.1, 0.2), scale=(0.9, 1.2), shear=10),
    "perspective": augment.perspective(0.4, p=1),
    "rot90": augment.rot90(),
    "elastic": augment.elastic(10, 3),
}


def picture(dtype="float32", size=(9, 12), channels=3, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "uint8":
        return rng.integers(0, 256, (*size, channels), np.uint8)
    return rng.random((*size, channels), np.float32)


def by_pillow(image, method, *arguments):
    """One channel behind a transform of Pillow, and where its pixels have all neighbours inside the image."""
    inside = np.zeros_like(image)
    inside[1:-1, 1:-1] = 1
    made, known = (
        np.asarray(getattr(Image.fromarray(a), method)(*arguments, resample=Image.Resampling.BILINEAR))
        for a in (image, inside)
    )
    return made, known == 1


@pytest.mark.parametrize("degrees", [-70.0, 12.5, 160.0])
def test_rotate_as_pillow(degrees):
    image = picture(channels=1, size=(20, 24))
    made = augment.rotate((degrees, degrees))(image)[..., 0]
    expected, inside = by_pillow(image[..., 0], "rotate", degrees)
    assert inside.sum() > 100
    assert_allclose(made[inside], expected[inside], atol=1e-4)


def matrix_of(transform, image, seed=0):
    """The matrix from points of the result to those of the image that was drawn."""
    keys = SampleDraws(np.array([seed], np.uint64))
    (step,) = transform.steps(keys, Images.of([image]).frames)
    return step.matrices[0]


@pytest.mark.parametrize("name", sorted(set(TRANSFORMS) - {"elastic", "rot90"}))
def test_drawn_matrices_as_pillow(name):
    image = picture(channels=1, size=(20, 24))
    keys = np.array([5], np.uint64)
    made, _ = TRANSFORMS[name].transformed([image], None, keys)
    matrix = matrix_of(TRANSFORMS[name], image, 5)
    data = (matrix / matrix[2, 2]).ravel()[:8].tolist()
    kind = Image.Transform.PERSPECTIVE
    expected, inside = by_pillow(image[..., 0], "transform", (24, 20), kind, data)
    assert inside.sum() > 100
    assert_allclose(made[0][..., 0][inside], expected[inside], atol=1e-3)


def test_translate_by_whole_pixels():
    image = picture("uint8", (8, 10))
    made = augment.translate((0.25, 0.25), (-0.2, -0.2), fill_mode="wrap")(image)
    assert_array_equal(made, np.roll(image, (2, -2), axis=(0, 1)))


def test_zoom_shows_the_middle():
    image = picture("uint8", (8, 12))
    made = augment.zoom((2, 2), (4, 4), interpolation="nearest")(image)
    columns = np.floor((np.arange(12) + 0.5 - 6) / 4 + 6).astype(int)
    assert_array_equal(made, image[2:6].repeat(2, axis=0)[:, columns])


def test_shear_moves_lower_rows_to_the_right():
    image = picture("uint8", (5, 11))
    made = augment.shear((45, 45), fill_mode="wrap")(image)
    for row in range(5):
        assert_array_equal(made[row], np.roll(image[row], row - 2, axis=0))
    made = augment.shear(0, (-45, -45), fill_mode="wrap")(picture("uint8", (11, 5)))
    for column in range(5):
        assert_array_equal(made[:, column], np.roll(picture("uint8", (11, 5))[:, column], 2 - column, axis=0))


def test_affine_does_shear_scale_turn_and_move_in_this_order():
    image = picture(size=(20, 20))
    made = augment.affine((30, 30), 0, (1.5, 1.5), (15, 15))(image)
    steps = [augment.shear((15, 15)), augment.zoom((1.5, 1.5)), augment.rotate((30, 30))]
    product = np.eye(3)
    for transform in steps:
        product = product @ matrix_of(transform, image)
    assert_allclose(matrix_of(augment.affine((30, 30), 0, (1.5, 1.5), (15, 15)), image), product)
    expected = plan_warp([WarpStep(product[None], np.array([[20, 20]]))], Images.of([image]).frames).images(
        Images.of([image])
    )
    assert_allclose(made, expected.image(0), atol=1e-6)


@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_rot90_as_numpy(size):
    images = [picture("uint8", size, seed=seed) for seed in range(12)]
    made = augment.rot90()(images, seed=4)
    turns = []
    for image, turned in zip(images, made, strict=True):
        equal = [k for k in range(4) if np.array_equal(np.rot90(image, k), turned)]
        assert len(equal) == 1
        turns += equal
    assert set(turns) == {0, 1, 2, 3}


def test_perspective_moves_corners_inward():
    image = picture(size=(10, 20))
    for seed in range(20):
        forward = np.linalg.inv(matrix_of(augment.perspective(0.6, p=1), image, seed))
        corners = np.array([[0, 0, 1], [20, 0, 1], [20, 10, 1], [0, 10, 1]]) @ forward.T
        corners = corners[:, :2] / corners[:, 2:]
        inward = np.abs(corners - np.array([[0, 0], [20, 0], [20, 10], [0, 10]]))
        assert (inward >= -1e-9).all()
        assert (inward <= [6.0, 3.0]).all()
        assert inward.max() > 0.1


def displacements(alpha, sigma, size, count):
    keys = SampleDraws(np.arange(count, dtype=np.uint64))
    images = Images.of(np.zeros((count, *size, 1), np.float32))
    (step,) = augment.elastic(alpha, sigma).steps(keys, images.frames)
    return step.displacement, images.sizes


def test_elastic_is_as_strong_and_as_smooth_as_filtered_noise():
    count, places = 200, np.arange(0, 40, 3)
    displacement, sizes = displacements(34.0, 4.0, (40, 40), count)
    at = np.stack(np.meshgrid(places + 0.5, places + 0.5), -1).reshape(-1, 2)
    owners = np.repeat(np.arange(count), len(at))
    fields = displacement.at(np.tile(at, (count, 1)), owners, sizes)
    fields = fields.reshape(count, len(places), len(places), 2)
    noise = np.random.default_rng(0).uniform(-1, 1, (count, 72, 72))
    filtered = 34.0 * gaussian_filter(noise, (0, 4, 4))[:, 16:56:3, 16:56:3]
    assert_allclose(fields.std(), 34 / (6.14 * 4), rtol=0.03)
    assert_allclose(fields.std(), filtered.std(), rtol=0.05)
    assert_allclose(np.diff(fields, axis=1).std(), np.diff(filtered, axis=1).std(), rtol=0.05)


def test_elastic_takes_pixels_from_displaced_points():
    image = picture(size=(9, 12), channels=2)
    keys = np.array([3], np.uint64)
    for mode, scipy_mode in (("reflect", "reflect"), ("constant", "grid-constant")):
        transform = augment.elastic(20, 2, fill_mode=mode)
        (made,), _ = transform.transformed([image], None, keys)
        (step,) = transform.steps(SampleDraws(keys), Images.of([image]).frames)
        at = np.stack(np.meshgrid(np.arange(12) + 0.5, np.arange(9) + 0.5), -1).reshape(-1, 2)
        points = at + step.displacement.at(at, np.zeros(108, int), np.array([[9, 12]]))
        assert np.abs(points - at).max() > 0.5
        for channel in range(2):
            expected = map_coordinates(
                image[..., channel].astype(float), points[:, ::-1].T - 0.5, order=1, mode=scipy_mode
            )
            assert_allclose(made[..., channel], expected.reshape(9, 12), atol=1e-5)


def test_elastic_behind_a_rotation_is_one_warp_and_in_front_of_it_another():
    images = Images.of([picture()])
    draws = SampleDraws(np.array([1], np.uint64))
    inside = augment.chain(augment.zoom((2, 2)), augment.elastic(5, 3)).steps(draws, images.frames)
    assert len(list(grouped(inside))) == 1
    outside = augment.chain(augment.elastic(5, 3), augment.zoom((2, 2))).steps(draws, images.frames)
    assert len(list(grouped(outside))) == 2


@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_image_does_not_depend_on_the_batch_it_is_in(name):
    """Sizes and places of the others change nothing; equal keys give equal bits, others differ."""
    images = [picture(size=size, seed=seed) for seed, size in enumerate([(9, 12), (30, 8), (9, 12), (5, 5)])]
    keys = np.array([1, 2, 3, 4], np.uint64)
    together, _ = TRANSFORMS[name].transformed(images, None, keys)
    for row in (3, 1, 0):
        (alone,), _ = TRANSFORMS[name].transformed([images[row]], None, keys[row : row + 1])
        assert_array_equal(together[row], alone)
    same, _ = TRANSFORMS[name].transformed(np.stack([images[0]] * 8), None, np.arange(8, dtype=np.uint64))
    assert len({np.asarray(image).tobytes() for image in same}) > 1


@pytest.mark.parametrize("name", TRANSFORMS)
def test_points_move_with_what_they_are_at(name):
    """The image holds the coordinates of its points, so a result says where its points came from."""
    size, count = (24, 30), 6
    x, y = np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)
    image = np.stack([x, y], -1).astype(np.float32)
    points = np.random.default_rng(1).uniform(8, 16, (count, 5, 2))
    transform = augment.chain(TRANSFORMS[name], labels="points")
    made, moved = transform.transformed([image] * count, list(points), np.arange(count, dtype=np.uint64))
    for row in range(count):
        for axis in range(2):
            shown = map_coordinates(made[row][..., axis], moved[row].T[::-1] - 0.5, order=1)
            tolerance = 0.3 if name in ("elastic", "perspective") else 1e-3
            assert_allclose(shown, points[row][:, axis], atol=tolerance)


def test_boxes_behind_an_elastic_hold_their_corners():
    boxes = np.array([[8.0, 9.0, 15.0, 20.0]])
    keys = np.arange(4, dtype=np.uint64)
    images = [picture(size=(24, 30))] * 4
    transform = augment.elastic(20, 4)
    _, moved = transform.with_labels("boxes").transformed(images, [boxes] * 4, keys)
    _, corners = transform.with_labels("points").transformed(images, [boxes.reshape(2, 2)] * 4, keys)
    for box, points in zip(moved, corners, strict=True):
        assert (points >= box[0, :2] - 1e-6).all()
        assert (points <= box[0, 2:] + 1e-6).all()
        assert np.abs(box - boxes).max() > 0.1


@settings(max_examples=50)
@given(
    alpha=st.floats(0, 30),
    sigma=st.floats(2, 8),
    key=st.integers(0, 1000),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
)
def test_displaced_points_are_found_again(alpha, sigma, key, x, y):
    """Where the field is not so strong that it may fold an image over itself."""
    alpha = min(alpha, sigma**2)
    images = Images.of(np.zeros((1, 15, 20, 1), np.float32))
    (step,) = augment.elastic(alpha, sigma).steps(SampleDraws(np.array([key], np.uint64)), images.frames)
    points, owners = np.array([[20 * x, 15 * y]]), np.zeros(1, int)
    there = points + step.displacement.at(points, owners, images.sizes)
    assert_allclose(step.displacement.undone(there, owners, images.sizes), points, atol=1e-6)


def test_p_is_how_many_images_are_transformed():
    images = np.stack([picture(size=(4, 5))] * 400)
    for transform in (augment.rotate((30, 30), p=0.25), augment.rot90(p=0.25), augment.elastic(9, 2, p=0.25)):
        made = transform(images, seed=1)
        changed = sum(not np.array_equal(image, images[0]) for image in made)
        assert 60 < changed < 140


def test_drawn_numbers_fill_their_range():
    images = Images.of(np.zeros((500, 10, 10, 1), np.float32))
    draws = SampleDraws(np.arange(500, dtype=np.uint64))
    (step,) = augment.rotate((-20, 60)).steps(draws, images.frames)
    degrees = np.rad2deg(np.arctan2(step.matrices[:, 1, 0], step.matrices[:, 0, 0]))
    assert -20 <= degrees.min() < -18
    assert 58 < degrees.max() <= 60
    (step,) = augment.zoom(0.2).steps(draws, images.frames)
    factors = 1 / step.matrices[:, 0, 0]
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2
    assert_array_equal(step.matrices[:, 0, 0], step.matrices[:, 1, 1])
    (step,) = augment.translate(0.3).steps(draws, images.frames)
    assert -3 <= step.matrices[:, :2, 2].min() < -2.9
    assert 2.9 < step.matrices[:, :2, 2].max() <= 3
    assert abs(np.corrcoef(step.matrices[:, 0, 2], step.matrices[:, 1, 2])[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: augment.rotate((20, 10)), "degrees must be a pair"),
        (lambda: augment.rotate(-5), "degrees"),
        (lambda: augment.rotate(5, p=1.5), "p must be between 0 and 1"),
        (lambda: augment.rotate(5, fill_mode="edge"), "'nearest'"),
        (lambda: augment.rotate(5, interpolation="cubic"), "'bilinear'"),
        (lambda: augment.zoom(1.0), "factors above 0"),
        (lambda: augment.zoom((0, 2)), "factors above 0"),
        (lambda: augment.shear(90), "between -90 and 90"),
        (lambda: augment.affine(translate=(0.1, 0.2, 0.3)), "pair"),
        (lambda: augment.perspective(1.0), "below 1"),
        (lambda: augment.elastic(5, 0), "sigma must be above 0"),
        (lambda: augment.elastic(-1), "alpha"),
    ],
)
def test_wrong_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="fil_mode"):
        augment.rotate(5, fil_mode="wrap")


def test_a_fill_value_that_uint8_has_not():
    for value in (300, -1, 0.5):
        with pytest.raises(ValueError, match="whole number from 0 to 255"):
            augment.rotate(5, fill_value=value)(picture("uint8"))
    assert augment.rotate((45, 45), fill_value=0.5)(picture())[0, 0, 0] == np.float32(0.5)


def test_transforms_say_how_they_are_written():
    assert repr(augment.rotate(15, fill_mode="wrap")) == "rotate((-15.0, 15.0), fill_mode='wrap')"
    for transform in TRANSFORMS.values():
        other = eval(repr(transform), vars(augment))
        assert_array_equal(other(picture(), seed=3), transform(picture(), seed=3))
