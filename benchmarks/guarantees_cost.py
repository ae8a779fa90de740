"""What do the guarantees cost: order, exactly-once, retries, receipts, memory that is never overwritten?

Pools of worker processes deliver the same batches from the same loaders, all equally far ahead of the
consumer:

* streamfit's pool as `fit` uses it: a `Sequence`, its source, a feed with receipts, a pool;
* the same pool bare (``peers/cost_without.py``): no receipts, no notes for retries, no leased slots. The
  difference to it is the cost of the guarantees, and the figure that streamfit is judged by;
* the limit (``peers/cost_ring.py``), written by hand for exactly these batches: a ring of buffers of one
  shape, an index through a pipe. The rest of the difference to it is the price of any structure of arrays
  of any shape, of exceptions, and of sending each load to a free worker;
* the pool of Python (``peers/cost_library.py``), with the faster of its two ways.

Batches of 64 KB to 16 MB in float32 through one and two workers, from two loaders: an array made
beforehand, which measures transport alone, and a light augmentation into a new array. The consumer touches
one element of each batch. A figure is time per batch in the steady state; the loss of throughput is the
median of the losses in the rounds. Copy speed varies between processes by more than the differences
measured here. So all sides start many times with new processes (one start is a sample; ``--casts`` is their
number), with few and short turns each, and the loss has an interval of 95 % over resamples of these starts.
Processor time is reported apart, for consumer and workers: it is the cost on a machine with few free
processors.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from harness import (
    HERE,
    Child,
    Side,
    SideFailedError,
    Summary,
    Target,
    arguments,
    exit_code,
    machine_facts,
    publish,
    summarize,
    table,
    take_turns,
)

COUNTS = {
    "made": {"64 KB": 4000, "1 MB": 1500, "4 MB": 500, "16 MB": 120},
    "augmented": {"64 KB": 2000, "1 MB": 600, "4 MB": 150, "16 MB": 40},
}
SIZES, JUDGED = tuple(COUNTS["made"]), ("1 MB", "4 MB", "16 MB")
WORKERS, AHEAD, LEAD = (1, 2), 10, 40
CASTS, ROUNDS = 20, 2
SETTLE, LIMIT_SECONDS, LEAST_RATE = 0.05, 60.0, 0.95
OURS, BARE, LIMIT = "streamfit", "the same pool, bare", "limit"
LIBRARY = {"multiprocessing.Pool, pickled": 0, "multiprocessing.Pool, shared memory": 1}
FEWER = 10  # times fewer batches go through Python's pool, which takes up to that many times as long
CLOCKS = ("consumer", "workers")
RESAMPLES, SURE = 2000, (0.025, 0.975)


def sides_of(loader: str, size: str, workers: int, *, library: bool = True) -> list[Side]:
    """Return the sides of one contest, with or without the library's pool."""

    def side(name: str, script: str, *more: str) -> Side:
        path = str(HERE / "peers" / f"cost_{script}.py")
        what = ("--size", size, "--loader", loader, "--workers", str(workers))
        return Side(name, (sys.executable, path, *what, *more))

    ahead = ("--ahead", str(AHEAD))
    sides = [
        side(OURS, "streamfit", *ahead),
        side(BARE, "without", *ahead),
        side(LIMIT, "ring", "--depth", str(-(-AHEAD // workers) + 1)),
    ]
    if library:
        sides += [side(name, "library", *ahead, "--shared", str(shared)) for name, shared in LIBRARY.items()]
    return sides


class Contest:
    """The sides of one loader, size and number of workers, kept running between their turns.

    Attributes:
        cpu: processor microseconds per batch by side, one (consumer, workers) for each turn.
    """

    def __init__(self, loader: str, size: str, workers: int, *, library: bool = True) -> None:
        self._count = COUNTS[loader][size]
        sides = sides_of(loader, size, workers, library=library)
        self._children = {side.name: Child(side) for side in sides}
        self.cpu: dict[str, list[tuple[float, ...]]] = {name: [] for name in self._children}

    def start(self) -> dict[str, str]:
        """Wait until all sides are ready; return those that failed, with their crash report."""
        failures = {}
        for name, child in self._children.items():
            try:
                child.hear(LIMIT_SECONDS)
            except SideFailedError as failure:
                failures[name] = str(failure)
        return failures

    def measure(self, name: str) -> float:
        """Give one side its turn; return its microseconds per batch."""
        time.sleep(SETTLE)
        count = self._count // FEWER if name in LIBRARY else self._count
        answer = self._children[name].ask({"lead": LEAD, "batches": count}, LIMIT_SECONDS)
        self.cpu[name].append(tuple(answer[clock] / count * 1e6 for clock in CLOCKS))
        return float(answer["seconds"]) / count * 1e6

    def close(self) -> None:
        """End all sides."""
        for child in self._children.values():
            child.close()


def run(
    loader: str, size: str, workers: int, rounds: int, casts: int = CASTS
) -> tuple[dict[str, Any], dict[str, str]]:
    """Run one contest with one sample of processes after the other; return its results and its failures."""
    values: dict[str, list[float]] = {}
    cpu: dict[str, list[tuple[float, ...]]] = {}
    failures: dict[str, str] = {}
    for cast in range(casts):
        contest = Contest(loader, size, workers, library=not cast)  # by far the slowest: once is enough
        try:
            failures |= contest.start()
            ready = [name for name in contest.cpu if name not in failures]
            got, lost = take_turns(ready, contest.measure, rounds, seed=cast)
        finally:
            contest.close()
        failures |= lost
        for name in got:
            values.setdefault(name, []).extend(got[name])
            cpu.setdefault(name, []).extend(contest.cpu[name])
    values = {name: got for name, got in values.items() if name not in failures}
    found = {
        "rows": {name: summarize(got) for name, got in values.items()},
        "rate": rate_kept(values, BARE),
        "bounds": bounds(values, rounds),
        "beside the limit": rate_kept(values, LIMIT),
        "cpu": {name: processor_time(cpu[name]) for name in values},
    }
    return found, failures


def rate_kept(values: Mapping[str, Sequence[float]], other: str) -> Summary | None:
    """Return streamfit's throughput as a fraction of another side's, for each round."""
    rates = _rates(values, other)
    return summarize(rates) if rates else None


def bounds(values: Mapping[str, Sequence[float]], rounds: int) -> list[float]:
    """Return the bounds of the median of the rate that streamfit kept, in 95 % of resamples of processes.

    We resample processes and not rounds: the rounds of one sample of processes are alike.
    """
    rates = _rates(values, BARE)
    if not rates:
        return []
    casts = np.reshape(rates, (-1, rounds))
    drawn = np.random.default_rng(0).integers(len(casts), size=(RESAMPLES, len(casts)))
    medians = np.median(casts[drawn].reshape(RESAMPLES, -1), axis=1)
    return [float(bound) for bound in np.quantile(medians, SURE)]


def _rates(values: Mapping[str, Sequence[float]], other: str) -> list[float]:
    if OURS not in values or other not in values:
        return []
    return [theirs / ours for theirs, ours in zip(values[other], values[OURS], strict=True)]


def processor_time(turns: Sequence[tuple[float, ...]]) -> dict[str, float]:
    """Return the median processor microseconds per batch of consumer and workers."""
    return {
        clock: round(statistics.median(times), 2)
        for clock, times in zip(CLOCKS, zip(*turns, strict=True), strict=True)
    }


def targets(contests: Mapping[tuple[str, str, int], Mapping[str, Any]]) -> list[Target]:
    """Return the promise for every contest of 1 MB and more."""
    return [
        Target(
            f"throughput kept ({loader}, {size}, {_workers(workers)})", found["rate"].median, LEAST_RATE, True
        )
        for (loader, size, workers), found in contests.items()
        if size in JUDGED and found["rate"] is not None
    ]


def line(size: str, workers: int, found: Mapping[str, Any]) -> list[str]:
    """Return one line of the table."""
    rows, cpu, rate, beside = found["rows"], found["cpu"], found["rate"], found["beside the limit"]
    walls = [f"{rows[name].median:.1f}" if name in rows else "failed" for name in (OURS, BARE, LIMIT)]
    library = [rows[name].median for name in LIBRARY if name in rows]
    walls.append(f"{min(library):.0f}" if library else "failed")
    spread = " to ".join(_loss(bound) for bound in reversed(found["bounds"]))
    losses = [_loss(kept.median) if kept is not None else "" for kept in (rate, beside)]
    used = [_used(cpu[name]) if name in cpu else "" for name in (OURS, BARE, LIMIT)]
    return [f"{size}, {_workers(workers)}", *walls, losses[0], spread, losses[1], *used]


def _loss(rate: float) -> str:
    return f"{100 * (1 - rate):.0f} %"


def _used(cpu: Mapping[str, float]) -> str:
    return " + ".join(f"{cpu[clock]:.0f}" for clock in CLOCKS)


def _workers(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


def main() -> int:
    """Run the contests and publish the results."""
    parser = arguments(__doc__, ROUNDS)
    parser.add_argument("--casts", type=int, default=CASTS, help=f"samples of processes (default {CASTS})")
    parser.add_argument("--only", choices=SIZES, help="one size only, for a quick look")
    options = parser.parse_args()
    facts = machine_facts()
    contests: dict[tuple[str, str, int], dict[str, Any]] = {}
    failures: dict[str, str] = {}
    walls = ["us per batch", OURS, "bare", LIMIT, "Python's pool"]
    header = [*walls, "guarantees cost", "95 % sure", "to the limit", "CPU ours", "CPU bare", "CPU limit"]
    for loader in COUNTS:
        lines = []
        for size in [options.only] if options.only else SIZES:
            for workers in WORKERS:
                found, lost = run(loader, size, workers, options.rounds, options.casts)
                contests[loader, size, workers] = found
                failures |= {f"{loader}, {size}, {workers}: {name}": words for name, words in lost.items()}
                lines.append(line(size, workers, found))
        print(f"\nloader: {loader} (CPU: consumer + workers, us per batch)")
        print(table(header, lines), flush=True)
    promises = targets(contests)
    write(facts, contests, failures, promises)
    return exit_code(options, promises)


def write(
    facts: Mapping[str, Any],
    contests: Mapping[tuple[str, str, int], Mapping[str, Any]],
    failures: Mapping[str, str],
    promises: Sequence[Target],
) -> None:
    """Publish summaries, throughput kept and processor time of every contest."""
    summaries: dict[str, Summary] = {}
    kept: dict[str, dict[str, Any]] = {"rate": {}, "beside the limit": {}}
    cpu: dict[str, Any] = {}
    for (loader, size, workers), found in contests.items():
        where = f"{loader}, {size}, {workers}"
        summaries |= {f"{where}: {name}": summary for name, summary in found["rows"].items()}
        cpu |= {f"{where}: {name}": used for name, used in found["cpu"].items()}
        for what, rates in kept.items():
            rate = found[what]
            if rate is not None:
                rates[where] = {"median": rate.median, "quartiles": [rate.lower, rate.upper]}
        if found["bounds"]:
            kept["rate"][where]["bounds"] = found["bounds"]
    more: dict[str, Any] = {
        "unit": "microseconds per batch",
        "throughput_kept": kept["rate"],
        "throughput_beside_the_limit": kept["beside the limit"],
        "cpu": cpu,
    }
    publish("guarantees_cost", facts, summaries, failures, promises, **more)


if __name__ == "__main__":
    sys.exit(main())
