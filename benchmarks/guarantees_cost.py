"""What do the guarantees cost: order, exactly-once, retries, receipts, memory that is never overwritten?

Two pools of worker processes bring the same batches from the same loaders. One is streamfit's, on the way
that `fit` takes: a `Sequence`, its source, a feed with receipts, a pool of processes. The other is bare
(``peers/cost_bare.py``): forked workers, a ring of shared buffers each, one copy, an index through a pipe, a
view to read. It survives nothing, checks nothing, counts nothing.

Batches of 64 KB to 16 MB in float32 through one and two workers, from two loaders: an array made beforehand,
where transport is all there is, and a light augmentation into a fresh array. The consumer touches one
element of each batch. The bare pool runs twice: with as many buffers ahead of the consumer as streamfit has,
which is what streamfit is judged by, for how far to work ahead is a setting and no guarantee; and, beside it,
with two buffers for each worker, which stay in the processor's cache.
A figure is time per batch in the steady state; the loss of throughput is the median over
rounds of what streamfit lost in that round. Processor time is given apart, for consumer and workers: it is
the cost that remains where processors are scarce.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

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
    "made": {"64 KB": 8000, "1 MB": 3000, "4 MB": 1000, "16 MB": 250},
    "augmented": {"64 KB": 4000, "1 MB": 1200, "4 MB": 300, "16 MB": 75},
}
SIZES, JUDGED = tuple(COUNTS["made"]), ("1 MB", "4 MB", "16 MB")
WORKERS, AHEAD, LEAD = (1, 2), 10, 40
SETTLE, LIMIT_SECONDS, LEAST_RATE = 0.1, 60.0, 0.95
OURS, SHORT, LONG = "streamfit", "bare, 2 buffers a worker", "bare, as many ahead"
CLOCKS = ("consumer", "workers")


def sides_of(loader: str, size: str, workers: int) -> list[Side]:
    """Return the three sides of one contest."""

    def side(name: str, script: str, *more: str) -> Side:
        path = str(HERE / "peers" / f"cost_{script}.py")
        what = ("--size", size, "--loader", loader, "--workers", str(workers))
        return Side(name, (sys.executable, path, *what, *more))

    return [
        side(OURS, "streamfit", "--ahead", str(AHEAD)),
        side(SHORT, "bare", "--depth", "2"),
        side(LONG, "bare", "--depth", str(-(-AHEAD // workers) + 1)),
    ]


class Contest:
    """The sides of one loader, size and number of workers, kept running between their turns.

    Attributes:
        cpu: processor microseconds per batch by side, one (consumer, workers) for each turn.
    """

    def __init__(self, loader: str, size: str, workers: int) -> None:
        self._count = COUNTS[loader][size]
        self._children = {side.name: Child(side) for side in sides_of(loader, size, workers)}
        self.cpu: dict[str, list[tuple[float, ...]]] = {name: [] for name in self._children}

    def start(self) -> dict[str, str]:
        """Wait until all sides are ready; return those that failed, with their last words."""
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
        answer = self._children[name].ask({"lead": LEAD, "batches": self._count}, LIMIT_SECONDS)
        self.cpu[name].append(tuple(answer[clock] / self._count * 1e6 for clock in CLOCKS))
        return float(answer["seconds"]) / self._count * 1e6

    def close(self) -> None:
        """End all sides."""
        for child in self._children.values():
            child.close()


def run(loader: str, size: str, workers: int, rounds: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Run one contest; return its findings and its failures."""
    contest = Contest(loader, size, workers)
    try:
        failures = contest.start()
        ready = [name for name in contest.cpu if name not in failures]
        values, lost = take_turns(ready, contest.measure, rounds)
    finally:
        contest.close()
    found = {
        "rows": {name: summarize(got) for name, got in values.items()},
        "rate": rate_kept(values),
        "cpu": {name: processor_time(contest.cpu[name]) for name in values},
    }
    return found, failures | lost


def rate_kept(values: Mapping[str, Sequence[float]]) -> Summary | None:
    """Return streamfit's throughput as a part of that of a bare pool as far ahead, round by round."""
    if OURS not in values or LONG not in values:
        return None
    return summarize([theirs / ours for theirs, ours in zip(values[LONG], values[OURS], strict=True)])


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
    rows, cpu, rate = found["rows"], found["cpu"], found["rate"]
    walls = [f"{rows[name].median:.1f}" if name in rows else "failed" for name in (OURS, SHORT, LONG)]
    loss = "" if rate is None else f"{100 * (1 - rate.median):.0f} %"
    spread = "" if rate is None else f"{100 * (1 - rate.upper):.0f} to {100 * (1 - rate.lower):.0f} %"
    used = [_used(cpu[name]) if name in cpu else "" for name in (OURS, LONG)]
    return [f"{size}, {_workers(workers)}", *walls, loss, spread, *used]


def _used(cpu: Mapping[str, float]) -> str:
    return " + ".join(f"{cpu[clock]:.0f}" for clock in CLOCKS)


def _workers(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


def main() -> int:
    """Run the contests and publish what they gave."""
    parser = arguments(__doc__, 11)
    parser.add_argument("--only", choices=SIZES, help="one size only, for a quick look")
    options = parser.parse_args()
    facts = machine_facts()
    contests: dict[tuple[str, str, int], dict[str, Any]] = {}
    failures: dict[str, str] = {}
    header = ["us per batch", OURS, SHORT, LONG, "loss", "quartiles", "CPU ours", "CPU bare"]
    for loader in COUNTS:
        lines = []
        for size in [options.only] if options.only else SIZES:
            for workers in WORKERS:
                found, lost = run(loader, size, workers, options.rounds)
                contests[loader, size, workers] = found
                failures |= {f"{loader}, {size}, {workers}: {name}": words for name, words in lost.items()}
                lines.append(line(size, workers, found))
        print(f"\nloader: {loader} (CPU: consumer + workers, us per batch, of the bare pool as far ahead)")
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
    kept: dict[str, Any] = {}
    cpu: dict[str, Any] = {}
    for (loader, size, workers), found in contests.items():
        where = f"{loader}, {size}, {workers}"
        summaries |= {f"{where}: {name}": summary for name, summary in found["rows"].items()}
        cpu |= {f"{where}: {name}": used for name, used in found["cpu"].items()}
        if found["rate"] is not None:
            kept[where] = {
                "median": found["rate"].median,
                "quartiles": [found["rate"].lower, found["rate"].upper],
            }
    unit = "microseconds per batch"
    publish("guarantees_cost", facts, summaries, failures, promises, unit=unit, throughput_kept=kept, cpu=cpu)


if __name__ == "__main__":
    sys.exit(main())
