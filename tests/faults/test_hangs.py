"""Loads that hang, and loads and parents that only look as if: rows 12, 13 and 41 of the fault matrix."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from oracles.hangs import HANGS, Hangs, first
from oracles.leaks import wait_until
from oracles.loaders import Calls, Numbers, expected
from oracles.scripts import finish, start

from streamfit._base.errors import WorkerDiedError
from streamfit.workers import make_pool
from streamfit.workers.recovery import deadline

pytestmark = pytest.mark.timeout(30)


def check(loaded: Any) -> int:
    np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket))
    return int(loaded.ticket)


@pytest.mark.parametrize("how", HANGS)
def test_12_a_load_that_hangs_once_is_loaded_again(tmp_path: Path, how: str) -> None:
    with make_pool("processes", 2, timeout=0.5) as pool:
        got = list(pool.open(Hangs(tmp_path, how, at=7), range(15)))
        assert pool.restarts == 1
    assert [check(item) for item in got] == list(range(15))
    assert [item.attempts for item in got if item.ticket == 7] == [2]


@pytest.mark.parametrize("how", HANGS)
def test_12_a_load_that_always_hangs_is_named_with_seconds_and_stack(tmp_path: Path, how: str) -> None:
    loader = Hangs(tmp_path, how, at=3, times=9)
    with make_pool("processes", 1, timeout=0.5) as pool:
        open_run = pool.open(loader, range(6), describe=lambda ticket: f"batch {ticket}")
        assert [check(next(open_run)) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(
            WorkerDiedError,
            match=r"3 workers in a row died while loading batch 3; the last one did not finish a load within "
            r"0\.5 s and was stopped",
        ) as caught:
            next(open_run)
        assert len(list(tmp_path.iterdir())) == 3
        assert [check(item) for item in pool.open(Numbers(), range(9))] == list(range(9))
    notes = "".join(getattr(caught.value, "__notes__", ()))
    if how != "stop_myself":  # which lets nothing run but its end
        assert f"in {how}" in notes
        assert "hangs.py" in notes
        assert notes.index(f"in {how}") < notes.index("in load")


def test_12_an_idle_worker_that_was_stopped_is_replaced_and_no_ticket_blamed() -> None:
    with make_pool("processes", 1, timeout=0.5) as pool:
        for times in (1, 2):
            assert [check(item) for item in pool.open(Numbers(), range(5))] == list(range(5))
            (victim,) = pool.pids()
            os.kill(victim, signal.SIGSTOP)
            assert wait_until(lambda pid=victim: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
            got = list(pool.open(Numbers(), range(5)))
            assert [check(item) for item in got] == list(range(5))
            assert pool.restarts == times
            assert victim not in pool.pids()


def test_12_the_deadline_is_judged_by_the_loads_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "AT_LEAST", 0.6)
    with make_pool("processes", 1) as pool:
        got = list(pool.open(Hangs(tmp_path, "sleep_for_ever", at=6), range(9)))
        assert [check(item) for item in got] == list(range(9))
        assert pool.restarts == 1


def test_12_hung_workers_do_not_outlive_a_closed_pool(tmp_path: Path) -> None:
    pool = make_pool("processes", 2, timeout=60)
    open_run = pool.open(Hangs(tmp_path, "pause_in_native_code", at=2), range(9))
    assert [check(next(open_run)), check(next(open_run))] == [0, 1]
    assert wait_until(lambda: len(list(tmp_path.iterdir())) == 1)
    pids = pool.pids()
    pool.close()
    assert wait_until(lambda: not any(map(psutil.pid_exists, pids)), seconds=2)


# -- what does not hang ----------------------------------------------------------------------------------


def test_13_a_straggler_keeps_its_place_and_meets_no_deadline() -> None:
    def load(ticket: int) -> Any:
        time.sleep(0.7 if ticket == 4 else 0.001)
        return expected(ticket), ticket

    pulled: list[int] = []
    with make_pool("processes", 2, ahead=6, timeout=4.0) as pool:
        tickets = (pulled.append(ticket) or ticket for ticket in range(30))
        for count, loaded in enumerate(pool.open(Calls(load), tickets)):
            assert (check(loaded), loaded.attempts) == (count, 1)
            assert len(pulled) <= count + 1 + 6
        assert pool.restarts == 0


def test_41_a_consumer_that_is_busy_elsewhere_brings_no_deadline() -> None:
    """The load takes longer than it may, and has ended when its value is asked for."""

    def load(ticket: int) -> Any:
        time.sleep(0.9 if ticket == 1 else 0.0)
        return expected(ticket), ticket

    with make_pool("processes", 1, ahead=3, timeout=0.6) as pool:
        open_run = pool.open(Calls(load), range(6))
        assert check(next(open_run)) == 0
        time.sleep(1.5)  # the consumer's own work
        assert [check(item) for item in open_run] == [1, 2, 3, 4, 5]
        assert pool.restarts == 0


def test_41_a_machine_that_is_busy_brings_no_deadline() -> None:
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=spin) for _ in range(4)]  # they fight for the interpreter's lock
    for thread in threads:
        thread.start()
    try:
        with make_pool("processes", 4, timeout=3.0) as pool:
            assert [check(item) for item in pool.open(Numbers(), range(60))] == list(range(60))
            assert pool.restarts == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


GROUP = """
import time
from oracles.loaders import Slow
from streamfit.workers import make_pool
with make_pool("processes", 2, timeout=1.5) as pool:
    for loaded in pool.open(Slow(0.2), range(12)):
        print(loaded.ticket, flush=True)
    print("restarts", pool.restarts)
"""


def test_41_a_process_group_that_was_stopped_for_longer_than_the_deadline() -> None:
    parent = start(GROUP)
    try:
        assert parent.stdout is not None
        assert [parent.stdout.readline().strip() for _ in range(3)] == ["0", "1", "2"]
        os.killpg(parent.pid, signal.SIGSTOP)
        time.sleep(1.9)  # longer than the deadline: that is the fault
        os.killpg(parent.pid, signal.SIGCONT)
        out = parent.stdout.read()  # what `readline` has read ahead is part of it
        assert parent.stderr is not None
        err = parent.stderr.read()
    finally:
        finish(parent)
    assert err == ""
    assert out.split() == [*map(str, range(3, 12)), "restarts", "0"]


def test_41_a_parent_alone_that_was_stopped() -> None:
    parent = start(GROUP)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "0\n"
        os.kill(parent.pid, signal.SIGSTOP)
        time.sleep(1.9)
        os.kill(parent.pid, signal.SIGCONT)
        out = parent.stdout.read()
        assert parent.stderr is not None
        err = parent.stderr.read()
    finally:
        finish(parent)
    assert (err, out.split()[-2:]) == ("", ["restarts", "0"])


class SlowToArrive:
    """Takes longer to unpickle than a load may take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        first(self.folder, "arrived", 9)
        time.sleep(1.3)

    def load(self, ticket: int) -> Any:
        return expected(ticket), ticket


@pytest.mark.parametrize("warm", [False, True])
def test_41_a_data_set_that_takes_long_to_arrive_does_not_hang(tmp_path: Path, warm: bool) -> None:
    with make_pool("processes", 1, timeout=0.4) as pool:
        if warm:
            assert [check(item) for item in pool.open(Numbers(), range(3))] == [0, 1, 2]
        assert [check(item) for item in pool.open(SlowToArrive(tmp_path), range(5))] == list(range(5))
        assert pool.restarts == 0
    assert len(list(tmp_path.iterdir())) == 1
