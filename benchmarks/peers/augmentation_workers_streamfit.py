"""One reader of augmented images: without workers, or through two threads or two processes.

A request is one JSON line, ``{"batches": 32}``: read half as many batches, which use up what was loaded while
others had their turns, and then so many. The answer is one JSON line with the wall-clock seconds of these and
the processor seconds of all processes of this reader.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator

import numpy as np
from augmentation_common import MEAN, SMALL, STD
from image_folder_common import processor_seconds

import streamfit
from streamfit import augment
from streamfit.streams.adapt import open_source
from streamfit.streams.feed import Feed
from streamfit.workers import make_pool

AHEAD = 10  # batches, as `fit` has it
ROWS = {"photo": (1024, 256, 32), SMALL: (20_000, 32, 128)}
"""How many images there are, their height and width, and how many a batch has."""


def pipeline(work: str, seed: int) -> streamfit.Pipeline:
    """Return the pipeline: pixels of uint8 in memory, shuffled, transformed, in batches of float32."""
    count, side, batch = ROWS[work]
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 236, (64, side // 8, side // 8, 3))
    smooth = (coarse.repeat(8, 1).repeat(8, 2) + draw.integers(0, 20, (64, side, side, 3))).astype(np.uint8)
    x = np.resize(smooth, (count, side, side, 3))
    y = np.arange(count) % 10
    if work == SMALL:
        chain = augment.chain(
            augment.flip(), augment.crop(32, padding=4), augment.cutout(8), augment.normalize(MEAN, STD)
        )
    else:
        chain = augment.chain(
            augment.random_resized_crop(224),
            augment.flip(),
            augment.color_jitter(0.4, 0.4, 0.4, 0.1),
            augment.normalize(MEAN, STD),
        )
    return streamfit.source(x, y).shuffle().map(chain).batch(batch)


def main() -> None:
    """Read a batch to warm up, then answer requests until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=tuple(ROWS), required=True)
    parser.add_argument("--workers", choices=("none", "threads", "processes"), required=True)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    made = pipeline(chosen.work, chosen.seed)
    # As `fit` reads: a batch is not kept once the next one is asked for.
    pool = None if chosen.workers == "none" else make_pool(chosen.workers, 2, AHEAD)

    def read() -> Iterator[np.ndarray]:
        with Feed(open_source(made, seed=chosen.seed), pool, ahead=AHEAD if pool else 0) as feed:
            while True:
                for batch in feed.run():
                    yield np.asarray(batch.x)

    reading = read()
    first = next(reading)
    print(json.dumps({"form": f"{first.dtype} {first.shape}"}), file=answers)
    del first
    for line in sys.stdin:
        count = int(json.loads(line)["batches"])
        lead = count // 2
        busy = begin = 0.0
        for number, x in enumerate(itertools.islice(reading, lead + count), 1):
            assert float(x[0, 0, 0, 0]) > -1e9
            if number == lead:
                busy, begin = processor_seconds(), time.perf_counter()
        seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "processor": processor_seconds() - busy}), file=answers)


if __name__ == "__main__":
    main()
