"""Train on more data than memory may hold, be killed twice, and get the bits of a run that was never killed.

``python bigger_than_memory.py --gigabytes 20`` writes 20 GB of Parquet files and trains on them in programs
that may have 640 MB each: a hard limit of the system (RLIMIT_DATA), beyond which memory is refused. What is
in memory does not depend on the size of the data:

* 350 MB: Python, NumPy, Numba and pyarrow with their code and stacks, a program that has read nothing yet;
* 3 windows of 64 MiB: `shuffle()` shuffles 64 MiB of rows among each other while the next as many are read,
  and a batch that is still in use keeps a third window;
* a row group on its way (10 MB here), and up to 64 MiB of freed memory that allocators keep.

Needs the extra ``arrow``, and Linux.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS = [f"column{number}" for number in range(24)]
ROW_BYTES, GROUP, GROUPS_IN_FILE, BATCH = 4 * 25, 100_000, 10, 2_000


def write_files(folder, gigabytes):
    """Write random columns, and a target that is a linear function of them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.Generator(np.random.SFC64(0))
    weights = np.linspace(-1, 1, len(COLUMNS), dtype="float32")
    groups = max(1, round(gigabytes * 1e9 / (ROW_BYTES * GROUP)))
    schema = pa.schema([(name, pa.float32()) for name in [*COLUMNS, "target"]])
    for first in range(0, groups, GROUPS_IN_FILE):
        path = folder / f"part-{first // GROUPS_IN_FILE:05}.parquet"
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
            for _ in range(first, min(groups, first + GROUPS_IN_FILE)):
                x = rng.random((len(COLUMNS), GROUP), dtype="float32")
                columns = [*x, (weights @ x).astype("float32")]
                writer.write_table(pa.table(columns, schema=schema), row_group_size=GROUP)


def train(data, results, limit):
    """Train under the limit: what the killed program and the one that is never killed both do."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    import numpy as np

    from streamfit import Sequential, callbacks, files, layers, set_random_seed

    class Told(callbacks.Callback):
        """Tell the other program which batch was trained on."""

        every = 10

        def on_train_batch_end(self, batch, logs=None):
            print(batch, flush=True)

    set_random_seed(0)
    model = Sequential([layers.Input((len(COLUMNS),), name="x"), layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    history = model.fit(
        files.parquet(data, columns={"x": COLUMNS}, target="target").shuffle().batch(BATCH),
        callbacks=[Told(), callbacks.BackupAndRestore(results / "backup", save_freq=100)],
        seed=1,
        workers=2,
        use_multiprocessing=True,
        verbose=0,
    )
    np.save(results / "weights.npy", np.concatenate([weights.ravel() for weights in model.get_weights()]))
    (results / "receipts.json").write_text(
        json.dumps([[each.planned, each.delivered, each.digest] for each in history.receipts])
    )


def run(options, results, kill_at=None):
    """Run a program that trains; kill it as soon as it tells of a batch. Return how long it took."""
    command = [sys.executable, __file__, "--train", str(results), "--folder", str(options.folder)]
    begun = time.perf_counter()
    with subprocess.Popen(
        [*command, "--limit", str(options.limit)], stdout=subprocess.PIPE, text=True
    ) as child:
        for line in child.stdout:
            if kill_at is not None and int(line) >= kill_at:
                family = descendants(child.pid)
                child.kill()  # the signal of kill -9: the program cannot do anything about it
                child.wait()
                assert len(family) >= 3, "a server of workers and two workers"
                await_end(family)
                break
    assert (child.returncode == 0) == (kill_at is None), f"the program ended with {child.returncode}"
    return time.perf_counter() - begun


def descendants(pid):
    """Return the ids of the processes that a process has started, and of those that they have started."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in file.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def await_end(pids):
    """Wait until processes have ended, which nobody tells them to."""
    until = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until, "workers outlived their program"
        time.sleep(0.05)


def alive(pid):
    """Return whether a process runs; one that has ended may still be in the list of processes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main(options, folder):
    """Write the files; train without and with kills; compare."""
    options.folder = options.folder or folder / "data"
    if not options.folder.exists():
        options.folder.mkdir(parents=True)
        write_files(options.folder, options.gigabytes)
    size = sum(path.stat().st_size for path in options.folder.iterdir())
    batches = size // ROW_BYTES // BATCH
    whole, killed = folder / "whole", folder / "killed"
    whole.mkdir()
    killed.mkdir()
    print(f"{size / 1e9:.1f} GB, {options.limit} MB for each process")
    print(f"not killed: {run(options, whole):.1f} s")
    for kill_at in (batches // 3, batches * 2 // 3):
        print(f"killed at batch {kill_at:,}: {run(options, killed, kill_at):.1f} s")
    print(f"resumed to the end: {run(options, killed):.1f} s")
    for name in ("weights.npy", "receipts.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    print(f"the same bits; receipt {(killed / 'receipts.json').read_text()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.2, help="how much data to write")
    parser.add_argument("--folder", type=Path, help="where the data are, or are written to; they are kept")
    parser.add_argument("--limit", type=int, default=640, help="megabytes that each process may have")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train is not None:
        train(given.folder, given.train, given.limit * 1_000_000)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(given, Path(made))
