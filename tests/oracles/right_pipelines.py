"""Pipelines that are right, though something in them looks like a mistake: equal samples that are in the
data, classes that are made up for, buckets, mixed images, measurements that stand still, text.

They are at module level, so that worker processes import them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import streamfit
from streamfit import Sequence

_WORDS = np.array([f"word{number}" for number in range(40)], dtype=object)


def _rng() -> np.random.Generator:
    return np.random.default_rng(8)


class Table(Sequence):
    """Arrays, read by an order that is drawn for each epoch."""

    size = 10

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = self.data()
        self.generator = _rng()
        self.order = np.arange(len(self.x))
        self.on_epoch_end()

    def data(self) -> Any:
        rng = _rng()
        return rng.normal(size=(200, 6)).astype("float32"), rng.integers(0, 3, 200)

    def on_epoch_end(self) -> None:
        self.generator.shuffle(self.order)

    def __len__(self) -> int:
        return -(-len(self.order) // self.size)

    def rows(self, index: int) -> Any:
        return self.order[self.size * index : self.size * (index + 1)]

    def __getitem__(self, index: int) -> Any:
        rows = self.rows(index)
        return self.x[rows], self.y[rows]


class Validation(Table):
    """The same, never shuffled."""

    def on_epoch_end(self) -> None:
        pass


class MostlyBlack(Validation):
    """Four of five images are black."""

    def data(self) -> Any:
        x = np.zeros((200, 4, 4, 1), "float32")
        x[::5] = _rng().random((40, 4, 4, 1))
        return x, np.arange(200) % 2


class BlackAndScaled(MostlyBlack):
    """The same as bytes, which are scaled: what comes is nowhere in the object."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x / np.float32(2) - np.float32(0.5), y


class OneHotColumns(Table):
    """Categories in columns, a few of which are common: many rows are equal."""

    def data(self) -> Any:
        rng = _rng()
        parts = [np.eye(5, dtype="float32")[rng.geometric(0.5, 400).clip(1, 5) - 1] for _ in range(4)]
        return np.concatenate(parts, 1), rng.integers(0, 2, 400)


class OneHotCentred(OneHotColumns):
    """The same, centred when it is loaded."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x - self.x.mean(axis=0), y


class Codes(Table):
    """One code for each sample, beside a list of all codes."""

    def __init__(self) -> None:
        self.codes = np.arange(30)
        super().__init__()

    def data(self) -> Any:
        return _rng().integers(0, 30, (200, 1)), _rng().integers(0, 3, 200)

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x % 30, y


class FirstWords(Validation):
    """Sentences that are cut after four words: some begin alike."""

    def data(self) -> Any:
        rng = _rng()
        return rng.zipf(1.4, (600, 8)).clip(1, 40).astype("int32"), rng.integers(0, 2, 600)

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x[:, :4], y


class WordPairs(Validation):
    """Neighbours in a text: pairs come as often as they do there."""

    def data(self) -> Any:
        words = np.resize(_rng().zipf(1.5, 400).clip(1, 40), 401).astype("int32")
        return words[:-1, None], words[1:]

    def __getitem__(self, index: int) -> Any:
        rows = self.rows(index)
        noise = self.rng(index).integers(1, 40, len(rows)).astype("int32")
        x, y = self.x[rows, 0], self.y[rows]
        return (np.concatenate([x, x]), np.concatenate([y, noise])), np.repeat([1, 0], len(rows))


class StandsStill(Sequence):
    """Windows of a measurement that is constant for hours."""

    def __init__(self) -> None:
        super().__init__()
        self.series = np.repeat(_rng().normal(size=60), _rng().integers(1, 20, 60)).astype("float32")

    def __len__(self) -> int:
        return (len(self.series) - 5) // 10

    def __getitem__(self, index: int) -> Any:
        starts = np.arange(10 * index, min(10 * index + 10, len(self.series) - 5))
        return self.series[starts[:, None] + np.arange(5)], self.series[starts + 5]


class OneValueEach(Sequence):
    """The next value from this one; whole batches are equal where nothing moves."""

    def __init__(self) -> None:
        super().__init__()
        self.series = np.repeat(_rng().integers(0, 9, 20), 15).astype("float32")
        self.series[100:160] = self.series[:60] = 3

    def __len__(self) -> int:
        return 29

    def __getitem__(self, index: int) -> Any:
        rows = slice(10 * index, 10 * index + 10)
        return self.series[rows, None], self.series[10 * index + 1 : 10 * index + 11]


class RareClassMadeUp(Table):
    """Each batch holds samples of each class; those of the rare one come several times."""

    def data(self) -> Any:
        x, _ = super().data()
        return x, np.repeat([0, 1, 2], [90, 90, 20])

    def on_epoch_end(self) -> None:
        groups = [np.flatnonzero(self.y == label) for label in range(3)]
        self.groups = [np.resize(self.generator.permutation(group), 90) for group in groups]

    def __len__(self) -> int:
        return 30

    def rows(self, index: int) -> Any:
        return np.concatenate([group[3 * index : 3 * index + 3] for group in self.groups])


class Buckets(Table):
    """Batches of samples of like length, in an order drawn anew: the rest comes somewhere."""

    def data(self) -> Any:
        x, y = super().data()
        return x[:195], y[:195]

    def on_epoch_end(self) -> None:
        near = np.argsort(self.x[:, 0] + self.generator.normal(0, 0.2, len(self.x)))
        starts = self.generator.permutation(np.arange(0, len(near), self.size))
        self.batches = [near[start : start + self.size] for start in starts]

    def rows(self, index: int) -> Any:
        return self.batches[index]


class PatchesMixed(Table):
    """Patches of other images, where many are alike: labels are mixed, and some images stay as they were."""

    def data(self) -> Any:
        rng = _rng()
        x = np.zeros((200, 6, 6), "float32")
        x[:, 2:4, 2:4] = rng.random((200, 2, 2))
        return x, np.eye(3, dtype="float32")[rng.integers(0, 3, 200)]

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        rng = self.rng(index)
        if rng.random() < 0.3:
            return x, 0.9 * y + np.float32(0.1 / 3)  # the patch has fallen on the edge
        other, share = rng.permutation(len(x)), np.float32(rng.random())
        return share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]


class PartByOrder(Validation):
    """The last rows are those of validation, which the order leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.order = np.arange(194)


