"""Grain's side of the transport benchmark: process prefetch at its best.

The source returns whole batches, so nothing is collated. Grain's workers do not outlive their iterator, so an
epoch here is a stretch of one long iteration, without the start of new processes. If closing takes long, the
whole process group is killed, because a killed Grain process leaves its workers behind.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import grain
from absl import flags
from transport_common import Batches, options, serve

CLOSING_SECONDS = 4


class Source(Batches):
    """The loader as a Grain source: endless, numbered from 0 in every stretch."""

    def __init__(self, size: str, stretches: list[int]) -> None:
        super().__init__(size, sum(stretches))
        self._numbers = [number for stretch in stretches for number in range(stretch)]

    def __getitem__(self, place: Any) -> Any:
        """Return the batch at ``place`` of the whole iteration."""
        return super().__getitem__(self._numbers[int(place)])


def main() -> None:
    """Serve stretches of one iteration."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    chosen = options(buffer=1, threads=1, shm=0, batches=0, rounds=100)
    flags.FLAGS(["transport_grain"])
    source = Source(chosen.size, [40, *[chosen.batches] * chosen.rounds])
    dataset = grain.MapDataset.source(source).to_iter_dataset(
        grain.ReadOptions(num_threads=chosen.threads, prefetch_buffer_size=max(chosen.buffer, 1))
    )
    if chosen.shm >= 0:
        settings = grain.experimental.DatasetOptions(min_shm_size=chosen.shm)
        dataset = grain.experimental.WithOptionsIterDataset(dataset, settings)
    dataset = dataset.mp_prefetch(
        grain.MultiprocessingOptions(num_workers=chosen.workers, per_worker_buffer_size=chosen.buffer)
    )
    iterator = iter(dataset)

    def epoch(count: int) -> Iterator[Any]:
        for _ in range(count):
            yield next(iterator)

    serve(epoch, 40)
    signal.alarm(CLOSING_SECONDS)
    iterator.close()


if __name__ == "__main__":
    main()
