"""How fast do Parquet files become shuffled batches, beside the loaders of other libraries?

4,000,000 rows of 20 float32 columns, 4 dictionary columns and a target, in 10 files (see `parquet.py`), in
batches of 1,024 rows: a matrix of the floats, a matrix of the codes, the targets. Every side shuffles anew in
each pass. How well is in the table: `spread` is the standard deviation of the row numbers in a batch beside
that of all rows (1 for a true permutation), `neighbours` the share of rows whose successor in the file is in
the batch.

Each library is measured as its manual does it and, where it lets users bring code of their own, with a window
shuffle written by hand in pyarrow and NumPy (`peers/loaders_window.py`), which then does most of the work:

* PyTorch's DataLoader: ``window`` (an IterableDataset of whole batches), ``map`` (`__getitems__` over row
  groups that are kept, with a sampler of windows), ``buffer`` (rows through a buffer of 100,000).
* tf.data: ``window`` from a generator; ``buffer`` (row groups from a generator, unbatched, shuffled,
  batched).
* Keras' PyDataset: ``window``.
* Grain: ``window`` in a FlatMapTransform; ``source`` (ParquetIterDataset and WindowShuffleIterDataset).
* Hugging Face datasets: ``stream`` with a buffer of 100,000; ``map`` (memory-mapped Arrow files, all
  shuffled).

A figure is of a whole pass; of the sides that take rows one by one only some thousands of rows are read, when
their buffers are full. Run with ``STREAMFIT_PEERS_PYTHON`` naming the interpreter that has the peers (see
README.md).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
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

sys.path.insert(0, str(HERE / "peers"))
from parquet_common import write

FILES, GROUPS = 10, 4
LIMIT_SECONDS = 600.0
WINDOWS = (
    ("PyTorch", "torch", "window", 0),
    ("PyTorch", "torch", "window", 2),
    ("PyTorch", "torch", "map", 0),
    ("PyTorch", "torch", "map", 2),
    ("tf.data", "tf", "window", 0),
    ("tf.data", "tf", "buffer", 0),
    ("Keras", "keras", "window", 1),
    ("Keras", "keras", "window", 2),
    ("Grain", "grain", "window", 0),
)
ROW_BY_ROW = {
    ("PyTorch", "torch", "buffer", 2): 40_000,
    ("Grain", "grain", "source", 0): 10_000,
    ("datasets", "datasets", "stream", 0): 40_000,
    ("datasets", "datasets", "map", 0): 10_000,
}
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "jax",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
OURS, SCAN = "streamfit", "scan"


def contenders(folder: Path) -> dict[str, tuple[Side, int | None]]:
    """Return each side, and how many rows of a pass it is asked for; None for all."""
    found: dict[str, tuple[Side, int | None]] = {}

    def add(python: str, script: str, name: str, variant: str, rows: int | None, *options: str) -> None:
        path = str(HERE / "peers" / f"{script}.py")
        command = (python, path, "--folder", str(folder / "files"), "--variant", variant, *options)
        found[name] = Side(name, command, {**QUIET, "HF_HOME": str(folder / "cache")}), rows

    for variant in ("batches", "groups", "threads"):
        add(sys.executable, "parquet_scan", f"{SCAN}: {variant}", variant, None)
    for workers in (0, 2):
        options = ("--shuffle", "--workers", str(workers))
        for variant in ("matrices", "columns"):
            name = f"{OURS}: {variant}, {workers} workers"
            add(sys.executable, "parquet_streamfit", name, variant, None, *options)
    sides: list[tuple[tuple[str, str, str, int], int | None]] = [(side, None) for side in WINDOWS]
    for (name, script, variant, workers), rows in [*sides, *ROW_BY_ROW.items()]:
        row = f"{name}: {variant}, {workers} workers"
        add(peers_python(), f"loaders_{script}", row, variant, rows, "--workers", str(workers))
    return found


def contest(
    sides: dict[str, tuple[Side, int | None]], rounds: int
) -> tuple[dict[str, Summary], dict[str, Any], dict[str, str]]:
    """Measure in turns; return million rows a second, the orders and the failures."""
    children: dict[str, Child] = {}
    orders: dict[str, Any] = {}
    failures: dict[str, str] = {}
    try:
        for name, (side, _) in sides.items():
            child = Child(side)
            try:
                orders[name] = child.hear(LIMIT_SECONDS)
                if not orders[name]["once"]:
                    raise SideFailedError("not every row came exactly once")
                children[name] = child
            except SideFailedError as failure:
                failures[name] = str(failure)
                child.close()

        def measure(name: str) -> float:
            answer = children[name].ask({"rows": sides[name][1]}, LIMIT_SECONDS)
            return float(answer["rows"]) / float(answer["seconds"]) / 1e6

        values, lost = take_turns(list(children), measure, rounds)
    finally:
        for child in children.values():
            child.close()
    return {name: summarize(got) for name, got in values.items()}, orders, failures | lost


def best(rows: dict[str, Summary], name: str) -> float | None:
    """Return the best rate of the variants of a side."""
    return max((found.median for row, found in rows.items() if row.partition(":")[0] == name), default=None)


def promises(rows: dict[str, Summary]) -> list[Target]:
    """Return what is promised: twice the rate of a peer, or 85 % of the scan, whichever is less."""
    ours, scan = best(rows, OURS), best(rows, SCAN)
    found: list[Target] = []
    if ours is None or scan is None:
        return found
    for name in ("PyTorch", "tf.data", "Keras", "Grain", "datasets"):
        rate = best(rows, name)
        if rate is not None:
            wanted = round(min(2.0, 0.85 * scan / rate), 2)
            found.append(Target(f"streamfit's rate beside {name}'s", ours / rate, wanted, at_least=True))
    found.append(Target("streamfit's rate beside the scan's", ours / scan, 0.7, at_least=True))
    return found


def main() -> int:
    """Run the contest and publish what it gave."""
    parser = arguments(__doc__, 7)
    parser.add_argument("--folder", help="where to put the files (1 GB); a temporary folder by default")
    parser.add_argument("--files", type=int, default=FILES, help="fewer, for a quick look")
    chosen = parser.parse_args()
    facts = machine_facts()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as holder:
        write(Path(holder, "files"), chosen.files, GROUPS)
        rows, orders, failures = contest(contenders(Path(holder)), chosen.rounds)
    scan = best(rows, SCAN) or 1.0
    lines = [
        [
            name,
            f"{found.median:.3f}",
            f"{found.lower:.3f} - {found.upper:.3f}",
            f"{found.median / scan:.3f}",
            f"{orders[name]['spread']:.3f}",
            f"{orders[name]['neighbours']:.4f}",
        ]
        for name, found in sorted(rows.items(), key=lambda item: -item[1].median)
    ]
    header = ["side", "million rows/s", "quartiles", "of the scan", "spread", "neighbours"]
    print(table(header, lines), flush=True)
    targets = promises(rows)
    publish("loaders", facts, rows, failures, targets, orders=orders)
    return exit_code(chosen, targets)


if __name__ == "__main__":
    sys.exit(main())
