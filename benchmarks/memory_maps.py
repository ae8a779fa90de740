"""How fast do rows come from files in the page cache, beside a bare gather of NumPy and beside memcpy?

Rows of 784 bytes (uint8) and of 512 bytes (float32), 256 MB of each, in one file and in eight. The files were
read once from start to end, as by a copy, so that they lie in the page cache; every side has read all of them
once before it is measured. Figures are processor time.

* `gather`: 256 random rows, the same ones for all sides, as a fresh array. The bare gather is `ndarray.take`
  on a memory map of one file; for eight files it is a loop that takes the rows of each (`gather_by_file`).
* `blocks`: rows that lie together, 1 MiB and 8 MiB at a time; the bare copy is `np.copyto` from a memory map,
  of which all pages are mapped, to one array.
* `pass`: a whole shuffled pass, order included, through a pipeline; beside it `rng.permutation` and `take`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from harness import (
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

from streamfit import files, source, stream
from streamfit._base.specs import Array
from streamfit.streams.rows import Rows, rows_of

KINDS = {"784 B": ("uint8", 784), "512 B": ("float32", 128)}
BYTES, BATCH, SHARDS, GATHERS = 256 << 20, 256, 8, 1000
COPIED_AT_ONCE = 128 << 10  # how much cp reads at once, which decides how large the pages of the cache are
BLOCKS = {"1 MiB": 1 << 20, "8 MiB": 8 << 20}
GATHER, COPY = 0.8, 0.7


def write(folder: Path, dtype: str, width: int) -> tuple[Path, list[Path]]:
    """Write the data to one file and to shards, and leave them in the page cache as a copy would."""
    rows = BYTES // (np.dtype(dtype).itemsize * width)
    whole = np.random.default_rng(0).integers(0, 100, (rows, width)).astype(dtype)
    one, shards = folder / f"{dtype}.npy", [folder / f"{dtype}_{number}.npy" for number in range(SHARDS)]
    np.save(one, whole)
    for path, part in zip(shards, np.array_split(whole, SHARDS), strict=True):
        np.save(path, part)
    for path in (one, *shards):
        with path.open("rb", buffering=0) as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while file.read(COPIED_AT_ONCE):
                pass
    return one, shards


def gather_by_file(arrays: list[Array], each: int, ids: Array) -> Array:
    """Gather rows of several arrays, as a user of NumPy would."""
    rows = np.empty((len(ids), *arrays[0].shape[1:]), arrays[0].dtype)
    numbers = ids // each
    for number, array in enumerate(arrays):
        places = np.flatnonzero(numbers == number)
        if len(places):
            rows[places] = array.take(ids[places] - number * each, 0)
    return rows


def reader(paths: list[Path]) -> Rows:
    """Return what `files.npy` reads rows with."""
    rows: Rows = files.npy(paths).stage.source.row_parts[0]  # type: ignore[attr-defined]
    return rows


def spans(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of blocks of rows."""
    return ((start, start + size) for start in range(0, total - size + 1, size))


