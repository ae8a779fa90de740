"""Every run finds a race, at its line; a lock is respected and causes no deadlock."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from streamfit.testing.preemption import interleaved, lines_of, places

pytestmark = pytest.mark.timeout(30)


class Account:
    """Adds in three lines, so that a thread may stop between them."""

    def __init__(self) -> None:
        self.total = 0

    def add(self) -> int:
        seen = self.total
        seen += 1
        self.total = seen
        return seen


@pytest.mark.parametrize(("at", "lost"), [(0, False), (1, True), (2, True), (3, False)])
def test_stop_between_reading_and_writing_loses_an_addition(at: int, lost: bool) -> None:
    for _ in range(3):
        account = Account()
        ran = interleaved(account.add, account.add, at)
        assert ran is not None
        assert account.total == (1 if lost else 2)
        assert ran[2].startswith("test_preemption.py:")


def test_lines_are_counted_and_beyond_them_nothing_runs() -> None:
    account = Account()
    assert lines_of(account.add) == 4
    assert interleaved(account.add, account.add, at=4) is None
    assert account.total == 2


def test_lock_that_the_first_one_holds_is_waited_for() -> None:
    guard, seen = threading.Lock(), []

    def guarded() -> None:
        with guard:
            seen.append("in")
            seen.append("out")

    for at in range(lines_of(guarded)):
        seen.clear()
        interleaved(guarded, guarded, at)
        assert seen == ["in", "out", "in", "out"]


def test_exceptions_are_outcomes() -> None:
    def fails() -> Any:
        raise ValueError("mine")

    ran = interleaved(fails, lambda: 3, at=0)
    assert ran is not None
    with pytest.raises(ValueError, match="mine"):
        ran[0].get()
    assert ran[1].get() == 3


def test_places_are_all_or_evenly_spread() -> None:
    assert places(7, 1.0, 0.1) == [0, 4, 2, 6, 1, 5, 3]  # the first ones are spread, too
    assert sorted(places(1000, 1.0, 0.1)) == list(range(0, 1000, 100))
    assert len(places(1000, 1.0, 100.0)) == 4
