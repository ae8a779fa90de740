"""The side of Hugging Face's datasets: ``stream`` with a buffer of 100,000, or ``map`` over its Arrow cache.

``stream`` shuffles the files and keeps examples in a buffer; ``map`` writes all rows to memory-mapped Arrow
files (into HF_HOME) first, which is not in the figure, and has a permutation of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
from parquet_common import TARGET, Array, options, paths, serve

BUFFER = 100_000


def main() -> None:
    """Serve passes."""
    chosen = options("stream", "map")
    files = paths(chosen.folder)
    total = sum(pq.ParquetFile(path).metadata.num_rows for path in files)
    streaming = chosen.variant == "stream"
    loaded: Any = datasets.load_dataset("parquet", data_files=files, split="train", streaming=streaming)
    passes = 0

    def read() -> Iterator[Array]:
        nonlocal passes
        passes += 1
        if streaming:
            shuffled = loaded.shuffle(seed=passes, buffer_size=BUFFER)
            for batch in shuffled.with_format("numpy").iter(chosen.batch):
                yield np.asarray(batch[TARGET])
            return
        for batch in loaded.shuffle(seed=passes).with_format("numpy").iter(chosen.batch):
            yield batch[TARGET]

    serve(read, total)


if __name__ == "__main__":
    main()
