"""Faults of workers and transport, made to happen for real; the numbers are those of the fault matrix."""

from __future__ import annotations

import functools
import itertools
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from oracles.leaks import wait_until
from oracles.loaders import Calls, EndsAlways, EndsOnce, Gate, Numbers, Slow, expected
from oracles.scripts import environment, finish, run, start

from streamfit._base.errors import WorkerDiedError, WorkerError
from streamfit.workers import Pool, Run, make_pool

pytestmark = pytest.mark.timeout(30)


def check(loaded: Any) -> int:
    np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket))
    return int(loaded.ticket)


def fork_server_of(pool: Pool) -> int:
    return psutil.Process(pool.pids()[0]).ppid()


def take(run: Run, seen: list[int], count: int) -> None:
    """Take `count` values of a run over 0, 1, 2, ..."""
    for _ in range(count):
        seen.append(check(next(run)))
        assert seen[-1] == len(seen) - 1


def take_until_replaced(pool: Pool, run: Run, seen: list[int], workers: int) -> None:
    """Take values until a number of workers were replaced: when a death is seen depends on the machine."""
    while pool.restarts < workers:
        take(run, seen, 1)


def test_1_idle_worker_killed_is_replaced() -> None:
    with make_pool("processes", 2) as pool:
        assert [check(item) for item in pool.open(Numbers(), range(10))] == list(range(10))
        for times in range(1, 4):
            victim = pool.pids()[0]
            os.kill(victim, signal.SIGKILL)
            assert wait_until(lambda dead=victim: not psutil.pid_exists(dead))
            began = time.monotonic()
            assert [check(item) for item in pool.open(Numbers(), range(10))] == list(range(10))
            assert wait_until(lambda dead=victim: dead not in pool.pids())
            assert time.monotonic() - began < 5
            assert pool.restarts == times


def test_2_worker_killed_while_loading_is_replaced_and_its_ticket_loaded_again(tmp_path: Path) -> None:
    gate = Gate(tmp_path, at=5)
    with make_pool("processes", 2) as pool:
        open_run = pool.open(gate, range(20))
        got = [check(next(open_run)) for _ in range(5)]
        assert wait_until(lambda: len(gate.waiting()) == 1)
        os.kill(gate.waiting()[0], signal.SIGKILL)
        gate.open()
        rest = list(open_run)
        assert got + [check(item) for item in rest] == list(range(20))
        assert rest[0].attempts == 2
        assert pool.restarts == 1


def note(ticket: int, folder: Path) -> tuple[np.ndarray, int]:
    (folder / f"loaded-{ticket}-{os.getpid()}").touch()
    return expected(ticket), ticket


def test_2_what_a_dead_worker_had_finished_is_not_loaded_again(tmp_path: Path) -> None:
    with make_pool("processes", 1, ahead=5) as pool:
        open_run = pool.open(Calls(functools.partial(note, folder=tmp_path)), range(20))
        (victim,) = pool.pids()
        assert wait_until(lambda: len(list(tmp_path.iterdir())) == 5)
        assert wait_until(lambda: psutil.Process(victim).status() == psutil.STATUS_SLEEPING)
        os.kill(victim, signal.SIGKILL)
        got = list(open_run)
    assert [check(item) for item in got] == list(range(20))
    assert [item.attempts for item in got[:5]] == [1] * 5
    assert len(list(tmp_path.iterdir())) == 20  # one for each ticket and process that loaded it


def half(ticket: int, folder: Path) -> Any:
    """Return a value; the first time, be killed while it is being written to the slot."""
    mark = folder / f"half-{ticket}"
    if ticket % 5 == 3 and not mark.exists():
        mark.touch()
        threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return [np.full(1 << 21, ticket, np.uint8), "word" * 30_000]


def test_3_worker_killed_while_writing_leaves_nothing_torn(tmp_path: Path) -> None:
    loader = Calls(functools.partial(half, folder=tmp_path))
    with make_pool("processes", 2) as pool:
        for got, loaded in enumerate(pool.open(loader, itertools.count())):
            array, text = loaded.value
            assert loaded.ticket == got
            assert array.min() == array.max() == loaded.ticket
            assert len(text) == 120_000
            if got >= 20 and pool.restarts >= 4:  # a worker may get a value out before it is killed
                break


def test_4_all_workers_killed_together_again_and_again() -> None:
    seen: list[int] = []
    with make_pool("processes", 3) as pool:
        open_run = pool.open(Slow(0.001), itertools.count())
        for times in range(1, 6):
            take(open_run, seen, 6)
            for pid in pool.pids():
                os.kill(pid, signal.SIGKILL)
            take_until_replaced(pool, open_run, seen, 3 * times)
        take(open_run, seen, 20)
        assert pool.restarts == 15


