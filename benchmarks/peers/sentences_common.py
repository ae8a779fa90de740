"""What all sides of the benchmark of sentences share: the sentences, the sizes, and how they are asked.

A request is one JSON line; for each, the side trains one epoch and answers with its seconds, its processor
seconds and its loss. Needs numpy only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from serve import versions

VOCABULARY, WORDS, WIDTH, HIDDEN, BATCH = 100_000, 20, 64, 16, 512
LEARNING_RATE = 1e-3
WARM = 32  # batches before the clock starts, for what is compiled
LABEL = "__label__"  # of fastText, whose format the file has

Epoch = Callable[[], float]
"""Train one epoch and return its loss."""


def vocabulary() -> list[str]:
    """Return the words, the most frequent first: 3 to 10 letters, all different."""
    rng = np.random.default_rng(1)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        drawn = letters[rng.integers(0, 26, (VOCABULARY, 10))]
        lengths = rng.integers(3, 11, VOCABULARY)
        found.update(
            (row[:length].tobytes().decode(), None) for row, length in zip(drawn, lengths, strict=True)
        )
    return list(found)[:VOCABULARY]


def write(path: Path, sentences: int) -> None:
    """Write labelled sentences, one a line.

    Words are drawn by Zipf's law. Each word is good or bad, and a sentence is good if most of its words are,
    but for one in ten.
    """
    rng, words = np.random.default_rng(2), np.array(vocabulary(), object)
    shares = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    good = (np.arange(VOCABULARY) + 1) // 2 % 2 == 0  # by turns, so that about half of the sentences are
    with open(path, "w", encoding="ascii") as file:
        for start in range(0, sentences, 10_000):
            count = min(10_000, sentences - start)
            ids = np.searchsorted(shares, rng.random((count, WORDS)) * shares[-1])
            labels = (good[ids].mean(1) + rng.normal(0, 1e-6, count) > 0.5) ^ (rng.random(count) < 0.1)
            rows = zip(labels.tolist(), words[ids].tolist(), strict=True)
            file.writelines(f"{LABEL}{int(label)} {' '.join(row)}\n" for label, row in rows)


def read(path: str) -> tuple[list[str], NDArray[np.float32]]:
    """Return sentences and labels, shape (sentences, 1)."""
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    first = len(LABEL)
    labels = np.array([line[first] == "1" for line in lines], np.float32)[:, None]
    return [line[first + 2 :] for line in lines], labels


def options(*kinds: str) -> argparse.ArgumentParser:
    """Return the parser of a side: its kind and the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("file")
    return parser


def serve(epoch: Epoch, *packages: str) -> None:
    """Say that all is warm, then train an epoch for each line of standard input."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"versions": versions(*packages)}), file=answers)
    for _ in sys.stdin:
        begin, used = time.perf_counter(), time.process_time()
        loss = epoch()
        seconds, used = time.perf_counter() - begin, time.process_time() - used
        print(json.dumps({"seconds": seconds, "processor": used, "loss": loss}), file=answers)
