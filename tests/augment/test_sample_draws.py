"""Random numbers of samples: paths of words, and whole numbers of several purposes at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.keys import derive
from streamfit.augment.colour import recolour
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import ColourStep
from streamfit.augment.images import Images

KEYS = np.arange(6, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
words = st.one_of(st.integers(0, 2**40), st.text(max_size=5))


@given(st.lists(words, max_size=3), words)
def test_a_path_of_words_is_a_hash_of_hashes(path: list[int | str], purpose: int | str) -> None:
    """Draws inside draws are those of the keys that the outer ones give."""
    one, other = SampleDraws(KEYS), SampleDraws(KEYS)
    for word in path:
        one, other = one.of(word), SampleDraws(other.hashes(word))
    np.testing.assert_array_equal(one.hashes(purpose, 2), other.hashes(purpose, 2))
    part = np.array([0, 1, 0, 0, 1, 1], bool)
    np.testing.assert_array_equal(one.part(part).hashes(purpose), one.hashes(purpose)[part])


def test_a_purpose_is_its_key() -> None:
    """A hash is one step of SplitMix64 behind key and word."""
    mask = 2**64 - 1
    for key, found in zip(KEYS.tolist(), SampleDraws(KEYS).hashes("angle").tolist(), strict=True):
        value = (key ^ derive(0, "angle")) + 0x9E3779B97F4A7C15 & mask
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & mask
        value = (value ^ value >> 27) * 0x94D049BB133111EB & mask
        assert found == value ^ value >> 31


@given(st.integers(0, 2**32), st.lists(st.integers(1, 10**9), min_size=4, max_size=4))
def test_whole_numbers_of_several_purposes_at_once(seed: int, limits: list[int]) -> None:
    """They are units times the limit, rounded down, each of its purpose."""
    draws = SampleDraws(KEYS + np.uint64(seed)).of(3)
    drawn = draws.below(("row", "column"), np.tile(limits, (6, 1)))
    for at, purpose in enumerate(("row", "column")):
        pair = np.array(limits[2 * at : 2 * at + 2])
        units = draws.units(purpose, (2,))
        np.testing.assert_array_equal(drawn[:, 2 * at : 2 * at + 2], np.floor(units * pair))
        np.testing.assert_array_equal(draws.whole(purpose, 0, pair, (2,)), np.floor(units * pair))
    assert (drawn >= 0).all()
    assert (drawn < limits).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_one_affine_change_has_the_bits_of_a_longer_pass(dtype: str) -> None:
    """Also where neighbouring images have other numbers, and uint8 stays uint8."""
    pixels = np.random.default_rng(1).integers(0, 256, (5, 4, 7, 3)).astype(dtype)
    images = Images.of(pixels, (0, 255))
    factors = np.array([[0.3] * 6, [0.3] * 6, [1.7] * 6, [0.1, 0.2, 0.3, 7, 8, 9], [0.3] * 6])
    for step in (ColourStep("affine", factors, dtype="float32"), ColourStep("scale", factors[:, :1])):
        nothing = ColourStep("invert", np.empty((5, 0)), np.zeros(5, bool))
        alone, longer = recolour(images, [step], False), recolour(images, [step, nothing], False)
        assert alone.pixels.dtype == longer.pixels.dtype
        np.testing.assert_array_equal(alone.pixels, longer.pixels)
        np.testing.assert_array_equal(images.pixels, pixels.reshape(-1))
