"""fastText's side of the benchmark of sentences: `train_supervised`, with its own rule (SGD).

It reads the file anew in each epoch and counts the words before the first. An epoch is therefore what the
second of two epochs adds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

import fasttext
from sentences_common import WIDTH, options
from serve import versions


def seconds(chosen: argparse.Namespace, epochs: int) -> tuple[float, float]:
    """Train; return wall and processor seconds."""
    begin, used = time.perf_counter(), time.process_time()
    settings: dict[str, Any] = {"minCount": 1, "wordNgrams": 1, "bucket": 0, "verbose": 0}
    fasttext.train_supervised(chosen.file, dim=WIDTH, epoch=epochs, thread=chosen.threads, **settings)
    return time.perf_counter() - begin, time.process_time() - used


def main(chosen: argparse.Namespace) -> None:
    """Answer each line of standard input with the seconds of an epoch."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"versions": versions("fasttext-wheel", "numpy")}), file=answers)
    for _ in sys.stdin:
        (one, used_one), (two, used_two) = seconds(chosen, 1), seconds(chosen, 2)
        found = {"seconds": two - one, "processor": used_two - used_one, "loss": None, "whole": one}
        print(json.dumps(found), file=answers)


if __name__ == "__main__":
    parser = options("SGD")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    main(parser.parse_args())
