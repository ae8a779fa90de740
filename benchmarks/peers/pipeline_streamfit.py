"""streamfit's side of the pipeline benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pipeline_common import BATCH, LARGE, Array, ceiling, cheap, floor, options, rows, scale, serve, shift

import streamfit

CHAIN = (scale, shift, floor, ceiling)


class Made(streamfit.Sequence):
    """Large batches, each made by a fresh copy in code of the user's."""

    def __init__(self, in_place: bool) -> None:
        self.in_place = in_place
        self.pattern: Array | None = None

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> Array:
        """Return one batch."""
        if self.pattern is None:
            self.pattern = np.full(LARGE, 0.5, np.float32)
        made = streamfit.empty(LARGE, np.float32) if self.in_place else np.empty(LARGE, np.float32)
        np.copyto(made, self.pattern)
        return made


def pipeline(work: str) -> Any:
    """Return the pipeline for one kind of work."""
    if work.startswith("made"):
        return Made(work.endswith("in place"))
    shuffled = streamfit.source(rows()).shuffle()
    if work == "per sample":
        return shuffled.map(cheap).batch(BATCH)
    if work == "one stage":
        return shuffled.batch(BATCH).map(cheap)
    if work == "four stages":
        chain = shuffled.batch(BATCH)
        for stage in CHAIN:
            chain = chain.map(stage)
        return chain
    return shuffled.batch(BATCH).map(cheap)


def main() -> None:
    """Serve passes one after the other."""
    works = ("per batch", "per sample", "one stage", "four stages", "made", "made in place")
    chosen = options(*works)

    def read() -> Iterator[Any]:
        with streamfit.stream(
            pipeline(chosen.work),
            workers=chosen.workers,
            use_multiprocessing=chosen.workers > 0,
            max_queue_size=chosen.ahead,
            seed=1,
        ) as batches:
            while True:
                yield from batches

    serve(read)


if __name__ == "__main__":
    main()
