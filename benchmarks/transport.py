"""How fast do batches come from worker processes, beside the limit and beside the peers?

Batches of 64x224x224x3 float32 (38.5 MB) and of 256x32 float32 (32 KB) through one and through two worker
processes. Loading costs almost nothing (an array made beforehand, numbered in its first element), and the
consumer touches one element of each batch, so the figures measure the transport. A figure is time per batch
in the steady state: workers already run, and the consumer takes a first stretch of batches, longer than any
buffer, before the clock starts, so that batches prepared during another side's turn do not count.

The limit is one copy of each batch by one thread in one process (`numpy.copyto`): transport through shared
memory copies once, into it. Two workers copy at the same time and may be faster than that.

Peers are measured at their best: every variant is screened in the same run, and the fastest goes on.
PyTorch's DataLoader gets whole batches (``batch_size=None``) and persistent workers; it may send tensors
through shared memory, its default, or pickled NumPy arrays. Grain may put arrays in shared memory or pickle
them. The number of batches ahead is part of every side's variants, ours too; streamfit's default (10 ahead)
has its own row where it is not the best. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that
has the peers (see README.md in this folder).
"""

from __future__ import annotations

import json
import statistics
import subprocess
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
    peers_python,
    publish,
    summarize,
    table,
    take_turns,
)

BYTES = {"large": 64 * 224 * 224 * 3 * 4, "small": 256 * 32 * 4}
# At least 50 ms on the fastest side, after a lead in which the system spreads the processes over the
# processors: they slept during the turns of other sides.
COUNTS = {"large": 100, "small": 10_000}
LEADS = {"large": 40, "small": 2_000}
SIZES, WORKERS = ("large", "small"), (1, 2)
SETTLE, LIMIT_SECONDS = 0.2, 120.0
OURS, AS_IT_COMES = "streamfit", "streamfit as it comes"
LIMIT, TENSORS, ARRAYS, GRAIN = "memcpy", "PyTorch tensors", "PyTorch arrays", "Grain"
PEERS = (TENSORS, ARRAYS, GRAIN)
PACKAGES = ("torch", "grain", "numpy", "cloudpickle")


def script(python: str, name: str, size: str, workers: int, *options: str) -> tuple[str, ...]:
    """Return the command that runs one side."""
    path = str(HERE / "peers" / f"transport_{name}.py")
    return (python, path, "--size", size, "--workers", str(workers), *options)


def contenders(size: str, workers: int, rounds: int) -> list[Side]:
    """Return every variant of every side for one size and number of workers."""

    def torch(row: str, *options: str) -> Side:
        return Side(f"{row}: {' '.join(options)}", script(peers_python(), "torch", size, workers, *options))

    def grain(*options: str) -> Side:
        plan = ("--batches", str(LEADS[size] + COUNTS[size]), "--rounds", str(rounds + 1))
        return Side(
            f"{GRAIN}: {' '.join(options)}", script(peers_python(), "grain", size, workers, *options, *plan)
        )

    def ours(row: str, ahead: int) -> Side:
        options = ("--ahead", str(ahead))
        return Side(
            f"{row}: {' '.join(options)}", script(sys.executable, "streamfit", size, workers, *options)
        )

    sides = [
        ours(OURS, 10),
        Side(LIMIT, script(sys.executable, "memcpy", size, workers)),
        torch(TENSORS, "--prefetch", "2", "--sharing", "file_descriptor"),
        torch(TENSORS, "--prefetch", "8", "--sharing", "file_system"),
        *[grain("--buffer", buffer, "--threads", t) for buffer in ("1", "10") for t in ("0", "16")],
    ]
    if size == "small":  # pickling 38 MB through a pipe takes far longer than shared memory
        sides += [ours(OURS, 64), ours(AS_IT_COMES, 10)]
        sides += [torch(ARRAYS, "--form", "array", "--prefetch", prefetch) for prefetch in ("2", "8", "32")]
        pickled = ("--shm", "1000000000")
        sides += [grain("--buffer", buffer, "--threads", "0", *pickled) for buffer in ("1", "10", "64")]
    return sides


class Warm:
    """Sides that are running; each works in its turn and waits otherwise."""

    def __init__(self, size: str) -> None:
        self._size = size
        self._children: dict[str, Child] = {}

    def start(self, side: Side) -> None:
        """Start a side and wait until its workers run."""
        child = Child(side)
        try:
            child.hear(LIMIT_SECONDS)
        except SideFailedError:
            child.close()
            raise
        self._children[side.name] = child

    def measure(self, name: str) -> float:
        """Give one side its turn; return its microseconds per batch."""
        time.sleep(SETTLE)
        count = COUNTS[self._size]
        answer = self._children[name].ask({"lead": LEADS[self._size], "batches": count}, LIMIT_SECONDS)
        return float(answer["seconds"]) / count * 1e6

    def close(self) -> None:
        """End all sides."""
        for child in self._children.values():
            child.close()
        self._children.clear()


