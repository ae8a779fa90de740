from __future__ import annotations

import itertools
import weakref
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from streamfit.streams.ownership import detached

HELD = np.zeros((4, 3))


def copies(make: Any, listed: bool = True) -> tuple[int, Any]:
    """Return how many arrays of the first item were copied, and the item that came out."""
    copied: list[Any] = []
    producer = make()
    item = detached([next(producer)], listed=listed, copied=copied)
    return len(copied), item


def in_place() -> Iterator[Any]:
    yield np.zeros(3), np.ones(3)


def of_views() -> Iterator[Any]:
    yield np.zeros((2, 3)).T, np.arange(6)[::2]


def of_dict() -> Iterator[Any]:
    yield {"a": np.zeros(3), "b": [1.0, 2.0]}, [np.zeros(3), np.ones(3)]


def of_bytes() -> Iterator[Any]:
    data = bytes(range(8))
    yield np.frombuffer(data, "uint8"), np.frombuffer(data, "uint8").reshape(2, 4)[1:]


def alone() -> Iterator[Any]:
    yield np.zeros(3)


def named() -> Iterator[Any]:
    x = np.zeros(3)
    yield x, np.ones(3)


def sliced() -> Iterator[Any]:
    yield HELD[1:3], HELD[:, 0]


def held_tuple() -> Iterator[Any]:
    item = np.zeros(3), np.ones(3)
    yield item


def held_dict() -> Iterator[Any]:
    inputs = {"a": np.zeros(3)}
    yield inputs, np.ones(3)


def twice() -> Iterator[Any]:
    x = [np.zeros(3)]
    yield x[0], x.pop()


def of_buffers() -> Iterator[Any]:
    yield np.frombuffer(bytearray(8)), memoryview(array("d", [1.0, 2.0]))


def weakly_known() -> Iterator[Any]:
    made = [np.zeros(3)]
    known = weakref.ref(made[0])
    yield made.pop(), known


def zipped() -> Iterator[Any]:
    return zip(itertools.repeat(HELD), itertools.repeat(HELD))  # keeps the tuple and fills it again


@pytest.mark.parametrize("make", [in_place, of_views, of_dict, of_bytes, alone])
def test_what_nobody_else_holds_is_passed_on(make: Any) -> None:
    assert copies(make)[0] == 0


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (named, 1),
        (sliced, 2),
        (held_tuple, 2),
        (held_dict, 1),
        (twice, 2),
        (of_buffers, 2),
        (weakly_known, 1),
        (zipped, 2),
    ],
)
def test_what_somebody_may_write_to_is_copied(make: Any, count: int) -> None:
    assert copies(make)[0] == count


def test_counts_are_the_same_when_the_code_is_warm() -> None:
    def endless() -> Iterator[Any]:
        kept = np.zeros(3)
        while True:
            yield kept, np.ones(3)

    producer, copied = endless(), list[Any]()
    for turn in range(1, 3000):
        detached([next(producer)], listed=True, copied=copied)
        assert len(copied) == turn


def test_structure_dtype_and_layout_stay() -> None:
    x = {"a": np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)), "b": None}

    def producer() -> Iterator[Any]:
        yield x, [HELD, None], None

    found, (whole, nothing), weight = copies(producer)[1]
    assert list(found) == ["a", "b"]
    assert found["a"].dtype == np.dtype(">f4")
    assert found["a"].flags.f_contiguous
    assert np.array_equal(found["a"], x["a"])
    assert found["a"] is not x["a"]
    assert found["b"] is None
    assert weight is None
    assert not np.shares_memory(whole, HELD)
    assert nothing is None


def test_what_is_no_array_is_left_for_others_to_refuse() -> None:
    wrong: list[Any] = [("abc", {1, 2}), "abc", None, 3, ([[1], [2, 3]], object())]
    for item in wrong:
        assert copies(lambda item=item: iter([item]))[1] == item


def test_lists_of_numbers_that_may_be_filled_again_become_arrays() -> None:
    rows = [[1.0, 2.0], [3.0, 4.0]]
    _, (x, y) = copies(lambda: iter([(rows, [0, 1])]))
    rows[0][0] = 9.0
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert y.tolist() == [0, 1]
    _, alone = copies(lambda: iter([[1.0, 2.0]]), listed=False)
    assert alone.tolist() == [1.0, 2.0]
