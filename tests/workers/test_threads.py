"""The pool of threads, beyond the guarantees of all pools."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import wait_until
from oracles.loaders import Calls, Gate, Numbers

from streamfit.workers import make_pool

pytestmark = pytest.mark.timeout(30)


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("streamfit-worker")]


def test_threads_start_once_and_serve_all_runs() -> None:
    with make_pool("threads", 3) as pool:
        assert ours() == []
        pool.start()
        first = ours()
        assert len(first) == 3
        for _ in range(3):
            list(pool.open(Numbers(), range(10)))
        assert ours() == first
        assert pool.pids() == []
    assert ours() == []


def test_values_are_the_objects_that_were_loaded() -> None:
    made = [np.arange(3) for _ in range(9)]
    with make_pool("threads", 2) as pool:
        got = [loaded.value for loaded in pool.open(Calls(lambda ticket: made[ticket]), range(9))]
    assert all(a is b for a, b in zip(made, got, strict=True))


def test_slow_load_does_not_hold_up_the_others(tmp_path: Path) -> None:
    gate = Gate(tmp_path, at=0)
    loaded: list[int] = []

    def load(ticket: int) -> int:
        gate.load(ticket)
        loaded.append(ticket)
        return ticket

    with make_pool("threads", 2, ahead=6) as pool:
        run = pool.open(Calls(load), range(9))
        assert wait_until(lambda: len(loaded) == 5)
        gate.open()
        assert [item.value for item in run] == list(range(9))


def test_closing_waits_for_the_load_under_way_and_skips_the_rest(tmp_path: Path) -> None:
    gate = Gate(tmp_path, at=0)
    loaded: list[int] = []

    def load(ticket: int) -> int:
        gate.load(ticket)
        loaded.append(ticket)
        return ticket

    pool = make_pool("threads", 1)
    pool.open(Calls(load), range(9))
    assert wait_until(lambda: bool(gate.waiting()))
    closer = threading.Thread(target=pool.close)
    closer.start()
    assert closer.is_alive()
    gate.open()
    closer.join()
    assert loaded == [0]


def test_pool_that_is_forgotten_ends_its_threads() -> None:
    pool: Any = make_pool("threads", 2)
    list(pool.open(Numbers(), range(3)))
    watch = weakref.ref(pool)
    del pool
    gc.collect()
    assert watch() is None
    assert wait_until(lambda: ours() == [])


def test_run_without_a_pool_variable_goes_on() -> None:
    run = make_pool("threads", 2).open(Numbers(), range(20))
    gc.collect()
    assert [loaded.ticket for loaded in run] == list(range(20))


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_interrupt_while_waiting_comes_through_at_once(kind: str, tmp_path: Path) -> None:
    script = f"""
import os, signal, sys, threading
from pathlib import Path
from oracles.leaks import nothing_left_behind, wait_until
from oracles.loaders import Gate, Numbers
from streamfit.workers import make_pool

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background has it ignored
gate = Gate(Path({str(tmp_path)!r}), at=2)
seen = []

def waits():
    frame = sys._current_frames()[threading.main_thread().ident]
    return seen == [0, 1] and gate.waiting() and frame.f_code.co_name in ("step", "_collect")

def interrupt():
    wait_until(waits)
    os.kill(os.getpid(), signal.SIGINT)
    if {kind!r} == "threads":
        gate.open()

with nothing_left_behind(), make_pool({kind!r}, 2) as pool:
    killer = threading.Thread(target=interrupt)
    killer.start()
    run = pool.open(gate, range(9))
    try:
        for loaded in run:
            seen.append(loaded.ticket)
    except KeyboardInterrupt:
        print("interrupted after", seen)
    killer.join()
    try:
        next(run)
    except RuntimeError as error:
        print(error)
    print([loaded.ticket for loaded in pool.open(Numbers(), range(4))])
    del run, loaded
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=25,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "interrupted after [0, 1]",
        "This run was ended because its pool was interrupted; open another.",
        "[0, 1, 2, 3]",
    ]
