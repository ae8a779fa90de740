"""Grain's side of the loader benchmark.

``window`` permutes row groups and reads them ahead, then a FlatMapTransform cuts each six of them into
shuffled batches; ``source`` batches the rows of `ParquetIterDataset`, shuffled in windows of 100,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
import pyarrow.parquet as pq
from absl import flags
from grain import experimental
from loaders_window import WINDOW, read_group, row_groups
from parquet_common import TARGET, Array, options, paths, serve

BUFFER = 100_000


class Groups:
    """Row groups by number."""

    def __init__(self, files: list[str]) -> None:
        self.groups = row_groups(files)

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: Any) -> Any:
        """Return the arrays of a row group."""
        return read_group(*self.groups[int(index)][:2])


class Cut(experimental.FlatMapTransform):  # type: ignore[misc]
    """Cut a window into shuffled batches."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.max_fan_out = 1_000_000

    def flat_map(self, element: Any) -> list[Any]:
        """Return the batches of some row groups."""
        floats, codes, targets = (np.concatenate(parts) for parts in zip(*element, strict=True))
        order = np.random.default_rng(int(targets[0])).permutation(len(targets))
        starts = range(0, len(order), self.batch)
        cut = [order[start : start + self.batch] for start in starts]
        return [(floats[taken], codes[taken], targets[taken]) for taken in cut]


def main() -> None:
    """Serve passes."""
    chosen = options("window", "source")
    flags.FLAGS(["loaders_grain"])
    files = paths(chosen.folder)
    total = sum(pq.ParquetFile(path).metadata.num_rows for path in files)
    passes = 0

    def read() -> Iterator[Array]:
        nonlocal passes
        passes += 1
        dataset: Any
        if chosen.variant == "source":
            dataset = experimental.ParquetIterDataset(files)
            dataset = experimental.WindowShuffleIterDataset(dataset, window_size=BUFFER, seed=passes)
            for batch in dataset.batch(chosen.batch):
                yield batch[TARGET]
            return
        dataset = grain.MapDataset.source(Groups(files)).shuffle(seed=passes)
        dataset = dataset.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=WINDOW))
        dataset = dataset.batch(WINDOW, drop_remainder=False, batch_fn=list)
        dataset = experimental.FlatMapIterDataset(dataset, Cut(chosen.batch))
        for _, _, targets in dataset:
            yield targets

    serve(read, total)


if __name__ == "__main__":
    main()
