"""PyTorch's side of the transport benchmark: DataLoader at its best.

Workers persist, ``__getitem__`` returns whole batches (``batch_size=None``), so nothing is collated.
``--form tensor`` sends tensors through shared memory, ``--form array`` pickles NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils import data
from transport_common import Batches, options, serve


def unchanged(batch: Any) -> Any:
    """Return the array as it is."""
    return batch


class Numbers:
    """A sampler whose length may change from epoch to epoch."""

    length = 0

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.length))

    def __len__(self) -> int:
        return self.length


def main() -> None:
    """Serve epochs of one DataLoader."""
    chosen = options(form="tensor", prefetch=2, sharing="file_descriptor")
    torch.multiprocessing.set_sharing_strategy(chosen.sharing)
    torch.set_num_threads(1)
    numbers = Numbers()
    loader: Any = data.DataLoader(
        Batches(chosen.size, 1 << 40),
        batch_size=None,
        sampler=numbers,
        num_workers=chosen.workers,
        persistent_workers=True,
        prefetch_factor=chosen.prefetch,
        collate_fn=unchanged if chosen.form == "array" else None,
    )

    def epoch(count: int) -> Iterator[Any]:
        numbers.length = count
        return iter(loader)

    serve(epoch, 40)


if __name__ == "__main__":
    main()
