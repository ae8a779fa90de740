"""`ImageDataGenerator`: its settings, its draws, and what it learns from data."""

from __future__ import annotations

import numpy as np
import pytest

import streamfit
from streamfit import backend, set_random_seed
from streamfit._base.errors import DataError
from streamfit.augment.draws import SampleDraws
from streamfit.preprocessing.image import ImageDataGenerator
from streamfit.preprocessing.image.transform_parameters import draw_parameters

theirs = pytest.importorskip("keras_preprocessing.image")
X = np.random.default_rng(0).uniform(0, 255, (23, 6, 7, 3)).astype("float32")


def many(count: int = 4000, height: int = 20, width: int = 50, **options: object) -> object:
    draws = SampleDraws(np.arange(count, dtype=np.uint64) * np.uint64(7919))
    return draw_parameters(ImageDataGenerator(**options), draws, height, width)


def test_ranges_of_parameters() -> None:
    found = many(
        rotation_range=30, shear_range=10, zoom_range=0.2, channel_shift_range=9, brightness_range=(1, 3)
    )
    for column, low, high in (
        (found.theta, -30, 30),
        (found.shear, -10, 10),
        (found.zx, 0.8, 1.2),
        (found.zy, 0.8, 1.2),
        (found.channel_shift_intensity, -9, 9),
        (found.brightness, 1, 3),
    ):
        assert low <= column.min() < low + (high - low) / 50
        assert high - (high - low) / 50 < column.max() <= high
        assert abs(column.mean() - (low + high) / 2) < (high - low) / 40
    assert abs(np.corrcoef(found.zx, found.zy)[0, 1]) < 0.1
    assert not found.tx.any()
    assert not found.flip_horizontal.any()
    flips = many(horizontal_flip=True, vertical_flip=True)
    assert abs(flips.flip_horizontal.mean() - 0.5) < 0.05
    assert abs(np.corrcoef(flips.flip_horizontal, flips.flip_vertical)[0, 1]) < 0.1


def test_shifts_are_fractions_pixels_or_choices() -> None:
    found = many(height_shift_range=0.5, width_shift_range=4.5)
    assert 9.5 < found.tx.max() <= 10
    assert -10 <= found.tx.min() < -9.5
    assert 4.3 < found.ty.max() <= 4.5
    found = many(height_shift_range=3, width_shift_range=[0.1, 0.3])
    assert sorted(set(found.tx)) == [-2, -1, 0, 1, 2]
    assert np.allclose(sorted(set(found.ty)), [-15, -5, 5, 15])
    assert sorted(set(many(width_shift_range=[2, -5]).ty)) == [-5, -2, 2, 5]
    # As `numpy.random.choice` and a sign: zero is drawn as often as the two others of one size.
    assert abs((found.tx == 0).mean() - 1 / 3) < 0.03


def test_single_draws_follow_their_seed() -> None:
    generator = ImageDataGenerator(rotation_range=30, horizontal_flip=True, brightness_range=(0.5, 1))
    one = generator.get_random_transform((6, 7, 3), seed=3)
    assert one == generator.get_random_transform((6, 7, 3), seed=3)
    assert one != generator.get_random_transform((6, 7, 3), seed=4)
    assert list(one) == list(theirs.ImageDataGenerator().get_random_transform((6, 7, 3)))
    assert np.array_equal(generator.random_transform(X[0], seed=3), generator.apply_transform(X[0], one))
    set_random_seed(5)
    first = generator.get_random_transform((6, 7, 3))
    assert first != generator.get_random_transform((6, 7, 3))
    set_random_seed(5)
    assert first == generator.get_random_transform((6, 7, 3))


STATISTICS = [
    {"featurewise_center": True, "rescale": 1 / 255},
    {"featurewise_center": True, "featurewise_std_normalization": True},
    {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 0.1, "rescale": 1 / 255},
]


@pytest.mark.parametrize("options", STATISTICS)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_statistics_are_those_of_keras_preprocessing(options: dict[str, object], data_format: str) -> None:
    images = X if data_format == "channels_last" else X.transpose(0, 3, 1, 2)
    one = theirs.ImageDataGenerator(data_format=data_format, **options)
    two = ImageDataGenerator(data_format=data_format, **options)
    one.fit(images)
    two.fit(images)
    for name in ("mean", "std", "principal_components"):
        wanted, found = getattr(one, name), getattr(two, name)
        assert (wanted is None) == (found is None)
        if wanted is not None:
            assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    for image in images[:3]:
        np.testing.assert_allclose(two.standardize(image.copy()), one.standardize(image.copy()), atol=1e-3)
    batch = next(two.flow(images, batch_size=5, shuffle=False))
    np.testing.assert_allclose(batch, one.standardize(images[:5].copy()), atol=1e-3)


