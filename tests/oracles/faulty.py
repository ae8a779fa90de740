"""Pipelines with one mistake each, as they are found in the wild, and some without.

They are at module level, so that worker processes import them: what a module holds is then their own.
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from streamfit.streams import Sequence, Source, SourceTraits, Ticket

OFFSET = [0]  # what a hook of a faulty pipeline changes


def _xy(index: int, size: int = 4) -> tuple[np.ndarray, np.ndarray]:
    x = (np.arange(size * 3, dtype="float32") + 100 * index).reshape(size, 3)
    return x, np.full(size, index, "int64")


class Clean(Sequence):
    """Keeps all rules."""

    count = 6

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return _xy(index)


class Views(Clean):
    """Hands out views of the arrays that it holds, as nearly everybody does; drops the last samples."""

    def __init__(self) -> None:
        self.x, self.y = np.arange(44.0).reshape(22, 2), np.arange(22)

    def __len__(self) -> int:
        return len(self.x) // 4

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * 4, (index + 1) * 4)
        return self.x[rows], self.y[rows]


class Shuffled(Views):
    """Keeps its own order, which `on_epoch_end` shuffles with a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.order, self.generator = np.arange(22), np.random.default_rng(3)

    def __getitem__(self, index: int) -> Any:
        rows = self.order[index * 4 : (index + 1) * 4]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self) -> None:
        self.generator.shuffle(self.order)


class Augmented(Clean):
    """Draws from the generator of the batch."""

    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x + self.rng(index).normal(size=x.shape).astype("float32"), y


class Cached(Clean):
    """Keeps the batches it has loaded: that takes memory, but not more and more of it."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}

    def __getitem__(self, index: int) -> Any:
        if index not in self.seen:
            self.seen[index] = _xy(index, 1000)
        return self.seen[index]


class Twins(Clean):
    """Its batches overlap, which may be meant."""

    def __getitem__(self, index: int) -> Any:
        return _xy(min(index, 1) if index < 3 else index)


class Locked(Clean):
    """Guards a buffer that all threads share with a lock, which is left out when it travels."""

    def __init__(self) -> None:
        self.guard = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.guard = threading.Lock()

    def __getitem__(self, index: int) -> Any:
        with self.guard:
            return _xy(index)


# -- length and content -----------------------------------------------------------------------------------


class OneTooMany(Clean):
    def __len__(self) -> int:
        return self.count + 1

    def __getitem__(self, index: int) -> Any:
        return [_xy(number) for number in range(self.count)][index]


class Longer(Clean):
    """Says another length each time."""

    asked = 0

    def __len__(self) -> int:
        self.asked += 1
        return 5 + self.asked


class Fraction(Clean):
    def __len__(self) -> Any:
        raise TypeError("'float' object cannot be interpreted as an integer")


class EmptyLast(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return (x[:0], y[:0]) if index == self.count - 1 else (x, y)


class Unequal(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x, y[: 3 if index == 2 else 4]


class Texts(Clean):
    def __getitem__(self, index: int) -> Any:
        return np.zeros(2), np.array(["a", "b"])  # as x, text is right where a layer takes it


class DtypeChanges(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x.astype("float64") if index == 4 else x, y


class ShapeChanges(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x[:, : 2 if index == 3 else 3], y


class LosesTargets(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return (x,) if index == 5 else (x, y)


# -- what loads depend on ---------------------------------------------------------------------------------


class GlobalNumpy(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x + np.random.normal(size=x.shape), y


class GlobalRandom(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x * random.random(), y


class GlobalCopied(Clean):
    """Draws from a copy of the global state: nothing is advanced, and yet every worker's batch differs."""

    def __getitem__(self, index: int) -> Any:
        own = np.random.RandomState()
        own.set_state(np.random.get_state())
        x, y = _xy(index)
        return x + own.normal(size=x.shape), y


class AdvancesOnly(Clean):
    """Draws a number from the global state that makes no difference."""

    def __getitem__(self, index: int) -> Any:
        np.random.random()
        return _xy(index)


class Counting(Clean):
    calls = 0

    def __getitem__(self, index: int) -> Any:
        self.calls += 1
        x, y = _xy(index)
        return x + self.calls, y


