"""Batches of `ImageDataGenerator.flow`: by hand, zipped, saved, and as streams on any workers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streamfit
from streamfit import Sequential, layers, set_random_seed
from streamfit.preprocessing.image import ImageDataGenerator, NumpyArrayIterator
from streamfit.testing import check_sequence, check_source

X = np.random.default_rng(0).uniform(0, 255, (23, 6, 7, 3)).astype("float32")
Y = np.arange(23)


def augmented(x: object = X, y: object = Y, **options: object) -> NumpyArrayIterator:
    generator = ImageDataGenerator(rotation_range=30, width_shift_range=0.2, horizontal_flip=True)
    return generator.flow(x, y, **{"batch_size": 5, "seed": 3} | options)


def by_sample(batches: object) -> dict[int, np.ndarray]:
    """Return the image of each target."""
    return {int(y): x for images, targets in batches for x, y in zip(images, targets, strict=True)}


def test_a_loop_has_no_end_and_each_pass_has_all_samples_once() -> None:
    it = augmented()
    assert (len(it), it.n, it.samples, it.batch_size) == (5, 23, 23, 5)
    passes = [[next(it) for _ in range(len(it))] for _ in range(3)]
    orders = [np.concatenate([y for _, y in batches]) for batches in passes]
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    first, second = by_sample(passes[0]), by_sample(passes[1])
    assert sum(np.array_equal(first[name], second[name]) for name in range(23)) < 3
    assert (it.batch_index, it.total_batches_seen) == (0, 15)
    assert len(list(itertools.islice(it, 7))) == 7
    assert it.batch_index == 2
    it.reset()
    assert len(it.next()[0]) == 5
    assert it.batch_index == 1


def test_batches_by_number_are_those_of_the_loop() -> None:
    it, other = augmented(), augmented()
    for at in range(len(it)):
        one, two = next(it), other[at]
        assert np.array_equal(one[0], two[0])
        assert np.array_equal(one[1], two[1])
    assert np.array_equal(np.concatenate([other[at][1] for at in range(5)]), other.index_array)
    before = other.index_array
    other.on_epoch_end()
    assert not np.array_equal(other.index_array, before)
    with pytest.raises(ValueError, match="no batch 5: a pass has 5"):
        other[5]


def test_draws_depend_on_the_sample_alone() -> None:
    one = by_sample(itertools.islice(augmented(), 5))
    two = by_sample(itertools.islice(augmented(batch_size=8, shuffle=False), 3))
    assert all(np.array_equal(one[name], two[name]) for name in range(23))
    assert not np.array_equal(one[0], by_sample(itertools.islice(augmented(seed=4), 5))[0])
    set_random_seed(1)
    free = augmented(seed=None)[0]
    set_random_seed(1)
    assert np.array_equal(free[0], augmented(seed=None)[0][0])


def test_images_and_masks_can_be_zipped() -> None:
    masks = np.round(X / 255)
    images = ImageDataGenerator(
        rotation_range=30, zoom_range=0.3, horizontal_flip=True, channel_shift_range=9
    )
    plain = ImageDataGenerator(rotation_range=30, zoom_range=0.3, horizontal_flip=True, rescale=1 / 255)
    pairs = zip(images.flow(X, seed=1, batch_size=5), plain.flow(X, seed=1, batch_size=5), strict=False)
    bare = ImageDataGenerator(rotation_range=30, zoom_range=0.3, horizontal_flip=True).flow(
        X, seed=1, batch_size=5
    )
    for (image, other), wanted in zip(itertools.islice(pairs, 12), bare, strict=False):
        np.testing.assert_allclose(other * 255, wanted, atol=1e-3)
        assert np.abs(image - wanted).max() <= 9.001
    model = Sequential([layers.Conv2D(3, 3, padding="same", input_shape=(6, 7, 3))])
    model.compile("sgd", "mse")
    both = zip(images.flow(X, seed=1), images.flow(masks, seed=1), strict=False)
    assert len(model.fit_generator(both, steps_per_epoch=3, epochs=2, verbose=0).history["loss"]) == 2


def test_pairs_of_arrays_weights_and_subsets() -> None:
    others = [np.arange(23) * 2, np.arange(46).reshape(23, 2)]
    generator = ImageDataGenerator(validation_split=0.3)
    it = generator.flow((X, others), Y % 2, 4, shuffle=False, sample_weight=Y / 7, subset="training")
    images, targets, weights = it[0]
    assert np.array_equal(images[0], X[6:10])
    assert np.array_equal(images[1], [12, 14, 16, 18])
    assert np.array_equal(images[2], others[1][6:10])
    assert np.array_equal(targets, [0, 1, 0, 1])
    assert np.allclose(weights, np.arange(6, 10) / 7)  # Keras-Preprocessing takes those of other samples
    rest = generator.flow(X, subset="validation", shuffle=False)
    assert (it.n, rest.n) == (17, 6)
    assert np.array_equal(rest[0], X[:6])
    single = generator.flow((X, others[0]), batch_size=4, shuffle=False)[1]
    assert np.array_equal(single[1], [8, 10, 12, 14])


def test_images_of_other_kinds(tmp_path: Path) -> None:
    small = X.astype("uint8")
    np.save(tmp_path / "x.npy", small)
    for x in (small, np.load(tmp_path / "x.npy", mmap_mode="r")):
        (images,) = (ImageDataGenerator(rescale=0.5).flow(x, batch_size=4, shuffle=False)[0],)
        assert images.dtype == np.float32
        assert np.array_equal(images, small[:4] * np.float32(0.5))
    first = ImageDataGenerator(data_format="channels_first", horizontal_flip=True, rotation_range=9)
    last = ImageDataGenerator(horizontal_flip=True, rotation_range=9)
    flipped = last.flow(X, seed=1)[0]
    np.testing.assert_allclose(
        first.flow(X.transpose(0, 3, 1, 2), seed=1)[0].transpose(0, 2, 3, 1), flipped, atol=1e-4
    )
    assert ImageDataGenerator(dtype="float16", rotation_range=9).flow(X)[0].dtype == np.float16


def test_generated_images_are_saved(tmp_path: Path) -> None:
    it = augmented(save_to_dir=tmp_path, save_prefix="a", save_format="png")
    it[0], it[0]
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5  # a batch that is made again takes the place of the first
    assert sorted(int(file.name.split("_")[1]) for file in files) == sorted(it.index_array[:5])
    assert files[0].name.startswith("a_")
    with Image.open(files[0]) as image:
        assert image.size == (7, 6)
    with pytest.raises(ValueError, match="is no folder"):
        augmented(save_to_dir=tmp_path / "none")


def test_streams_go_on_with_other_passes() -> None:
    it = augmented()
    with streamfit.stream(it) as batches:
        first, second = by_sample(batches), by_sample(batches)
    with streamfit.stream(it) as batches:
        third = by_sample(batches)
    alone = by_sample(itertools.islice(augmented(), 5))
    assert all(np.array_equal(first[name], alone[name]) for name in range(23))
    for one, two in itertools.combinations([first, second, third], 2):
        assert sum(np.array_equal(one[name], two[name]) for name in range(23)) < 3
    assert it.total_batches_seen == 0  # loops by hand are where they were


def test_an_iterator_is_a_source_of_pipelines() -> None:
    pipeline = streamfit.source(augmented()).map(lambda x, y: (x + 1, y))
    assert len(pipeline) == 5
    for (x, y), (wanted, names) in zip(pipeline, augmented(), strict=False):
        assert np.array_equal(x, wanted + 1)
        assert np.array_equal(y, names)


def test_checkers_pass() -> None:
    """All of them pass; those that take long are left out here."""
    names = ["planned", "pure_tickets", "repeatable", "exactly_once", "resume"]
    assert {result.status for result in check_source(augmented(), only=names, limit=5)} == {"pass"}
    names = ["length", "repeatable", "any_order"]
    assert {result.status for result in check_sequence(augmented(), only=names, limit=5)} == {"pass"}


@pytest.mark.parametrize(
    ("x", "options", "text"),
    [
        (X[:, :, :, 0], {}, "rank 4"),
        (X, {"y": Y[:4]}, "same length"),
        (X, {"sample_weight": Y[:4]}, "same length"),
        ((X, Y[:4]), {}, "same length"),
        ((X, Y, Y), {}, "a pair"),
        (X, {"subset": "test"}, "Invalid subset name: 'test'"),
        (X, {"subset": "training"}, "different number of classes|needs ImageDataGenerator"),
        (X, {"batch_size": 0}, "batch_size"),
    ],
)
def test_errors_of_arguments(x: object, options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        augmented(x, **options)


def test_subsets_must_have_the_same_classes() -> None:
    with pytest.raises(ValueError, match="different number of classes"):
        ImageDataGenerator(validation_split=0.3).flow(X, Y, subset="training")
    with pytest.warns(UserWarning, match="1, 3 or 4 channels"):
        ImageDataGenerator().flow(X[..., :2])
    with pytest.raises(ValueError, match="no images"):
        next(ImageDataGenerator().flow(X[:0]))
    with pytest.raises(ValueError, match="makes batches itself"):
        Sequential([layers.Dense(1)]).predict(augmented(), batch_size=4)


class Xception(ImageDataGenerator):
    def standardize(self, x):
        return (x / 255 - 0.5) * 2


class Tilted(ImageDataGenerator):
    def get_random_transform(self, img_shape, seed=None):
        return {**super().get_random_transform(img_shape, seed), "flip_vertical": True}

    def apply_transform(self, x, transform_parameters):
        return super().apply_transform(x, transform_parameters) + 1


def test_methods_of_subclasses_are_called_for_each_image() -> None:
    x = np.random.default_rng(0).integers(0, 200, (5, 4, 6, 3)).astype("float32")
    made = next(Xception().flow(x, batch_size=5, shuffle=False))
    np.testing.assert_allclose(made, (x / 255 - 0.5) * 2, atol=1e-6)
    made = next(Tilted().flow(x, batch_size=5, shuffle=False))
    np.testing.assert_array_equal(made, x[:, ::-1] + 1)
    drawn = [next(Tilted(rotation_range=40).flow(x, batch_size=5, shuffle=False, seed=2)) for _ in range(2)]
    np.testing.assert_array_equal(*drawn)
