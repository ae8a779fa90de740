"""Labels go where the pixels go that they were drawn with, through any chain of geometric transforms."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from streamfit import augment
from streamfit.augment import matrices
from streamfit.augment.image_steps import WarpStep
from streamfit.augment.transform import Transform

HEIGHT, WIDTH = 14, 17


class Turned(Transform):
    """Turn, shear and enlarge about the centre; by as much for all images."""

    def __init__(self, degrees, shear, factor, interpolation="bilinear"):
        self.numbers, self.interpolation = (degrees, shear, factor), interpolation

    def __repr__(self):
        return f"Turned{self.numbers}"

    def steps(self, draws, frames):
        degrees, shear, factor = (np.full(len(frames), number) for number in self.numbers)
        made = matrices.rotations(degrees) @ matrices.shears(shear, 0 * shear)
        made = made @ matrices.scales(factor, factor)
        made = matrices.about_centre(made, frames.sizes)
        return [WarpStep(made, frames.sizes, "constant", 0.0, self.interpolation)]


flips = st.sampled_from(["horizontal", "vertical", "both"]).map(lambda way: augment.flip(way, p=0.7))
pads = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(augment.pad)
crops = st.integers(0, 3).map(lambda padding: augment.crop((9, 10), padding=padding))
whole_pixels = st.one_of(flips, pads, crops, st.just(augment.center_crop((10, 9))))
turns = st.builds(Turned, st.floats(-180, 180), st.floats(-0.4, 0.4), st.floats(0.8, 1.6))
enlarging = st.builds(
    augment.resize, st.tuples(st.integers(18, 26), st.integers(20, 30)), st.just("bilinear"), st.booleans()
)
sizes = st.tuples(st.integers(9, 26), st.integers(10, 30))
aspects = st.sampled_from([None, "crop", "pad"])
resizes = st.builds(augment.resize, sizes, st.sampled_from(["bilinear", "area"]), st.booleans(), aspects)
cut = st.builds(augment.random_resized_crop, sizes, st.just((0.4, 1.0)), antialias=st.booleans())


def chains(*steps):
    """Draw a chain of one transform of each kind; an image must not become smaller than a crop."""
    return st.tuples(*steps).map(lambda drawn: augment.chain(*drawn))


seeds = st.integers(0, 2**60)
KINDS = {"points": "points", "boxes": "boxes", "mask": "mask"}


@given(
    chains(st.one_of(flips, pads, turns), enlarging, st.one_of(whole_pixels, turns)),
    st.integers(0, HEIGHT - 1),
    st.integers(0, WIDTH - 1),
    seeds,
)
def test_a_point_is_where_the_bright_pixel_went(chain, row, column, seed):
    image = np.zeros((1, HEIGHT, WIDTH, 1), "float32")
    image[0, row, column] = 1
    point = np.array([[[column + 0.5, row + 0.5]]])
    whole = True  # behind each of the transforms, so that the centre of what is left can be found
    for count in range(1, len(chain.transforms) + 1):
        part = augment.chain(*chain.transforms[:count], labels="points")
        made, moved = part(image, point, seed=seed)
        x, y = moved[0, 0]
        height, width = made.shape[1:3]
        edge = 3 if count == len(chain.transforms) else 1
        whole = whole and edge < x < width - edge and edge < y < height - edge
    if whole:
        light = made[0, :, :, 0].astype("float64")
        assert light.sum() > 0.3
        rows, columns = np.mgrid[:height, :width] + 0.5
        assert abs((light * columns).sum() / light.sum() - x) < 1
        assert abs((light * rows).sum() / light.sum() - y) < 1
    elif not (-9 < x < width + 9 and -9 < y < height + 9):  # a pixel may have become 6 of them
        assert made.sum() == 0


@st.composite
def rectangles(draw):
    upper, left = draw(st.integers(0, HEIGHT - 4)), draw(st.integers(0, WIDTH - 4))
    return left, upper, draw(st.integers(left + 4, WIDTH)), draw(st.integers(upper + 4, HEIGHT))


def bright_and_box(chain, box, seed):
    """The edges of what is bright behind a chain, and the box of the rectangle that was drawn."""
    left, upper, right, lower = box
    image = np.zeros((1, HEIGHT, WIDTH, 1), "float32")
    image[0, upper:lower, left:right] = 1
    made, moved = chain.with_labels("boxes")(image, np.array([[box]], "float32"), seed=seed)
    rows, columns = np.nonzero(made[0, :, :, 0] > 0.5)
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None
    return seen, moved[0, 0], made.shape[1:3]


@given(
    st.one_of(
        st.tuples(chains(st.one_of(flips, pads), resizes, flips), st.just(1)),
        # Of a box of which only the edge is left, the corners are round by half an enlarged pixel.
        st.tuples(chains(whole_pixels, flips, enlarging, whole_pixels), st.just(2)),
        st.tuples(chains(flips, cut, flips), st.just(1)),
    ),
    rectangles(),
    seeds,
)
@example(
    (
        augment.chain(
            augment.center_crop((10, 9)),
            augment.flip(p=0.7),
            augment.resize((22, 20), "bilinear", False),
            augment.center_crop((10, 9)),
        ),
        2,
    ),
    (7, 9, 11, 13),
    0,
)
def test_a_box_is_tight_where_axes_stay_axes(drawn, box, seed):
    chain, tolerance = drawn
    seen, moved, (height, width) = bright_and_box(chain, box, seed)
    if seen is None:  # nothing is left, or less than a pixel at the edge
        assert (moved == -1).all() or (moved[2:] - moved[:2]).min() < 1
        return
    assert np.abs(moved - seen).max() <= tolerance
    assert (moved >= 0).all()
    assert (moved[2:] <= (width, height)).all()


@given(chains(st.one_of(flips, pads), turns, enlarging, turns), rectangles(), seeds)
def test_a_box_holds_what_it_held_when_it_is_turned(chain, box, seed):
    seen, moved, _ = bright_and_box(chain, box, seed)
    assume(seen is not None)
    assert (moved[:2] <= np.array(seen[:2]) + 1).all()
    assert (moved[2:] >= np.array(seen[2:]) - 1).all()


nearest = st.builds(
    Turned, st.floats(-180, 180), st.floats(-0.4, 0.4), st.floats(0.8, 1.6), st.just("nearest")
)
dtypes = st.sampled_from(["int32", "uint16", "float64", "int64"])


@given(chains(st.one_of(whole_pixels, nearest), nearest, flips, pads), dtypes, seeds)
def test_a_mask_is_warped_as_an_image_is_to_the_nearest_pixel(chain, dtype, seed):
    image = np.arange(1, HEIGHT * WIDTH + 1, dtype="float32").reshape(1, HEIGHT, WIDTH, 1)
    made, moved = chain.with_labels("mask")(image, image[..., 0].astype(dtype), seed=seed)
    assert moved.dtype == dtype
    assert_array_equal(moved, made[..., 0])


@given(chains(st.one_of(flips, turns), resizes, st.one_of(pads, turns)), rectangles(), seeds)
def test_labels_in_a_dictionary_move_as_each_alone(chain, box, seed):
    images = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 1), dtype=np.uint8)
    targets = {"mask": images[..., 0].astype("int16"), "boxes": np.array([[box]] * 2, "float64")}
    targets["points"] = targets["boxes"].reshape(2, 2, 2)
    made, together = chain.with_labels(KINDS)(images, targets, seed=seed)
    for kind, target in targets.items():
        same, alone = chain.with_labels(kind)(images, target, seed=seed)
        assert_array_equal(same, made)
        assert_array_equal(alone, together[kind])
