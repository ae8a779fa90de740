"""PyTorch's side of the loader benchmark.

``window`` is an IterableDataset that yields whole batches of a window shuffle written by hand, each worker a
share of the row groups; ``buffer`` yields rows, shuffled by a buffer of 100,000 of them and collated by the
DataLoader; ``map`` has `__getitems__` over row groups that are kept, with a sampler that permutes windows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from loaders_window import WINDOW, batches, read_group, row_groups
from parquet_common import Array, options, paths, serve
from torch.utils import data

BUFFER = 100_000


class Shuffled(data.IterableDataset):  # type: ignore[type-arg]
    """Batches, or rows, of this worker's share of the row groups."""

    def __init__(self, files: list[str], batch: int, rows: bool) -> None:
        self.groups, self.batch, self.rows, self.passes = row_groups(files), batch, rows, 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        info = data.get_worker_info()
        groups = self.groups if info is None else self.groups[info.id :: info.num_workers]
        if self.rows:
            yield from self._buffered(groups)
            return
        for floats, codes, targets in batches(groups, self.batch, self.passes):
            yield torch.from_numpy(floats), torch.from_numpy(codes), torch.from_numpy(targets)

    def _buffered(self, groups: list[tuple[str, int, int]]) -> Iterator[Any]:
        draw = random.Random(self.passes)
        order = draw.sample(groups, len(groups))
        kept: list[Any] = []
        for path, group, _ in order:
            floats, codes, targets = map(torch.from_numpy, map(np.array, read_group(path, group)))
            for row in zip(floats, codes, targets, strict=True):
                if len(kept) < BUFFER:
                    kept.append(row)
                    continue
                at = draw.randrange(BUFFER)
                yield kept[at]
                kept[at] = row
        draw.shuffle(kept)
        yield from kept


class Kept(data.Dataset):  # type: ignore[type-arg]
    """Rows by number, of the row groups that were read last."""

    def __init__(self, files: list[str]) -> None:
        self.groups = row_groups(files)
        self.starts = np.cumsum([0, *(rows for _, _, rows in self.groups)])
        self.kept: dict[int, Any] = {}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitems__(self, ids: list[int]) -> Any:
        """Return a batch."""
        wanted = np.asarray(ids)
        of_each = np.searchsorted(self.starts, wanted, "right") - 1
        found = (np.empty((len(ids), 20), "f4"), np.empty((len(ids), 4), "i4"), np.empty(len(ids), "f4"))
        for group in np.unique(of_each).tolist():
            if group not in self.kept:
                if len(self.kept) >= 2 * WINDOW:
                    self.kept.pop(next(iter(self.kept)))
                self.kept[group] = read_group(*self.groups[group][:2])
            places = np.flatnonzero(of_each == group)
            rows = wanted[places] - self.starts[group]
            for out, part in zip(found, self.kept[group], strict=True):
                out[places] = part[rows]
        return [torch.from_numpy(part) for part in found]


class WindowSampler(data.Sampler[int]):
    """Permute the row groups, and the rows within windows of them."""

    def __init__(self, kept: Kept) -> None:
        self.kept, self.passes = kept, 0

    def __len__(self) -> int:
        return len(self.kept)

    def __iter__(self) -> Iterator[int]:
        self.passes += 1
        rng = np.random.default_rng(self.passes)
        order = rng.permutation(len(self.kept.groups))
        for start in range(0, len(order), WINDOW):
            ids = [np.arange(*self.kept.starts[group : group + 2]) for group in order[start : start + WINDOW]]
            yield from rng.permutation(np.concatenate(ids)).tolist()


def as_it_is(batch: Any) -> Any:
    """Return a batch that `__getitems__` has made."""
    return batch


def main() -> None:
    """Serve passes."""
    chosen = options("window", "buffer", "map")
    torch.set_num_threads(1)
    files = paths(chosen.folder)
    common: dict[str, Any] = {"num_workers": chosen.workers}
    if chosen.workers:
        common |= {"persistent_workers": True, "prefetch_factor": 16}
    if chosen.variant == "map":
        kept = Kept(files)
        sampler = WindowSampler(kept)
        loader: Any = data.DataLoader(
            kept, batch_size=chosen.batch, sampler=sampler, collate_fn=as_it_is, **common
        )
        total = len(kept)
    else:
        rows = chosen.variant == "buffer"
        made = Shuffled(files, chosen.batch, rows)
        total = sum(rows for _, _, rows in made.groups)
        loader = data.DataLoader(made, batch_size=chosen.batch if rows else None, **common)

    def read() -> Iterator[Array]:
        for _, _, targets in loader:
            yield targets.numpy()

    serve(read, total)


if __name__ == "__main__":
    main()
