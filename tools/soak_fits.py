"""Fits whose workers are killed, compared with the same fits left in peace.

Used by the soak, which kills for minutes, and by the tests, which kill for seconds.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from soak_data import FEATURES, SCALE, Drawn, DrawnSource, Traced, endless, mapped

from streamfit import Sequential, layers, set_random_seed
from streamfit.callbacks import Callback
from streamfit.metrics import Metric
from streamfit.testing.leaks import left_since, take_ledger
from streamfit.workers import live_pids, make_pool

Arguments = dict[str, Any]
_RESERVE = 50  # steps at the end of a fit for the kills that came too early for their victims


@dataclass
class Tally:
    """Count what became of a storm.

    Args:
        what: What was killed.
        kills: How often.
        lost: Batches or samples that never came.
        doubled: Batches or samples that came more than once.
        ordered: Whether everything came in the order of the run in peace.
        same_bits: Whether weights, optimizer and logs ended with the same bits.
        leaks: What was left behind.
        hangs: Runs that did not end in time.
        seen: Seconds from each kill to the moment it was noticed.
        replaced: Seconds from each kill to the moment the replacement was at work.
    """

    what: str
    kills: int = 0
    lost: int = 0
    doubled: int = 0
    ordered: bool = True
    same_bits: bool = True
    leaks: list[str] = field(default_factory=list)
    hangs: int = 0
    seen: list[float] = field(default_factory=list)
    replaced: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what became of another storm of this kind."""
        for name in ("kills", "lost", "doubled", "leaks", "hangs", "seen", "replaced"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ordered &= other.ordered
        self.same_bits &= other.same_bits

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return self.ordered and self.same_bits and not (self.lost or self.doubled or self.leaks or self.hangs)


class Seen(Metric):
    """Write down the target of every sample that reaches the training step or the validation."""

    def __init__(self) -> None:
        super().__init__(name="seen")
        self.numbers: list[int] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch."""
        self.numbers += np.rint(np.asarray(y_true)[:, 0] * SCALE).astype(int).tolist()

    def result(self) -> float:
        """Return nothing of interest."""
        return 0.0


class Killer(Callback):
    """Kill random workers before randomly chosen steps, until there were so many kills.

    Args:
        seed: Of the choices.
        kills: How many.
        steps: How many steps there will be.
        validating: Whether to strike in validation, not in training.
    """

    def __init__(self, seed: int, kills: int, steps: int, validating: bool = False) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.left, self.steps_left, self.validating = kills, steps, validating
        self.victims: set[int] = set()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Kill in training."""
        if not self.validating:
            self._strike()

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Kill in validation."""
        if self.validating:
            self._strike()

    def _strike(self) -> None:
        due = self.left / max(self.steps_left - _RESERVE, 1)
        times = int(due) + (self.random.random() < due % 1)
        self.steps_left -= 1
        for _ in range(min(times, self.left)):
            alive = sorted(set(live_pids()) - self.victims)  # who was killed is listed until that is noticed
            if not alive:
                return
            victim = self.random.choice(alive)
            self.victims.add(victim)
            os.kill(victim, signal.SIGKILL)
            self.left -= 1


def arguments_of(kind: str, count: int, folder: Path) -> Arguments:
    """Return the arguments of `fit` for data of one kind, with `count` batches a pass.

    Raises:
        ValueError: There is no such kind.
    """
    if kind == "sequence":
        return {"x": Drawn(count)}
    if kind == "source":
        return {"x": DrawnSource(count)}
    if kind == "memory map":
        x, y = mapped(count, folder)
        return {"x": x, "y": y, "batch_size": 8}
    if kind == "validation":  # training pulls a generator here; the workers load what is validated on
        return {"x": endless(count), "steps_per_epoch": count, "validation_data": Drawn(count)}
    raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")


KINDS = ("sequence", "source", "memory map", "validation")


def make_model() -> tuple[Sequential, Seen]:
    """Return a small model whose bits depend on the order of everything."""
    set_random_seed(3)
    model, seen = Sequential(), Seen()
    for layer in (layers.Dense(6, "relu", input_shape=(FEATURES,)), layers.Dropout(0.2), layers.Dense(1)):
        model.add(layer)
    model.compile("adam", "mse", metrics=[seen])
    return model, seen


def bits_of(model: Sequential, history: Any) -> list[Any]:
    """Return everything that must be the same to the bit."""
    arrays = [*model.get_weights(), *model.optimizer.state.values()]
    receipts = [(r.planned, r.delivered, r.digest) for r in history.receipts]
    return [*[array.tobytes() for array in arrays], model.optimizer.iterations, history.history, receipts]


def fitted(
    arguments: Arguments, epochs: int, callbacks: list[Callback], workers: int
) -> tuple[list[Any], list[int]]:
    """Return the bits of one fit and the samples that were seen."""
    model, seen = make_model()
    history = model.fit(
        **arguments,
        epochs=epochs,
        seed=11,
        verbose=0,
        callbacks=callbacks,
        workers=workers,
        use_multiprocessing=workers > 0,
    )
    return bits_of(model, history), seen.numbers


def storm(kind: str, kills: int, epochs: int = 3, workers: int = 2, seed: int = 0) -> Tally:
    """Fit once in peace and once under `kills` kills, and compare.

    Args:
        kind: One of `KINDS`.
        kills: How many workers to kill.
        epochs: How many passes; they have more steps than kills, for a death takes some to be noticed.
        workers: How many worker processes.
        seed: Of the choice of moments and victims.
    """
    tally, count = Tally(f"workers: {kind}"), max(10, 2 * kills)
    before = take_ledger()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calm, numbers = fitted(arguments_of(kind, count, folder), epochs, [], 0)
        killer = Killer(seed, kills, epochs * count, kind == "validation")
        bits, seen = fitted(arguments_of(kind, count, folder), epochs, [killer], workers)
    tally.kills = kills - killer.left
    tally.lost, tally.doubled = _missing(numbers, seen), _missing(seen, numbers)
    tally.ordered, tally.same_bits = seen == numbers, bits == calm
    tally.leaks = left_since(before)
    return tally


def _missing(planned: list[int], found: list[int]) -> int:
    """Count what is in `planned` more often than in `found`."""
    numbers, counts = np.unique(planned, return_counts=True)
    have = dict(zip(*np.unique(found, return_counts=True), strict=True))
    return int(sum(max(0, c - have.get(n, 0)) for n, c in zip(numbers, counts, strict=True)))


def timed_kills(kills: int, workers: int = 2, seed: int = 0) -> Tally:
    """Kill the workers of a bare pool one by one and take the times, while its values are read without pause.

    Args:
        kills: How many.
        workers: How many worker processes.
        seed: Of the choice of victims.
    """
    tally, rng, number = Tally("workers: bare pool"), random.Random(seed), 0
    before = take_ledger()
    with make_pool("processes", workers) as pool:
        pool.start(["streamfit.streams"])  # as in a fit, whose sources come from there
        run = pool.open(Traced(), iter(range(1 << 62)))
        while tally.kills < kills:
            known = set(pool.pids())
            restarts, began = pool.restarts, time.perf_counter()
            os.kill(rng.choice(sorted(known)), signal.SIGKILL)
            seen = 0.0
            for loaded in run:
                tally.ordered &= loaded.ticket == number == loaded.value[0]
                number += 1
                if not seen and pool.restarts > restarts:
                    seen = time.perf_counter() - began
                if seen and loaded.value[1] not in known:
                    break
            tally.seen.append(seen)
            tally.replaced.append(time.perf_counter() - began)
            tally.kills += 1
    tally.leaks = left_since(before)
    return tally