def test_5_random_kills_change_nothing() -> None:
    rng = random.Random(20)
    victims: set[int] = set()
    seen: list[int] = []
    with make_pool("processes", 2) as pool:
        open_run = pool.open(Slow(0.0005), itertools.count())
        while len(victims) < 50:
            take(open_run, seen, 1)
            if rng.random() < 0.25:
                kill_another(pool, victims, rng)
        take_until_replaced(pool, open_run, seen, 50)
        take(open_run, seen, 20)
        assert pool.restarts == 50


def kill_another(pool: Pool, victims: set[int], rng: random.Random) -> None:
    """Kill a worker that was not killed before, if there is one."""
    alive = [pid for pid in pool.pids() if pid not in victims]
    if alive:
        victim = rng.choice(alive)
        os.kill(victim, signal.SIGKILL)
        victims.add(victim)


@pytest.mark.timeout(60)
def test_5_kills_at_any_moment_change_nothing() -> None:
    """Kill by the clock, so that workers die while they start, load, write, send and wait."""
    rng, stop = random.Random(5), threading.Event()
    victims: set[int] = set()
    seen: list[int] = []

    def killer(pool: Pool) -> None:
        while len(victims) < 40 and not stop.wait(rng.random() * 0.1):
            kill_another(pool, victims, rng)

    with make_pool("processes", 2) as pool:
        open_run = pool.open(Slow(0.0003), itertools.count())
        thread = threading.Thread(target=killer, args=(pool,))
        thread.start()
        try:
            while thread.is_alive():
                take(open_run, seen, 1)
        finally:
            stop.set()
            thread.join()
        take_until_replaced(pool, open_run, seen, len(victims))
        take(open_run, seen, 20)
        assert pool.restarts == len(victims) == 40


@pytest.mark.parametrize("how", ["exit 0", "exit 3", "segfault", "abort", "kill", "term"])
def test_7_and_14_every_kind_of_end_is_survived(tmp_path: Path, how: str) -> None:
    with make_pool("processes", 2) as pool:
        got = list(pool.open(EndsOnce(tmp_path, how, (0, 7, 8, 19)), range(20)))
        assert [check(item) for item in got] == list(range(20))
        assert pool.restarts == 4


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("exit 0", "exited with code 0"),
        ("exit 3", "exited with code 3"),
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("kill", "SIGKILL.*memory"),
    ],
)
def test_8_poison_is_named_after_what_came_before_and_the_pool_goes_on(how: str, message: str) -> None:
    with make_pool("processes", 2) as pool:
        open_run = pool.open(
            EndsAlways(how, at=6), range(20), describe=lambda ticket: f"batch {ticket}, samples 6..7"
        )
        assert [check(next(open_run)) for _ in range(6)] == list(range(6))
        with pytest.raises(WorkerDiedError, match=f"(?s)3 workers.*batch 6, samples 6..7.*{message}"):
            next(open_run)
        assert [check(item) for item in pool.open(Numbers(), range(9))] == list(range(9))


def test_8_neighbours_of_poison_are_not_blamed() -> None:
    with make_pool("processes", 1) as pool:
        open_run = pool.open(EndsAlways("exit 3", at=2), range(6))
        assert [check(next(open_run)), check(next(open_run))] == [0, 1]
        with pytest.raises(WorkerDiedError, match="while loading 2"):
            next(open_run)
        assert pool.restarts == 2  # the third died in a worker set aside for it


def test_fork_server_killed_is_replaced_with_its_workers() -> None:
    seen: list[int] = []
    with make_pool("processes", 2) as pool:
        open_run = pool.open(Slow(0.001), itertools.count())
        for times in range(1, 4):
            take(open_run, seen, 6)
            os.kill(fork_server_of(pool), signal.SIGKILL)
            take_until_replaced(pool, open_run, seen, 2 * times)
        take(open_run, seen, 20)
        assert pool.restarts == 6


def test_fork_server_that_cannot_live_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    with (
        make_pool("processes", 2) as pool,
        pytest.raises(WorkerError, match="ended with status 1"),
    ):
        list(pool.open(Numbers(), range(5)))


class Explosive:
    """Kills the process that unpickles it."""

    def __reduce__(self) -> Any:
        return os.abort, ()

    def load(self, ticket: int) -> int:
        return ticket


def test_11_loader_that_kills_whoever_unpickles_it_is_an_error() -> None:
    with make_pool("processes", 2) as pool:
        with pytest.raises(WorkerError, match=r"in a row ended before they loaded.*SIGABRT"):
            list(pool.open(Explosive(), range(5)))
        assert [check(item) for item in pool.open(Numbers(), range(9))] == list(range(9))


