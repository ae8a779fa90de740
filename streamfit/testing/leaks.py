"""A ledger of resources that code must release: child processes, shared memory, descriptors, our threads.

Processes come from psutil (the extra ``testing``). The holders of shared memory come from ``/proc``, since
psutil gives paths and not inodes, and a semaphore is mapped under a name that was never its own. A system
without ``/proc`` and ``/dev/shm`` has no such names.

Names of shared memory belong to the machine, not to a process, and nothing records who made one. So a new
name counts as a leak unless it belongs to another user, or a living process that does not descend from this
one holds it. Nobody holds the memory of a dead process, so it counts.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from streamfit._base.optional import require

_PROC, _SHM = Path("/proc"), Path("/dev/shm")
_TERMINAL = ("/dev/pts", "/dev/null", "/dev/tty")

Place = tuple[int, int]
"""Device and inode: a semaphore is mapped under a name that was never its own."""


@dataclass(frozen=True)
class Ledger:
    """The resources in use at one moment.

    Args:
        names: Names of shared memory in the system.
        children: Living descendants of this process: process id and start time.
        descriptors: Open file descriptors and their targets.
        threads: Names of the threads that streamfit has started.
    """

    names: frozenset[str]
    children: frozenset[tuple[int, float]]
    descriptors: frozenset[tuple[str, str]]
    threads: frozenset[str]

    def beyond(self, before: Ledger) -> list[str]:
        """List the resources that are new since `before`, except names that other processes hold now."""
        return _lines(self.own_names(before)) + self._other_than_names(before)

    def own_names(self, before: Ledger) -> frozenset[str]:
        """Return the names of shared memory that are new since `before` and not known to be foreign."""
        new = self.names - before.names
        return new - _foreign(new) if new else new

    def _other_than_names(self, before: Ledger) -> list[str]:
        new = [f"process {pid}" for pid, _ in sorted(self.children - before.children)]
        new += [f"descriptor {fd} -> {to}" for fd, to in sorted(self.descriptors - before.descriptors)]
        return new + [f"thread {name}" for name in sorted(self.threads - before.threads)]

    def since(self, before: Ledger, names: frozenset[str]) -> tuple[frozenset[str], list[str]]:
        """Return which of `names` are still there, and a list of all resources that are still there."""
        names = replace(self, names=self.names & names).own_names(before)
        return names, _lines(names) + self._other_than_names(before)


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
    """Poll a condition; return whether it became true in time.

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


def left_since(before: Ledger, seconds: float = 5.0) -> list[str]:
    """List what is here and was not there before, waiting for it to go.

    Args:
        before: A ledger of this process.
        seconds: How long to wait until nothing is left.

    Returns:
        What stayed all that time. A name of shared memory that comes up only now is no leftover: somebody is
        at work.

    Example:
        >>> left_since(take_ledger(), seconds=0.1)
        []
    """
    names = take_ledger().own_names(before)
    left: list[str] = []

    def clean() -> bool:
        nonlocal names
        names, left[:] = take_ledger().since(before, names)
        return not left

    wait_until(clean, seconds)
    return left


@contextmanager
def nothing_left_behind(seconds: float = 5.0) -> Iterator[None]:
    """Fail if resources of the block remain for longer than `seconds`.

    Raises:
        AssertionError: A process, shared memory, a file descriptor or a thread remains.
        MissingExtraError: psutil is not installed.

    Example:
        >>> with nothing_left_behind():
        ...     handle = open("/dev/zero")
        ...     handle.close()
    """
    before = take_ledger()
    yield
    left = left_since(before, seconds)
    assert not left, f"left behind: {', '.join(left)}"


def _lines(names: frozenset[str]) -> list[str]:
    return [f"shared memory {name}" for name in sorted(names)]


def _descendants() -> Iterator[tuple[int, float]]:
    """Yield process id and start time of every living descendant of this process."""
    psutil = require("psutil", "testing")
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended since
            yield child.pid, child.create_time()


def _processes() -> Iterator[Path]:
    """Yield the folder in ``/proc`` of each living process."""
    for pid in require("psutil", "testing").pids() if _PROC.is_dir() else ():
        yield _PROC / str(pid)


def _descriptors() -> Iterator[tuple[str, str]]:
    folder = _PROC / "self" / "fd"
    for name in os.listdir(folder) if folder.is_dir() else ():
        try:
            target = os.readlink(folder / name)
        except OSError:  # the descriptor of the listing itself
            continue
        if not target.startswith(_TERMINAL):
            yield name, target


def _foreign(names: frozenset[str]) -> set[str]:
    """Return the names that belong to another user, or to a process that does not descend from this one."""
    places: dict[Place, str] = {}
    foreign: set[str] = set()
    for name in names:
        with suppress(OSError):  # gone by now
            info = os.lstat(_SHM / name)
            places[info.st_dev, info.st_ino] = name
            if info.st_uid != os.geteuid():
                foreign.add(name)
    own = {str(os.getpid()), *(str(pid) for pid, _ in _descendants())}
    held: dict[bool, set[Place]] = {True: set(), False: set()}
    for entry in _processes():
        held[entry.name in own] |= places.keys() & {*_mapped(entry), *_opened(entry)}
    return foreign | {places[place] for place in held[False] - held[True]}


def _mapped(entry: Path) -> Iterator[Place]:
    """Yield the shared memory that a process maps."""
    with suppress(OSError):  # it has ended, or belongs to another user
        for line in (entry / "maps").read_bytes().splitlines():
            if b" /dev/shm/" in line:
                major, _, minor = line.split()[3].partition(b":")
                yield os.makedev(int(major, 16), int(minor, 16)), int(line.split()[4])


def _opened(entry: Path) -> Iterator[Place]:
    """Yield the shared memory that a process has open."""
    with suppress(OSError):
        for name in os.listdir(entry / "fd"):
            with suppress(OSError):
                if os.readlink(entry / "fd" / name).startswith("/dev/shm/"):
                    info = os.stat(entry / "fd" / name)
                    yield info.st_dev, info.st_ino