class Clock(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x.astype("float64") + time.perf_counter(), y


class OwnGenerator(Clean):
    """Draws from one generator of its own, which every load advances."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)

    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x + self.generator.normal(size=x.shape), y


class SharedGenerator(Clean):
    """Reads one generator from all threads."""

    def __init__(self) -> None:
        self.batches = (_xy(number) for number in range(10_000))

    def __getitem__(self, index: int) -> Any:
        return next(self.batches)


class InPlace(Clean):
    """Normalises its own data again with each load."""

    def __init__(self) -> None:
        self.x, self.y = np.arange(1.0, 49.0).reshape(24, 2), np.arange(24)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * 4, (index + 1) * 4)
        x = self.x[rows]
        x /= x.max()
        return x.copy(), self.y[rows]


class OneBuffer(Clean):
    def __init__(self) -> None:
        self.buffer = np.zeros((4, 3), "float32")

    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        self.buffer[:] = x
        return self.buffer, y


class PartOfBuffer(OneBuffer):
    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x[:2], y[:2]


class Running(Clean):
    """Smooths over the batches that were loaded before: right in order and twice, wrong in any other."""

    def __init__(self) -> None:
        self.last, self.before = -1, -1

    def __getitem__(self, index: int) -> Any:
        if index != self.last:
            self.last, self.before = index, self.last
        x, y = _xy(index)
        return x + self.before, y


class Racing(Clean):
    """Passes the index on in an attribute."""

    current = 0

    def __getitem__(self, index: int) -> Any:
        self.current = index
        x = self._x()
        return x, np.full(4, index)

    def _x(self) -> np.ndarray:
        return _xy(self.current)[0]


class Leaking(Clean):
    def __init__(self) -> None:
        self.log: list[Any] = []

    def __getitem__(self, index: int) -> Any:
        x = np.full((64, 32), float(index))
        self.log.append(x + 1)
        return x, np.zeros(64)


# -- workers ----------------------------------------------------------------------------------------------


class HoldsLambda(Clean):
    """A lambda travels; one that holds a lock does not."""

    def __init__(self) -> None:
        guard = threading.Lock()
        self.enter = lambda: guard.acquire(timeout=1)


class HoldsFile(Clean):
    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115

    def close(self) -> None:
        self.file.close()


class HoldsLock(Clean):
    def __init__(self) -> None:
        self.settings = {"guard": threading.Lock()}


class ProcessId(Clean):
    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x, y + os.getpid()


class ModuleState(Clean):
    """Reads a variable of its module that a hook changes: workers have one of their own."""

    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x, y + OFFSET[0]

    def on_epoch_end(self) -> None:
        OFFSET[0] += 1


class ClassState(Clean):
    """The same with a variable of the class."""

    offset = 0

    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x, y + type(self).offset

    def on_epoch_end(self) -> None:
        type(self).offset += 1


class CountsPasses(Clean):
    """Changes with every pass that begins, also with one that is read again."""

    passes = 0

    def on_epoch_begin(self) -> None:
        self.passes += 1

    def __getitem__(self, index: int) -> Any:
        x, y = _xy(index)
        return x, y + self.passes


class RaisingHook(Clean):
    def on_epoch_end(self) -> None:
        raise RuntimeError("no next epoch")


# -- sources ----------------------------------------------------------------------------------------------


class CleanSource(Source):
    """Keeps all rules, in shards too."""

    traits = SourceTraits(in_workers=True)
    name = "clean"

    def __init__(self, index: int = 0, count: int = 1, batches: int = 7) -> None:
        self.all = list(range(index, batches, count))

    def batches(self, data_epoch: int) -> int | None:
        return len(self.all)

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        for number in range(start, len(self.all)):
            yield Ticket(data_epoch, number, self.all[number], self.key(data_epoch))

    def load(self, ticket: Ticket) -> Any:
        return *_xy(ticket.ids), None

    def shard(self, index: int, count: int) -> CleanSource:
        return CleanSource(index, count, len(self.all))


class TooFewTickets(CleanSource):
    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        return (ticket for ticket in super().tickets(data_epoch, start) if ticket.number < 5)


class IgnoresStart(CleanSource):
    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        for number in range(start, len(self.all)):
            yield Ticket(data_epoch, number, self.all[number - start], self.key(data_epoch))


class Unnumbered(CleanSource):
    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        return (
            Ticket(data_epoch, 0, ticket.ids, ticket.key) for ticket in super().tickets(data_epoch, start)
        )


class Doubling(CleanSource):
    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        for ticket in super().tickets(data_epoch, start):
            yield Ticket(data_epoch, ticket.number, min(ticket.ids, 5), ticket.key)


class Impure(CleanSource):
    """Shuffles its one list before each pass."""

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        self.all = self.all[1:] + self.all[:1]
        return super().tickets(data_epoch, start)


class LosingShards(CleanSource):
    def shard(self, index: int, count: int) -> CleanSource:
        return CleanSource(index, count, len(self.all) // count * count)


class DoublingShards(CleanSource):
    def shard(self, index: int, count: int) -> CleanSource:
        return CleanSource(0, 1, len(self.all))


# -- generators -------------------------------------------------------------------------------------------


def clean_batches() -> Iterator[Any]:
    yield from (_xy(number) for number in range(5))


class CleanLoader:
    """Can be read again, as the data loaders of other libraries."""

    def __len__(self) -> int:
        return 5

    def __iter__(self) -> Iterator[Any]:
        return clean_batches()


class ShrinkingLoader(CleanLoader):
    def __init__(self) -> None:
        self.left = 5

    def __iter__(self) -> Iterator[Any]:
        self.left -= 1
        return (_xy(number) for number in range(self.left + 1))


class LyingLoader(CleanLoader):
    def __len__(self) -> int:
        return 4


def one_for_all() -> Any:
    """Make a function that returns one and the same generator."""
    only = clean_batches()
    return lambda: only


def one_behind_all() -> Any:
    """Make a function whose generators read from one and the same list."""
    left = [_xy(number) for number in range(8)]

    def batches() -> Iterator[Any]:
        while left:
            yield left.pop(0)

    return batches


def drawn_batches() -> Iterator[Any]:
    for _ in range(3):
        yield np.random.default_rng().normal(size=(2, 3)), np.zeros(2)


def one_buffer_batches() -> Iterator[Any]:
    buffer = np.zeros((2, 3))
    for number in range(4):
        buffer[:] = number
        yield buffer, np.zeros(2)


def raising_batches() -> Iterator[Any]:
    yield _xy(0)
    raise OSError("the disk is gone")


def changing_batches() -> Iterator[Any]:
    yield _xy(0)
    yield _xy(1)[0][:, :2], _xy(1)[1]


def unequal_batches() -> Iterator[Any]:
    yield _xy(0)
    yield _xy(1)[0], _xy(1)[1][:2]


def stubborn_batches() -> Iterator[Any]:
    while True:
        try:
            yield _xy(0)
        except GeneratorExit:
            yield _xy(1)


class Reviving:
    """Ends, and begins again."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Reviving:
        return self

    def __next__(self) -> Any:
        self.at += 1
        if self.at % 4 == 0:
            raise StopIteration
        return _xy(self.at)
