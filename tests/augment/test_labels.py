"""Masks, boxes and points: their forms, what is wrong with them, and what is left of a box."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from streamfit import DataError, Sequential, augment, layers, source
from streamfit._base.errors import SampleError
from streamfit.augment import matrices
from streamfit.augment.image_steps import WarpStep
from streamfit.augment.moved_points import moved_boxes, moved_points

IMAGES = np.zeros((3, 6, 8, 3), np.uint8)
FLIP = augment.flip(p=1)
BOXES = np.array(
    [[[1, 2, 4, 5], [0, 0, 8, 6]], [[-1] * 4, [2.5, 1, 3, 2]], [[7, 5, 8, 6], [-1] * 4]], "float32"
)
FLIPPED = np.array(
    [[[4, 2, 7, 5], [0, 0, 8, 6]], [[-1] * 4, [5, 1, 5.5, 2]], [[0, 5, 1, 6], [-1] * 4]], "float32"
)


def objects(arrays):
    made = np.empty(len(arrays), object)
    for place, array in enumerate(arrays):
        made[place] = array
    return made


def moved(labels, targets, transform=FLIP, images=IMAGES):
    return transform.with_labels(labels)(images, targets, seed=0)[1]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_boxes_in_an_array_keep_their_form(dtype):
    before = BOXES.astype(dtype)
    made = moved("boxes", before)
    assert made.dtype == dtype
    assert_allclose(made, FLIPPED, atol=1e-12)
    assert_array_equal(before, BOXES)  # the labels of the user are not written to


@pytest.mark.parametrize("form", [list, objects])
def test_each_image_may_have_other_numbers_of_boxes_and_points(form):
    boxes = form([BOXES[0], np.zeros((0, 4), "float32"), BOXES[2, :1].astype("float64")])
    made = moved("boxes", boxes)
    assert type(made) is type(boxes)
    assert [array.dtype for array in made] == ["float32", "float32", "float64"]
    for row, wanted in enumerate([FLIPPED[0], np.zeros((0, 4)), FLIPPED[2, :1]]):
        assert_allclose(made[row], wanted, atol=1e-12)
    points = form(
        [np.array([[1.0, 2.0]]), np.zeros((0, 2)), np.array([[8.0, 0.0], [np.nan, np.nan], [-3, 9]])]
    )
    made = moved("points", points)
    assert_allclose(made[0], [[7, 2]])
    assert made[1].shape == (0, 2)
    assert_allclose(made[2], [[0, 0], [np.nan, np.nan], [11, 9]])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "float32", "float64", ">i4"])
@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1), (6, 8, 3)])
def test_masks_of_any_dtype_are_kept_to_the_bit(dtype, shape):
    masks = (np.random.default_rng(0).normal(size=(3, *shape)) * 30).astype(dtype)
    made = moved("mask", masks)
    assert made.dtype == dtype
    assert_array_equal(made, masks[:, :, ::-1])
    bordered = moved("mask", masks, augment.pad((0, (2, 0)), fill_value=9))
    assert_array_equal(bordered[:, :, 2:], masks)
    assert not bordered[:, :, :2].any()  # 0 outside, whatever value the image has there
    repeated = moved("mask", masks, augment.pad((0, (2, 0)), "nearest"))
    assert_array_equal(repeated[:, :, :2], masks[:, :, [0, 0]])
    assert_array_equal(moved("mask", list(masks)), masks[:, :, ::-1])


def test_masks_of_images_of_different_sizes():
    images = [np.zeros((3, 4, 1), np.uint8), np.zeros((5, 2, 1), np.uint8)]
    masks = [np.arange(12).reshape(3, 4), np.arange(10).reshape(5, 2)]
    made = moved("mask", masks, images=images)
    assert all(array.dtype == masks[0].dtype for array in made)
    assert_array_equal(made[1], masks[1][:, ::-1])
    cut = moved("mask", objects(masks), augment.center_crop(2), images)
    assert_array_equal(cut, [masks[0][:2, 1:3], masks[1][1:3]])


def test_several_labels_stand_in_a_dictionary_beside_what_stays():
    targets = {
        "boxes": BOXES,
        "classes": np.array([[3, 4], [-1, 5], [6, -1]]),
        "nose": np.array([[[2.0, 3.0]]] * 3),
        "area": np.arange(3 * 48).reshape(3, 6, 8),
    }
    kinds = {"boxes": "boxes", "nose": "points", "area": "mask"}
    made = moved(kinds, targets)
    assert list(made) == list(targets)
    assert_allclose(made["boxes"], FLIPPED)
    assert made["classes"] is targets["classes"]
    assert_allclose(made["nose"], [[[6, 3]]] * 3)
    assert_array_equal(made["area"], targets["area"][:, :, ::-1])
    image, one = FLIP.with_labels(kinds)(IMAGES[0], {key: target[0] for key, target in targets.items()})
    assert image.shape == (6, 8, 3)
    assert_allclose(one["boxes"], FLIPPED[0])
    assert_array_equal(one["classes"], [3, 4])


def test_labels_move_with_a_filter_too():
    resize = augment.resize((12, 4))
    assert_allclose(moved("points", np.array([[[4.0, 3.0]]] * 3), resize), [[[2, 6]]] * 3)
    assert_allclose(moved("boxes", BOXES[:1], resize, IMAGES[:1]), [[[0.5, 4, 2, 10], [0, 0, 4, 12]]])
    masks = np.arange(48).reshape(1, 6, 8)
    assert_array_equal(moved("mask", masks, resize, IMAGES[:1])[0], masks[0][:, 1::2].repeat(2, axis=0))
    square = augment.resize(4, keep_aspect="crop")
    assert_allclose(moved("points", np.array([[[4.0, 3.0]]] * 3), square), [[[2, 2]]] * 3)
    square = augment.resize(8, keep_aspect="pad")
    assert_allclose(moved("points", np.array([[[4.0, 3.0]]] * 3), square), [[[4, 4]]] * 3)


@pytest.mark.parametrize("mode", ["reflect", "mirror", "wrap", "nearest", "constant"])
def test_points_and_boxes_follow_the_image_and_not_its_repetitions(mode):
    pad = augment.pad(3, mode)
    assert_allclose(moved("points", np.array([[[1.0, 2.0]]] * 3), pad), [[[4, 5]]] * 3)
    assert_allclose(moved("boxes", BOXES[:1], pad, IMAGES[:1])[0, 0], [4, 5, 7, 8])


def test_a_box_is_cut_off_at_the_edge_and_gone_beyond_it():
    boxes = np.array([[[0, 0, 4, 4], [0, 0, 2, 2], [5, 3, 8, 6], [2, 1, 3, 2.0]]])
    made = moved("boxes", boxes, augment.center_crop(4), IMAGES[:1])
    assert_allclose(made, [[[0, 0, 2, 3], [-1] * 4, [3, 2, 4, 4], [0, 0, 1, 1]]])


def test_what_a_step_has_cut_off_does_not_come_back_with_a_border():
    # One warp, in which the border shows nothing of what lies beyond the part that was cut out.
    cut = augment.chain(augment.center_crop((6, 4)), augment.pad((0, 3)))
    boxes = np.array([[[0, 1, 4, 4], [0, 0, 2, 6], [3, 1, 5, 4.0]]])
    made = moved("boxes", boxes, cut, IMAGES[:1])
    assert_allclose(made, [[[3, 1, 5, 4], [-1] * 4, [4, 1, 6, 4]]])
    # Where axes do not stay axes, too: a box is no larger than that of its part.
    frame = np.array([[6, 4]])
    crop = WarpStep(matrices.translations(-2.0, 0.0), frame)
    turn = WarpStep(matrices.about_centre(matrices.rotations([45.0]), frame), frame)
    whole, share = moved_boxes(boxes[0, :2], np.zeros(2, int), [crop, turn])
    part, _ = moved_boxes(np.array([[2, 1, 4, 4.0]]), np.zeros(1, int), [crop, turn])
    assert_allclose(whole[0], part[0])
    assert 0 < share[0] < 1
    assert np.isnan(whole[1]).all()


def test_what_a_perspective_does_not_show_has_no_box():
    far = np.array([[[1.0, 0, 0], [0, 1, 0], [0.25, 0, 1]]] * 2)  # x of the result is below 4
    assert_allclose(moved_points(np.array([[2.0, 1], [-5, 1]]), far), [[4 / 3, 2 / 3], [np.nan] * 2])
    step = WarpStep(np.linalg.inv(far), np.array([[6, 8]] * 2))
    made, _ = moved_boxes(np.array([[0.0, 0, 4, 4], [-8, 0, 4, 4]]), np.array([0, 1]), [step])
    assert_allclose(made, [[0, 0, 2, 4], [np.nan] * 4])


def test_a_box_of_which_too_little_is_left_is_gone():
    boxes = np.array([[[0, 0, 4, 4], [5, 3, 8, 6], [2, 1, 3, 2.0]]])  # 6 of 16, 2 of 9 and all is left
    crop = augment.center_crop(4)
    for least, gone in ((0.0, []), (0.22, []), (0.23, [1]), (0.38, [0, 1]), (1.0, [0, 1])):
        _, made = crop.with_labels("boxes", min_visible=least)(IMAGES[:1], boxes)
        assert [place for place in range(3) if (made[0, place] == -1).all()] == gone
        _, same = augment.chain(crop, labels="boxes", min_visible=least)(IMAGES[:1], boxes)
        assert_array_equal(made, same)


def test_what_is_left_of_a_box_is_counted_from_before_the_first_step():
    # 2/3 of the width is left behind the first crop and half of that behind the second; between them stands
    # a filter, so that these are not one warp.
    boxes = np.array([[[0, 0, 6, 6.0]]])
    steps = (augment.center_crop((6, 4)), augment.resize((6, 8)), augment.center_crop((6, 4)))
    for least, gone in ((0.3, False), (0.35, True)):
        _, made = augment.chain(*steps, labels="boxes", min_visible=least)(IMAGES[:1], boxes)
        assert (made == -1).all() == gone


@pytest.mark.parametrize(
    ("labels", "targets", "row", "text"),
    [
        (
            "boxes",
            [BOXES[0], BOXES[1, :, :3], BOXES[2]],
            1,
            r"boxes \(y\) of an image .*\(k, 4\), got \(2, 3\)",
        ),
        ("boxes", [BOXES[0], np.zeros(0), BOXES[2]], 1, r"got \(0,\); an image without any has \(0, 4\)"),
        ("boxes", BOXES.astype(int), 0, r"float dtype.*got int64; write .astype\('float32'\)"),
        ("boxes", BOXES + np.float32(0.5), 0, r"row 1 is \[0.5, 0.5, 8.5, 6.5\].*height 6 and width 8; clip"),
        ("boxes", [BOXES[0], BOXES[1][:, [2, 1, 0, 3]], BOXES[2]], 1, r"row 1 is \[3.0, 1.0, 2.5, 2.0\]"),
        ("boxes", [BOXES[0], BOXES[1], np.array([[2, 2, 2, 3.0]])], 2, "of some area"),
        ("boxes", [BOXES[0], BOXES[1], np.full((1, 4), np.nan)], 2, "row 0 is"),
        ("points", np.zeros((3, 2)), 0, r"points \(y\) of an image must have shape \(k, 2\), got \(2,\)"),
        ("points", [np.zeros((1, 2)), np.zeros((1, 2)), np.array([[0, np.inf]])], 2, "write NaN for a point"),
        ("mask", np.zeros((3, 8, 6)), 0, r"height 6 and width 8 .* shape \(8, 6\)"),
        ("mask", [np.zeros((6, 8)), np.zeros((6, 8)), np.zeros((6, 9))], 2, r"shape \(6, 9\)"),
        ("mask", [np.zeros((6, 8)), np.zeros((6, 8), int), np.zeros((6, 8))], 1, "one dtype"),
        ("mask", [np.zeros((6, 8)), np.zeros((6, 8, 1)), np.zeros((6, 8))], 1, "as many channels"),
        ("mask", np.full((3, 6, 8), "a"), 0, "must hold numbers, got dtype <U1"),
    ],
)
def test_the_sample_whose_labels_do_not_fit_is_named(labels, targets, row, text):
    with pytest.raises(SampleError, match=text) as caught:
        moved(labels, targets)
    assert caught.value.row == row
    with pytest.raises(SampleError, match=rf"{labels} \(y\['a'\]\)"):
        moved({"a": labels}, {"a": targets})


@pytest.mark.parametrize(
    ("labels", "targets", "text"),
    [
        ("boxes", BOXES[:2], r"boxes \(y\): there are 2 for 3 images"),
        ("boxes", {"a": BOXES}, r"one array, but they have keys \['a'\]"),
        ({"a": "boxes"}, BOXES, "a dictionary, but they are a ndarray"),
        ({"a": "boxes"}, {"b": BOXES}, r"no entry 'a', but \['b'\]"),
        ("points", 5, "must be an array, or a list with an array for each image, got 5"),
        ("points", "abc", "got 'abc'"),
    ],
)
def test_targets_of_another_form_are_refused(labels, targets, text):
    with pytest.raises(DataError, match=text):
        moved(labels, targets)


def test_targets_that_are_missing_are_asked_for():
    for labels in ("boxes", {"a": "boxes"}):
        with pytest.raises(DataError, match="there are none"):
            FLIP.with_labels(labels)(IMAGES, seed=0)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="'mask', 'boxes' or 'points'"):
        moved("box", BOXES)
    with pytest.raises(ValueError, match="min_visible must be between 0 and 1"):
        FLIP.with_labels("boxes", min_visible=1.5)
    with pytest.raises(ValueError, match="min_visible"):
        augment.chain(FLIP, labels="boxes", min_visible=-1)


def test_a_sample_whose_label_does_not_fit_can_be_left_out():
    boxes = np.repeat(np.array([[[1.0, 1, 3, 3]]]), 6, axis=0)
    boxes[4, 0, 2] = 9
    images = np.zeros((6, 6, 8, 3), "float32")
    train = source(images, boxes).map(augment.chain(FLIP, labels="boxes")).batch(2)
    model = Sequential([layers.Flatten(), layers.Dense(4), layers.Reshape((1, 4))])
    model.compile("sgd", "mse")
    with pytest.warns(RuntimeWarning, match=r"samples \[4\].*row 0 is \[1.0, 1.0, 9.0, 3.0\]"):
        model.fit(train, verbose=0, on_bad_sample="skip", max_bad_samples=1)


def test_an_empty_batch_has_no_labels():
    for labels, targets in (("boxes", np.zeros((0, 2, 4))), ("points", []), ("mask", np.zeros((0, 6, 8)))):
        made = moved(labels, targets, images=IMAGES[:0])
        assert len(made) == 0


def test_wrong_kinds_and_ranges_are_refused_where_they_are_written():
    with pytest.raises(ValueError, match="write 'mask', 'boxes' or 'points'"):
        augment.chain(augment.flip(), labels="masks")
    with pytest.raises(ValueError, match="write 'mask', 'boxes' or 'points'"):
        augment.flip().with_labels({"box": "box"})
    with pytest.raises(ValueError, match="write 'mask', 'boxes' or 'points'"):
        augment.function(np.flipud, labels="bbox")
    for value in ((1, 0), (0, 0), 255, (0, np.inf)):
        with pytest.raises(ValueError, match="the lower number first"):
            augment.chain(augment.flip(), value_range=value)
    for given in (augment.flip, [augment.flip()]):
        with pytest.raises(
            TypeError, match=r"call it, as in augment.flip\(\)|as arguments: chain\(\*transforms\)"
        ):
            augment.chain(given)
    given = augment.chain(augment.flip(), labels={"m": "mask"}, value_range=(0, 255), min_visible=0.5)
    assert repr(given) == (
        "chain(flip('horizontal', p=0.5), labels={'m': 'mask'}, value_range=(0.0, 255.0), min_visible=0.5)"
    )


def test_generators_are_seeds_by_hand():
    images = np.arange(12, dtype=np.uint8).reshape(6, 1, 2, 1)
    drawn = [augment.flip()(images, seed=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    with pytest.raises(TypeError, match="seed must be a whole number"):
        augment.flip()(images, seed="1")


def test_images_of_another_order_of_axes_are_refused():
    grey = np.zeros((6, 8, 7), np.uint8)
    with pytest.raises(DataError, match=r"images\[..., None\] for a batch of grey images"):
        augment.flip()(grey, seed=1)
    assert augment.flip()(grey[None], seed=1).shape == (1, 6, 8, 7)
    assert augment.flip()(list(grey), seed=1).shape == (6, 8, 7)
    with pytest.raises(DataError, match="channels first"):
        augment.flip()(np.zeros((2, 3, 8, 7), np.uint8), seed=1)
    with pytest.raises(DataError, match="channels are the first axis"):
        augment.hue(0.1)(np.zeros((2, 1, 8, 7), np.uint8), seed=1)


@pytest.mark.parametrize("y", [np.zeros((3, 6, 8), np.uint8), {"seg": np.zeros((3, 6, 8, 1))}])
def test_a_mask_that_would_stay_is_told(y):
    with pytest.warns(UserWarning, match=r"has the height and width .* labels=('mask'|{'seg': 'mask'})\)"):
        augment.chain(augment.color_jitter(0.1), augment.rotate(9))(IMAGES, y, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augment.chain(augment.rotate(9), labels={})(IMAGES, y, seed=1)
        augment.chain(augment.color_jitter(0.1), augment.cutout(2))(IMAGES, y, seed=1)
        augment.rotate(9)(IMAGES, np.zeros((3, 8, 6)), seed=1)
        augment.rotate(9)(IMAGES, np.zeros((3, 6)), seed=1)
