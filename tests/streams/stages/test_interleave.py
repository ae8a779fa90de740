"""`interleave` against a loop over lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import in_order, listed, numbers

from streamfit.streams import interleave
from streamfit.streams.stages import interleave as stage


def expected_of(sizes: list[int], block: int) -> list[int]:
    left = [list(range(100 * at, 100 * at + size)) for at, size in enumerate(sizes)]
    found = []
    while any(left):
        for part in left:
            found += part[:block]
            del part[:block]
    return found


@pytest.mark.parametrize("cells", [1, 9, stage._CELLS])
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=4), block=st.integers(1, 5))
def test_against_lists(cells: int, sizes: list[int], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_CELLS", cells)
        check_against_lists(sizes, block)


def check_against_lists(sizes: list[int], block: int) -> None:
    expected = expected_of(sizes, block)
    for make in (numbers, in_order):
        inputs = [make(max(1, size), 100 * at).take(size) for at, size in enumerate(sizes)]
        joined = interleave(inputs, block)
        assert listed(joined) == expected
        assert listed(joined.batch(3)) == [expected[at : at + 3] for at in range(0, len(expected), 3)]
        assert sorted(listed(joined.shuffle())) == sorted(expected)
    assert len(interleave([numbers(max(1, size)).take(size) for size in sizes])) == len(expected)


def test_batches() -> None:
    both = interleave([numbers(3).batch(2), numbers(3, 10).batch(2)])
    assert listed(both) == [[0, 1], [10, 11], [2], [12]]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"interleave\(\) needs a pipeline"):
        interleave([])
    with pytest.raises(ValueError, match="block_length must be at least 1, got 0"):
        interleave([numbers(2)], block_length=0)
    with pytest.raises(TypeError, match=r"needs pipelines, but number 1 is a list"):
        interleave([numbers(2), [1]])  # type: ignore[list-item]
