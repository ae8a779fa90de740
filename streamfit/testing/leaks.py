"""A ledger of what code must not leave behind: child processes, shared memory, descriptors, threads of ours.

It reads ``/proc`` and needs no other package; on a system without it, it sees threads only.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROC, _SHM = Path("/proc"), Path("/dev/shm")
_TERMINAL = ("/dev/pts", "/dev/null", "/dev/tty")


@dataclass(frozen=True)
class Ledger:
    """Hold what there is at one moment.

    Args:
        names: Names of shared memory in the system.
        children: Living descendants of this process: process id and time of birth.
        descriptors: Open file descriptors and what they lead to.
        threads: Names of the threads that streamfit has started.
    """

    names: frozenset[str]
    children: frozenset[tuple[int, int]]
    descriptors: frozenset[tuple[str, str]]
    threads: frozenset[str]

    def beyond(self, before: Ledger) -> list[str]:
        """List what is here and was not there before."""
        new = [f"shared memory {name}" for name in sorted(self.names - before.names)]
        new += [f"process {pid}" for pid, _ in sorted(self.children - before.children)]
        new += [f"descriptor {fd} -> {to}" for fd, to in sorted(self.descriptors - before.descriptors)]
        return new + [f"thread {name}" for name in sorted(self.threads - before.threads)]


def take_ledger() -> Ledger:
    """Return a ledger of this process.

    Example:
        >>> before = take_ledger()
        >>> take_ledger().beyond(before)
        []
    """
    gc.collect()
    return Ledger(
        names=frozenset(os.listdir(_SHM) if _SHM.is_dir() else ()),
        children=frozenset(_descendants()),
        descriptors=frozenset(_descriptors()),
        threads=frozenset(t.name for t in threading.enumerate() if t.name.startswith("streamfit")),
    )


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Poll a condition; return whether it came to hold in time.

    Example:
        >>> wait_until(lambda: True), wait_until(lambda: False, seconds=0.01)
        (True, False)
    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


@contextmanager
def nothing_left_behind(seconds: float = 5.0) -> Iterator[None]:
    """Fail if the block leaves anything behind for longer than `seconds`.

    Raises:
        AssertionError: Something is left: a process, shared memory, a file descriptor, a thread.

    Example:
        >>> with nothing_left_behind():
        ...     handle = open("/dev/zero")
        ...     handle.close()
    """
    before = take_ledger()
    yield
    left: list[str] = []

    def clean() -> bool:
        left[:] = take_ledger().beyond(before)
        return not left

    assert wait_until(clean, seconds), f"left behind: {', '.join(left)}"


def _descendants() -> Iterator[tuple[int, int]]:
    """Yield process id and time of birth of every living process below this one."""
    below: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if entry.name.isdigit() and (found := _birth(entry)):
            below[found[0]].append((int(entry.name), found[1]))
    todo = [os.getpid()]
    while todo:
        for child in below[todo.pop()]:
            yield child
            todo.append(child[0])


def _birth(entry: Path) -> tuple[int, int] | None:
    """Return the parent and the time of birth of a process; None for one that is gone."""
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[19])


def _descriptors() -> Iterator[tuple[str, str]]:
    folder = _PROC / "self" / "fd"
    for name in os.listdir(folder) if folder.is_dir() else ():
        try:
            target = os.readlink(folder / name)
        except OSError:  # the descriptor of the listing itself
            continue
        if not target.startswith(_TERMINAL):
            yield name, target
