"""The child's half of the step benchmark: answer requests for epochs with times, on standard output.

A request is one JSON line, ``{"seconds": 0.5, "fewest": 3}``: train for about that long and for at
least that many timed epochs. The answer is one JSON line with the seconds per step of each timed epoch
and the last epoch's loss and accuracy. Everything else a framework prints goes to standard error.
Standard library only.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Trained:
    """The result of a run of epochs: seconds of every timed epoch, and the last epoch's logs."""

    seconds: list[float]
    loss: float
    accuracy: float


Train = Callable[[int], Trained]
"""Train one untimed epoch and then that many timed ones."""


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions of ``packages``, leaving out those that are not installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def timed(epoch: Callable[[], tuple[float, float]]) -> Train:
    """Turn a function that trains one epoch and returns (loss, accuracy) into a `Train`."""

    def train(epochs: int) -> Trained:
        loss, accuracy = epoch()
        seconds = []
        for _ in range(epochs):
            begin = time.perf_counter()
            loss, accuracy = epoch()
            seconds.append(time.perf_counter() - begin)
        return Trained(seconds, loss, accuracy)

    return train


def between(stamps: list[float]) -> list[float]:
    """Return the time from each epoch's end to the next one's: the whole cost of the later epoch."""
    return [after - before for before, after in itertools.pairwise(stamps)]


def serve(train: Train, steps: int, versions_used: dict[str, str]) -> None:
    """Warm up for three epochs, print their result, then answer requests until standard input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    first = train(2)
    guess = min(first.seconds)
    third_epoch = {"loss": first.loss, "accuracy": first.accuracy}
    print(json.dumps({"versions": versions_used, "third_epoch": third_epoch}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        epochs = max(int(request["fewest"]), math.ceil(float(request["seconds"]) / guess))
        done = train(epochs)
        guess = min(done.seconds)
        per_step = [seconds / steps for seconds in done.seconds]
        print(json.dumps({"per_step": per_step, "loss": done.loss, "accuracy": done.accuracy}), file=answers)
