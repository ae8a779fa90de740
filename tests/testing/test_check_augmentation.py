"""`check_augmentation` measures how far samples are moved, and finds what is not kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import augment
from streamfit.testing import CheckFailure, Result, check_augmentation

pytestmark = pytest.mark.timeout(30)

RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.mgrid[:12, :12]
IMAGES = np.stack(
    [
        127 + 100 * np.sin(ROWS * RNG.uniform(0.1, 0.6) + COLUMNS * RNG.uniform(0.1, 0.6) + RNG.uniform(0, 6))
        for _ in range(48)
    ]
)[..., None]
LABELS = np.arange(48) % 4


def found(*args: Any, **options: Any) -> dict[str, Result]:
    return {result.name: result for result in check_augmentation(*args, **options)}


def warned(*args: Any, **options: Any) -> dict[str, str]:
    return {name: one.message for name, one in found(*args, **options).items() if one.status == "warn"}


def noise(x: Any, rng: Any) -> Any:
    return x + 8 * rng.normal(size=x.shape)


def add_noise(x: Any, y: Any, rng: Any) -> Any:
    return noise(x, rng), y


class Dropping:
    """A layer in the way of Keras."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, x: Any, training: bool = False) -> Any:
        return x * (self.rng.random(x.shape) > 0.1) if training else x


@pytest.mark.parametrize(
    "augmentation",
    [noise, augment.function(lambda x: x + np.random.normal(size=x.shape).astype("f4")), Dropping()],
)
def test_right_augmentations_pass(augmentation: Any) -> None:
    data = IMAGES.astype("f4") if isinstance(augmentation, augment.Transform) else IMAGES
    assert warned(augmentation, data) == {}


def test_images_keep_bytes_and_labels() -> None:
    results = found(augment.brightness(0.1), (IMAGES.astype("uint8"), LABELS))
    assert {result.status for result in results.values()} == {"pass"}
    assert 0.02 < float(results["strength"].message.split()[0]) < 0.5


@pytest.mark.parametrize(
    ("augmentation", "check", "text"),
    [
        (lambda x: x, "epochs", "all 48 samples are as they were: it does nothing"),
        (lambda x, rng: noise(x, np.random.default_rng(1)), "epochs", "the same in both epochs"),
        (lambda x, rng: noise(x, np.random.default_rng()), "seeded", "the same seed gives other samples"),
        (lambda x, rng: np.where(rng.random(x.shape) < 0.01, np.nan, x), "finite", "samples hold NaN or Inf"),
        (
            lambda x, y, rng: (noise(x, rng), rng.integers(9)),
            "labels_kept",
            "x and y no longer belong",
        ),
    ],
)
def test_certain_mistakes_fail(augmentation: Any, check: str, text: str) -> None:
    with pytest.raises(CheckFailure, match=rf"1 of 8 checks:\n\[{check}\] .*{text}"):
        check_augmentation(augmentation, (IMAGES, LABELS))


@pytest.mark.parametrize(
    ("augmentation", "check", "text"),
    [
        (
            lambda x, rng: 127 + 70 * rng.normal(size=x.shape),
            "strength",
            "as far from their originals as",
        ),
        (lambda x, rng: noise(x, rng) / 255, "range_kept", "another scale than training"),
        (lambda x, rng: x + 9 * rng.normal() * (rng.random() < 0.02), "strength", "it hardly does anything"),
    ],
)
def test_what_may_be_meant_is_a_warning(augmentation: Any, check: str, text: str) -> None:
    (one,) = warned(augmentation, IMAGES).items()
    assert one[0] == check
    assert text in one[1]
    with pytest.raises(CheckFailure):
        check_augmentation(augmentation, IMAGES, strict=True)


def test_bytes_that_become_fractions_are_named() -> None:
    notes = warned(lambda x, rng: noise(x, rng) / 255, IMAGES.astype("uint8"))
    assert set(notes) == {"form_kept", "range_kept"}
    assert "x is uint8" in notes["form_kept"]


def test_one_draw_for_a_whole_batch() -> None:
    notes = warned(lambda x, rng: x + 9 * rng.normal(), IMAGES, per="batch")
    assert "changed by the same draw" in notes["each_sample"]
    plain = streamfit.source(IMAGES, LABELS, seed=1).shuffle().batch(8)
    shifted = plain.map(lambda x, y, rng: (x + 9 * rng.normal(), y), per="batch")
    assert set(warned(shifted, originals=plain)) == {"each_sample"}
    ordered = streamfit.source(IMAGES, LABELS, seed=1).batch(8)
    shifted = ordered.map(lambda x, y, rng: (x + 9 * rng.normal(), y), per="batch")
    assert set(warned(shifted)) == {"each_sample"}


def test_pipelines_are_measured_against_their_originals_or_between_epochs() -> None:
    plain = streamfit.source(IMAGES, LABELS, seed=1).shuffle()
    drawn = plain.map(add_noise).batch(8)
    near = found(drawn, originals=plain.batch(8))
    assert {result.status for result in near.values()} == {"pass"}
    between = found(drawn)["strength"].message
    assert "between epochs" in between
    assert float(between.split()[0]) > 1.2 * float(near["strength"].message.split()[0])
    with pytest.raises(CheckFailure, match="the same in both epochs"):
        check_augmentation(plain.batch(8))


def test_mixed_labels_are_declared() -> None:
    one_hot = np.eye(4, dtype="f4")[LABELS]
    data = (IMAGES.astype("f4"), one_hot)
    assert "mixes=True" in warned(augment.mixup(1.0), data)["labels_kept"]
    assert "labels_kept" not in warned(augment.mixup(1.0), data, mixes=True)


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(TypeError, match="arrays augment nothing"):
        check_augmentation(IMAGES)
    with pytest.raises(TypeError, match="augments nothing; pass a transform"):
        check_augmentation(3, IMAGES)
    with pytest.raises(ValueError, match="at least 2"):
        check_augmentation(noise, IMAGES, samples=1)
