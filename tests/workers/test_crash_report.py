"""Deaths of workers: what the parent knows about them, and the messages and log records about it."""

from __future__ import annotations

import faulthandler
import logging
import os
import resource
import signal
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from oracles.loaders import Calls, EndsOnce, expected
from oracles.scripts import run

from streamfit._base.errors import WorkerDiedError
from streamfit.workers import make_pool
from streamfit.workers.pool.scheduler import MAX_DEATHS
from streamfit.workers.recovery import crash_report
from streamfit.workers.recovery.crash_report import WorkerExit
from streamfit.workers.recovery.progress_page import ProgressPage

pytestmark = pytest.mark.timeout(30)

CRASH = """
import ctypes, faulthandler, os, sys, threading
from streamfit.workers.recovery import crash_report
from streamfit.workers.recovery.progress_page import ProgressPage

progress_page = ProgressPage()
crash_report.write_stacks_to(progress_page.fd)
progress_page.begin(3, 7, 1)

def innermost():
    ctypes.string_at(0)

def dive(depth):
    dive(depth - 1) if depth else innermost()

child = os.fork()
if child == 0:
    for number in range({threads}):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    dive({depth})
status = os.waitpid(child, 0)[1]
print(os.WTERMSIG(status), progress_page.under_way())
print(crash_report.read(progress_page.fd))
"""


@pytest.mark.parametrize(("depth", "threads"), [(0, 0), (3, 2), (500, 0), (2, 30)])
def test_stack_at_a_fatal_signal_outlives_the_process(depth: int, threads: int) -> None:
    code, out, err = run(CRASH.format(depth=depth, threads=threads))
    assert (code, err) == (0, "")
    first, title, *stack = out.splitlines()
    assert first == f"{signal.SIGSEGV} Load(queue=3, number=7, attempt=1)", "the progress page is as it was"
    assert title == "Fatal Python error: Segmentation fault"
    text = "\n".join(stack)
    assert "in innermost" in text
    assert "in dive" in text
    assert len(stack) <= 41
    assert ("more lines" in text) == (depth == 500 or threads == 30)
    assert "Extension modules" not in text


def test_handler_of_the_user_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    code, out, err = run(CRASH.format(depth=0, threads=0))
    assert code == 0
    assert out.splitlines()[1:] == [""]
    assert "Segmentation fault" in err
    assert "in innermost" in err


def test_nothing_is_left_behind_by_who_dies_in_silence() -> None:
    progress_page = ProgressPage()
    assert crash_report.read(progress_page.fd) == ""
    progress_page.close()


def test_frames_of_the_workers_own_loop_are_left_out(tmp_path: Path) -> None:
    progress_page, folder = ProgressPage(), Path(crash_report.__file__).parents[1] / "processes"
    lines = ["Fatal Python error: Aborted", "", "Current thread 0x1 (most recent call first):"]
    frames = [
        f'  File "{tmp_path}/data.py", line 3 in load',
        f'  File "{folder}/worker_main.py", line 90 in _work',
    ]
    rest = [
        f'  File "{folder}/fork_server.py", line 9 in _run_worker',
        "",
        "Extension modules: a, b (total: 2)",
    ]
    os.pwrite(progress_page.fd, "\n".join(lines + frames + rest).encode(), os.sysconf("SC_PAGE_SIZE"))
    assert crash_report.read(progress_page.fd) == "\n".join([*lines, frames[0]])
    progress_page.close()


def test_parent_keeps_its_own_fault_handler() -> None:
    before = faulthandler.is_enabled()
    with make_pool("processes", 1) as pool:
        list(pool.open(EndsOnce(Path("/nowhere"), "exit 0", ()), range(2)))
    assert faulthandler.is_enabled() == before


# -- memory -------------------------------------------------------------------------------------------------


def test_machine_memory_is_what_the_system_says_or_less() -> None:
    assert 1 << 26 < crash_report.machine_memory() <= psutil.virtual_memory().total


