"""The common part of all sides of the transport benchmark: the batch, the check, and requests.

A request is one JSON line, ``{"lead": 48, "batches": 100}``: deliver so many batches from already running
workers. The answer is one JSON line with the seconds from having the last batch of the lead to having the
last of all. Needs numpy only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPES = {"large": (64, 224, 224, 3), "small": (256, 32)}
RINGS = {"large": 32, "small": 128}  # longer than any side works ahead
Batch = NDArray[np.float32]
Epoch = Callable[[int], Iterator[Any]]
"""Return an iterator over so many batches, each anything that can be indexed like an array."""


class Batches:
    """The loader of all sides: arrays made once and used in turn, numbered in their first element.

    In turn, because a peer may still be sending the one before when it asks for the next.
    """

    def __init__(self, size: str, length: int = 0) -> None:
        self._size = size
        self._ring: list[Batch] = []
        self._turn = 0
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Batch:
        """Return batch ``number``; the worker that asks first makes the arrays."""
        if not self._ring:
            self._ring = [np.full(SHAPES[self._size], 0.5, np.float32) for _ in range(RINGS[self._size])]
        self._turn = (self._turn + 1) % len(self._ring)
        array = self._ring[self._turn]
        array.flat[0] = number
        return array


def options(**more: Any) -> argparse.Namespace:
    """Read size, workers and further options of a side (name=default) from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=sorted(SHAPES), required=True)
    parser.add_argument("--workers", type=int, default=1)
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def consume(batches: Iterator[Any], lead: int, count: int) -> float:
    """Take all batches, touching one element of each; return the seconds for those after the lead.

    Raises ValueError if one is missing or out of place.
    """
    taken, begin = 0, 0.0
    for number, batch in enumerate(batches):
        first = batch[(0,) * len(batch.shape)]
        if int(first) != number:
            raise ValueError(f"batch {number} is numbered {int(first)}")
        taken += 1
        if taken == lead:
            begin = time.perf_counter()
    seconds = time.perf_counter() - begin
    if taken != lead + count:
        raise ValueError(f"{taken} batches arrived, not {lead + count}")
    return seconds


def serve(epoch: Epoch, warm: int) -> None:
    """Deliver a first epoch of ``warm`` batches, say so, then answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    consume(epoch(warm), 1, warm - 1)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        lead, count = int(request["lead"]), int(request["batches"])
        print(json.dumps({"seconds": consume(epoch(lead + count), lead, count)}), file=answers)
