"""A team of threads: it helps, sleeps, ends and forks, and never makes a step wait for it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from streamfit._base.specs import Array
from streamfit.kernels import blas, futex, kernel
from streamfit.kernels import team as machinery
from streamfit.kernels.atomics import add, put_word, read, replace, word_at, write
from streamfit.kernels.calls import entrance
from streamfit.kernels.decorator import CompiledKernel
from streamfit.kernels.futex import nanoseconds, pause, processor
from streamfit.kernels.section_loop import (
    ASLEEP,
    FIRST_HELPER,
    OF_HELPER,
    OWNER,
    WORD,
    come_back,
    help_team,
    keep_away,
    section_loop,
    stop_team,
)
from streamfit.kernels.sections import SectionedCallList, parallel, serial
from streamfit.kernels.team import Team, shared_team
from streamfit.kernels.thread_choice import ThreadChoice

pytestmark = [
    pytest.mark.jit,
    pytest.mark.skipif(
        not futex.AVAILABLE, reason="needs a system on which threads can sleep in native code"
    ),
]
LIMIT = 20.0


@kernel
def meet(arrived: int, everybody: int, met: Array) -> None:
    """Wait until so many threads are here, at most two seconds; note whether they came."""
    add(arrived, 1)
    until = nanoseconds() + 2_000_000_000
    while read(arrived) < everybody and nanoseconds() < until:
        pause()
    met[0] = 1 if read(arrived) >= everybody else 0


@kernel
def count_up(x: Array) -> None:
    """Add 1."""
    x[0] += 1


@kernel
def burn(x: Array, rounds: int) -> None:
    """Compute for a while."""
    for _ in range(rounds):
        x[0] = x[0] * 0.999 + 1 / (1 + x[0])


@kernel
def shrink(x: Array, arrived: int) -> None:
    """Divide by two, in two threads at the same time."""
    add(arrived, 1)
    until = nanoseconds() + 2_000_000_000
    while read(arrived) < 2 and nanoseconds() < until:
        pause()
    x[0] /= 2


@kernel
def use_words(a: int, out: Array) -> None:
    """Try every instruction on the word at an address."""
    put_word(a, 5)
    out[0] = word_at(a)
    write(a, 7)
    out[1] = read(a)
    out[2] = add(a, -3)
    out[3] = read(a)
    out[4] = replace(a, 4, 9)
    out[5] = replace(a, 4, 1)
    out[6] = read(a)
    out[7] = processor()
    out[8] = nanoseconds()


@kernel
def leave(helper: int, other: int, out: Array) -> None:
    """Keep this thread away from a processor; note whether it can."""
    out[0] = keep_away(helper, other)


@kernel
def come(helper: int) -> None:
    """Let this thread come back."""
    come_back(helper)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds, for some seconds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT:g} s: {what}"
        time.sleep(0.002)


def is_asleep(team: Team, helper: int = 0) -> bool:
    return bool(team._words[(FIRST_HELPER + ASLEEP + OF_HELPER * helper) // WORD])


def meeting(team: Team, threads: int) -> tuple[SectionedCallList, Array, Array]:
    """Return a section of as many blocks as threads, in which all threads meet; who came; and the meeting."""
    arrived, met = np.zeros(1, np.int64), np.zeros(threads)
    blocks = [[(meet, (arrived.ctypes.data, threads, met[i : i + 1]))] for i in range(threads)]
    return SectionedCallList([parallel(blocks)], threads, team), arrived, met


def test_the_instructions_do_what_they_say() -> None:
    memory, out = np.zeros(1, np.int64), np.zeros(9, np.int64)
    before = time.monotonic_ns()
    use_words(memory.ctypes.data, out)
    assert out[:7].tolist() == [5, 7, 7, 4, 4, 9, 9]
    assert out[7] in os.sched_getaffinity(0)
    assert before <= out[8] <= time.monotonic_ns()


def test_a_helper_keeps_away_from_a_processor_and_comes_back() -> None:
    everywhere = os.sched_getaffinity(0)
    words, out = np.zeros(OF_HELPER // WORD, np.int64), np.zeros(1)
    place, one = words.ctypes.data, max(everywhere)
    try:
        leave(place, one, out)
        if len(everywhere) > 1:
            assert out[0] == 1
            assert os.sched_getaffinity(0) == everywhere - {one}
            come(place)
        assert os.sched_getaffinity(0) == everywhere
        for unknown in (-1, 5000):
            leave(place, unknown, out)
            assert out[0] == 0
        os.sched_setaffinity(0, {one})
        leave(place, one, out)  # there is no other one
        assert out[0] == 0
        assert os.sched_getaffinity(0) == {one}
    finally:
        os.sched_setaffinity(0, everywhere)


def test_what_somebody_else_has_set_meanwhile_stays() -> None:
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) < 2:
        pytest.skip("needs two processors")
    words, out, one = np.zeros(OF_HELPER // WORD, np.int64), np.zeros(1), max(everywhere)
    try:
        leave(words.ctypes.data, one, out)
        os.sched_setaffinity(0, {one})
        come(words.ctypes.data)
        assert os.sched_getaffinity(0) == {one}
    finally:
        os.sched_setaffinity(0, everywhere)


@pytest.mark.parametrize("function", [help_team, stop_team, section_loop])
def test_the_kernels_of_teams_are_kept_on_disk(function: CompiledKernel) -> None:
    assert function._fingerprint is not None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_all_threads_work_at_the_same_time(threads: int) -> None:
    calls, _arrived, met = meeting(Team(), threads)
    calls.run()
    assert met.tolist() == [1] * threads


@pytest.mark.timeout(60)
def test_helpers_beyond_the_number_of_threads_take_no_part() -> None:
    team = Team()
    assert team.prepare(4) == 4
    x = np.zeros((64, 1))
    calls = SectionedCallList([parallel([[(burn, (row, 300))] for row in x])] * 4, 2, team)
    for _ in range(200):
        calls.run()
    assert team.blocks_taken()[1:] == [0, 0]
    assert team.prepare(2) == 2
    assert team.helpers == 3


@pytest.mark.timeout(60)
def test_helpers_sleep_when_there_is_nothing_to_do() -> None:
    team = Team()
    calls, arrived, met = meeting(team, 3)
    calls.run()
    until(lambda: is_asleep(team, 0) and is_asleep(team, 1), "helpers sleep")
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1
    met[:] = 0
    arrived[0] = 0
    calls.run()  # they wake again
    assert met.tolist() == [1, 1, 1]
    assert min(team.sleeps()) >= 1


@pytest.mark.timeout(60)
def test_who_waits_for_the_last_block_sleeps() -> None:
    def processor_time(calls: SectionedCallList) -> float:
        begin = time.process_time()
        calls.run()
        return time.process_time() - begin

    x, arrived, met = np.ones(1), np.zeros(1, np.int64), np.zeros(2)
    long = (burn, (x, 20_000_000))
    needed = processor_time(SectionedCallList([serial([long])]))
    meetings = [(meet, (arrived.ctypes.data, 2, met[i : i + 1])) for i in range(2)]
    calls = SectionedCallList([parallel([[meetings[0], long], [meetings[1]]])], 2, Team())
    spent = processor_time(calls)
    assert met.tolist() == [1, 1]  # one thread had nothing to do while the other one computed
    assert spent < 1.5 * needed


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep processors busy with other processes."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.timeout(100)
@pytest.mark.parametrize("busy", [0, 3])
def test_a_hundred_thousand_tiny_sections(busy: int) -> None:
    sections, steps = 100, 1000
    x = np.zeros((3, 16))
    calls = SectionedCallList([parallel([[(count_up, (row[:1],))] for row in x])] * sections, 2, Team())
    with load(busy):
        calls.run_steps([calls.input_pointer(np.zeros(1))], [np.zeros(1)], steps)
    assert x[:, 0].tolist() == [sections * steps] * 3


@pytest.mark.timeout(60)
def test_a_stopped_team_starts_again() -> None:
    team = Team()
    for _ in range(3):
        calls, _arrived, met = meeting(team, 3)
        calls.run()
        assert met.tolist() == [1, 1, 1]
        helpers = list(team._threads)
        team.stop()
        assert team.helpers == 0
        assert not any(thread.is_alive() for thread in helpers)


@pytest.mark.timeout(60)
def test_where_no_thread_starts_the_caller_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    team, x = Team(), np.zeros((4, 1))
    calls = SectionedCallList([parallel([[(count_up, (row,))] for row in x])], 3, team)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert team.prepare(3) == 1
        calls.run()
    assert x.ravel().tolist() == [1] * 4
    assert team.helpers == 0
    assert team.prepare(3) == 3


def test_where_no_thread_can_sleep_there_are_no_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(futex, "AVAILABLE", False)
    assert Team().prepare(4) == 1


def test_without_numbas_internals_there_are_no_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machinery, "entrance", lambda: None)
    assert Team().prepare(4) == 1


def test_a_team_that_nobody_needs_ends() -> None:
    calls, _arrived, _met = meeting(Team(), 2)
    calls.run()
    alive, helper = weakref.ref(calls.team), calls.team._threads[0]
    del calls
    gc.collect()
    assert alive() is None
    assert not helper.is_alive()


@pytest.mark.timeout(60)
def test_another_callers_step_runs_alone_while_the_team_works() -> None:
    team, arrived, met = Team(), np.zeros(1, np.int64), np.zeros(1)
    place = arrived.ctypes.data
    long = SectionedCallList([parallel([[(meet, (place, 3, met))], [(count_up, (np.ones(1),))]])], 2, team)
    caller = threading.Thread(target=long.run)
    caller.start()
    until(lambda: arrived[0] == 1, "the other caller is in its step")
    assert team._words[OWNER // WORD] == 1
    x = np.zeros((2, 1))
    before = team.blocks_taken()
    SectionedCallList([parallel([[(count_up, (row,))] for row in x])] * 50, 2, team).run()
    assert x.ravel().tolist() == [50, 50]
    assert team.blocks_taken()[0] - before[0] <= 2  # those of the other caller
    arrived[0] = 3
    caller.join(LIMIT)
    assert met[0] == 1
    assert team._words[OWNER // WORD] == 0


@pytest.mark.timeout(60)
def test_helpers_take_denormal_numbers_as_zero_and_restore_the_mode() -> None:
    arrived, x = np.zeros(1, np.int64), np.full((2, 1), 1.5e-38, "float32")
    team = Team()
    SectionedCallList([parallel([[(shrink, (row, arrived.ctypes.data))] for row in x])], 2, team).run()
    assert arrived[0] == 2
    assert team.blocks_taken() == [1]
    assert x.ravel().tolist() == [0, 0]
    team.stop()

    left: list[float] = []
    loop, enter_at = help_team.address((None, None)), entrance()  # type: ignore[attr-defined]
    bound = machinery.BoundLoop(enter_at, loop, team.address, 1)  # type: ignore[arg-type]

    def help_and_compute() -> None:
        machinery._help(team._words, bound, False)
        left.append(float(np.float32(1.5e-38) / np.float32(2)))

    thread = threading.Thread(target=help_and_compute)
    thread.start()
    until(lambda: is_asleep(team), "the helper sleeps")
    stop_team(team.address, 1)
    thread.join(LIMIT)
    assert left[0] > 0


@pytest.mark.timeout(60)
def test_helpers_set_a_count_of_blas_that_each_thread_has(monkeypatch: pytest.MonkeyPatch) -> None:
    who: list[str] = []
    monkeypatch.setattr(
        machinery, "own_count", lambda module: lambda: who.append(threading.current_thread().name)
    )
    team = Team()
    team.prepare(2)
    assert who == []
    team.prepare(3, calls_blas=True)  # the first helper starts again
    until(lambda: len(who) == 2, "both have set it")
    team.prepare(3, calls_blas=True)
    assert sorted(who) == ["kernel-helper-1", "kernel-helper-2"]


def test_a_count_of_all_threads_needs_nothing_from_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [7]
    separate = blas._Separate(lambda count: counts.append(count) or counts[-2])  # type: ignore[func-returns-value]
    for count, has_own in ((blas._Shared(lambda: 1, print), False), (None, False), (separate, True)):
        monkeypatch.setattr(blas, "_count_of", lambda module, count=count: count)
        assert (blas.own_count("any") is not None) == has_own
    own = blas.own_count("any")
    assert own is not None
    own()
    assert counts == [7, 1]


@pytest.mark.alone
@pytest.mark.timeout(100)
def test_beside_a_busy_processor_a_step_takes_about_as_long_as_on_one_thread() -> None:
    x = np.ones((8, 16))
    sections = [parallel([[(burn, (row[:1], 3000))] for row in x])] * 10
    alone, team = SectionedCallList(sections, 1), SectionedCallList(sections, ThreadChoice(2), Team())

    def seconds(calls: SectionedCallList) -> float:
        begin, steps = time.perf_counter(), 0
        while time.perf_counter() < begin + 0.5:
            calls.run()
            steps += 1
        return (time.perf_counter() - begin) / steps

    with load(1):
        seconds(team)
        ratios = [seconds(team) / seconds(alone) for _ in range(5)]
    assert sorted(ratios)[2] < 1.3, ratios


# --- processes

HEAD = """
import os, signal, sys, threading, time
import numpy as np
from streamfit.kernels import kernel
from streamfit.kernels.sections import SectionedCallList, parallel
from streamfit.kernels.team import shared_team
from streamfit.kernels.matrix import add_into
x, total = np.ones((8, 2000)), np.zeros((8, 2000))
calls = SectionedCallList([parallel([[(add_into, (x[i], total[i]))] for i in range(8)])] * 50, 3)
calls.run()
assert shared_team().helpers == 2, shared_team().helpers
"""


def run_program(text: str, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", HEAD + textwrap.dedent(text)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("time.sleep(0.05)", 0),  # helpers sleep
        ("calls.run()", 0),  # helpers spin
        ("sys.exit(3)", 3),
        ("raise KeyError('the end')", 1),
        ("threading.Thread(target=lambda: [calls.run() for _ in range(10**9)], daemon=True).start()", 0),
        ("import atexit; atexit.register(calls.run)", 0),
        ("shared_team().stop(); calls.run()", 0),
    ],
)
def test_the_interpreter_exits(ending: str, code: int) -> None:
    begin = time.monotonic()
    run_program(ending, code)
    assert time.monotonic() - begin < 10


@pytest.mark.timeout(60)
def test_a_forked_child_starts_helpers_of_its_own() -> None:
    out = run_program("""
        before = total.copy()
        pid = os.fork()
        if pid == 0:
            assert shared_team().helpers == 0
            calls.run()
            assert shared_team().helpers == 2
            assert (total == before + 50).all()
            print("child", flush=True)
            sys.exit(0)  # with its own helpers
        assert os.waitpid(pid, 0)[1] == 0
        assert shared_team().helpers == 2
        calls.run()
        assert (total == before + 50).all()
        print("parent")
    """)
    assert out.split() == ["child", "parent"]


@pytest.mark.timeout(60)
def test_a_child_that_is_forked_in_the_middle_of_a_step_can_work() -> None:
    out = run_program("""
        going = True
        def train():
            while going:
                calls.run()
        trainer = threading.Thread(target=train)
        trainer.start()
        y, result = np.ones((4, 10)), np.zeros((4, 10))
        other = SectionedCallList([parallel([[(add_into, (y[i], result[i]))] for i in range(4)])] * 9, 2)
        for number in range(20):
            pid = os.fork()
            if pid == 0:
                other.run()
                os._exit(0 if (result == 9).all() and shared_team().helpers == 1 else 1)
            assert os.waitpid(pid, 0)[1] == 0
        going = False
        trainer.join()
        print((total == total[0, 0]).all())
    """)
    assert out.split() == ["True"]


@pytest.mark.timeout(60)
def test_an_interruption_comes_after_the_step_and_leaves_all_in_order() -> None:
    out = run_program("""
        caught = 0
        for _ in range(20):
            timer = threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGINT))
            try:
                timer.start()
                while True:
                    calls.run()
            except KeyboardInterrupt:
                caught += 1
            timer.join()
        before = total.copy()
        calls.run()
        print(caught, bool((total == before + 50).all()), bool((total == total[0, 0]).all()))
    """)
    assert out.split() == ["20", "True", "True"]


def test_the_process_has_one_team() -> None:
    assert shared_team() is shared_team()
    assert SectionedCallList([]).team is shared_team()