def sides_of(one: Path, shards: list[Path]) -> dict[str, tuple[Callable[[], object], int]]:
    """Return what each side does, and how many gathers, bytes or rows that is."""
    mapped = np.load(one, mmap_mode="r")
    plain, parts = np.asarray(mapped), [np.asarray(np.load(path, mmap_mode="r")) for path in shards]
    total, row_bytes = len(plain), plain[0].nbytes
    draw = np.random.default_rng(1)
    ids = [draw.integers(0, total, BATCH) for _ in range(GATHERS)]
    readers = {
        "np.memmap": rows_of(mapped, "x"),
        "npy": reader([one]),
        f"npy, {SHARDS} files": reader(shards),
    }
    sides: dict[str, tuple[Callable[[], object], int]] = {}

    def gathers(pick: Callable[[Array], Array]) -> tuple[Callable[[], object], int]:
        return (lambda: [pick(each) is None for each in ids]), GATHERS

    sides["gather: NumPy"] = gathers(lambda each: plain.take(each, 0))
    sides[f"gather: NumPy, {SHARDS} files"] = gathers(lambda each: gather_by_file(parts, len(parts[0]), each))
    for name, rows in readers.items():
        sides[f"gather: {name}"] = gathers(rows.pick)
    for size, nbytes in BLOCKS.items():
        count = nbytes // row_bytes
        block, bounds = np.empty((count, *plain.shape[1:]), plain.dtype), list(spans(total, count))
        copied = len(bounds) * count * row_bytes
        sides[f"blocks of {size}: memcpy"] = (
            lambda bounds=bounds, block=block: [np.copyto(block, plain[a:b]) for a, b in bounds],
            copied,
        )
        for name, rows in readers.items():
            sides[f"blocks of {size}: {name}"] = (
                lambda bounds=bounds, rows=rows: [rows.span(a, b) is None for a, b in bounds],
                copied,
            )

    def numpy_pass() -> None:
        order = draw.permutation(total)
        for start in range(0, total, BATCH):
            plain.take(order[start : start + BATCH], 0)

    sides["pass: NumPy"] = numpy_pass, total
    for name, data in (
        ("np.memmap", source(mapped)),
        ("npy", files.npy(one)),
        (f"npy, {SHARDS} files", files.npy(shards)),
    ):
        batches = stream(data.shuffle().batch(BATCH), workers=0)
        sides[f"pass: {name}"] = (lambda batches=batches: [batch is None for batch in batches]), total
    return sides


def targets_of(kind: str, medians: dict[str, float]) -> Iterator[Target]:
    """Compare with the bare gather and the bare copy; medians are seconds for one unit."""
    for name in ("np.memmap", "npy"):
        yield _target(kind, medians, "gather: NumPy", f"gather: {name}", GATHER)
    sharded = f"npy, {SHARDS} files"
    yield _target(kind, medians, f"gather: NumPy, {SHARDS} files", f"gather: {sharded}", GATHER)
    for size in BLOCKS:
        for name in ("np.memmap", "npy", sharded):
            yield _target(kind, medians, f"blocks of {size}: memcpy", f"blocks of {size}: {name}", COPY)


def _target(kind: str, medians: dict[str, float], bare: str, ours: str, limit: float) -> Target:
    what = f"rows of {kind}, {ours}, speed over {bare.partition(': ')[2]}"
    return Target(what, medians[f"{kind}, {bare}"] / medians[f"{kind}, {ours}"], limit, at_least=True)


def main() -> int:
    """Measure, print a table, write the results."""
    parser = arguments(__doc__, rounds=7)
    parser.add_argument("--folder", type=Path, help="where to write 1 GB; a temporary folder if left out")
    options = parser.parse_args()
    facts, summaries, failures, targets = machine_facts(), {}, {}, []
    for kind, (dtype, width) in KINDS.items():
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            sides = sides_of(*write(Path(folder), dtype, width))

            def measure(name: str, sides: dict[str, tuple[Callable[[], object], int]] = sides) -> float:
                begin = time.process_time()
                sides[name][0]()
                return (time.process_time() - begin) / sides[name][1]

            for _ in range(3):  # all pages are mapped, and all was read once
                take_turns(list(sides), measure, 1)
            values, failed = take_turns(list(sides), measure, options.rounds)
            found = {f"{kind}, {name}": summarize(got) for name, got in values.items()}
            summaries.update(found)
            failures.update(failed)
            targets += targets_of(kind, {name: each.median for name, each in found.items()})
            del sides, measure
    print(
        table(["rows, what: side", "median", "best"], [row(name, each) for name, each in summaries.items()])
    )
    publish("memory_maps", facts, summaries, failures, targets)
    return exit_code(options, targets)


def row(name: str, found: Summary) -> list[str]:
    """Return a line of the table: microseconds for a gather, GB/s for blocks, million rows a second."""
    if "gather" in name:
        return [name, f"{found.median * 1e6:.1f} µs", f"{found.best * 1e6:.1f} µs"]
    unit, scale = ("GB/s", 1e9) if "blocks" in name else ("M rows/s", 1e6)
    return [name, f"{1 / found.median / scale:.1f} {unit}", f"{1 / found.best / scale:.1f} {unit}"]


if __name__ == "__main__":
    sys.exit(main())
