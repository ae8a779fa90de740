"""The common part of the sides of the cost benchmark: sizes, the two loaders, and requests.

A batch is a stack of grey images of 64 x 64 pixels in float32, numbered in its first element. The loader
``made`` returns an array that was made beforehand, so that only the way to the consumer is measured;
``augmented`` flips and brightens the images into a new array, as augmentation during training does.

A request is one JSON line, ``{"lead": 40, "batches": 100}``: deliver so many batches from already running
workers. The answer is one JSON line: the seconds from having the last batch of the lead to having the last of
all, and the processor seconds that consumer and workers used meanwhile. Needs numpy only.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

SIDE = 64
IMAGES = {"64 KB": 4, "1 MB": 64, "4 MB": 256, "16 MB": 1024}
AHEAD = 10
"""How many batches may be ready ahead of the consumer: the default of `fit`, as of Keras."""

WARM = 40
Batch = NDArray[np.float32]
Epoch = Callable[[int], Iterator[Batch]]
"""Return an iterator over so many batches."""


@functools.cache
def images(size: str) -> Batch:
    """Return the images of a batch; each process draws them once."""
    rng = np.random.default_rng(11)
    return rng.random((IMAGES[size], SIDE, SIDE), np.float32)


def made(size: str, number: int) -> Batch:
    """Return batch ``number`` without work: one array with a new number."""
    array = images(size)
    array[0, 0, 0] = number
    return array


def augmented(size: str, number: int) -> Batch:
    """Return batch ``number``: every second image mirrored on average, all made brighter or darker."""
    base = images(size)
    rng = np.random.Generator(np.random.Philox(key=number))
    gains = rng.uniform(0.7, 1.3, len(base)).astype(np.float32)
    mirrored = rng.random(len(base)) < 0.5
    array = base * gains[:, None, None]
    array[mirrored] = array[mirrored, :, ::-1]
    np.clip(array, 0, 1, out=array)
    array[0, 0, 0] = number
    return array


LOADERS: dict[str, Callable[[str, int], Batch]] = {"made": made, "augmented": augmented}


def options(**more: int) -> argparse.Namespace:
    """Read size, loader, workers and further options of a side (name=default) from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=sorted(IMAGES), required=True)
    parser.add_argument("--loader", choices=sorted(LOADERS), required=True)
    parser.add_argument("--workers", type=int, default=1)
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time of other processes, from the clocks of the kernel."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def consume(
    batches: Iterator[Batch], lead: int, count: int, pids: Callable[[], list[int]]
) -> dict[str, float]:
    """Take all batches, touching one element of each; return the time of those after the lead.

    Raises ValueError if one is missing or out of place.
    """
    taken, workers = 0, pids()
    begin = [0.0, 0.0, 0.0]
    for number, batch in enumerate(batches):
        if int(batch[0, 0, 0]) != number:
            raise ValueError(f"batch {number} is numbered {int(batch[0, 0, 0])}")
        taken += 1
        if taken == lead:
            workers = pids()  # the first batches may have been in flight before
            begin = [time.perf_counter(), time.process_time(), cpu_seconds(workers)]
    end = [time.perf_counter(), time.process_time(), cpu_seconds(workers)]
    if taken != lead + count:
        raise ValueError(f"{taken} batches arrived, not {lead + count}")
    names = ("seconds", "consumer", "workers")
    return {name: after - before for name, before, after in zip(names, begin, end, strict=True)}


def serve(epoch: Epoch, pids: Callable[[], list[int]]) -> None:
    """Deliver a first epoch, say so, then answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    consume(epoch(WARM), 1, WARM - 1, pids)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        lead, count = int(request["lead"]), int(request["batches"])
        print(json.dumps(consume(epoch(lead + count), lead, count, pids)), file=answers)
