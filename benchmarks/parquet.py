"""How fast do Parquet files become training batches, beside pyarrow's own scan of the same files?

4,000,000 rows of 20 float32 columns, 4 dictionary columns and a target, in 10 files (zstd, row groups of
100,000 rows), written as pyarrow does by default; then once more with dictionaries for the columns of text
alone (``plain``), which the scan decodes faster. Text becomes codes by ``categories=``. A figure is of a
whole pass, from asking for the first batch to holding the last, files in the page cache, two threads as
workers.

The limit is the fastest one of pyarrow's scanner (`dataset.to_batches`, all cores) and loops of
`ParquetFile.read_row_group` on one thread and with pyarrow's threads: decoded columns, in the order of the
files, in no batches. A pass can be no faster than the decoding that it contains. Where other programs keep
the machine busy, the ratios of processor time (`of the scan's`) tell more than those of time.

Then the first batch, each time in a fresh process, from naming the folder to holding 256 rows: of 100 files,
of 10,000 files without an index, and of these with the index that the first program has left.
"""

from __future__ import annotations

import json
import statistics
import subprocess
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
    environment,
    exit_code,
    last_lines,
    machine_facts,
    publish,
    summarize,
    table,
    take_turns,
)

sys.path.insert(0, str(HERE / "peers"))
from parquet_common import write

FILES, GROUPS = 10, 4
WORKERS = 2
LIMIT_SECONDS = 300.0
SCANS = ("batches", "groups", "threads")
FIRST = {
    "first batch, 100 files": (100, False, 0.3),
    "first batch, 100 files, shuffled": (100, True, 0.3),
    "first batch, 10,000 files, index": (10_000, False, 1.0),
    "first batch, 10,000 files, no index": (10_000, False, 2.0),
}


def sides(folder: Path) -> list[Side]:
    """Return scans and ours."""

    def side(name: str, script: str, variant: str, *options: str) -> Side:
        path = str(HERE / "peers" / f"parquet_{script}.py")
        return Side(name, (sys.executable, path, "--folder", str(folder), "--variant", variant, *options))

    found = [side(f"scan: {variant}", "scan", variant) for variant in SCANS]
    for order in ("in order", "shuffled"):
        for variant in ("columns", "matrices"):
            for batch in (1024, 256):
                options = ["--batch", str(batch), "--workers", str(WORKERS)]
                options += ["--shuffle"] if order == "shuffled" else []
                found.append(side(f"{order}, {variant}, {batch}", "streamfit", variant, *options))
    return found


def contest(
    contenders: list[Side], rounds: int
) -> tuple[dict[str, Summary], dict[str, float], dict[str, Any], dict[str, str]]:
    """Measure whole passes in turns; return million rows a second, processor seconds, orders and failures."""
    children: dict[str, Child] = {}
    orders: dict[str, Any] = {}
    failures: dict[str, str] = {}
    busy: dict[str, list[float]] = {}
    try:
        for one in contenders:
            child = Child(one)
            try:
                orders[one.name] = child.hear(LIMIT_SECONDS)
                if not orders[one.name]["once"]:
                    raise SideFailedError("not every row came exactly once")
                children[one.name] = child
            except SideFailedError as failure:
                failures[one.name] = str(failure)
                child.close()

        def measure(name: str) -> float:
            answer = children[name].ask({"rows": None}, LIMIT_SECONDS)
            busy.setdefault(name, []).append(float(answer["processor"]) / float(answer["rows"]) * 1e6)
            return float(answer["rows"]) / float(answer["seconds"]) / 1e6

        values, lost = take_turns(list(children), measure, rounds)
    finally:
        for child in children.values():
            child.close()
    processor = {name: statistics.median(found) for name, found in busy.items()}
    return {name: summarize(got) for name, got in values.items()}, processor, orders, failures | lost


def first_batch(folder: Path, shuffle: bool, index: Path | None) -> float:
    """Return the seconds to the first batch in a fresh process."""
    path = str(HERE / "peers" / "parquet_first.py")
    options = ("--folder", str(folder), *(("--shuffle",) if shuffle else ()))
    kept = {"XDG_CACHE_HOME": str(index)} if index else {"STREAMFIT_FILE_INDEX": "0"}
    side = Side("", (sys.executable, path, *options), kept)
    done = subprocess.run(side.command, env=environment(side), capture_output=True, timeout=LIMIT_SECONDS)
    if done.returncode:
        raise SideFailedError(last_lines(done.stderr))
    return float(json.loads(done.stdout)["seconds"])


def firsts(folder: Path, rounds: int) -> tuple[dict[str, Summary], dict[str, str]]:
    """Measure first batches in turns."""
    folders = {count: folder / str(count) for count in {count for count, _, _ in FIRST.values()}}
    for count, at in folders.items():
        write(at, count, 1, rows=1000)
    index = folder / "index"

    def measure(name: str) -> float:
        count, shuffle, _ = FIRST[name]
        return first_batch(folders[count], shuffle, None if name.endswith("no index") else index)

    for name in FIRST:  # compiles kernels, and leaves the index behind
        measure(name)
    values, failures = take_turns(list(FIRST), measure, rounds)
    return {name: summarize(got) for name, got in values.items()}, failures


def show(title: str, rows: dict[str, Summary], processor: dict[str, float], limit: float) -> None:
    """Print one contest, fastest first."""
    least = min(found for name, found in processor.items() if name.startswith("scan"))
    lines = [
        [
            name,
            f"{found.median:.2f}",
            f"{found.lower:.2f} - {found.upper:.2f}",
            f"{found.median / limit:.2f}",
            f"{processor[name]:.3f}",
            f"{least / processor[name]:.2f}",
        ]
        for name, found in sorted(rows.items(), key=lambda item: -item[1].median)
    ]
    print(f"\n{title}")
    header = ["side", "million rows/s", "quartiles", "of the scan", "processor us/row", "of the scan's"]
    print(table(header, lines), flush=True)


def main() -> int:
    """Run all contests and publish what they gave."""
    parser = arguments(__doc__, 9)
    parser.add_argument("--folder", help="where to put the files (4 GB); a temporary folder by default")
    parser.add_argument("--without-first", action="store_true", help="leave out the first batches")
    chosen = parser.parse_args()
    facts = machine_facts()
    summaries: dict[str, Summary] = {}
    failures: dict[str, str] = {}
    promises: list[Target] = []
    details: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as holder:
        for title in ("default", "plain"):
            folder = Path(holder, title)
            write(folder, FILES, GROUPS, plain=title == "plain")
            rows, processor, orders, lost = contest(sides(folder), chosen.rounds)
            limit = max(found.median for name, found in rows.items() if name.startswith("scan"))
            show(f"{title} encoding", rows, processor, limit)
            summaries |= {f"{title}: {name}": found for name, found in rows.items()}
            failures |= {f"{title}: {name}": words for name, words in lost.items()}
            details[title] = {"processor_us_per_row": processor, "orders": orders}
            for name, found in rows.items():
                if not name.startswith("scan"):
                    ratio = found.median / limit
                    what = f"{title}, {name}: rate beside the scan's"
                    promises.append(Target(what, ratio, 0.7, at_least=True))
        if not chosen.without_first:
            first, lost = firsts(Path(holder), max(3, chosen.rounds // 2))
            failures |= lost
            for name, found in first.items():
                promises.append(Target(name, found.median, FIRST[name][2], unit=" s"))
            summaries |= first
    publish("parquet", facts, summaries, failures, promises, **details)
    return exit_code(chosen, promises)


if __name__ == "__main__":
    sys.exit(main())
