"""How many batches a second a pipeline gives, by kind and number of workers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Literal, TypedDict

from streamfit.testing.check_runner import Battery
from streamfit.testing.failure import exits_are_failures
from streamfit.workers import make_pool

PoolKind = Literal["inline", "threads", "processes"]
_CASES: tuple[tuple[PoolKind, int], ...] = (
    ("inline", 0),
    ("threads", 1),
    ("threads", 2),
    ("processes", 1),
    ("processes", 2),
)
_SECONDS, _LEAST, _MOST = 0.12, 2, 2000  # of one case: time, and batches after the first
_AHEAD, _QUICK = 8, 100.0  # batches loaded ahead, unless fewer a second are loaded
_HELD_BY: dict[PoolKind, tuple[str, ...]] = {
    "inline": ("content",),
    "threads": ("content", "thread_safe", "same_on_threads"),
    "processes": ("content", "picklable", "same_on_processes"),
}


class Rate(TypedDict):
    """How many batches a second some workers load."""

    workers: PoolKind
    count: int
    batches_per_second: float


def rates(battery: Battery) -> list[Rate]:
    """Measure the batches a second of this process, of threads and of processes.

    Each case takes about a tenth of a second, not counting the start of processes; of a slow pipeline it
    loads at most 32 batches. Workers for which a check has failed are left out, and so are those that raise.

    Args:
        battery: Its checks were run before.

    Example:
        >>> import numpy as np
        >>> battery = Battery(lambda: (np.zeros((4, 2)) for _ in range(5)))
        >>> [rate["workers"] for rate in rates(battery)]
        ['inline']
    """
    failed = {result.name for result in battery.failures}
    found: list[Rate] = []
    ahead = _AHEAD
    for kind, count in _CASES:
        if failed.intersection(_HELD_BY[kind]) or count > battery.checked.workers:
            continue
        try:
            with exits_are_failures():
                rate = _rate(battery, kind, count, ahead)
        except (Exception, SystemExit):  # user code runs here, and the checks report its mistakes
            continue
        if rate is not None:
            ahead = _AHEAD if rate > _QUICK else 1
            found.append({"workers": kind, "count": count, "batches_per_second": rate})
    return found


def rates_text(found: Sequence[Rate]) -> str:
    """Write the rates in one line: for each kind of workers the fastest number of them.

    Example:
        >>> rates_text([Rate(workers="inline", count=0, batches_per_second=480.2)])
        'inline 480 batches/s'
    """
    best: dict[PoolKind, Rate] = {}
    for rate in found:
        kept = best.setdefault(rate["workers"], rate)
        if rate["batches_per_second"] > kept["batches_per_second"]:
            best[rate["workers"]] = rate
    return ", ".join(f"{workers_text(rate)} {rate_text(rate)}" for rate in best.values()) + " batches/s"


def workers_text(rate: Rate) -> str:
    """Name the workers of a rate.

    Example:
        >>> workers_text(Rate(workers="processes", count=1, batches_per_second=3.0))
        '1 process'
    """
    one = {"threads": "thread", "processes": "process", "inline": "inline"}[rate["workers"]]
    return "inline" if rate["workers"] == "inline" else f"{rate['count']} {_plural(one, rate)}"


def rate_text(rate: Rate) -> str:
    """Write a rate with about three digits.

    Example:
        >>> rate_text(Rate(workers="inline", count=0, batches_per_second=12345.0))
        '12,300'
    """
    per_second = rate["batches_per_second"]
    return f"{float(f'{per_second:.3g}'):,.0f}" if per_second >= 100 else f"{per_second:.3g}"


def _plural(one: str, rate: Rate) -> str:
    return one if rate["count"] == 1 else rate["workers"]


def _rate(battery: Battery, kind: PoolKind, count: int, ahead: int) -> float | None:
    source = battery.checked.source()
    if kind != "inline" and not source.traits.in_workers:
        return None
    loads = 0
    with make_pool(kind, count, ahead=count + ahead) as pool:
        began = until = 0.0
        for number in itertools.count():
            before = loads
            if battery.kind == "generator" and number:
                source = battery.checked.source()  # one that is read is used up
            tickets = battery.checked.tickets(source)
            with pool.open(source.make_reader(), tickets, describe=source.describe) as run:
                for _ in run:
                    if not began:  # the first batch waits for the start of the workers
                        began = time.perf_counter()
                        until = began + _SECONDS
                        continue
                    loads += 1
                    if loads >= _MOST or (loads >= _LEAST and time.perf_counter() > until):
                        return loads / (time.perf_counter() - began)
            if loads == before and number:
                return None
    return None
