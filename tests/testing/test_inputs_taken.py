"""What a generator takes from its input and does not give is named; what it gives later is not."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from streamfit.testing import Result, check_generator, run_checks
from streamfit.testing.counting_input import CountingInput

pytestmark = pytest.mark.timeout(30)


def used(make: Any, **options: Any) -> Result:
    (result,) = run_checks(make, only="inputs_used", **options)
    return result


def batch(rows: Any) -> tuple[Any, Any]:
    return np.array(rows, float)[:, None], np.zeros(len(rows))


def ninth(rows: Any) -> Iterator[Any]:
    rows = iter(rows)
    while True:
        taken = [row for row, _ in zip(rows, range(8), strict=False)]
        if len(taken) < 8:
            return
        yield batch(taken)


def scaled_ninth(rows: Any) -> Iterator[Any]:
    for x, y in ninth(rows):
        yield 7 * x + 0.5, y


def tail_dropped(rows: Any) -> Iterator[Any]:
    taken = []
    for row in rows:
        taken.append(row)
        if len(taken) == 8:
            yield batch(taken)
            taken = []


def by_number(rows: Any) -> Iterator[Any]:
    for start in range(0, len(rows) // 8 * 8, 8):
        yield batch([rows[at] for at in range(start, start + 8)])


def not_emptied(rows: Any) -> Iterator[Any]:
    taken: list[Any] = []
    for at, row in enumerate(rows):
        taken.append(row)
        if at % 8 == 7:
            yield batch(taken[-10:])


def whole(rows: Any) -> Iterator[Any]:
    rows = iter(rows)
    while taken := list(itertools.islice(rows, 8)):
        yield batch(taken)


def looks_ahead(rows: Any) -> Iterator[Any]:
    rows = iter(rows)
    following = next(rows)
    taken = []
    for row in itertools.chain(rows, [None]):
        taken.append(following)
        following = row
        if len(taken) == 8 or row is None:
            yield batch(taken)
            taken = []


def shuffled(rows: Any) -> Iterator[Any]:
    rng, buffer, taken = np.random.default_rng(0), [], []
    for row in rows:
        buffer.append(row)
        if len(buffer) > 20:
            taken.append(buffer.pop(rng.integers(len(buffer))))
        if len(taken) == 8:
            yield batch(taken)
            taken = []
    for start in range(0, len(taken + buffer), 8):
        yield batch((taken + buffer)[start : start + 8])


def filtered(rows: Any) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    yield from whole(row for row in rows if rng.random() < 0.7)


def epochs(rows: Any) -> Iterator[Any]:
    while True:
        yield from whole(rows)


def windows(rows: Any) -> Iterator[Any]:
    rows = iter(rows)
    while len(taken := list(itertools.islice(rows, 24))) == 24:
        yield np.array(taken, float).reshape(4, 6), np.zeros(4)


def test_one_item_too_many_for_each_batch_is_named() -> None:
    found = used(ninth, source=range(90))
    assert found.status == "fail"
    assert "it took 90 items from its input and gave 80 samples: items 8, 17, 26, 35, 44, 53" in found.message
    assert "itertools.islice" in found.hint


@pytest.mark.parametrize("rows", [range(90), list(range(90)), np.arange(90.0), tuple(range(90))])
def test_without_a_source_the_iterators_that_the_generator_holds_are_looked_at(rows: Any) -> None:
    found = used(lambda: ninth(rows))
    assert found.status == "fail"
    if isinstance(rows, range) and sys.version_info >= (3, 12):  # which does not say where it began
        text = (
            "it took 81 items from the iterator 'rows' after the first batch and gave 72 samples: items 8, 17"
        )
    else:
        text = "it took 90 items from the iterator 'rows' and gave 80 samples: items 8, 17,"
    assert text in found.message


def test_items_that_end_with_a_full_batch_hide_nothing() -> None:
    assert "items 8, 17, 26, 35, 44, 53 were taken" in used(ninth, source=range(62)).message
    assert used(lambda: ninth(range(62))).status == "fail"


def test_changed_items_are_counted() -> None:
    found = used(scaled_ninth, source=range(90))
    assert found.status == "fail"
    assert "it takes 1 more than it has samples for each batch" in found.message
    assert used(lambda: scaled_ninth(range(90))).status == "fail"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (tail_dropped, "the last 2 of 90 items that it took from its input are in no batch"),
        (by_number, "2 of the 90 items of its input are never taken"),
        (not_emptied, "in the batches more than once: 6, 7, 14, 15"),
    ],
)
def test_what_may_be_meant_is_a_warning(make: Any, text: str) -> None:
    found = used(make, source=range(90))
    assert found.status == "warn"
    assert text in found.message
    assert used(make, source=range(90), strict=True).status == "fail"


@pytest.mark.parametrize("make", [whole, looks_ahead, shuffled, epochs, windows])
@pytest.mark.parametrize("count", [88, 96])
def test_right_generators_pass(make: Any, count: int) -> None:
    assert used(make, source=range(count)).status == "pass"
    assert used(lambda: make(range(count))).status in ("pass", "skip")


def test_an_end_of_a_drawn_order_is_noted() -> None:
    def batches() -> Iterator[Any]:
        x, order = np.random.default_rng(0).normal(size=(90, 2)), np.random.default_rng(1).permutation(90)
        rows = iter(order)
        while len(taken := list(itertools.islice(rows, 8))) == 8:
            yield x[taken], np.zeros(8)

    found = used(batches)
    assert found.status == "pass"
    assert "the last 2 of 90 items that it took from the iterator 'rows'" in found.message


def test_filters_are_noted() -> None:
    found = used(filtered, source=range(90))
    assert (found.status, found.message[-35:]) == ("pass", "are in no batch; are they filtered?")


def test_a_second_pass_over_the_input_is_noted() -> None:
    assert "reads its input 6 times" in used(epochs, source=range(48)).message


def test_the_other_checks_call_it_with_the_items() -> None:
    results = check_generator(whole, source=range(40), only=["fresh", "equal", "end", "inputs_used"])
    assert {result.status for result in results} == {"pass"}


def test_sources_that_cannot_be_read_again_are_refused() -> None:
    with pytest.raises(TypeError, match=r"pass list\(iterator\)"):
        used(whole, source=iter(range(8)))
    with pytest.raises(TypeError, match="needs a function"):
        used([1, 2], source=range(8))


def test_slices_and_numbers_count_once() -> None:
    rows = CountingInput(list(range(10)))
    assert rows[2:4] == [2, 3]
    assert (rows[-1], rows[2], len(rows)) == (9, 2, 10)
    assert rows.taken == [2, 3, 9]
