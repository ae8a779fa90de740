"""The check of bounded memory: repeated loads of the same batches must not take more and more memory."""

from __future__ import annotations

import gc
import itertools
import logging
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from streamfit.streams import Source, Ticket
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.comparison import bytes_of
from streamfit.testing.failure import fail
from streamfit.testing.table import Check

_LOADS, _SECONDS, _LEAST = 96, 1.5, 24
_ROUNDS, _MOST_ROUNDS = 2, 12  # of so many loads: pandas cleans up after 500 or so
_CLEANED = 8 << 10  # what each load may leave behind until then
_SHARE, _SMALL = 0.25, 256  # memory that each load may keep: a quarter of its bytes, or this many bytes


def check_memory(checked: CheckedObject) -> str | None:
    """Check that memory does not grow with the number of loads."""
    source, loads = checked.source(), checked.few(8)
    tickets = [ticket for ticket, _ in loads]
    size = max(bytes_of(value) for _, value in loads)
    with traced(), no_log_records():
        empty = _held()
        _load(source, tickets, len(tickets))
        first = before = _held()
        kept_by_load: list[float] = []
        until = time.monotonic() + _SECONDS
        while not kept_by_load or _goes_on(kept_by_load, until):
            count, now = _load(source, tickets, _LOADS), _held()
            if count < _LEAST:
                return f"only {count} loads in {_SECONDS} s: too slow to tell"
            kept_by_load.append((now - before) / count)
            before = now
            if kept_by_load[-1] <= max(_SHARE * size, _SMALL):
                break
        else:
            fail(
                f"{checked.name}: memory grows by about {_shown(min(kept_by_load))} with every load of "
                f"batches that were loaded before (a batch has {_shown(size)}): does it keep what it has "
                "loaded?"
            )
    kept = first - empty
    if kept > len(tickets) * max(0.5 * size, 16 * _SMALL):
        return f"keeps about {_shown(kept // len(tickets))} of each batch that it has loaded"
    return None


def _goes_on(kept_by_load: list[float], until: float) -> bool:
    """Return whether more loads are due to tell a leak from what is cleaned up now and then."""
    if len(kept_by_load) < _ROUNDS:
        return True
    return len(kept_by_load) < _MOST_ROUNDS and max(kept_by_load) < _CLEANED and time.monotonic() < until


def _load(source: Source, tickets: list[Ticket], most: int) -> int:
    """Load tickets in turn while there is time; return the number of loads."""
    until, count = time.monotonic() + _SECONDS, 0
    for ticket in itertools.islice(itertools.cycle(tickets), most):
        source.load(ticket)
        count += 1
        if time.monotonic() > until:
            break
    return count


@contextmanager
def traced() -> Iterator[None]:
    """Count the bytes that Python and NumPy allocate."""
    mine = not tracemalloc.is_tracing()
    if mine:
        tracemalloc.start()
    try:
        yield
    finally:
        if mine:
            tracemalloc.stop()


@contextmanager
def no_log_records() -> Iterator[None]:
    """Make no log records inside a block: pytest keeps them all until the end of a test.

    Example:
        >>> with no_log_records():
        ...     logging.getLogger("data").error("nobody sees this")
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _shown(size: float) -> str:
    return f"{size / 1024:.1f} KiB" if size < 1 << 20 else f"{size / (1 << 20):.1f} MiB"


CHECKS: tuple[Check, ...] = (
    Check(
        "memory",
        "Memory does not grow with the number of loads.",
        check_memory,
        needs=("content",),
        hint=(
            "@functools.lru_cache(maxsize=64)  # keep a bounded number of files or images\n"
            "def read(path): ..."
        ),
    ),
)