def test_limit_of_a_control_group_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert limited(monkeypatch, tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    (tmp_path / "memory.max").write_text("50000000\n")
    assert limited(monkeypatch, tmp_path) == 50_000_000


def limited(monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    monkeypatch.setattr(crash_report, "_CGROUP_FILES", ((str(folder), "memory.max"),))
    return crash_report.machine_memory.__wrapped__()


def test_peak_is_the_resident_memory(tmp_path: Path) -> None:
    usage: Any = SimpleNamespace(ru_maxrss=5_000)
    report = crash_report.ExitReporter().report(signal.SIGSEGV, usage)
    progress_page = ProgressPage()
    death = crash_report.exit_of(12, signal.SIGSEGV, report, progress_page.fd)
    progress_page.close()
    assert death == WorkerExit(signal.SIGSEGV, 12, 5_120_000, False, "")
    assert "peaked at 5 MB" in death.memory()
    assert WorkerExit().memory() == ""


def test_lack_of_memory_is_told_when_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([4, 4, 5, 5])
    monkeypatch.setattr(crash_report, "_out_of_memory_kills", lambda: next(counts))
    reporter, usage = crash_report.ExitReporter(), resource.getrusage(resource.RUSAGE_SELF)
    statuses = (signal.SIGKILL, signal.SIGSEGV, signal.SIGKILL, signal.SIGKILL)
    starved = [struct.unpack("<Q?", reporter.report(status, usage))[1] for status in statuses]
    assert starved == [False, False, True, False]
    assert "has run out of memory" in WorkerExit(signal.SIGKILL, starved=True).how()
    assert "often: the system ran out of memory" in WorkerExit(signal.SIGKILL).how()
    assert "memory" not in WorkerExit(signal.SIGTERM, starved=True).how()


def test_limit_of_the_address_space_is_told() -> None:
    program = """
import resource
from streamfit.workers.recovery.crash_report import WorkerExit
assert "limited" not in WorkerExit(11, peak=1).memory()
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, resource.RLIM_INFINITY))
print(WorkerExit(11, peak=1).memory())
"""
    code, out, err = run(program)
    assert (code, err) == (0, "")
    assert "limited to 3.2 GB (ulimit -v)" in out


# -- the log ------------------------------------------------------------------------------------------------


def test_death_that_is_made_good_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "streamfit.workers")
    with make_pool("processes", 1) as pool:
        run = pool.open(EndsOnce(tmp_path, "segfault", tuple(range(0, 10, 2))), range(10), describe=named)
        for loaded in run:
            assert (loaded.value[0] == expected(loaded.ticket)).all()
        assert pool.restarts == 5
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3 + ["INFO"] * 2
    for ticket, record in zip(range(0, 10, 2), caplog.records, strict=True):
        text = record.getMessage()
        assert record.name == "streamfit.workers"
        assert f"SIGSEGV (a crash in native code) while loading the batch {ticket}; another one takes" in text
        assert "memory had peaked at" in text
        assert "in end\n" in text, "the stack names the function that crashed"


def test_every_death_on_a_poisoned_ticket_is_logged_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    deadly = Calls(lambda ticket: os._exit(3) if ticket == 2 else ticket)
    with make_pool("processes", 1) as pool, pytest.raises(WorkerDiedError, match="while loading the batch 2"):
        list(pool.open(deadly, range(4), describe=named))
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == MAX_DEATHS + 1, "one that sets it apart, one more of the worker that examines it"
    assert all("while loading the batch 2; another one takes its place" in text for text in texts), texts


def named(ticket: int) -> str:
    return f"the batch {ticket}"


def test_death_of_an_idle_worker_names_no_data(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with make_pool("processes", 1) as pool:
        data = EndsOnce(tmp_path, "exit 0", ())
        assert len(list(pool.open(data, range(3)))) == 3
        (victim,) = pool.pids()
        os.kill(victim, signal.SIGKILL)
        assert len(list(pool.open(data, range(3)))) == 3
    (record,) = caplog.records
    assert record.getMessage().startswith(f"worker process {victim} was killed by SIGKILL (often: ")
    assert "loading" not in record.getMessage()
    assert "crash report" not in record.getMessage()


def test_nothing_is_logged_while_nobody_dies(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    with make_pool("processes", 2) as pool:
        assert len(list(pool.open(EndsOnce(tmp_path, "kill", ()), range(20)))) == 20
    assert not [record for record in caplog.records if record.name.startswith("streamfit")]
