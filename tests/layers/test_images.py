"""Layers for images: values beside slow twins, draws by keys, boxes and masks, and how they are called."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layers.image_cases import IMAGE_CASES, ImageCase

from streamfit import DataError, Input, Model, Sequential, ShapeError, layers, source
from streamfit._base.serialization import serialize_keras_object
from streamfit.models import load_model
from streamfit.models.keras_config import keras_model_config

each = pytest.mark.parametrize("case", IMAGE_CASES, ids=str)
with_twin = pytest.mark.parametrize("case", [case for case in IMAGE_CASES if case.twin is not None], ids=str)
X = np.random.default_rng(0).integers(0, 256, (4, 7, 6, 3)).astype(np.float32)
KEYS = np.array([3, 1, 4, 1], np.uint64)


def row_of(transformation: Any, row: int) -> dict[str, Any]:
    return {key: value[row] for key, value in transformation.items() if isinstance(value, np.ndarray)}


@with_twin
def test_values_are_those_of_the_twin(case: ImageCase) -> None:
    layer = case.make(seed=1) if case.make().draws else case.make()
    drawn = layer.get_random_transformation(X)
    assert drawn is not None
    found = layer.transform_images(X, drawn)
    for row, image in enumerate(X.astype(np.float64)):
        wanted = case.twin(image, row_of(drawn, row))
        np.testing.assert_allclose(found[row], wanted, atol=2e-3)
    assert found.dtype == np.float32


@each
def test_a_sample_is_the_same_in_any_batch_by_its_key(case: ImageCase) -> None:
    layer = case.make()
    whole = layer.compute(X, True, KEYS)
    if not case.mixes:
        part = layer.compute(X[[2, 0]], True, KEYS[[2, 0]])
        np.testing.assert_allclose(part, whole[[2, 0]], atol=1e-4)
    np.testing.assert_array_equal(layer.compute(X, True, KEYS), whole)
    if layer.draws:
        others = [layer.compute(X, True, KEYS + np.uint64(at)) for at in range(1, 9)]
        assert not all(np.array_equal(other, whole) for other in others)


@each
def test_inference_changes_nothing_or_always_the_same(case: ImageCase) -> None:
    layer = case.make()
    found = layer(X, training=False)
    if not case.inference:
        np.testing.assert_array_equal(found, X)
    np.testing.assert_array_equal(found, layer(X, training=False))


@each
def test_shapes_dtypes_and_formats_of_channels(case: ImageCase) -> None:
    layer = case.make()
    for images in (X, X.astype("uint8"), X.astype("float64")):
        found = layer.compute(images, True, KEYS)
        assert found.shape == layer.compute_output_shape(images.shape)
        assert found.dtype == (
            "uint8" if type(layer) is layers.Resizing and images.dtype == "uint8" else "float32"
        )
    first = case.make(data_format="channels_first").compute(np.moveaxis(X, -1, 1), True, KEYS)
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), layer.compute(X, True, KEYS), atol=1e-4)
    if not case.mixes:
        np.testing.assert_allclose(
            layer.compute(X[0], True, KEYS[:1]), layer.compute(X[:1], True, KEYS[:1])[0]
        )
    tensor = Input((7, 6, 3))
    assert layer(tensor).shape == (None, *layer.compute_output_shape(X.shape)[1:])


@each
def test_inputs_are_not_written_to(case: ImageCase) -> None:
    given = X.copy()
    case.make().compute({"images": given, "labels": np.eye(4)}, True, KEYS)
    np.testing.assert_array_equal(given, X)


@each
def test_description_and_pickle_make_an_equal_layer(case: ImageCase) -> None:
    layer = case.make(name="mine", bounding_box_format="xywh", data_format="channels_first")
    config = layer.get_config()
    for again in (type(layer).from_config(config), pickle.loads(pickle.dumps(layer))):
        assert again.get_config() == config
        first = np.moveaxis(X, -1, 1)
        np.testing.assert_array_equal(again.compute(first, True, KEYS), layer.compute(first, True, KEYS))


@pytest.mark.jit
@each
def test_a_seed_makes_calls_repeatable_and_each_call_is_another(case: ImageCase) -> None:
    if not case.make().draws:
        return
    first, second = case.make(seed=7), case.make(seed=7)
    calls = [(first(X), second(X)) for _ in range(6)]
    for one, other in calls:
        np.testing.assert_array_equal(one, other)
    assert not all(np.array_equal(one, calls[0][0]) for one, _ in calls)


def test_one_layer_after_another_in_a_function_of_a_source_draws_by_samples() -> None:
    flip, turn = layers.RandomFlip(), layers.RandomRotation(0.2)

    def augment(x: Any, y: Any) -> Any:
        return turn(flip(x)), y

    def read(seed: int, reverse: bool = False) -> dict[int, bytes]:
        order = slice(None, None, -1) if reverse else slice(None)
        data = source(X, np.arange(4), seed=seed).map(augment)
        return {int(y): x.tobytes() for x, y in list(data)[order]}

    assert read(1) == read(1)
    assert read(1) != read(2)
    stacked = Sequential([flip, turn])
    passes = source(X, np.arange(4), seed=1).map(stacked)
    first, second = list(passes), list(passes)
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    np.testing.assert_array_equal(
        np.concatenate([x for x, _ in source(X, np.arange(4), seed=1).map(stacked).batch(3)]),
        [x for x, _ in first],
    )


def test_images_of_different_sizes_on_a_source_become_equal() -> None:
    items = [(X[0], 0), (X[1, :5], 1), (X[2, :, :3], 2)]
    found = list(source(items, kind="samples").map(layers.Resizing(4, 4)).batch(3))
    assert found[0][0].shape == (3, 4, 4, 3)


def test_mixed_labels_follow_the_images() -> None:
    images = np.zeros((3, 4, 4, 1)) + np.arange(3)[:, None, None, None]
    for layer in (layers.MixUp(alpha=1.0, seed=3), layers.CutMix(seed=3)):
        found = layer({"images": images, "labels": np.eye(3)})
        np.testing.assert_allclose(found["labels"].sum(axis=1), 1, atol=1e-6)
        if isinstance(layer, layers.MixUp):
            np.testing.assert_allclose(
                found["labels"] @ np.arange(3), found["images"].mean(axis=(1, 2, 3)), atol=1e-5
            )
        ((x, y),) = source(images, np.eye(3), seed=2).batch(3).map(layer)
        assert x.shape == (3, 4, 4, 1)
        assert y.shape == (3, 3)
        with pytest.raises(DataError, match="to_categorical"):
            layer({"images": images, "labels": np.arange(3)})


def boxed(mode: str, box: list[float], **more: Any) -> dict[str, Any]:
    return {
        "images": X[:1],
        "bounding_boxes": {"boxes": np.array([[box]]), "labels": np.array([[5]])},
        **more,
    }


@pytest.mark.parametrize(
    ("form", "box", "wanted"),
    [
        ("xyxy", [1, 2, 3, 4], [3, 2, 5, 4]),
        ("yxyx", [2, 1, 4, 3], [2, 3, 4, 5]),
        ("xywh", [1, 2, 2, 2], [3, 2, 2, 2]),
        ("center_xywh", [2, 3, 2, 2], [4, 3, 2, 2]),
        ("center_yxhw", [3, 2, 2, 2], [3, 4, 2, 2]),
        ("rel_xyxy", [1 / 6, 2 / 7, 0.5, 4 / 7], [0.5, 2 / 7, 5 / 6, 4 / 7]),
    ],
)
def test_boxes_of_each_format_are_mirrored(form: str, box: list[float], wanted: list[float]) -> None:
    layer = layers.RandomFlip("horizontal", bounding_box_format=form)
    drawn = {"flips": np.array([True]), "input_shape": X[:1].shape}
    found = layer.transform_bounding_boxes(boxed(form, box)["bounding_boxes"], drawn)
    np.testing.assert_allclose(found["boxes"][0, 0], wanted, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.RandomFlip(bounding_box_format="xyxy", seed=4),
        lambda: layers.RandomTranslation(
            (0.3, 0.3), (-0.3, -0.3), bounding_box_format="xyxy", fill_mode="constant"
        ),
        lambda: layers.RandomZoom((0.4, 0.4), bounding_box_format="xyxy", fill_mode="constant"),
        lambda: layers.RandomRotation((0.25, 0.25), bounding_box_format="xyxy", fill_mode="constant"),
        lambda: layers.RandomCrop(12, 14, bounding_box_format="xyxy", seed=2),
        lambda: layers.CenterCrop(12, 14, bounding_box_format="xyxy"),
        lambda: layers.Resizing(40, 26, bounding_box_format="xyxy"),
        lambda: layers.Resizing(40, 26, crop_to_aspect_ratio=True, bounding_box_format="xyxy"),
        lambda: layers.Resizing(40, 26, pad_to_aspect_ratio=True, bounding_box_format="xyxy"),
        lambda: layers.RandAugment(num_ops=0, bounding_box_format="xyxy"),
    ],
)
def test_boxes_and_masks_stay_around_what_they_were_around(make: Any) -> None:
    image, box = np.zeros((20, 20, 1), np.float32), [7, 8, 12, 14]
    image[8:14, 7:12] = 255
    boxes = {"boxes": np.array([box], np.float32), "labels": np.array([3])}
    layer = make()
    data = {"images": image, "bounding_boxes": boxes, "segmentation_masks": (image > 0).astype(np.uint8)}
    found = layer(data)
    rows, columns = np.nonzero(found["images"][..., 0] > 127)
    left, top, right, low = found["bounding_boxes"]["boxes"][0]
    assert found["bounding_boxes"]["labels"].tolist() == [3]
    edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    np.testing.assert_allclose((left, top, right, low), edges, atol=1.01)
    masked = found["segmentation_masks"][..., 0]
    assert set(np.unique(masked)) <= {0, 1}
    assert np.mean((found["images"][..., 0] > 127) != (masked > 0)) < 0.03


def test_boxes_outside_the_image_lose_their_label_and_lists_are_filled() -> None:
    layer = layers.RandomTranslation((0, 0), (0.9, 0.9), bounding_box_format="xyxy")
    found = layer(boxed("xyxy", [3, 2, 5, 4]))
    assert found["bounding_boxes"]["labels"].tolist() == [[-1]]
    three = layers.MaxNumBoundingBoxes(3, bounding_box_format="xyxy")
    lists = {"boxes": [[[1, 2, 3, 4]], [[1, 1, 2, 2], [0, 0, 1, 1]]], "labels": [[1], [2, 3]]}
    found = three({"images": X[:2], "bounding_boxes": lists})
    assert found["bounding_boxes"]["boxes"].shape == (2, 3, 4)
    assert found["bounding_boxes"]["labels"].tolist() == [[1, -1, -1], [2, 3, -1]]
    with pytest.raises(ValueError, match="bounding_box_format='xyxy'"):
        layers.RandomFlip()(boxed("xyxy", [1, 2, 3, 4]))


def test_boxes_are_gone_where_an_image_is_sheared_to_a_line() -> None:
    shear = layers.RandomShear((1.0, 1.0), (1.0, 1.0), bounding_box_format="xyxy")
    boxes = {"boxes": np.array([[[1.0, 2.0, 4.0, 5.0]]]), "labels": np.array([[3]])}
    found = shear({"images": X[:1], "bounding_boxes": boxes})["bounding_boxes"]
    assert found["labels"].tolist() == [[-1]]
    assert found["boxes"].tolist() == [[[0.0, 0.0, 0.0, 0.0]]]


def test_perspective_and_elastic_beside_their_definitions() -> None:
    corners = np.array([[[0, 0], [5, 0], [0, 6], [5, 6]]], np.float64)
    ends = corners + np.array([1, 2])
    shifted = {"apply_perspective": np.array([True]), "start_points": corners, "end_points": ends}
    layer = layers.RandomPerspective(fill_value=9.0)
    found = layer.transform_images(X[:1], shifted)
    np.testing.assert_allclose(found[0, 2:, 1:], X[0, :-2, :-1], atol=1e-3)
    assert (found[0, :2] == 9).all()
    np.testing.assert_array_equal(layers.RandomPerspective(factor=0.0)(X), X)
    for same in (layers.RandomElasticTransform(factor=0.0), layers.RandomElasticTransform(scale=0.0)):
        np.testing.assert_array_equal(same(X), X)
    assert not np.array_equal(layers.RandomElasticTransform((1.0, 1.0), seed=1)(X), X)


def test_resizing_by_hand() -> None:
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    assert layers.Resizing(2, 2, "nearest")(image)[0, ..., 0].tolist() == [[5, 7], [13, 15]]
    assert layers.Resizing(2, 2)(image)[0, ..., 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    wide = np.arange(8.0).reshape(1, 2, 4, 1)
    assert layers.Resizing(2, 2, crop_to_aspect_ratio=True)(wide)[0, ..., 0].tolist() == [[1, 2], [5, 6]]
    padded = layers.Resizing(4, 4, pad_to_aspect_ratio=True, fill_value=9)(wide)[0, ..., 0]
    assert padded.tolist() == [[9] * 4, [0, 1, 2, 3], [4, 5, 6, 7], [9] * 4]
    same = layers.Resizing(4, 4, "lanczos5")(image)
    np.testing.assert_allclose(same, image, atol=1e-5)


def test_stacks_of_layers_augment_arrays_and_one_image_without_being_built() -> None:
    stack = Sequential([layers.RandomInvert(seed=1), layers.Rescaling(1 / 255)])
    wanted = layers.RandomInvert(seed=1)(X) / 255
    np.testing.assert_allclose(stack(X), wanted, atol=1e-6)
    np.testing.assert_allclose(stack(X, training=False), X / 255, atol=1e-6)
    assert stack(X[0]).shape == X[0].shape
    pipeline = layers.Pipeline([layers.RandomInvert(seed=1), layers.Rescaling(1 / 255)])
    np.testing.assert_allclose(pipeline(X), wanted, atol=1e-6)
    again = layers.Pipeline.from_config(pipeline.get_config())
    assert again.get_config() == pipeline.get_config()
    with pytest.raises(AttributeError, match="transform_batch"):
        _ = Sequential([layers.RandomFlip(), layers.Dense(1)]).transform_batch


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.RandomFlip("sideways"), "mode"),
        (lambda: layers.RandomRotation(2.0), "factor"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), "factor"),
        (lambda: layers.RandomRotation("much"), "factor"),
        (lambda: layers.RandomRotation(0.1, fill_mode="none"), "fill_mode"),
        (lambda: layers.RandomZoom(-1.0), "height_factor"),
        (lambda: layers.RandomShear(1.5), "x_factor"),
        (lambda: layers.RandomPosterization(9), "factor"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), "odd"),
        (lambda: layers.RandomBrightness(0.1, value_range=3), "value_range"),
        (lambda: layers.RandomGrayscale(2), "between 0 and 1"),
        (lambda: layers.Resizing(2, 2, "cubic"), "interpolation"),
        (lambda: layers.Resizing(2, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "Only one"),
        (lambda: layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=4), "tile_grid_size"),
        (lambda: layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(4, 0)), "tile_grid"),
        (lambda: layers.RandomFlip(data_format="first"), "data_format"),
        (lambda: layers.RandomFlip(bounding_box_format="corners"), "bounding_box_format"),
        (lambda: layers.Pipeline.from_config({"layers": 3}), "list of serialized layers"),
    ],
)
def test_wrong_arguments(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_wrong_images() -> None:
    with pytest.raises(ShapeError, match=r"\(n, height, width, channels\)"):
        layers.RandomFlip()(np.zeros((3, 4)))
    with pytest.raises(DataError, match="3 channels"):
        layers.RandomHue(0.1)(np.zeros((2, 3, 4, 2)))
    with pytest.raises(ValueError, match="entry 'images'"):
        layers.RandomFlip()({"x": X})


def test_a_layer_behind_what_the_model_computes_says_where_to_put_it() -> None:
    start = Input((7, 6, 3))
    inner = layers.RandomFlip(name="late")(layers.Conv2D(3, 3)(start))
    model = Model(start, layers.GlobalAveragePooling2D()(inner))
    with pytest.raises(
        ValueError, match=r"layer 'late' runs where batches are loaded.*Rescaling; or map the source"
    ):
        model.predict(X)


def test_files_hold_models_with_them_and_keras_gets_lists_for_pairs(tmp_path: Path) -> None:
    stack = [layers.RandomRotation(0.1, seed=2), layers.RandomShear(0.2, 0.1), layers.RandomZoom((0.1, 0.2))]
    model = Sequential([Input((7, 6, 3)), *stack, layers.Pipeline([layers.RandomFlip()]), layers.Flatten()])
    config = keras_model_config(model, serialize_keras_object(model), None)
    assert "__tuple__" not in json.dumps(config)
    described = {each["class_name"]: each["config"] for each in config["config"]["layers"]}
    assert described["RandomShear"]["x_factor"] == 0.2
    assert described["RandomRotation"]["factor"] == [-0.1, 0.1]
    assert set(described["Pipeline"]) == {"layers", "name"}
    model.save(tmp_path / "model.streamfit")
    again = load_model(tmp_path / "model.streamfit")
    assert [layer.get_config() for layer in again.layers] == [layer.get_config() for layer in model.layers]
