"""Does the memory of training depend on the size of the data?

A model is fitted on Parquet files of two sizes, by a thread and by two processes, in order and shuffled.
Every 20 ms the memory of the program and of all its descendants is read: RssAnon + RssShmem, so a page of
shared memory counts in each process that has it. The figure is the largest sum, above that of *idle*: the
same program on 100 rows, with its model compiled, its workers started and their modules imported. Beside it
stands the figure above the program at the beginning of `fit`, before its workers are there. All in MB (10^6
bytes).

``--gigabytes 2 20`` measures what is promised, and writes 22 GB; the files are those of
`examples/bigger_than_memory.py`, and ``--folder`` keeps them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness import ROOT, Side, Target, arguments, environment, exit_code, machine_facts, publish, table

sys.path.insert(0, str(ROOT / "examples"))

from bigger_than_memory import COLUMNS, descendants, write_files

PERIOD, BATCH, ABOVE, SAME = 0.02, 4_096, 500.0, 50.0
CASES = {
    f"{kind}, {order}": (kind, order)
    for kind in ("1 thread", "2 processes")
    for order in ("in order", "shuffled")
}
CHILD = """
import sys
from streamfit import Sequential, callbacks, files, layers, set_random_seed

class Begin(callbacks.Callback):
    def on_train_begin(self, logs=None):
        print("begins", flush=True)
        sys.stdin.readline()

folder, kind, order, batch, *columns = sys.argv[1:]
set_random_seed(0)
model = Sequential([layers.Input((len(columns),), name="x"), layers.Dense(1)])
model.compile("sgd", "mse")
data = files.parquet(folder, columns={"x": columns}, target="target")
data = data.shuffle() if order == "shuffled" else data
workers = {"workers": int(kind[0]), "use_multiprocessing": "processes" in kind}
model.fit(data.batch(int(batch)), verbose=0, seed=1, callbacks=[Begin()], **workers)
"""


@dataclass
class Used:
    """What one program used, in MB: when `fit` began, at most, and each process when all took most."""

    begin: float = 0.0
    most: float = 0.0
    processes: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """One case: what reading takes above idle, and above the beginning of `fit`."""

    gigabytes: float
    above_idle: float
    above_begin: float
    seconds: float
    processes: list[dict[str, float]]


def memory(pid: int) -> list[dict[str, float]]:
    """Return RssAnon and RssShmem of a process and its descendants, in MB."""
    found = []
    for each in [pid, *descendants(pid)]:
        with suppress(OSError, KeyError):
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            facts = dict(line.split(":", 1) for line in lines)
            found.append({name: int(facts[name].split()[0]) * 1024e-6 for name in ("RssAnon", "RssShmem")})
    return found


def total(processes: list[dict[str, float]]) -> float:
    """Return the sum."""
    return sum(sum(each.values()) for each in processes)


def measure(folder: Path, case: str) -> Used:
    """Run one program and watch it."""
    kind, order = CASES[case]
    command = (sys.executable, "-c", CHILD, str(folder), kind, order, str(BATCH), *COLUMNS)
    used = Used()
    with subprocess.Popen(
        command, env=environment(Side(case, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        if child.stdout.readline().strip() != b"begins":
            raise RuntimeError(f"{case}: the program ended before it began to fit")
        used.begin = total(memory(child.pid))
        child.stdin.write(b"\n")
        child.stdin.flush()
        begun = time.perf_counter()
        while child.poll() is None:
            now = memory(child.pid)
            if total(now) > used.most:
                used.most, used.processes = total(now), now
            time.sleep(PERIOD)
        used.seconds = time.perf_counter() - begun
        if child.returncode:
            raise RuntimeError(f"{case}: the program ended with {child.returncode}")
    return used


def files_of(folder: Path, gigabytes: float) -> Path:
    """Return the folder with files of a size, which are written if they are not there."""
    path = folder / f"{gigabytes:g}"
    if not path.exists():
        path.mkdir(parents=True)
        write_files(path, gigabytes)
    return path


def write_few_rows(folder: Path, data: Path) -> Path:
    """Return a folder with a file of 100 rows of the data."""
    import pyarrow.parquet as pq

    path = folder / "few"
    path.mkdir()
    first = min(data.glob("*.parquet"))
    pq.write_table(pq.ParquetFile(first).read_row_group(0).slice(0, 100), path / first.name)
    return path


def targets(rows: dict[str, Row], sizes: list[float]) -> list[Target]:
    """Return the promises: so much above idle, and the same at all sizes."""
    found = []
    for case in CASES:
        above = [rows[f"{case}, {size:g} GB"].above_idle for size in sizes]
        found.append(Target(f"{case}, above idle", max(above), ABOVE, unit=" MB"))
        if len(sizes) > 1:
            what = f"{case}, {max(sizes):g} GB above {min(sizes):g} GB"
            found.append(Target(what, above[-1] - above[0], SAME, unit=" MB"))
    return found


def main() -> int:
    """Measure each case at each size."""
    parser = arguments(__doc__, 1)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.5, 2])
    parser.add_argument("--folder", type=Path, help="where the files are, or are written to")
    options = parser.parse_args()
    facts, rows, sizes = machine_facts(), dict[str, Row](), sorted(options.gigabytes)
    with tempfile.TemporaryDirectory() as made:
        data = {size: files_of(options.folder or Path(made), size) for size in sizes}
        few = write_few_rows(Path(made), data[sizes[0]])
        for case in CASES:
            measure(few, case)  # it compiles
            idle = measure(few, case)
            for size in sizes:
                used = measure(data[size], case)
                above = used.most - idle.most, used.most - used.begin
                rows[f"{case}, {size:g} GB"] = Row(size, *above, used.seconds, used.processes)
    lines = [
        [name, f"{row.above_idle:.0f}", f"{row.above_begin:.0f}", f"{row.seconds:.0f}"]
        for name, row in rows.items()
    ]
    print(table(["MB", "above idle", "above the beginning of fit", "seconds"], lines))
    judged = targets(rows, sizes)
    publish(
        "bounded_memory",
        facts,
        {},
        {},
        judged,
        rows={name: asdict(row) for name, row in rows.items()},
        unit="MB of RssAnon + RssShmem, added over all processes",
    )
    return exit_code(options, judged)


if __name__ == "__main__":
    sys.exit(main())
