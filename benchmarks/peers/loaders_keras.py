"""Keras' side of the loader benchmark: a PyDataset whose items are batches of a window, read when it is due.

It is iterated as `fit` does it: through Keras' own adapter, which runs the workers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from loaders_window import WINDOW, Window, read_group, row_groups
from parquet_common import Array, options, paths, serve


class Windows(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of windows; all windows but the last have the same number of them."""

    def __init__(self, files: list[str], batch: int, workers: int) -> None:
        super().__init__(workers=max(1, workers), use_multiprocessing=False, max_queue_size=10)
        self.groups, self.batch = row_groups(files), batch
        self.rows = sum(rows for _, _, rows in self.groups)
        self.per_window = -(-WINDOW * self.groups[0][2] // batch)
        self.lock, self.kept = threading.Lock(), dict[int, tuple[Window, Array]]()
        self.passes = 0
        self.on_epoch_end()

    def __len__(self) -> int:
        full, rest = divmod(len(self.groups), WINDOW)
        return full * self.per_window + -(-rest * self.groups[0][2] // self.batch)

    def on_epoch_end(self) -> None:
        """Draw the order of the next pass."""
        self.passes += 1
        self.order = np.random.default_rng(self.passes).permutation(len(self.groups)).tolist()
        self.kept.clear()

    def __getitem__(self, index: int) -> Any:
        """Return a batch."""
        window, at = divmod(index, self.per_window)
        with self.lock:
            if window not in self.kept:
                while len(self.kept) > 1:
                    self.kept.pop(min(self.kept))
                some = self.order[window * WINDOW : (window + 1) * WINDOW]
                read = [read_group(*self.groups[group][:2]) for group in some]
                floats, codes, targets = (np.concatenate(parts) for parts in zip(*read, strict=True))
                rng = np.random.default_rng((self.passes, window))
                self.kept[window] = (floats, codes, targets), rng.permutation(len(targets))
            (floats, codes, targets), order = self.kept[window]
        taken = order[at * self.batch : (at + 1) * self.batch]
        return (floats[taken], codes[taken]), targets[taken]


def main() -> None:
    """Serve passes."""
    chosen = options("window")
    dataset: Any = Windows(paths(chosen.folder), chosen.batch, chosen.workers)

    def read() -> Iterator[Array]:
        adapter: Any = PyDatasetAdapter(dataset, shuffle=False)
        adapter.on_epoch_begin()
        for _, targets in adapter.get_numpy_iterator():
            yield targets
        adapter.on_epoch_end()

    serve(read, dataset.rows)


if __name__ == "__main__":
    main()
