"""`crop`, `center_crop` and `pad` against slices of `numpy.pad`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from streamfit import augment
from streamfit._base.errors import SampleError
from streamfit.augment.draws import SampleDraws

# The names that NumPy has for what is outside of an image.
MODES = {
    "constant": "constant",
    "nearest": "edge",
    "reflect": "symmetric",
    "mirror": "reflect",
    "wrap": "wrap",
}


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def padded(images, rows, columns, mode, value):
    extra = {"constant_values": value} if mode == "constant" else {}
    return np.pad(images, ((0, 0), rows, columns, (0, 0)), MODES[mode], **extra)


borders = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(borders, borders, st.sampled_from(list(MODES)), st.sampled_from(["uint8", "float32"]))
def test_a_border_is_that_of_numpy(rows, columns, mode, dtype):
    images = noise(2, 5, 6, 2).astype(dtype)
    made = augment.pad((rows, columns), mode, 7)(images)
    assert made.dtype == dtype
    assert_array_equal(made, padded(images, rows, columns, mode, 7))


@given(st.integers(0, 2**60), st.integers(1, 6), st.integers(1, 7), borders, st.sampled_from(list(MODES)))
def test_a_crop_is_a_slice_at_the_drawn_place(seed, height, width, border, mode):
    images = noise(3, 6, 7, 3)
    crop = augment.crop((height, width), (border, 1), mode, 9)
    keys = np.arange(seed, seed + 3, dtype=np.uint64)
    made, _ = crop.transform_batch(images, None, keys)
    draws = SampleDraws(keys)
    rows = draws.whole("row", 0, 6 + sum(border) - height + 1)
    columns = draws.whole("column", 0, 7 + 2 - width + 1)
    whole = padded(images, border, (1, 1), mode, 9)
    for row, (top, left) in enumerate(zip(rows, columns, strict=True)):
        assert_array_equal(made[row], whole[row, top : top + height, left : left + width])
    # The draws of a sample do not depend on those beside it.
    alone, _ = crop.transform_batch(images[1:2], None, keys[1:2])
    assert_array_equal(alone[0], made[1])


def test_each_place_is_as_probable():
    columns = np.arange(5, dtype=np.uint8).reshape(1, 1, 5, 1).repeat(4000, axis=0)
    made = augment.crop((1, 2))(columns, seed=0)[:, 0, 0, 0]
    assert np.abs(np.bincount(made, minlength=4) - 1000).max() < 130  # nearly 5 standard deviations


@pytest.mark.parametrize(("shape", "size"), [((6, 7), (3, 4)), ((6, 7), (6, 7)), ((5, 5), (2, 1))])
def test_the_middle_is_cut_out(shape, size):
    images = noise(2, *shape, 3)
    top, left = (shape[0] - size[0]) // 2, (shape[1] - size[1]) // 2
    wanted = images[:, top : top + size[0], left : left + size[1]]
    assert_array_equal(augment.center_crop(size)(images), wanted)


def test_images_of_different_sizes_become_one_array():
    images = [noise(5, 6, 3), noise(9, 4, 3)]
    made = augment.center_crop(4)(images)
    assert made.shape == (2, 4, 4, 3)
    assert_array_equal(made[1], images[1][2:6])
    assert [image.shape for image in augment.pad((1, 0))(images)] == [(7, 6, 3), (11, 4, 3)]


def test_neighbours_are_one_warp_with_the_same_pixels():
    images = noise(4, 8, 8, 3)
    keys = np.arange(4, dtype=np.uint64)
    both = augment.chain(
        augment.pad(2, "reflect"), augment.crop(7, padding=1, fill_value=3), augment.flip(p=1)
    )
    made, _ = both.transform_batch(images, None, keys)
    draws = SampleDraws(keys).of(1)
    rows, columns = draws.whole("row", 0, 14 - 7 + 1), draws.whole("column", 0, 14 - 7 + 1)
    whole = padded(padded(images, (2, 2), (2, 2), "reflect", 0), (1, 1), (1, 1), "constant", 3)
    for row, (top, left) in enumerate(zip(rows, columns, strict=True)):
        assert_array_equal(made[row], whole[row, top : top + 7, left : left + 7][:, ::-1])


def test_an_image_that_is_too_small_is_named():
    images = [noise(8, 8, 3), noise(5, 9, 3)]
    with pytest.raises(SampleError, match=r"crop\(\) cuts 6 x 6 .* has 5 x 9 .*smaller size") as caught:
        augment.crop(6)(images)
    assert caught.value.row == 1
    assert augment.crop(6, padding=((0, 1), 0))(images, seed=0).shape == (2, 6, 6, 3)
    with pytest.raises(SampleError, match=r"center_crop\(\) cuts 3 x 9") as caught:
        augment.center_crop((3, 9))(images)
    assert caught.value.row == 0


@pytest.mark.parametrize("value", [-1, 256, 0.5])
def test_bytes_take_a_whole_number_as_fill(value):
    with pytest.raises(ValueError, match="whole number from 0 to 255"):
        augment.pad(1, fill_value=value)(noise(1, 3, 3, 1))
    made = augment.pad(1, fill_value=value)(np.zeros((1, 3, 3, 1), "float32"))
    assert made[0, 0, 0, 0] == value


def test_wrong_arguments_are_refused():
    for wrong, kind, text in (
        (lambda: augment.crop(0), ValueError, "at least 1"),
        (lambda: augment.crop((3,)), ValueError, "pair"),
        (lambda: augment.crop(2.5), TypeError, "whole number"),
        (lambda: augment.crop(3, padding=-1), ValueError, "at least 0"),
        (lambda: augment.pad((1, 2, 3)), ValueError, "rows, columns"),
        (lambda: augment.pad(((1, 2, 3), 1)), ValueError, "of an axis"),
        (lambda: augment.pad(1, "zero"), ValueError, "'constant'"),
        (lambda: augment.pad(1, fill_value="black"), TypeError, "number"),
    ):
        with pytest.raises(kind, match=text):
            wrong()


def test_texts_are_as_they_are_written():
    assert repr(augment.center_crop(3)) == "center_crop((3, 3))"
    for transform in (augment.crop(3, padding=1), augment.pad((1, 2)), augment.resize(3)):
        again = eval(repr(transform), vars(augment))
        assert repr(again) == repr(transform)
