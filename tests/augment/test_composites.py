"""`maybe`, `one_of`, `some_of`: who is drawn, how often, and that nobody else is changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import augment
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import PixelStep, Step, WarpStep
from streamfit.augment.images import Frames, Images
from streamfit.augment.run import grouped


class Add(augment.Transform):
    """A transform whose order matters: three times the image and a number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"add({self.number})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        return [TripleStep(np.full(len(frames), self.number), np.ones(len(frames), bool))]


@dataclass(frozen=True)
class TripleStep(PixelStep):
    numbers: np.ndarray
    active: np.ndarray

    def only(self, active: np.ndarray, frames: Frames) -> TripleStep:
        return replace(self, active=active & self.active)

    def apply(self, images: Images) -> Images:
        for row in np.flatnonzero(self.active):
            image = images.image(row)
            image[...] = 3 * image + self.numbers[row]
        return images


class Cut(augment.Transform):
    """Keep the left upper corner: the result is smaller."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"cut({self.size})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        return [WarpStep(np.tile(np.eye(3), (len(frames), 1, 1)), np.full((len(frames), 2), self.size))]


ZEROS = np.zeros((2000, 1, 1, 1), np.float32)


def drawn(transform: augment.Transform, images: np.ndarray = ZEROS, seed: int = 0) -> np.ndarray:
    return np.asarray(transform(images, seed=seed)).ravel()


def test_maybe_is_drawn_with_its_probability() -> None:
    found = drawn(augment.maybe(Add(1), p=0.3))
    assert set(found) == {0, 1}
    assert abs(found.mean() - 0.3) < 0.05
    assert set(drawn(augment.maybe(Add(1), p=0))) == {0}
    assert set(drawn(augment.maybe(Add(1), p=1))) == {1}


def test_maybe_of_a_chain_does_all_of_it_or_nothing() -> None:
    assert set(drawn(augment.maybe(augment.chain(Add(1), Add(2))))) == {0, 5}


def test_one_of_draws_one_by_its_weight() -> None:
    found = drawn(augment.one_of(Add(1), Add(2), Add(4), weights=(2, 0, 6)))
    assert set(found) == {1, 4}
    assert abs((found == 1).mean() - 0.25) < 0.05
    even = drawn(augment.one_of(Add(1), Add(2), augment.chain()))
    assert set(even) == {0, 1, 2}
    assert all(abs((even == value).mean() - 1 / 3) < 0.05 for value in (0, 1, 2))


def test_some_of_in_order() -> None:
    found = drawn(augment.some_of(2, Add(1), Add(2), Add(4)))
    # (a, b) -> 3 a + b
    assert set(found) == {3 + 2, 3 + 4, 6 + 4}
    assert all(abs((found == value).mean() - 1 / 3) < 0.05 for value in set(found))


def test_some_of_in_any_order() -> None:
    found = drawn(augment.some_of(2, Add(1), Add(2), Add(4), in_order=False))
    assert set(found) == {5, 7, 10, 6 + 1, 12 + 1, 12 + 2}
    assert abs((found == 5).mean() - 1 / 6) < 0.05


def test_some_of_draws_how_many() -> None:
    found = drawn(augment.some_of((0, 2), Add(1), Add(2)))
    assert set(found) == {0, 1, 2, 5}
    assert all(
        abs((found == value).mean() - share) < 0.05 for value, share in ((0, 1 / 3), (1, 1 / 6), (5, 1 / 3))
    )


def test_transforms_that_are_not_drawn_change_no_size() -> None:
    made = augment.one_of(Cut(2), augment.chain(Cut(4), Cut(3)), augment.chain())(
        np.arange(30 * 25, dtype=np.float32).reshape(30, 5, 5, 1), seed=1
    )
    whole = np.arange(30 * 25, dtype=np.float32).reshape(30, 5, 5, 1)
    sizes = [image.shape[0] for image in made]  # type: ignore[attr-defined]
    assert set(sizes) == {2, 3, 5}
    for image, before, size in zip(made, whole, sizes, strict=True):  # type: ignore[call-overload]
        np.testing.assert_array_equal(image, before[:size, :size])


def test_labels_move_with_the_images_that_are_drawn() -> None:
    images = np.zeros((40, 3, 8, 1), np.uint8)
    images[:, :, 1] = 9
    points = np.tile(np.array([[1.5, 0.5]], np.float32), (40, 1, 1))
    turn = augment.maybe(augment.flip(p=1)).with_labels("points")
    x, y = turn(images, points, seed=2)  # type: ignore[misc]
    mirrored = x[:, 0, 6, 0] == 9
    assert 0 < mirrored.sum() < 40
    np.testing.assert_array_equal(y[:, 0, 0], np.where(mirrored, 6.5, 1.5))


def test_warps_of_which_one_is_drawn_are_one_step() -> None:
    frames = Frames(np.full((5, 2), 8), 3, np.dtype(np.uint8), (0.0, 255.0))
    draws = SampleDraws(np.arange(5, dtype=np.uint64))
    turns = [augment.flip(p=1), augment.flip("vertical", p=1), augment.flip("both", p=1)]
    assert len(augment.one_of(*turns).steps(draws, frames)) == 1
    assert len(list(grouped(augment.some_of(2, *turns).steps(draws, frames)))) == 1


@given(seed=st.integers(0, 2**63 - 1), cut=st.integers(1, 5))
def test_a_batch_cut_in_two_gives_the_same_images(seed: int, cut: int) -> None:
    keys = np.random.default_rng(seed).integers(0, 2**63, 6).astype(np.uint64)
    images = np.random.default_rng(1).integers(0, 256, (6, 3, 4, 2)).astype(np.uint8)
    transform = augment.some_of(
        (1, 2),
        augment.maybe(augment.flip()),
        augment.one_of(augment.flip("vertical", p=1), Add(3), weights=[1, 2]),
        augment.chain(Add(1), augment.flip("both")),
        in_order=False,
    )
    whole = transform.transform_batch(images, None, keys)[0]
    parts = [
        transform.transform_batch(images[at], None, keys[at])[0] for at in (slice(0, cut), slice(cut, 6))
    ]
    np.testing.assert_array_equal(np.asarray(whole), np.concatenate([np.asarray(part) for part in parts]))


@pytest.mark.jit
@settings(max_examples=25)
@given(seed=st.integers(0, 2**63 - 1), cut=st.integers(1, 5), floats=st.booleans())
def test_any_transforms_cut_in_two_give_the_same_images(seed: int, cut: int, floats: bool) -> None:
    keys = np.random.default_rng(seed).integers(0, 2**63, 6).astype(np.uint64)
    images = np.random.default_rng(1).integers(0, 256, (6, 9, 8, 3)).astype(np.uint8)
    if floats:
        images = images / np.float32(255)
    parts = [transformed(images[at], keys[at]) for at in (slice(0, cut), slice(cut, 6))]
    for one, other in zip(transformed(images, keys), [*parts[0], *parts[1]], strict=True):
        np.testing.assert_array_equal(one, other)


EVERYTHING = augment.chain(
    augment.one_of(augment.rotate(30), augment.shear(20), augment.zoom(0.2), augment.translate(0.2)),
    augment.maybe(augment.brightness(0.3)),
    augment.some_of(
        (0, 3),
        augment.chain(augment.contrast(0.5), augment.rotate(20)),
        augment.elastic(),
        augment.blur(),
        augment.crop(7),
        augment.equalize(),
        augment.cutout(3),
        augment.hue(0.2),
        in_order=False,
    ),
    augment.maybe(augment.chain(augment.flip(), augment.posterize(p=1), augment.perspective())),
    augment.noise(0.1),
)


def transformed(images: np.ndarray, keys: np.ndarray) -> list[np.ndarray]:
    made = EVERYTHING.transform_batch(images, None, keys)[0]
    return list(made)  # type: ignore[call-overload]


def test_turns_of_which_one_is_drawn_are_one_warp() -> None:
    frames = Frames(np.full((5, 2), 8), 3, np.dtype(np.uint8), (0.0, 255.0))
    draws = SampleDraws(np.arange(5, dtype=np.uint64))
    turns = augment.rotate(30), augment.shear(20), augment.zoom(0.2), augment.translate(0.2)
    assert len(augment.one_of(*turns).steps(draws, frames)) == 1
    apart = augment.one_of(*turns[:2], augment.elastic(), augment.rotate(9, fill_mode="nearest"))
    assert len(apart.steps(draws, frames)) == 3


def test_nested_transforms_of_one_kind_draw_apart() -> None:
    twice = augment.chain(augment.maybe(Add(1)), augment.maybe(Add(2)))
    assert set(drawn(twice)) == {0, 1, 2, 5}
    assert set(drawn(augment.maybe(augment.maybe(Add(1))))) == {0, 1}
    assert abs(drawn(augment.maybe(augment.maybe(Add(1)))).mean() - 0.25) < 0.05


def test_errors() -> None:
    with pytest.raises(TypeError, match=r"one_of\(\) takes transforms .*augment.function\(f\)"):
        augment.one_of(augment.flip(), np.fliplr)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"one_of\(\) needs at least one transform"):
        augment.one_of()
    with pytest.raises(ValueError, match=r"weights=\(1,\): write one number .* for each of the 2 transforms"):
        augment.one_of(Add(1), Add(2), weights=(1,))
    with pytest.raises(ValueError, match="not all 0"):
        augment.one_of(Add(1), weights=(0,))
    with pytest.raises(ValueError, match="weights must be at least 0"):
        augment.one_of(Add(1), weights=(-1,))
    with pytest.raises(TypeError, match="begins with how many"):
        augment.some_of(Add(1), Add(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n=3: of 2 transforms, between 0 and 2"):
        augment.some_of(3, Add(1), Add(2))
    with pytest.raises(ValueError, match=r"n=\(2, 1\): .*lowest number first"):
        augment.some_of((2, 1), Add(1), Add(2))
    with pytest.raises(ValueError, match="p must be between 0 and 1"):
        augment.maybe(Add(1), p=1.5)


def test_how_they_are_written() -> None:
    written = augment.some_of((1, 2), augment.maybe(Add(1), p=0.25), augment.one_of(Add(2)), in_order=False)
    assert repr(written) == "some_of((1, 2), maybe(add(1), p=0.25), one_of(add(2)), in_order=False)"
