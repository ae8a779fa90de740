"""How a worker died: its exit status, its memory, and the stacks of its threads.

The interpreter's fault handler writes the stack of every thread behind the worker's progress page, into
anonymous memory that outlives the worker. It costs nothing until a fatal signal comes, and the worker still
dies of it. From Python 3.14 on it also writes the native frames; before, the Python frames alone.
"""

from __future__ import annotations

import faulthandler
import logging
import mmap
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from streamfit._base.telling import undisturbed

LOGGER = logging.getLogger("streamfit.workers")
_MAX_WARNINGS = 3  # deaths of a pool that are logged as warnings; later ones have level INFO
_REPORT = struct.Struct("<Q?")
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_MAX_BYTES, _MAX_LINES = 1 << 18, 40
_PROCESSES = Path(__file__).parents[1] / "processes"
_OURS = tuple(f'File "{_PROCESSES / name}"' for name in ("bootstrap.py", "fork_server.py", "worker_main.py"))
_CGROUP_FILES = (
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class WorkerExit:
    """How a worker ended.

    Attributes:
        status: wait status, or None if unknown.
        pid: process id, or None if it was never known.
        peak: the most memory that was resident at once, in bytes; 0 if unknown.
        starved: the system has killed a process for lack of memory since the workers were started.
        stacks: of its threads at a fatal signal, or nothing.
        overdue: seconds that it was given for a load and has exceeded, if it was stopped for that.
        stray: a description of the bytes that came from it in place of a message, if it was stopped for that.
    """

    status: int | None = None
    pid: int | None = None
    peak: int = 0
    starved: bool = False
    stacks: str = ""
    overdue: float = 0.0
    stray: str = ""

    def how(self) -> str:
        """Return how it ended, in words."""
        if self.stray:
            return f"wrote to, or closed, file descriptors it did not open ({self.stray}), and was stopped"
        if self.overdue:
            return f"did not finish a load within {self.overdue:g} s and was stopped"
        if self.status is None:
            return "was lost"
        number = self.status & 0x7F
        if number == 0:
            return f"exited with code {self.status >> 8}"
        if self.starved and number == signal.SIGKILL:
            return "was killed by SIGKILL (the system has run out of memory)"
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"was killed by {name}" + _LIKELY.get(name, "")

    def memory(self) -> str:
        """Return how much memory it had needed and how much there is, in words, or nothing."""
        if not self.peak:
            return ""
        text = f" Its memory had peaked at {_amount(self.peak)}, of {_amount(machine_memory())} there are."
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            text += (
                f" Its address space is limited to {_amount(limit)} (ulimit -v), and native code that gets "
                "no memory often crashes."
            )
        return text


_LIKELY = {
    "SIGKILL": " (often: the system ran out of memory)",
    "SIGSEGV": " (a crash in native code)",
    "SIGABRT": " (native code gave up)",
    "SIGBUS": " (often: a mapped file was cut short)",
    "SIGILL": " (native code for another processor)",
}


# -- in the worker ------------------------------------------------------------------------------------------


def write_stacks_to(fd: int) -> None:
    """Have a fatal signal write the stacks of this process behind the first page of `fd`.

    A fault handler that the user has enabled (PYTHONFAULTHANDLER) is left as it is.
    """
    if not faulthandler.is_enabled():
        os.lseek(fd, mmap.PAGESIZE, os.SEEK_SET)
        faulthandler.enable(fd)


# -- in the fork server ------------------------------------------------------------------------------------


class ExitReporter:
    """Reports how workers ended."""

    def __init__(self) -> None:
        self._starved = _out_of_memory_kills()

    def report(self, status: int, usage: resource.struct_rusage) -> bytes:
        """Return the bytes that `exit_of` reads."""
        starved = False
        if status & 0x7F == signal.SIGKILL:
            before, self._starved = self._starved, _out_of_memory_kills()
            starved = self._starved > before
        return _REPORT.pack(usage.ru_maxrss * _RSS_UNIT, starved)


def _out_of_memory_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory; 0 where it does not say."""
    with suppress(OSError), open("/proc/vmstat", "rb") as file:
        for line in file:
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


# -- in the parent ------------------------------------------------------------------------------------------


def exit_of(
    pid: int | None, status: int, report: bytes, fd: int, overdue: float = 0.0, stray: str = ""
) -> WorkerExit:
    """Return how a worker ended.

    Args:
        pid: its process id.
        status: its wait status.
        report: the bytes that `ExitReporter.report` returned in the fork server.
        fd: the memory that holds its crash report.
        overdue: seconds that it exceeded, if it was stopped for that.
        stray: a description of the bytes in place of a message, if it was stopped for that.
    """
    peak, starved = _REPORT.unpack(report)
    return WorkerExit(status, pid, peak, starved, read(fd), overdue, stray)


def read(fd: int) -> str:
    """Return the crash report in `fd`, without the frames of the worker's own loop.

    The stack of the thread that died comes first; lines beyond a limit are left out.
    """
    text = os.pread(fd, _MAX_BYTES, mmap.PAGESIZE).decode("utf-8", "replace")
    title, *stacks = text.partition("\n\nExtension modules:")[0].split("\n\n")
    stacks.sort(key=lambda stack: not stack.startswith("Current thread"))
    lines = "\n\n".join([title, *stacks]).splitlines()
    lines = [line for line in lines if not line.lstrip().startswith(_OURS)]
    if len(lines) > _MAX_LINES:
        lines[_MAX_LINES:] = [f"  ... and {len(lines) - _MAX_LINES} more lines"]
    return "\n".join(lines).strip()


def log_exit(death: WorkerExit, where: str, earlier: int) -> None:
    """Log the death of a worker that is replaced.

    Args:
        death: how it ended.
        where: the place in the data of the load under way, or nothing.
        earlier: how many workers the pool had lost before.
    """
    level = logging.WARNING if earlier < _MAX_WARNINGS else logging.INFO
    at = f" while loading {where}" if where else ""
    stacks = f"\nIts crash report:\n{death.stacks}" if death.stacks else ""
    with undisturbed():
        LOGGER.log(
            level,
            "worker process %s %s%s; another one takes its place.%s%s",
            *(death.pid, death.how(), at, death.memory(), stacks),
        )


@cache
def machine_memory() -> int:
    """Return how much memory processes here may use together, in bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *_group_limits()])


def _group_limits() -> list[int]:
    """Return the limits of the control groups that this process is in."""
    limits: list[int] = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            below = line.rpartition(":")[2].strip("/")
            for root, name in _CGROUP_FILES:
                for folder in (Path(root), Path(root) / below):
                    with suppress(OSError, ValueError):  # not this version, not mounted, or "max"
                        limits.append(int((folder / name).read_text()))
    return limits


def _amount(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
