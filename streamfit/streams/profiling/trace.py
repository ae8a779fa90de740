"""`write_trace`: events in the Trace Event Format of Chrome, which Perfetto opens.

Source of the format: "Trace Event Format", Google, 2016: complete events (ph X), counters (C) and names of
processes and threads (M); times in microseconds.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path

from streamfit.streams.profiling.totals import Event

_NAMES = {True: "this process", False: "worker process"}
_LOOP = ("wait for a batch", "step of the model")


def trace_events(events: Sequence[Event], counts: Sequence[Event]) -> list[dict[str, object]]:
    """Return the events as plain values, times from the first one on.

    Example:
        >>> here = os.getpid()
        >>> found = trace_events([Event(here, 7, "load", 5_000, 9_000, 64)], [])
        >>> [event["ph"] for event in found]
        ['M', 'M', 'X']
        >>> found[-1]["ts"], found[-1]["dur"], found[-1]["args"]
        (0.0, 4.0, {'bytes': 64})
    """
    here = os.getpid()
    start = min((event.begin for event in (*events, *counts)), default=0)
    found: list[dict[str, object]] = []
    for pid in sorted({event.pid for event in (*events, *counts)}, key=lambda pid: (pid != here, pid)):
        found.append(_name("process_name", pid, 0, f"{_NAMES[pid == here]} {pid}"))
    loops = {(event.pid, event.thread) for event in events if event.name in _LOOP}
    for pid, thread in sorted({(event.pid, event.thread) for event in events}):
        name = "training loop" if (pid, thread) in loops else "loads" if pid != here else "loading thread"
        found.append(_name("thread_name", pid, thread, name))
    for event in sorted(events, key=lambda event: (event.begin, -event.end)):
        times = {"ts": (event.begin - start) / 1e3, "dur": max(0, event.end - event.begin) / 1e3}
        args = {"bytes": event.amount} if event.amount else {}
        place = {"pid": event.pid, "tid": event.thread}
        found.append({"ph": "X", "name": event.name, "cat": "stream", **place, **times, "args": args})
    for event in counts:
        args = {event.name: event.amount}
        place = {"pid": event.pid, "tid": event.thread}
        when = {"ts": (event.begin - start) / 1e3}
        found.append({"ph": "C", "name": event.name, "cat": "stream", **place, **when, "args": args})
    return found


def _name(kind: str, pid: int, thread: int, name: str) -> dict[str, object]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": thread, "args": {"name": name}}


def write_trace(
    events: Sequence[Event], counts: Sequence[Event], verdict: str, path: str | os.PathLike[str]
) -> None:
    """Write events to a file; see `Profile.trace`."""
    content = {
        "traceEvents": trace_events(events, counts),
        "displayTimeUnit": "ms",
        "otherData": {"verdict": verdict},
    }
    data = json.dumps(content, separators=(",", ":")).encode()
    Path(path).write_bytes(gzip.compress(data, 6, mtime=0) if os.fspath(path).endswith(".gz") else data)


__all__ = ["trace_events", "write_trace"]
