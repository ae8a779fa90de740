"""The ledger sees the leaks of a block, and nothing that existed before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import shared_memory
from pathlib import Path

import psutil
import pytest

from streamfit.testing.leaks import nothing_left_behind, take_ledger, wait_until

pytestmark = pytest.mark.timeout(30)


def test_children_and_their_children_are_those_that_the_system_knows() -> None:
    inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    child = subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE)
    try:
        me = psutil.Process()
        assert wait_until(lambda: len(me.children(recursive=True)) >= 2)
        seen = {pid for pid, _ in take_ledger().children}
        assert seen == {other.pid for other in me.children(recursive=True)}
        assert child.pid in seen
    finally:
        child.communicate(b"\n", timeout=20)
    assert child.pid not in {pid for pid, _ in take_ledger().children}


def test_each_kind_of_leftover_is_named() -> None:
    before = take_ledger()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="streamfit-left")
    thread.start()
    memory = shared_memory.SharedMemory(create=True, size=16)
    read, write = os.pipe()
    try:
        left = take_ledger().beyond(before)
    finally:
        stop.set()
        thread.join()
        memory.close()
        memory.unlink()
        os.close(read)
        os.close(write)
    assert f"shared memory {memory.name}" in left
    assert "thread streamfit-left" in left
    assert any(line.startswith(f"descriptor {read} -> pipe:") for line in left)


def test_what_was_there_before_does_not_count() -> None:
    read, write = os.pipe()
    with nothing_left_behind(seconds=0.1):
        os.close(write)
    os.close(read)


def test_block_that_leaves_something_fails_and_an_exception_goes_through() -> None:
    with pytest.raises(AssertionError, match="left behind: descriptor"), nothing_left_behind(seconds=0.1):
        kept = os.pipe()
    for fd in kept:
        os.close(fd)
    with pytest.raises(KeyError), nothing_left_behind(seconds=0.1):
        raise KeyError("mine")


STRANGER = """
import multiprocessing, os, select, sys
from multiprocessing import shared_memory

if os.fork():  # the grandchild has no parent among the processes of the tests
    os._exit(0)
os.setsid()
processes = multiprocessing.get_context("spawn")  # whose semaphores keep their names

class Memory(shared_memory.SharedMemory):
    def __init__(self):
        super().__init__(create=True, size=99)
    def __del__(self):
        self.unlink()
        super().__del__()

work = {work}
held = [work(), work()]
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.0005)[0]:
    if {busy}:
        held = [held[-1], work()]
"""
WORK = pytest.mark.parametrize("work", ["processes.Semaphore", "Memory"], ids=["semaphores", "memory"])


@contextmanager
def stranger(work: str, busy: bool) -> Iterator[None]:
    """Let a foreign program make names of shared memory: two, or one after the other."""
    program = STRANGER.format(work=work, busy=busy)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        assert process.wait(20) == 0
        yield
    finally:
        process.communicate(timeout=20)


@WORK
def test_names_that_somebody_else_holds_do_not_count(work: str) -> None:
    before = take_ledger()
    with stranger(work, busy=False):
        assert len(take_ledger().names - before.names) >= 2
        assert not take_ledger().own_names(before)
        mine = _make_name()
        assert take_ledger().own_names(before) == {mine.name}
        mine.unlink()


@WORK
def test_somebody_who_makes_names_all_the_time_does_not_disturb(work: str) -> None:
    with stranger(work, busy=True):
        seen = set()
        for _ in range(5):
            before = take_ledger()
            with nothing_left_behind(seconds=0.3):
                assert wait_until(lambda before=before: bool(take_ledger().names - before.names))
            seen |= take_ledger().names
        assert len(seen) >= 10, "there was something to be disturbed by"


def _make_name() -> Path:
    path = Path("/dev/shm") / f"streamfit-test-{os.urandom(6).hex()}"
    path.touch(exist_ok=False)
    return path


LEAVES = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.ftruncate(fd, 4096)
memory = mmap.mmap(fd, 4096)
print("ready", flush=True)
sys.stdin.read()
"""


def test_name_that_a_killed_child_has_left_is_found() -> None:
    path = _make_name()
    path.unlink()
    before = take_ledger()
    child = subprocess.Popen(
        [sys.executable, "-c", LEAVES, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert f"shared memory {path.name}" in take_ledger().beyond(before), "a child of ours holds it"
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=20)
        assert take_ledger().beyond(before) == [f"shared memory {path.name}"], "nobody holds it"
    finally:
        path.unlink()
    assert take_ledger().beyond(before) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_name_of_another_user_does_not_count() -> None:
    before = take_ledger()
    path = _make_name()
    try:
        assert take_ledger().own_names(before) == {path.name}
        os.chown(path, 65534, -1)
        assert not take_ledger().own_names(before)
    finally:
        path.unlink()
