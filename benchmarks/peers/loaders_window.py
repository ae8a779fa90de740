"""A window shuffle written by hand with pyarrow and NumPy, as a user of a loader without one would write it.

Row groups are permuted; each six of them (600,000 rows, as many as streamfit takes for these files) are read,
joined to matrices, and their rows permuted. Dictionaries are alike in all files, so their indices are taken
as codes without a look. Used by the sides of PyTorch, tf.data and Keras.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from parquet_common import FLOATS, TARGET, WORDS, Array

WINDOW = 6
Window = tuple[Array, Array, Array]


def row_groups(files: list[str]) -> list[tuple[str, int, int]]:
    """Return file, number and rows of all row groups."""
    found = []
    for path in files:
        metadata = pq.ParquetFile(path).metadata
        found += [(path, at, metadata.row_group(at).num_rows) for at in range(metadata.num_row_groups)]
    return found


def read_group(path: str, group: int) -> Window:
    """Return the matrix of floats, the matrix of codes and the targets of one row group."""
    table: Any = pq.ParquetFile(path).read_row_group(group, use_threads=False)
    floats = np.stack([table.column(name).to_numpy() for name in FLOATS], axis=1)
    codes = np.stack([table.column(name).chunk(0).indices.to_numpy() for name in WORDS], axis=1)
    return floats, codes, table.column(TARGET).to_numpy()


def windows(groups: list[tuple[str, int, int]], rng: np.random.Generator) -> Iterator[tuple[Window, Array]]:
    """Yield the rows of each window, and the order in which to take them."""
    order = rng.permutation(len(groups)).tolist()
    for start in range(0, len(groups), WINDOW):
        read = [read_group(*groups[at][:2]) for at in order[start : start + WINDOW]]
        floats, codes, targets = (np.concatenate(parts) for parts in zip(*read, strict=True))
        del read
        yield (floats, codes, targets), rng.permutation(len(targets))


def batches(groups: list[tuple[str, int, int]], batch: int, seed: int) -> Iterator[Window]:
    """Yield batches of arrays; the last one of each window may be shorter."""
    for (floats, codes, targets), order in windows(groups, np.random.default_rng(seed)):
        for start in range(0, len(order), batch):
            taken = order[start : start + batch]
            yield floats[taken], codes[taken], targets[taken]
