"""PyTorch's side of the pipeline benchmark: DataLoader with persistent workers, at its best.

``per batch`` reads whole batches by a list of indices (``batch_size=None``), so nothing is collated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from pipeline_common import BATCH, cheap, options, rows, serve
from torch.utils import data


class Samples:
    """The rows, mapped one by one."""

    def __init__(self) -> None:
        self.x = rows()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Any) -> Any:
        """Return one row, or the rows of a whole batch."""
        return torch.from_numpy(cheap(self.x[np.asarray(index)]))


def main() -> None:
    """Serve passes one after the other."""
    chosen = options("per batch", "per sample")
    torch.set_num_threads(1)
    samples: Any = Samples()
    common: dict[str, Any] = {
        "num_workers": chosen.workers,
        "persistent_workers": True,
        "prefetch_factor": max(2, chosen.ahead // chosen.workers),
    }
    if chosen.work == "per batch":
        batches = data.BatchSampler(data.RandomSampler(samples), BATCH, drop_last=False)
        loader: Any = data.DataLoader(samples, batch_size=None, sampler=batches, **common)
    else:
        loader = data.DataLoader(samples, batch_size=BATCH, shuffle=True, **common)

    def read() -> Iterator[Any]:
        while True:
            yield from loader

    serve(read)


if __name__ == "__main__":
    main()
