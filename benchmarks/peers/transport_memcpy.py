"""The limit of the transport benchmark: each batch is copied once, in this process, by one thread."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from transport_common import Batch, Batches, options, serve


def main() -> None:
    """Copy every batch to the same place; nothing else."""
    chosen = options()
    source = Batches(chosen.size)
    place = np.empty_like(source[0])

    def epoch(count: int) -> Iterator[Batch]:
        for number in range(count):
            np.copyto(place, source[number])
            yield place

    serve(epoch, 4)


if __name__ == "__main__":
    main()
