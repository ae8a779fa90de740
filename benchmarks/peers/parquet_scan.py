"""pyarrow's own scan of the files: nothing but decoded columns, in tables or record batches.

``batches`` is the scanner of a dataset, ``groups`` a loop over row groups on one thread, ``threads`` the same
with pyarrow's threads.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq
from parquet_common import GROUP, TARGET, Array, options, paths, serve


def main() -> None:
    """Serve scans."""
    chosen = options("batches", "groups", "threads")
    files = paths(chosen.folder)
    total = sum(pq.ParquetFile(path).metadata.num_rows for path in files)

    def read() -> Iterator[Array]:
        if chosen.variant == "batches":
            scanned = pyarrow.dataset.dataset(files).to_batches(batch_size=GROUP)
            for batch in scanned:
                yield np.asarray(batch.column(TARGET))
            return
        for path in files:
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, use_threads=chosen.variant == "threads")
                yield table.column(TARGET).to_numpy()

    serve(read, total)


if __name__ == "__main__":
    main()
