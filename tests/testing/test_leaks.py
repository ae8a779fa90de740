"""The ledger sees what is left behind, and nothing that was there before."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from multiprocessing import shared_memory

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