def screen(sides: Sequence[Side], size: str, rounds: int) -> tuple[dict[str, float], dict[str, str]]:
    """Measure every variant briefly, one after the other; return medians and failures."""
    found: dict[str, float] = {}
    failures: dict[str, str] = {}
    for side in sides:
        warm = Warm(size)
        try:
            warm.start(side)
            found[side.name] = statistics.median(warm.measure(side.name) for _ in range(rounds))
        except SideFailedError as failure:
            failures[side.name] = str(failure)
        finally:
            warm.close()
    return found, failures


def row_of(name: str) -> str:
    """Return the row that a variant belongs to."""
    return name.split(":")[0]


def fastest(found: Mapping[str, float]) -> dict[str, str]:
    """Return the fastest variant of every row."""
    best: dict[str, str] = {}
    for name in sorted(found, key=lambda name: found[name]):
        best.setdefault(row_of(name), name)
    return best


def contest(size: str, workers: int, rounds: int, screening: int) -> dict[str, Any]:
    """Screen the variants of one size and number of workers, then measure the fastest side by side."""
    sides = {side.name: side for side in contenders(size, workers, rounds + screening)}
    found, failures = screen(list(sides.values()), size, screening)
    chosen = fastest(found)
    warm = Warm(size)
    try:
        for name in chosen.values():
            warm.start(sides[name])
        values, lost = take_turns(list(chosen.values()), warm.measure, rounds)
    finally:
        warm.close()
    rows = {row_of(name): summarize(got) for name, got in values.items()}
    return {"rows": rows, "chosen": chosen, "screening": found, "failures": failures | lost}


def targets(size: str, workers: int, rows: Mapping[str, Summary]) -> list[Target]:
    """Return the promises that can be judged from the rows at hand."""
    where = f"{size}, {workers} worker{'s' * (workers > 1)}"
    if OURS not in rows:
        return []
    ours = rows[OURS].median
    found = [
        Target(f"{name} beside streamfit ({where})", rows[name].median / ours, 10.0, at_least=True)
        for name in PEERS
        if name in rows
    ]
    if size == "large" and LIMIT in rows:
        rate = rows[LIMIT].median / ours
        found.append(Target(f"streamfit's rate beside memcpy's ({where})", rate, 0.8, at_least=True))
    return found


def show(size: str, workers: int, rows: Mapping[str, Summary], chosen: Mapping[str, str]) -> None:
    """Print the table of one size and number of workers, fastest first."""
    base = rows[OURS].median if OURS in rows else next(iter(rows.values())).median
    lines = [
        [
            chosen[name],
            f"{summary.median:.1f}",
            f"{summary.lower:.1f} - {summary.upper:.1f}",
            f"{BYTES[size] / summary.median / 1e3:.2f}",
            f"{summary.median / base:.2f}",
        ]
        for name, summary in sorted(rows.items(), key=lambda item: item[1].median)
    ]
    print(f"\n{size} batches ({BYTES[size]:,} bytes), {workers} worker{'s' * (workers > 1)}")
    print(table(["side", "us per batch", "quartiles", "GB/s", "x streamfit"], lines), flush=True)


def main() -> int:
    """Run the contests and publish the results."""
    parser = arguments(__doc__, 9)
    parser.add_argument("--screening-rounds", type=int, default=2)
    parser.add_argument("--only", choices=SIZES, help="one size only, for a quick look")
    options = parser.parse_args()
    facts = machine_facts()
    summaries: dict[str, Summary] = {}
    failures: dict[str, str] = {}
    promises: list[Target] = []
    details: dict[str, Any] = {}
    for size in [options.only] if options.only else SIZES:
        for workers in WORKERS:
            where = f"{size}, {workers}"
            result = contest(size, workers, options.rounds, options.screening_rounds)
            show(size, workers, result["rows"], result["chosen"])
            summaries |= {f"{where}: {name}": summary for name, summary in result["rows"].items()}
            failures |= {f"{where}: {name}": words for name, words in result["failures"].items()}
            promises += targets(size, workers, result["rows"])
            details[where] = {"chosen": result["chosen"], "screening": result["screening"]}
    publish("transport", facts, summaries, failures, promises, versions=versions(), contests=details)
    return exit_code(options, promises)


def versions() -> dict[str, str]:
    """Return the versions of the peers and of their dependencies."""
    code = (
        "import json; from importlib.metadata import version; "
        f"print(json.dumps({{name: version(name) for name in {PACKAGES!r}}}))"
    )
    done = subprocess.run([peers_python(), "-c", code], capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


if __name__ == "__main__":
    sys.exit(main())
