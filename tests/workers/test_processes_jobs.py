"""The pool of processes with jobs of several tickets: a run gives the same values as without them."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import wait_until
from oracles.loaders import Calls, EndsAlways, EndsOnce, Gate, Numbers, Raises, expected
from workers.test_processes import Stubborn, shapes

from streamfit._base.errors import PicklingError, WorkerDiedError
from streamfit.workers import Loaded, Run, make_pool
from streamfit.workers.pool import ticket_puller
from streamfit.workers.pool.scheduler import Scheduler, TicketQueue
from streamfit.workers.processes import pool as process_pool

pytestmark = pytest.mark.timeout(60)
AHEAD = 60
Jobs = list[tuple[Any, ...]]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Return the jobs that are planned, as they come."""
    jobs: Jobs = []

    def plan(self: Scheduler, queue: TicketQueue, *tickets: Any) -> None:
        jobs.append(tickets)
        original(self, queue, *tickets)

    original = Scheduler.plan
    monkeypatch.setattr(Scheduler, "plan", plan)
    return jobs


@pytest.fixture
def merge(planned: Jobs, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Have tickets go together however slow this machine is; return the jobs."""
    monkeypatch.setattr(process_pool, "_JOB_NANOSECONDS", 1 << 60)
    monkeypatch.setattr(ticket_puller, "_PULL_SECONDS", 60.0)
    return planned


def job_of(jobs: Jobs, ticket: Any) -> tuple[Any, ...]:
    """Return the tickets that went together with one."""
    return next(tickets for tickets in jobs if any(one is ticket or one == ticket for one in tickets))


def assert_expected(got: list[Loaded], tickets: range) -> None:
    assert [loaded.ticket for loaded in got] == list(tickets)
    for loaded in got:
        np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket))


def count_slots() -> int:
    """Return how many slots this process has."""
    handles = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    names = {os.readlink(handle) for handle in handles if os.path.islink(handle)}
    return sum("streamfit-slot" in name for name in names)


# -- when tickets go together -------------------------------------------------------------------------------


def test_quick_and_small_loads_go_together(planned: Jobs) -> None:
    with make_pool("processes", 2, ahead=AHEAD) as pool:
        run = pool.open(Numbers(), range(1000))
        assert_expected(list(run), range(1000))
    sizes = list(map(len, planned))
    assert sum(sizes) == 1000
    assert sizes[0] == 1  # nothing is known yet
    assert 1 < max(sizes) <= AHEAD // (2 + 2)
    assert run.retried == 0


@pytest.mark.parametrize(("shape", "ahead"), [((1 << 20,), AHEAD), ((2,), 2)], ids=["large", "not far ahead"])
def test_others_go_one_by_one(merge: Jobs, shape: tuple[int, ...], ahead: int) -> None:
    with make_pool("processes", 1, ahead=ahead) as pool:
        count = sum(1 for _ in pool.open(Numbers(shape), range(30)))
    assert count == 30
    assert set(map(len, merge)) == {1}


def test_slow_loads_go_one_by_one(planned: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "_JOB_NANOSECONDS", 1)
    with make_pool("processes", 1, ahead=AHEAD) as pool:
        assert_expected(list(pool.open(Numbers(), range(100))), range(100))
    assert set(map(len, planned)) == {1}


def test_tickets_are_pulled_no_further_ahead(merge: Jobs) -> None:
    pulled = 0

    def tickets() -> Iterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    with make_pool("processes", 1, ahead=AHEAD) as pool:
        run = pool.open(Numbers(), tickets())
        for delivered in range(1, 600):
            assert next(run).ticket == delivered
            assert delivered <= pulled <= delivered + AHEAD
    assert max(map(len, merge)) == AHEAD // 3


def test_last_job_has_what_is_left(merge: Jobs) -> None:
    with make_pool("processes", 1, ahead=AHEAD) as pool:
        for count in range(190, 215):
            assert [loaded.ticket for loaded in pool.open(Numbers(), range(count))] == list(range(count))
    assert any(1 < len(tickets) < AHEAD // 3 and tickets[-1] >= 189 for tickets in merge)


def test_values_of_many_kinds_go_together(merge: Jobs) -> None:
    with make_pool("processes", 2, ahead=AHEAD) as pool:
        for loaded in pool.open(Calls(shapes), range(400)):
            assert repr(loaded.value) == repr(shapes(loaded.ticket))
    assert max(map(len, merge)) > 3


# -- deaths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_death_in_the_middle_of_a_job_loses_nothing(merge: Jobs, tmp_path: Path, workers: int) -> None:
    gate = Gate(tmp_path, at=305)

    def kill() -> None:
        if wait_until(lambda: bool(gate.waiting())):
            os.kill(gate.waiting()[0], signal.SIGKILL)
        gate.open()

    killer = threading.Thread(target=kill)
    with make_pool("processes", workers, ahead=AHEAD) as pool:
        run = pool.open(gate, range(500))
        killer.start()
        got = list(run)
        killer.join()
    assert_expected(got, range(500))
    retried = [loaded.ticket for loaded in got if loaded.attempts > 1]
    assert set(job_of(merge, 305)) <= set(retried)
    assert len(job_of(merge, 305)) > 1
    assert {loaded.attempts for loaded in got} == {1, 2}
    assert (run.retried, run.restarts) == (len(retried), 1)


@pytest.mark.parametrize("how", ["exit 0", "segfault", "kill"])
def test_deaths_at_many_tickets_lose_nothing(merge: Jobs, tmp_path: Path, how: str) -> None:
    at = (100, 101, 220, 305, 310, 315, 499)
    with make_pool("processes", 2, ahead=AHEAD) as pool:
        run = pool.open(EndsOnce(tmp_path, how, at), range(500))
        got = list(run)
    assert_expected(got, range(500))
    assert run.retried == sum(loaded.attempts - 1 for loaded in got) > len(at)
    assert run.restarts == len(at)
    assert any(len(job_of(merge, ticket)) > 1 for ticket in at)


@pytest.mark.parametrize("at", [300, 307])
def test_only_the_deadly_ticket_is_reported_and_only_after_all_before_it(merge: Jobs, at: int) -> None:
    got: list[int] = []
    with make_pool("processes", 2, ahead=AHEAD) as pool:
        run = pool.open(EndsAlways("kill", at), range(500), describe=lambda ticket: f"batch {ticket}.")
        with pytest.raises(WorkerDiedError, match=rf"batch {at}\."):
            got.extend(loaded.ticket for loaded in run)
        assert len(list(pool.open(Numbers(), range(200)))) == 200
    assert got == list(range(at))
    assert len(job_of(merge, at)) > 1


# -- failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_exception_at_any_ticket_of_a_job_surfaces_after_the_values_before_it(
    merge: Jobs, workers: int
) -> None:
    with make_pool("processes", workers, ahead=AHEAD) as pool:
        for at in range(200, 224):
            got: list[Any] = []
            loader = Raises(at, functools.partial(ValueError, f"bad {at}"))
            run = pool.open(loader, range(300), describe=lambda ticket: f"batch {ticket}.")
            with pytest.raises(ValueError, match=f"bad {at}") as caught:
                got.extend(loaded.value for loaded in run)
            assert got == list(range(at))
            assert f"batch {at}." in "\n".join(caught.value.__notes__)
        assert pool.restarts == 0
    assert max(map(len, merge)) > 3


def refuse(ticket: int) -> Any:
    """Return a value that cannot travel at one ticket."""
    return (np.zeros(3), threading.Lock()) if ticket == 207 else np.full(3, ticket)


def test_value_that_cannot_travel_surfaces_at_its_place(merge: Jobs) -> None:
    got: list[int] = []
    with make_pool("processes", 1, ahead=AHEAD) as pool:
        run = pool.open(Calls(refuse), range(300), describe=lambda ticket: f"batch {ticket}.")
        with pytest.raises(PicklingError, match="lock") as caught:
            got.extend(int(loaded.value[0]) for loaded in run)
    assert got == list(range(207))
    assert "batch 207." in "\n".join(caught.value.__notes__)
    assert len(job_of(merge, 207)) > 1


def unreadable(ticket: int) -> Any:
    """Return a value that cannot be put together at one ticket."""
    return Stubborn() if ticket == 207 else np.full(3, ticket)


def test_value_that_cannot_be_put_together_surfaces_at_its_place(merge: Jobs) -> None:
    got: list[int] = []
    with make_pool("processes", 1, ahead=AHEAD) as pool:
        run = pool.open(Calls(unreadable), range(300), describe=lambda ticket: f"batch {ticket}.")
        with pytest.raises(RuntimeError, match="not in the main process") as caught:
            got.extend(int(loaded.value[0]) for loaded in run)
        assert len(list(pool.open(Numbers(), range(200)))) == 200
    assert got == list(range(207))
    assert "batch 207." in "\n".join(caught.value.__notes__)
    assert job_of(merge, 207)[0] < 207


@pytest.mark.parametrize("workers", [1, 2])
def test_ticket_that_cannot_travel_surfaces_at_its_place(merge: Jobs, workers: int) -> None:
    tickets: list[Any] = list(range(300))
    tickets[207] = threading.Lock()
    got: list[Loaded] = []
    with make_pool("processes", workers, ahead=AHEAD) as pool:
        with pytest.raises(PicklingError, match="ticket of type lock"):
            got.extend(pool.open(Numbers(), tickets))
        assert len(list(pool.open(Numbers(), range(200)))) == 200
        assert pool.restarts == 0
    assert_expected(got, range(207))
    assert {loaded.attempts for loaded in got} == {1}
    assert len(job_of(merge, tickets[207])) > 1


def test_tickets_too_large_for_a_frame_go_together(merge: Jobs) -> None:
    tickets = [np.full(5_000, ticket) for ticket in range(200)]
    with make_pool("processes", 1, ahead=AHEAD) as pool:
        got = [loaded.value for loaded in pool.open(Calls(np.sum), tickets)]
    assert got == [5_000 * ticket for ticket in range(200)]
    assert max(map(len, merge)) > 3


# -- memory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 7, 20])
def test_values_that_are_kept_exhaust_no_slots_and_stay_as_they_are(merge: Jobs, every: int) -> None:
    kept: list[Loaded] = []
    with make_pool("processes", 2, ahead=AHEAD) as pool:
        for loaded in pool.open(Numbers(), range(2000)):
            if loaded.ticket % every == 0:
                kept.append(loaded)
        assert count_slots() <= AHEAD + 6  # out, delivered and a few that are leased
    for loaded in kept:
        np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket))
    assert max(map(len, merge)) > 3


def test_one_value_that_is_kept_does_not_keep_the_memory_of_others_for_ever(merge: Jobs) -> None:
    with make_pool("processes", 1, ahead=AHEAD) as pool:
        kept = [
            loaded.value[0] for loaded in pool.open(Numbers((500,)), range(2000)) if not loaded.ticket % 50
        ]
    owners = [root(array) for array in kept]
    assert sum(owner.nbytes for owner in owners if isinstance(owner, np.ndarray)) < 2 * 40 * 500 * 8
    assert sum(not isinstance(owner, np.ndarray) for owner in owners) <= 4  # these are still in slots


def root(array: Any) -> Any:
    """Return the owner of the memory of an array."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


def test_change_of_a_value_changes_no_other(merge: Jobs) -> None:
    with make_pool("processes", 1, ahead=AHEAD) as pool:
        for loaded in pool.open(Numbers(), range(500)):
            np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket))
            loaded.value[0][...] = -1
    assert max(map(len, merge)) > 3


@pytest.mark.parametrize("use", [lambda run: run.close(), lambda run: None], ids=["closed", "forgotten"])
def test_runs_given_up_in_the_middle_of_a_job_leave_the_pool_usable(
    merge: Jobs, use: Callable[[Run], None]
) -> None:
    with make_pool("processes", 2, ahead=AHEAD) as pool:
        for length in range(150, 170):
            run = pool.open(Numbers(), range(1000))
            got = [next(run) for _ in range(length)]
            use(run)
            del run
            assert_expected(got, range(length))
        assert_expected(list(pool.open(Numbers(), range(300))), range(300))
        del got
        assert count_slots() <= 3 * AHEAD


def test_runs_side_by_side_do_not_mix(merge: Jobs) -> None:
    with make_pool("processes", 2, ahead=AHEAD) as pool:
        runs = [pool.open(Numbers((4,)), range(begin, begin + 400)) for begin in (0, 1000, 2000)]
        got: list[list[int]] = [[], [], []]
        for _ in range(400):
            for run, seen in zip(runs, got, strict=True):
                seen.append(next(run).value[1])
    assert got == [list(range(begin, begin + 400)) for begin in (0, 1000, 2000)]
    assert max(map(len, merge)) > 3
