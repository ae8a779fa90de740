"""Grain's side of the pipeline benchmark: shuffle, map and batch, with process prefetch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import grain
from absl import flags
from pipeline_common import BATCH, cheap, options, rows, serve

CLOSING_SECONDS = 4


class Rows:
    """The rows as a source with random access."""

    def __init__(self) -> None:
        self.x = rows()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Any) -> Any:
        """Return one row."""
        return self.x[int(index)]


def main() -> None:
    """Serve passes one after the other."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    chosen = options("per batch", "per sample")
    flags.FLAGS(["pipeline_grain"])
    dataset: Any = grain.MapDataset.source(Rows()).shuffle(seed=1).repeat()
    if chosen.work == "per batch":
        dataset = dataset.batch(BATCH).map(cheap)
    else:
        dataset = dataset.map(cheap).batch(BATCH)
    dataset = dataset.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=chosen.ahead))
    dataset = dataset.mp_prefetch(
        grain.MultiprocessingOptions(num_workers=chosen.workers, per_worker_buffer_size=chosen.ahead)
    )

    def read() -> Iterator[Any]:
        return iter(dataset)

    serve(read)
    signal.alarm(CLOSING_SECONDS)


if __name__ == "__main__":
    main()