def test_statistics_of_a_stream_are_those_of_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    options = STATISTICS[2]
    one, two, three = (ImageDataGenerator(**options) for _ in range(3))
    one.fit(X)
    pipeline = streamfit.source(X, np.arange(23)).shuffle(seed=1).batch(4)
    two.fit(pipeline)
    monkeypatch.setattr("streamfit.preprocessing.image.standardizing._CHUNK_BYTES", 8 * X[0].size * 3)
    three.fit(X)
    for other in (two, three):
        np.testing.assert_allclose(other.mean, one.mean, rtol=1e-6)
        np.testing.assert_allclose(other.principal_components, one.principal_components, atol=1e-4)


def test_statistics_of_augmented_images() -> None:
    generator = ImageDataGenerator(featurewise_center=True, brightness_range=(0.1, 0.4))
    generator.fit(X, augment=True, rounds=2, seed=1)
    dark = generator.mean.copy()
    generator.fit(X, augment=True, rounds=2, seed=1)
    assert np.array_equal(generator.mean, dark)
    generator.fit(X, augment=True, seed=2)
    assert not np.array_equal(generator.mean, dark)
    generator.fit(X)
    assert (dark < generator.mean / 2).all()
    assert np.allclose(generator.mean.ravel(), X.mean((0, 1, 2)))


def test_each_image_by_itself() -> None:
    options = {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 0.1}
    one, two = theirs.ImageDataGenerator(**options), ImageDataGenerator(**options)
    batch = next(two.flow(X, batch_size=4, shuffle=False))
    np.testing.assert_allclose(batch, [one.standardize(image.copy()) for image in X[:4]], atol=1e-5)
    alone = ImageDataGenerator(preprocessing_function=lambda image: image[::-1] * 2, samplewise_center=True)
    batch = next(alone.flow(X, batch_size=4, shuffle=False))
    np.testing.assert_allclose(batch, [x[::-1] * 2 - (x * 2).mean() for x in X[:4]], atol=1e-4)


def test_settings_that_need_others() -> None:
    with pytest.warns(
        UserWarning, match="zca_whitening overrides the setting of featurewise_center: it is on"
    ):
        assert ImageDataGenerator(zca_whitening=True).featurewise_center
    with pytest.warns(UserWarning, match="featurewise_std_normalization: it is off"):
        made = ImageDataGenerator(True, featurewise_std_normalization=True, zca_whitening=True)
    assert not made.featurewise_std_normalization
    with pytest.warns(UserWarning, match="setting of samplewise_center"):
        assert ImageDataGenerator(samplewise_std_normalization=True).samplewise_center
    assert ImageDataGenerator(zoom_range=0.25).zoom_range == [0.75, 1.25]
    with pytest.warns(UserWarning, match=r"hasn't been fit on any training data"):
        assert ImageDataGenerator(featurewise_center=True).standardize(X[0].copy()).shape == X[0].shape


def test_the_backend_says_where_channels_are_and_which_floats() -> None:
    backend.set_image_data_format("channels_first")
    backend.set_floatx("float64")
    try:
        generator = ImageDataGenerator()
    finally:
        backend.set_image_data_format("channels_last")
        backend.set_floatx("float32")
    assert (generator.data_format, generator.channel_axis, generator.dtype) == (
        "channels_first",
        1,
        "float64",
    )
    assert ImageDataGenerator().data_format == "channels_last"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"zoom_range": (1, 2, 3)}, "zoom_range"),
        ({"brightness_range": 0.5}, "brightness_range"),
        ({"fill_mode": "edge"}, "fill_mode='edge'"),
        ({"data_format": "first"}, "data_format='first'"),
        ({"validation_split": 1.0}, "strictly between 0 and 1"),
        ({"interpolation_order": 7}, "between 0 and 5"),
        ({"width_shift_range": []}, "width_shift_range is empty"),
    ],
)
def test_settings_out_of_range(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ImageDataGenerator(**options)


def test_errors_of_data() -> None:
    generator = ImageDataGenerator(rescale=0.5, featurewise_center=True)
    with pytest.raises(DataError, match="needs floats, got uint8"):
        generator.standardize(np.zeros((2, 2, 1), "uint8"))
    with pytest.raises(ValueError, match="rank 4"):
        generator.fit(X[0])
    with pytest.raises(ValueError, match="no images"):
        generator.fit(X[:0])
    with pytest.raises(DataError, match="not finite"):
        generator.fit(np.full((2, 2, 2, 1), np.nan))
    with pytest.warns(UserWarning, match="1, 3 or 4 channels"):
        generator.fit(X[:, :, :, :2])
    with pytest.raises(TypeError, match="preprocessing_function"):
        ImageDataGenerator(preprocessing_function=3)
    cut = ImageDataGenerator(preprocessing_function=lambda image: image[:3])
    with pytest.raises(DataError, match="must keep the shape"):
        next(cut.flow(X))
    with pytest.raises(DataError, match="write dtype='float32'"):
        next(ImageDataGenerator(rescale=0.5, dtype="uint8").flow(X))
