"""A ledger of what a process must not leave behind: shared-memory names, children, descriptors, threads."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Ledger:
    """What there is now."""

    names: frozenset[str]
    children: frozenset[tuple[int, float]]
    descriptors: frozenset[tuple[str, str]]
    threads: frozenset[str]

    def beyond(self, before: Ledger) -> list[str]:
        """Return what is here and was not there before."""
        new = [f"file {name}" for name in self.names - before.names]
        new += [f"process {pid}" for pid, _ in self.children - before.children]
        new += [f"descriptor {fd} -> {target}" for fd, target in self.descriptors - before.descriptors]
        return new + [f"thread {name}" for name in self.threads - before.threads]


def take_ledger() -> Ledger:
    """Return a ledger of this process."""
    gc.collect()
    return Ledger(
        names=frozenset(_names()),
        children=frozenset(_children()),
        descriptors=frozenset(_descriptors()),
        threads=frozenset(t.name for t in threading.enumerate() if t.name.startswith("streamfit")),
    )


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Poll a condition; return whether it came to hold in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


@contextmanager
def nothing_left_behind(seconds: float = 5.0) -> Iterator[None]:
    """Fail if the block leaves anything behind for longer than `seconds`."""
    before = take_ledger()
    yield
    left: list[str] = []

    def clean() -> bool:
        left[:] = take_ledger().beyond(before)
        return not left

    assert wait_until(clean, seconds), f"left behind: {left}"


def _names() -> Iterator[str]:
    """Yield the files of ours in shared memory and among temporary files; others use these folders too."""
    for folder in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        if folder.is_dir():
            yield from (f"{folder}/{name}" for name in os.listdir(folder) if name.startswith("streamfit-"))


def _children() -> Iterator[tuple[int, float]]:
    for child in psutil.Process().children(recursive=True):
        try:
            yield child.pid, child.create_time()
        except psutil.NoSuchProcess:
            continue


def _descriptors() -> Iterator[tuple[str, str]]:
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if not target.startswith(("/dev/pts", "/dev/null")):
            yield name, target
