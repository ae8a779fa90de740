"""How long a load may take, and how long the consumer has waited: arithmetic without a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamfit.workers.recovery.deadline import (
    AT_LEAST,
    PER_ATTEMPT,
    START_SECONDS,
    TIMES_LONGEST,
    Deadline,
    LoadTimer,
)


def test_before_the_first_load_there_is_time_to_start() -> None:
    assert [Deadline().seconds(attempt) for attempt in (1, 2)] == [START_SECONDS, START_SECONDS * PER_ATTEMPT]


@given(st.lists(st.integers(1, 10**12), min_size=1), st.integers(1, 4))
def test_the_longest_load_counts_and_a_minute_is_the_least(loads: list[int], attempt: int) -> None:
    deadline = Deadline()
    for nanoseconds in loads:
        deadline.note(nanoseconds)
    given_time = deadline.seconds(attempt)
    assert given_time >= AT_LEAST
    assert given_time >= TIMES_LONGEST * max(loads) * 1e-9 * (1 - 1e-12)
    assert given_time == PER_ATTEMPT ** (attempt - 1) * deadline.seconds(1)


@given(st.floats(0.01, 1e6), st.lists(st.integers(1, 10**12)), st.integers(1, 4))
def test_what_was_given_is_kept_to(seconds: float, loads: list[int], attempt: int) -> None:
    deadline = Deadline(seconds)
    for nanoseconds in loads:
        deadline.note(nanoseconds)
    assert deadline.seconds(attempt) == seconds


def test_waiting_adds_up_until_there_is_a_sign_of_life() -> None:
    watch = LoadTimer()
    assert watch.look("loads 3", 0.2) == 0.0  # it has only just been seen to be there
    assert watch.look("loads 3", 0.2) == 0.2
    assert watch.look("loads 3", 0.5) == 0.7
    assert watch.look("loads 4", 0.5) == 0.0
    assert watch.look("loads 4", 0.1) == 0.1


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 10)), min_size=1))
def test_the_wait_is_what_passed_since_the_last_change(looks: list[tuple[int, float]]) -> None:
    watch, waited, last = LoadTimer(), 0.0, None
    for seen, passed in looks:
        waited = waited + passed if seen == last else 0.0
        last = seen
        assert watch.look(seen, passed) == waited
