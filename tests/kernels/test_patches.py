"""Patches: what is gathered is what a plain loop sees, and to add is the transpose of to gather."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.ops import windows

from streamfit._base.specs import Array
from streamfit.kernels import run
from streamfit.kernels.patches import move_patches
from streamfit.ops.sliding_window import SlidingWindow

NUMBERS = st.integers(1, 3)


@st.composite
def cases(draw: st.DrawFn) -> tuple[SlidingWindow, Array, int, int]:
    """Draw a window, an input (batch, depth, height, width, channels), and which channels to take."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size, strides, dilation = (tuple(draw(NUMBERS) for _ in range(3)) for _ in range(3))
    window = SlidingWindow(size, strides, dilation, draw(st.sampled_from(["valid", "same"])))
    lengths = tuple(draw(st.integers(1, 6)) for _ in range(3))
    assume(0 not in window.counts(lengths))
    channels = draw(st.sampled_from([1, 2, 3, 17]))
    used = draw(st.sampled_from([channels, channels, 1]))
    start = draw(st.integers(0, channels - used))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return window, rng.integers(-9, 9, (draw(NUMBERS), *lengths, channels)).astype(dtype), start, used


def all_patches(window: SlidingWindow, x: Array, start: int, used: int) -> Array:
    """Return all patches by a plain loop, shape (positions, window * channels)."""
    part = x[..., start : start + used]
    found = windows(part, window.size, window.strides, window.dilation, window.padding, 0.0)
    return np.stack([patch.reshape(len(x), -1) for _, patch, _ in found], axis=1).reshape(
        -1, int(np.prod(window.size)) * used
    )


@given(cases(), st.data())
def test_gathered_rows_are_those_of_a_plain_loop(
    drawn: tuple[SlidingWindow, Array, int, int], data: st.DataObject
) -> None:
    window, x, start, used = drawn
    wanted = all_patches(window, x, start, used)
    row = data.draw(st.integers(0, len(wanted) - 1))
    count = data.draw(st.integers(1, len(wanted) - row))
    patches = np.full((count + 1, wanted.shape[1]), np.nan, x.dtype)
    lines = x.reshape(*x.shape[:3], -1)
    run([(move_patches, (lines, row, count, start, patches, window.geometry(x.shape[1:4]), 0))])
    np.testing.assert_array_equal(patches[:count], wanted[row : row + count])
    assert np.isnan(patches[count]).all()


@given(cases(), st.integers(0, 2**32))
def test_to_add_is_the_transpose_of_to_gather(
    drawn: tuple[SlidingWindow, Array, int, int], seed: int
) -> None:
    """Whole numbers add up without rounding, so the two inner products are equal to the bit."""
    window, x, start, used = drawn
    gathered = all_patches(window, x, start, used)
    patches = np.random.default_rng(seed).integers(-9, 9, gathered.shape).astype(x.dtype)
    added = np.zeros_like(x)
    lines = added.reshape(*x.shape[:3], -1)
    run([(move_patches, (lines, 0, len(patches), start, patches, window.geometry(x.shape[1:4]), 1))])
    assert (x * added).sum(dtype=float) == (gathered * patches).sum(dtype=float)
    assert not added[..., :start].any()
    assert not added[..., start + used :].any()
