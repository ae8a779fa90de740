"""What all sides of the pipeline benchmark share: the data, the function, and how they are asked.

A request is one JSON line, ``{"batches": 400}``: deliver so many batches from already running workers. The
answer is one JSON line with the seconds from having the first fifth to having all. Needs numpy only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS, WIDTH, BATCH = 20_000, 1000, 128
LARGE = (64, 224, 224, 3)
Array = NDArray[np.float32]
Reading = Callable[[], Iterator[Any]]
"""Return an endless iterator over batches."""


def rows() -> Array:
    """Return the data: rows of 1,000 numbers."""
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)


def cheap(x: Array) -> Array:
    """Scale, shift and clip: what normalising does."""
    return np.clip(x * np.float32(0.5) + np.float32(1.0), np.float32(-3), np.float32(3))


def scale(x: Array) -> Array:
    """The first quarter of `cheap`."""
    return x * np.float32(0.5)


def shift(x: Array) -> Array:
    """The second quarter."""
    return x + np.float32(1.0)


def floor(x: Array) -> Array:
    """The third quarter."""
    return np.maximum(x, np.float32(-3))


def ceiling(x: Array) -> Array:
    """The last quarter."""
    return np.minimum(x, np.float32(3))


def options(*works: str) -> argparse.Namespace:
    """Read what a side is to do from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=works, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ahead", type=int, default=10)
    return parser.parse_args()


def serve(read: Reading) -> None:
    """Warm up, say so, then answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    batches = read()
    for batch in itertools.islice(batches, 30):
        assert len(np.asarray(batch)) > 1
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        count = int(json.loads(line)["batches"])
        lead = max(1, count // 5)
        begin = 0.0
        for number, batch in enumerate(itertools.islice(batches, lead + count), 1):
            assert float(batch[(0,) * len(batch.shape)]) > -1e9
            if number == lead:
                begin = time.perf_counter()
        print(json.dumps({"seconds": (time.perf_counter() - begin) / count}), file=answers)