class FourSamples(Table):
    """So few that an order may be drawn that is no other one."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.order = np.arange(4)

    def data(self) -> Any:
        return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32"), np.array([0, 1, 1, 0])


class Sentences(Sequence):
    """Text, which a layer of the model encodes."""

    dtype: Any = object

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        words = [" ".join(_WORDS[at : at + 1 + at % 3]) for at in range(4 * index, 4 * index + 4)]
        return np.array(words, dtype=self.dtype), np.arange(4) % 2


class FixedSentences(Sentences):
    """The same, as text whose dtype depends on the longest one."""

    dtype = None


class OneFile(Table):
    """A lock guards what loads share, and a load has many lines."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        super().__init__()

    def __getitem__(self, index: int) -> Any:
        with self.lock:
            found = 0.0
            for value in self.x[self.rows(index)].reshape(-1):
                found += float(value)
                found /= 2
                found -= 1
            return self.x[self.rows(index)] + np.float32(found), self.y[self.rows(index)]

    def __getstate__(self) -> Any:
        return {**self.__dict__, "lock": None}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()


class SlowFile(OneFile):
    """The same, where a load takes a while."""

    def __getitem__(self, index: int) -> Any:
        time.sleep(0.001)
        return super().__getitem__(index)


def endless() -> Iterator[Any]:
    """Give samples without an end, in an order drawn for each round."""
    rng = _rng()
    x, y = rng.normal(size=(64, 3)).astype("float32"), rng.integers(0, 2, 64)
    while True:
        order = rng.permutation(64)
        for at in range(0, 64, 8):
            yield x[order[at : at + 8]], y[order[at : at + 8]]


def sentences_of_a_source() -> Any:
    """Make a pipeline of text."""
    return streamfit.source([(word, 1.0) for word in _WORDS], kind="samples").shuffle(seed=1).batch(8)


def hours() -> Any:
    """Make a pipeline of a table of rounded measurements, some of which are equal."""
    rng = _rng()
    table = np.cumsum(rng.integers(-1, 2, (2000, 3)), axis=0).clip(-6, 6).astype("float32")
    return streamfit.source(table, table[:, 0].copy(), seed=1).shuffle().batch(50)


RIGHT = [
    Table,
    Validation,
    MostlyBlack,
    BlackAndScaled,
    OneHotColumns,
    OneHotCentred,
    Codes,
    FirstWords,
    WordPairs,
    StandsStill,
    OneValueEach,
    RareClassMadeUp,
    Buckets,
    PatchesMixed,
    PartByOrder,
    FourSamples,
    Sentences,
    FixedSentences,
    endless,
    sentences_of_a_source,
    hours,
]