def test_23_no_descriptors_left_is_an_error_that_says_so() -> None:
    program = """
import resource
from oracles.leaks import nothing_left_behind
from oracles.loaders import Numbers
from streamfit.workers import make_pool
with nothing_left_behind():
    with make_pool("processes", 2, ahead=200) as pool:
        list(pool.open(Numbers(), range(3)))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            list(pool.open(Numbers(), range(400)))
        except RuntimeError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        print(len(list(pool.open(Numbers(), range(400)))))
"""
    code, out, err = run(program)
    assert (code, err) == (0, "")
    message, count = out.splitlines()
    assert "no file descriptors left" in message
    assert "max_queue_size" in message
    assert count == "400"


def test_worker_that_hangs_up_is_replaced() -> None:
    def hang_up(ticket: int) -> Any:
        if ticket == 4:
            for fd in range(3, 200):
                try:
                    os.close(fd)
                except OSError:
                    continue
            time.sleep(60)
        return expected(ticket), ticket

    with make_pool("processes", 2) as pool, pytest.raises(WorkerDiedError, match="while loading 4"):
        list(pool.open(Calls(hang_up), range(8)))


PARENT = """
import os, sys, time
from oracles.loaders import Slow
from streamfit.workers import make_pool
pool = make_pool("processes", 2)
run = pool.open(Slow(), iter(range(10**9)))
next(run)
print(*pool.pids(), flush=True)
{rest}
"""


@pytest.mark.parametrize("when", range(3))
def test_15_parent_killed_leaves_no_worker_after_a_second(when: int) -> None:
    parent = start(PARENT.format(rest="for loaded in run: pass"))
    try:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        pids.append(psutil.Process(pids[0]).ppid())
        assert len(pids) == 3
        time.sleep(0.02 * when)
        os.kill(parent.pid, signal.SIGKILL)
        assert wait_until(lambda: not any(map(_runs, pids)), seconds=1.0)
    finally:
        finish(parent)


def test_15_copy_made_by_fork_keeps_no_worker_alive() -> None:
    parent = start(PARENT.format(rest="os.fork() or time.sleep(60)\nfor loaded in run: pass"))
    try:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert wait_until(lambda: len(psutil.Process(parent.pid).children()) == 2)
        os.kill(parent.pid, signal.SIGKILL)
        assert wait_until(lambda: not any(map(_runs, pids)), seconds=1.0)
    finally:
        finish(parent)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("rest", ["", "raise SystemExit(0)", "del pool", "kept = run; raise SystemExit(0)"])
def test_19_exit_without_close(kind: str, rest: str) -> None:
    code, out, err = run(PARENT.format(rest=rest).replace('"processes"', repr(kind)))
    assert (code, err) == (0, "")
    assert not any(_runs(int(pid)) for pid in out.split())


PROGRAM = """
from dataclasses import dataclass
import numpy as np
from streamfit.workers import make_pool

print("started")
SCALE = 3

@dataclass
class Sample:
    x: np.ndarray
    label: str

class Bad(Exception):
    def __init__(self, a, b):
        super().__init__(a + b)

def scaled(n):
    return n * SCALE

class Data:
    def load(self, ticket):
        if ticket == 9:
            raise Bad("a", "b")
        return Sample(np.full(4, scaled(ticket)), f"label {ticket}")

pool = make_pool("processes", 2)
run = pool.open(Data(), range(10))
for n in range(9):
    loaded = next(run)
    assert type(loaded.value) is Sample and loaded.value.x[3] == 3 * n, loaded
try:
    next(run)
except Bad as error:
    print("raised", error)
"""


@pytest.mark.parametrize("how", ["-c", "stdin", "script", "module"])
def test_24a_programs_without_a_main_guard(how: str, tmp_path: Path) -> None:
    code, out, err = run(PROGRAM, how, tmp_path)
    assert err == ""
    assert (code, out.splitlines()) == (0, ["started", "raised ab"])


def test_output_of_workers_is_the_programs_own(tmp_path: Path) -> None:
    program = """
from streamfit.workers import make_pool
class Loud:
    def load(self, ticket):
        print("loading", ticket, flush=True)
        return ticket
with make_pool("processes", 1) as pool:
    print([loaded.value for loaded in pool.open(Loud(), range(2))])
"""
    assert run(program)[1].splitlines() == ["loading 0", "loading 1", "[0, 1]"]


def test_children_of_workers_do_not_keep_them_alive(tmp_path: Path) -> None:
    def leave_a_child(ticket: int) -> int:
        if ticket == 3:
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            (tmp_path / f"{child}").touch()
            os._exit(1)
        return ticket

    with make_pool("processes", 1) as pool:
        began = time.monotonic()
        with pytest.raises(WorkerDiedError, match="while loading 3"):
            list(pool.open(Calls(leave_a_child), range(6)))
        assert time.monotonic() - began < 10
    left = [int(path.name) for path in tmp_path.iterdir()]
    assert len(left) == 3
    for child in left:  # ended with the pool
        with pytest.raises(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_environment_of_the_tests_reaches_programs() -> None:
    done = subprocess.run([os.sys.executable, "-c", "import oracles.loaders"], env=environment(), check=False)
    assert done.returncode == 0
