"""Compare the speed of this checkout with that of another commit, turn by turn in one run.

    python tools/compare_speed.py --base HEAD~1 --limit 1.05

Both sides run the same scripts of `benchmarks/peers`; only the library that they import differs. Each turn
starts new processes for both sides in an order drawn anew, because copy speed varies between processes.
For each workload it prints the median of the ratios (this checkout's time / the other's) and the interval
that holds the median in 95 % of resamples of the turns. A workload passes when its interval reaches the
limit.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from harness import Child, Side, table  # type: ignore[import-not-found]  # noqa: E402 - no package

LIMIT_SECONDS = 120.0
_RESAMPLES, _INTERVAL = 4000, (0.025, 0.975)


@dataclass(frozen=True)
class Workload:
    """One thing to measure.

    Args:
        name: What to call it.
        command: A script of `benchmarks/peers` and its arguments.
        request: What to ask it for.
    """

    name: str
    command: tuple[str, ...]
    request: dict[str, Any]

    def seconds(self, answer: dict[str, Any]) -> float:
        """Return the time of one step or batch from an answer."""
        if "per_step" in answer:
            return float(statistics.median(answer["per_step"]))
        return float(answer["seconds"]) / int(self.request["batches"])


def transport(size: str, workers: int, lead: int, count: int) -> Workload:
    """Return the workload that moves batches from worker processes."""
    command = ("transport_streamfit.py", "--size", size, "--workers", str(workers), "--ahead", "10")
    return Workload(f"transport, {size}, {workers} workers", command, {"lead": lead, "batches": count})


WORKLOADS = (
    Workload("training step", ("streamfit_fit.py",), {"seconds": 0.5, "fewest": 3}),
    *(transport("small", workers, 2000, 10000) for workers in (1, 2)),
    *(transport("large", workers, 48, 200) for workers in (1, 2)),
)


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Check out a commit in a temporary folder, and remove that in the end."""
    with tempfile.TemporaryDirectory(prefix="streamfit-base-") as folder:
        tree = Path(folder) / "tree"
        git = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def measure(workload: Workload, tree: Path) -> float:
    """Start a workload on the library of `tree`, and return its time per step or batch, in seconds."""
    script = str(ROOT / "benchmarks" / "peers" / workload.command[0])
    side = Side(str(tree), (sys.executable, script, *workload.command[1:]), {"PYTHONPATH": str(tree)})
    child = Child(side)
    try:
        child.hear(LIMIT_SECONDS)
        return workload.seconds(child.ask(workload.request, LIMIT_SECONDS))
    finally:
        child.close()


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the median in 95 % of resamples.

    Example:
        >>> interval([2.0, 2.0, 2.0])
        (2.0, 2.0)
    """
    values = np.asarray(ratios)
    drawn = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    lower, upper = np.quantile(np.median(values[drawn], axis=1), _INTERVAL)
    return float(lower), float(upper)


def compare(workload: Workload, base: Path, turns: int) -> tuple[list[float], list[float]]:
    """Return the times of this checkout and of the other, one of each a turn."""
    draw = random.Random(workload.name)
    times: dict[Path, list[float]] = {ROOT: [], base: []}
    for _ in range(turns):
        for tree in draw.sample(list(times), 2):
            times[tree].append(measure(workload, tree))
    return times[ROOT], times[base]


def main() -> int:
    """Compare, print a table, and return 1 if a workload does not pass."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--base", default="HEAD", help="the commit to compare with")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--limit", type=float, default=1.05, help="the ratio that each interval must reach")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    options = parser.parse_args()
    rows, slower = [], 0
    with checkout(options.base) as base:
        for workload in WORKLOADS:
            if options.only not in workload.name:
                continue
            ours, theirs = compare(workload, base, options.turns)
            ratios = [new / old for new, old in zip(ours, theirs, strict=True)]
            lower, upper = interval(ratios)
            passes = lower <= options.limit
            slower += not passes
            rows.append(
                [
                    workload.name,
                    f"{statistics.median(theirs) * 1e6:.1f}",
                    f"{statistics.median(ours) * 1e6:.1f}",
                    f"{statistics.median(ratios):.3f}",
                    f"{lower:.3f} to {upper:.3f}",
                    "passes" if passes else "SLOWER",
                ]
            )
            print(" ".join(rows[-1]), flush=True)
    print(table(["workload", "base, µs", "now, µs", "ratio", "95 %", f"limit {options.limit:g}"], rows))
    return int(slower > 0)


if __name__ == "__main__":
    sys.exit(main())
