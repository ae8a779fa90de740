"""How many threads compute: one number for the process, of which kernels and workers take their parts.

The number is what `set_num_threads` was given, else the environment variable ``STREAMFIT_NUM_THREADS``, else
the number of processors that this process may use: its affinity, and the quota of its control groups
("Control Group v2" and "CFS Bandwidth Control" in the documentation of the Linux kernel).

It changes no result, only how long it takes.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from streamfit._base.checks import whole

VARIABLE = "STREAMFIT_NUM_THREADS"
_CGROUPS = Path("/sys/fs/cgroup")
_V1_FOLDERS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")
_SECONDS_KNOWN = 1.0  # reading quotas takes a millisecond or more, and each run of a loop asks


class _Budget:
    """Hold the number that was set, how many threads are taken, and how many processors there were last."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.taken = 0
        self.processors = 1
        self.known_until = -math.inf


_budget = _Budget()
_changing = threading.Lock()


def num_threads() -> int:
    """Return how many threads may compute at the same time in this process and its workers.

    Raises:
        ValueError: ``STREAMFIT_NUM_THREADS`` is not a whole number from 1 on.

    Example:
        >>> set_num_threads(3)
        >>> num_threads()
        3
        >>> set_num_threads(None)
        >>> num_threads() >= 1
        True
    """
    return _asked() or usable_processors()


def _asked() -> int | None:
    """Return the number that the user has set, in the program or in the environment."""
    if _budget.number is not None:
        return _budget.number
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise ValueError(f"{VARIABLE} must be a whole number from 1 on, got {text!r}; unset it to use all")
    return int(text)


def set_num_threads(number: int | None) -> None:
    """Set how many threads may compute at the same time. Any number gives the same results.

    Args:
        number: From 1 on; None means the environment variable ``STREAMFIT_NUM_THREADS`` or, where that is
            not set, the number of processors that this process may use.

    Raises:
        TypeError: `number` is not a whole number.
        ValueError: It is less than 1.
    """
    _budget.number = None if number is None else whole("the number of threads", number, 1)


def free_threads() -> int:
    """Return how many threads kernels may use: all but those that are taken, and at least one.

    A change of the processors that this process may use counts within a second.

    Example:
        >>> set_num_threads(4)
        >>> with taken_threads(3):
        ...     free_threads()
        1
        >>> free_threads()
        4
        >>> set_num_threads(None)
    """
    return max(1, (_asked() or _recent_processors()) - _budget.taken)


def _recent_processors() -> int:
    """Return how many processors this process could use a moment ago."""
    now = time.monotonic()
    if now >= _budget.known_until:
        _budget.processors = usable_processors()
        _budget.known_until = now + _SECONDS_KNOWN
    return _budget.processors


@contextlib.contextmanager
def taken_threads(count: int) -> Iterator[None]:
    """Count threads or processes that compute beside kernels, such as workers, as long as the context lasts.

    Args:
        count: How many, from 0 on.
    """
    count = whole("the number of threads", count, 0)
    with _changing:
        _budget.taken += count
    try:
        yield
    finally:
        with _changing:
            _budget.taken -= count


def usable_processors() -> int:
    """Return how many processors this process may use.

    Example:
        >>> usable_processors() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return allowed
    return max(1, min([allowed, *map(int, quotas(groups, _CGROUPS))]))


def quotas(groups: str, root: Path) -> list[float]:
    """Return the quotas of the control groups of a process, each in processors.

    Args:
        groups: The contents of ``/proc/self/cgroup``.
        root: Where control groups are mounted.
    """
    found = []
    for line in groups.splitlines():
        _, _, group = line.split(":", 2) if line.count(":") >= 2 else ("", "", "")
        own = Path(group.strip("/"))
        for folder in (own, *own.parents):  # a group has what its parents leave it
            for place in (root / folder, *(root / name / folder for name in _V1_FOLDERS)):
                with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                    found.append(_quota(place))
    return found


def _quota(folder: Path) -> float:
    """Return the quota of one group; raise ValueError or OSError where it has none."""
    if (folder / "cpu.max").exists():
        quota, period = (folder / "cpu.max").read_text().split()
    else:
        quota = (folder / "cpu.cfs_quota_us").read_text()
        period = (folder / "cpu.cfs_period_us").read_text()
    if int(quota) <= 0:
        raise ValueError("no quota")
    return int(quota) / int(period)
