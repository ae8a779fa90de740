"""What all sides of the Parquet benchmarks share: the files, and how a side is asked.

The files hold 20 columns of float32, 4 dictionary columns of text and a target, which is the number of the
row (exact in float32), so that the order of what comes out can be judged. They are written by pyarrow: zstd,
row groups of 100,000 rows, all else by default (columns of floats are then dictionary-encoded too) or, for
``plain``, with dictionaries for the columns of text alone.

A request is one JSON line, ``{"rows": n}``: take so many more rows of a pass, the clock starting behind a
batch, so that no buffer is filled at its cost; None for a whole pass from its beginning. The answer has rows,
seconds and processor seconds of this process. Needs numpy; pyarrow to write the files.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
GROUP = 100_000
FLOATS = [f"n{i}" for i in range(20)]
CATEGORIES = {f"c{i}": [f"word {j}" for j in range(count)] for i, count in enumerate((5, 20, 100, 1000))}
WORDS = list(CATEGORIES)
TARGET = "y"
WARM_SECONDS = 4.0
Read = Callable[[], Iterator[Array]]
"""Begin a pass; yield the targets of each batch, once all of the batch is there."""


def write(folder: Path, files: int, groups: int, *, plain: bool = False, rows: int = GROUP) -> None:
    """Write the files, each of so many row groups of so many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    count = groups * rows
    dictionaries: Any = WORDS if plain else True
    for number in range(files):
        rng = np.random.default_rng(number)
        columns: dict[str, Any] = {name: rng.normal(size=count).astype(np.float32) for name in FLOATS}
        for name, words in CATEGORIES.items():
            codes = rng.integers(0, len(words), count).astype(np.int32)
            columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(words))
        columns[TARGET] = np.arange(number * count, (number + 1) * count, dtype=np.float32)
        pq.write_table(
            pa.table(columns),
            folder / f"part-{number:05}.parquet",
            compression="zstd",
            row_group_size=rows,
            use_dictionary=dictionaries,
        )


def paths(folder: str) -> list[str]:
    """Return the files of a folder."""
    return sorted(str(path) for path in Path(folder).glob("*.parquet"))


def options(*variants: str) -> argparse.Namespace:
    """Read what a side is to do from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--variant", choices=variants, default=variants[0])
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--shuffle", action="store_true")
    return parser.parse_args()


def quality(targets: list[Array], total: int) -> dict[str, float]:
    """Judge the order by the row numbers in each batch: how far they spread, and how many are neighbours.

    A true permutation has 1, and about 0.
    """
    batches = [np.sort(found.astype(np.int64)) for found in targets[1:-1] or targets]
    spread = np.mean([found.std() for found in batches]) / (total / np.sqrt(12))
    neighbours = np.mean([np.mean(np.diff(found) == 1) if len(found) > 1 else 0.0 for found in batches])
    return {"spread": round(float(spread), 4), "neighbours": round(float(neighbours), 4)}


def serve(read: Read, total: int) -> None:
    """Warm up, say what order the batches came in, then answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    seen: list[Array] = []
    begin = time.perf_counter()
    whole = True
    for targets in read():
        seen.append(np.array(targets).reshape(-1))
        if time.perf_counter() - begin > WARM_SECONDS:
            whole = False
            break
    found = np.concatenate(seen)
    once = len(np.unique(found)) == len(found) and (len(found) == total or not whole)
    print(json.dumps({"once": bool(once), "whole": whole, **quality(seen, total)}), file=answers)
    part: Iterator[Array] = iter(())
    for line in sys.stdin:
        wanted = json.loads(line)["rows"]
        if wanted is None:
            taken = _whole(read())
        else:
            taken, part = _some(read, part, int(wanted))
        print(json.dumps(taken), file=answers)


def _whole(batches: Iterator[Array]) -> dict[str, float]:
    begin, busy = time.perf_counter(), time.process_time()
    rows = sum(len(targets) for targets in batches)
    return {"rows": rows, "seconds": time.perf_counter() - begin, "processor": time.process_time() - busy}


def _some(read: Read, batches: Iterator[Array], wanted: int) -> tuple[dict[str, float], Iterator[Array]]:
    if next(batches, None) is None:
        batches = read()
        next(batches)
    rows, begin, busy = 0, time.perf_counter(), time.process_time()
    for targets in batches:
        rows += len(targets)
        if rows >= wanted:
            break
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    return {"rows": rows, "seconds": seconds, "processor": busy}, batches
