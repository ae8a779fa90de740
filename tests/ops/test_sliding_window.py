"""Sliding windows: numbers of positions, padding, and arguments that make no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.ops import windows

from streamfit._base.errors import ShapeError
from streamfit.kernels.patches import BEFORE, COUNT
from streamfit.ops.sliding_window import (
    SlidingWindow,
    channels_last,
    lengths_of,
    padding_of,
    windows_are_the_input,
)

SMALL = st.integers(1, 4)
LENGTHS = st.integers(1, 9)


@st.composite
def one_window(draw: st.DrawFn, rank: int) -> SlidingWindow:
    numbers = [tuple(draw(SMALL) for _ in range(rank)) for _ in range(3)]
    options = ("valid", "same", "causal") if rank == 1 else ("valid", "same")
    return SlidingWindow(*numbers, draw(st.sampled_from(options)))


def seen(window: SlidingWindow, lengths: tuple[int, ...]) -> tuple[np.ndarray[Any, Any], list[int]]:
    """Return, for each position, the numbers of the elements that the window sees; -1 in the padding."""
    x = np.arange(np.prod(lengths)).reshape(1, *lengths, 1)
    found = list(windows(x, window.size, window.strides, window.dilation, window.padding, -1))
    return np.array([patch.ravel() for _, patch, _ in found]), found[0][2] if found else []


@given(st.data(), st.integers(1, 3))
def test_positions_are_those_of_the_plain_twin(data: st.DataObject, rank: int) -> None:
    window = data.draw(one_window(rank))
    lengths = tuple(data.draw(LENGTHS) for _ in range(rank))
    counts = window.counts(lengths)
    assume(0 not in counts)
    patches, wanted = seen(window, lengths)
    assert list(counts) == wanted
    geometry = window.geometry(lengths)
    assert geometry[COUNT, 3 - rank :].tolist() == wanted
    assert geometry[:, : 3 - rank].T.tolist() == [[1, 1, 1, 0, 1, 1]] * (3 - rank)
    first = np.indices(window.size).reshape(rank, -1).T * window.dilation - geometry[BEFORE, 3 - rank :]
    inside = ((first >= 0) & (first < lengths)).all(axis=1)
    assert (patches[0] != -1).tolist() == inside.tolist()


@given(st.data(), st.integers(1, 3))
def test_a_window_may_see_the_input_in_order_of_memory(data: st.DataObject, rank: int) -> None:
    window = data.draw(one_window(rank))
    lengths = tuple(data.draw(LENGTHS) for _ in range(rank))
    assume(0 not in window.counts(lengths))
    patches, _ = seen(window, lengths)
    is_input = patches.ravel().tolist() == list(range(int(np.prod(lengths))))
    assert windows_are_the_input(window.geometry(lengths)) == is_input


@pytest.mark.parametrize(
    ("size", "strides", "lengths", "direct"),
    [
        ((2,), (2,), (4,), True),
        ((2,), (2,), (2,), True),
        ((1, 1), (1, 1), (4, 5), True),
        ((1, 1), (2, 1), (4, 5), False),
        ((4, 5), (1, 1), (4, 5), True),
        ((2, 5), (2, 1), (4, 5), True),
        ((2, 1), (2, 1), (4, 5), False),
        ((2, 2), (2, 2), (4, 4), False),
        ((1, 2), (1, 2), (4, 4), True),
    ],
)
def test_which_windows_are_the_input(size: Any, strides: Any, lengths: Any, direct: bool) -> None:
    window = SlidingWindow(size, strides, (1,) * len(size), "valid")
    assert windows_are_the_input(window.geometry(lengths)) == direct


@pytest.mark.parametrize("length", [2, 4])
def test_windows_that_begin_in_the_padding_are_not_the_input(length: int) -> None:
    window = SlidingWindow((2,), (2,), (1,), "causal")
    assert not windows_are_the_input(window.geometry((length,)))


def test_lengths_that_are_not_known_give_counts_that_are_not_known() -> None:
    window = SlidingWindow((3, 3), (1, 2), (1, 1), "valid")
    assert window.counts((None, 9)) == (None, 4)
    assert window.checked_counts("conv", "kernel", (None, None)) == (None, None)


VALUE_ERRORS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: lengths_of("strides", 0, 2),
        r"strides must be a whole number of at least 1, or 2 of them, got 0",
    ),
    (lambda: lengths_of("strides", (1, 0), 2), r"got \(1, 0\)"),
    (lambda: lengths_of("strides", (1,), 2), r"got \(1,\)"),
    (lambda: lengths_of("strides", 1.5, 2), "got 1.5"),
    (lambda: lengths_of("strides", "22", 2), "got '22'"),
    (lambda: lengths_of("strides", None, 2), "got None"),
    (lambda: lengths_of("strides", (1, True), 2), r"got \(1, True\)"),
    (lambda: padding_of("full"), "padding must be 'valid' or 'same', got 'full'"),
    (lambda: padding_of(None), "got None"),
    (lambda: channels_last("channels_first"), r"np.moveaxis\(x, 1, -1\)"),
    (lambda: channels_last("NHWC"), "got 'NHWC'"),
]


@pytest.mark.parametrize(("call", "message"), VALUE_ERRORS)
def test_arguments_that_make_no_sense_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_numbers_of_any_kind_are_taken() -> None:
    assert lengths_of("strides", np.int64(2), 2) == (2, 2)
    assert lengths_of("strides", [np.uint8(2), 3.0], 2) == (2, 3)
    assert lengths_of("strides", np.array([2, 3]), 2) == (2, 3)


@pytest.mark.parametrize(
    ("window", "lengths", "message"),
    [
        (
            SlidingWindow((5, 2), (1, 1), (1, 1), "valid"),
            (3, 9),
            r"a window of 5 does not fit into a height of 3; use padding='same', a smaller kernel or larger",
        ),
        (
            SlidingWindow((2, 3), (1, 1), (1, 2), "valid"),
            (2, 4),
            r"a window of 3 \(5 with dilation_rate 2\) does not fit into a width of 4",
        ),
        (SlidingWindow((3,), (1,), (1,), "same"), (0,), r"length of 0; use larger inputs"),
    ],
)
def test_a_window_that_fits_nowhere_is_refused(window: SlidingWindow, lengths: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        window.checked_counts("conv", "kernel", lengths)
