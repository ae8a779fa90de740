"""The search for bad parts of tickets that cannot be loaded, on simulated loads."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.errors import WorkerDiedError, WorkerError
from streamfit.workers.recovery.bad_samples import BadSampleFinder, CannotExamineError, local_probe
from streamfit.workers.recovery.crash_report import WorkerExit

KILLED = WorkerExit(status=9, pid=1)
Parts = tuple[int, ...]


class Whole:
    """A loader whose tickets have no parts."""

    def load(self, ticket: Any) -> Any:
        return ticket


class Apart(Whole):
    """A loader whose tickets are tuples of numbers."""

    def parts(self, ticket: Parts) -> list[Parts]:
        return [(part,) for part in ticket]

    def merge(self, parts: Iterable[Parts]) -> Parts:
        return tuple(part for one in parts for part in one)


class Probing:
    """Loads tickets unless one of some numbers, or both of a pair, are in them.

    Args:
        alone: numbers that fail alone.
        pairs: numbers that fail only together.
        make: makes what is raised.
        chance: at which calls a load fails although nothing is wrong with it.
    """

    def __init__(
        self,
        alone: Iterable[int] = (),
        pairs: Iterable[tuple[int, int]] = (),
        make: Callable[[], Exception] = lambda: ValueError("torn"),
        chance: Iterable[int] = (),
    ) -> None:
        self.alone, self.pairs, self.make, self.chance = set(alone), list(pairs), make, set(chance)
        self.calls: list[Parts] = []

    def fails(self, parts: Iterable[int]) -> bool:
        there = set(parts)
        return bool(there & self.alone) or any(there >= set(pair) for pair in self.pairs)

    def __call__(self, ticket: Parts) -> Parts:
        self.calls.append(ticket)
        if self.fails(ticket) or len(self.calls) in self.chance:
            raise self.make()
        return ticket


def died() -> Exception:
    return WorkerDiedError("1 workers in a row died")


def settle(
    probe: Probing,
    size: int,
    tolerance: int | None,
    cause: WorkerExit | Exception,
    loader: Whole | None = None,
) -> Any:
    bad_samples = BadSampleFinder(loader or Apart(), lambda ticket: f"samples {ticket}", tolerance)
    return bad_samples.settle(tuple(range(size)), probe, cause, attempts=1, deaths=2), bad_samples.tolerance


SOME = st.integers(2, 40).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1, max_size=5))
)


@given(SOME, st.integers(0, 6), st.booleans())
def test_exactly_what_fails_alone_is_left_out(
    made: tuple[int, set[int]], tolerance: int, deadly: bool
) -> None:
    size, bad = made
    probe = Probing(bad, make=died if deadly else lambda: ValueError("torn"))
    cause: Any = KILLED if deadly else ValueError("torn")
    if len(bad) > tolerance:
        with pytest.raises(WorkerDiedError if deadly else ValueError) as caught:
            settle(probe, size, tolerance, cause)
        if not deadly:
            assert caught.value is cause
        assert any(f"No more than {tolerance} could" in note for note in caught.value.__notes__)
        return
    with pytest.warns(RuntimeWarning, match="^left out: samples ") as record:
        loaded, left = settle(probe, size, tolerance, cause)
    assert len(record) == 1
    assert str(tuple(sorted(bad))) in str(record[0].message)
    assert sorted(part for (part,) in loaded.lost) == sorted(bad)
    rest = tuple(part for part in range(size) if part not in bad)
    assert loaded.value == (rest or None)
    assert not rest or loaded.ticket == rest
    assert (left, loaded.attempts) == (tolerance - len(bad), 2)


@given(SOME, st.booleans())
def test_the_number_of_probes_is_bounded(made: tuple[int, set[int]], deadly: bool) -> None:
    size, bad = made
    probe = Probing(bad, make=died if deadly else lambda: ValueError("torn"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        settle(probe, size, size, KILLED if deadly else ValueError("torn"))
    assert len(probe.calls) <= 2 * len(bad) * math.ceil(math.log2(size)) + len(bad) + 2


@given(SOME)
def test_no_more_is_looked_for_than_is_needed_to_refuse(made: tuple[int, set[int]]) -> None:
    size, _ = made
    probe = Probing(range(size))
    with pytest.raises(ValueError, match="torn"):
        settle(probe, size, 0, ValueError("torn"))
    assert len(probe.calls) <= 2 * 5 * math.ceil(math.log2(size)) + 5


PAIRS = st.integers(2, 24).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.sets(st.integers(0, size - 1), max_size=3),
        st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=3).map(
            lambda pairs: [pair for pair in pairs if pair[0] != pair[1]]
        ),
    ).filter(lambda made: made[1] or made[2])
)


@given(PAIRS, st.integers(0, 24))
def test_with_parts_that_fail_only_together_the_rest_is_loaded(made: Any, tolerance: int) -> None:
    size, alone, pairs = made
    probe, cause = Probing(alone, pairs), ValueError("torn")
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        try:
            loaded, left = settle(probe, size, tolerance, cause)
        except ValueError:
            assert len(probe.calls) >= 2
            assert not record
            return
    lost = {part for (part,) in loaded.lost}
    rest = tuple(part for part in range(size) if part not in lost)
    assert alone <= lost
    assert 0 < len(lost) <= tolerance
    assert left == tolerance - len(lost)
    assert not probe.fails(rest)
    assert loaded.value == (rest or None)
    assert all(name in str(record[0].message) for name in map(str, lost))
    assert not rest or probe.calls.count(rest) >= 1
    if not pairs:
        assert lost == alone


def test_a_pair_that_fails_together_is_told_apart_from_the_rest() -> None:
    probe = Probing({7}, [(2, 3)])
    with pytest.warns(RuntimeWarning, match=r"samples \(2, 3, 7\)"):
        loaded, _ = settle(probe, 8, 3, ValueError("torn"))
    assert loaded.value == (0, 1, 4, 5, 6)


@given(st.integers(1, 20), st.sampled_from([None, 0, 3]))
def test_deaths_that_had_nothing_to_do_with_the_ticket(size: int, tolerance: int | None) -> None:
    probe = Probing()
    loaded, left = settle(probe, size, tolerance, KILLED)
    assert (loaded.value, loaded.lost, left) == (tuple(range(size)), (), tolerance)
    assert len(probe.calls) == 1


@given(SOME, st.sets(st.integers(1, 60), max_size=1))
def test_a_death_by_chance_while_it_is_examined_condemns_nothing(
    made: tuple[int, set[int]], chance: set[int]
) -> None:
    size, bad = made
    probe = Probing(bad, make=died, chance=chance)
    with pytest.warns(RuntimeWarning, match="left out"):
        loaded, _ = settle(probe, size, size, KILLED)
    assert {part for (part,) in loaded.lost} == bad


@given(st.integers(2, 20), st.integers(1, 2))
def test_nothing_is_bad_that_loads_when_it_is_examined(size: int, times: int) -> None:
    """Two chance deaths in the pool, then one more, and one in the search."""
    probe = Probing(make=died, chance=range(1, times + 1))
    loaded, left = settle(probe, size, 5, KILLED)
    assert (loaded.value, loaded.lost, left) == (tuple(range(size)), (), 5)


def test_what_raised_once_and_then_loads_is_delivered_with_a_word() -> None:
    with pytest.warns(RuntimeWarning, match=r"only when it was tried again: samples \(0, 1, 2\).*torn"):
        loaded, left = settle(Probing(), 3, 2, ValueError("torn"))
    assert (loaded.value, loaded.lost, left) == ((0, 1, 2), (), 2)


@pytest.mark.parametrize("tolerance", [None, 0])
def test_a_deadly_part_is_named_when_none_may_be_left_out(tolerance: int | None) -> None:
    with pytest.raises(WorkerDiedError, match=r"^3 workers in a row died while loading samples") as caught:
        settle(Probing({5}, make=died), 16, tolerance, KILLED)
    assert "(what cannot be loaded: samples (5,)); the last one was killed by SIGKILL" in str(caught.value)
    assert hasattr(caught.value, "__notes__") == (tolerance is not None)


def test_a_ticket_without_parts_is_bad_as_a_whole() -> None:
    with pytest.warns(RuntimeWarning, match="left out"):
        loaded, left = settle(Probing({1}), 3, 1, ValueError("torn"), Whole())
    assert (loaded.value, loaded.lost, left) == (None, ((0, 1, 2),), 0)
    with pytest.raises(WorkerDiedError, match=r"while loading samples \(0, 1, 2\); the last"):
        settle(Probing({1}, make=died), 3, None, KILLED, Whole())


def test_a_load_that_raises_when_it_is_examined_raises_that() -> None:
    probe = Probing({1}, make=lambda: KeyError("gone"))
    with pytest.raises(KeyError, match="gone") as caught:
        settle(probe, 3, None, KILLED)
    assert caught.value.__notes__ == ["While loading samples (0, 1, 2)"]
    assert len(probe.calls) == 1


@pytest.mark.parametrize("at", [1, 2, 4])
def test_workers_that_cannot_work_say_nothing_about_the_ticket(at: int) -> None:
    probe = Probing({5}, make=died)

    def unable(ticket: Parts) -> Parts:
        if len(probe.calls) + 1 == at:
            raise CannotExamineError("no more processes")
        return probe(ticket)

    with pytest.raises(CannotExamineError, match="no more processes"):
        settle(unable, 8, 8, KILLED)  # type: ignore[arg-type]


def test_a_load_here_raises_ordinary_exceptions() -> None:
    class Exits(Whole):
        def load(self, ticket: BaseException) -> Any:
            raise ticket

    probe = local_probe(Exits())
    with pytest.raises(WorkerError, match="SystemExit"):
        probe(SystemExit(3))
    with pytest.raises(ValueError, match="torn"):
        probe(ValueError("torn"))
    with pytest.raises(KeyboardInterrupt):
        probe(KeyboardInterrupt())
