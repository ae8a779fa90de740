"""Pipelines as people write them: some with one mistake each, some that are right.

They are at module level, so that worker processes import them.
"""

from __future__ import annotations

import csv
import random
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import streamfit
from streamfit import Sequence

ROWS = np.random.default_rng(12).normal(size=(64, 3)).astype("float32")
LABELS = np.arange(64) % 10


class Held(Sequence):
    """64 samples that the object holds, in batches of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = ROWS.copy(), LABELS.copy()

    def __len__(self) -> int:
        return 8

    def rows(self, index: int) -> Any:
        """Return the places of the samples of a batch."""
        return slice(8 * index, 8 * index + 8)

    def __getitem__(self, index: int) -> Any:
        return self.x[self.rows(index)], self.y[self.rows(index)]


# -- which samples come -------------------------------------------------------------------------------------


class HalfOfTheIndex(Held):
    """Each batch comes twice, and half of the data never."""

    def rows(self, index: int) -> Any:
        return super().rows(index // 2)


class LastBatchMovedBack(Held):
    """60 samples: the last batch begins earlier, so that it is as large as the others."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = self.x[:60], self.y[:60]

    def rows(self, index: int) -> Any:
        start = min(8 * index, 52)
        return slice(start, start + 8)


class WithReplacement(Held):
    """Draws the samples of each batch from all of them: a third of them never comes in an epoch."""

    def rows(self, index: int) -> Any:
        return self.rng(index).integers(0, 64, 8)


class FirstBatchSkipped(Held):
    """Counts batches from 1."""

    def __len__(self) -> int:
        return 7

    def rows(self, index: int) -> Any:
        return super().rows(index + 1)


class WindowsLeaveTheEndOut(Sequence):
    """The last window, which would be shorter, is never read: 6 of 70 values."""

    def __init__(self) -> None:
        super().__init__()
        self.signal = np.random.default_rng(3).normal(size=(70, 2)).astype("float32")

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        return self.signal[8 * index : 8 * index + 8], np.arange(8 * index, 8 * index + 8)


class UnreadableAreSkipped(Held):
    """Files that cannot be read are left out by a bare except."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        keep = np.array([zlib.crc32(row.tobytes()) % 5 > 0 for row in x])
        return x[keep], y[keep]


class TwoShuffles(Held):
    """x and y are shuffled one after the other, by two generators that are not in step."""

    def __init__(self) -> None:
        super().__init__()
        self.shuffler = np.random.default_rng(1)

    def on_epoch_end(self) -> None:
        self.shuffler.shuffle(self.x)
        self.shuffler.shuffle(self.y)


class OrderOfOneOnly(Held):
    """The order is used for x and forgotten for y, from the second epoch on."""

    def __init__(self) -> None:
        super().__init__()
        self.order, self.shuffler = np.arange(64), np.random.default_rng(2)

    def on_epoch_end(self) -> None:
        self.shuffler.shuffle(self.order)

    def __getitem__(self, index: int) -> Any:
        return self.x[self.order[self.rows(index)]], self.y[self.rows(index)]


class BatchesChangePlaces(Held):
    """Shuffles the numbers of batches, not samples."""

    def __init__(self) -> None:
        super().__init__()
        self.batches, self.shuffler = np.arange(8), np.random.default_rng(5)

    def on_epoch_end(self) -> None:
        self.shuffler.shuffle(self.batches)

    def rows(self, index: int) -> Any:
        return super().rows(int(self.batches[index]))


# -- values -------------------------------------------------------------------------------------------------


class ConstantColumn(Held):
    """Divides by the standard deviation of a column that is constant."""

    def __init__(self) -> None:
        super().__init__()
        self.x[:, 1] = 7

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        with np.errstate(invalid="ignore"):
            return (x - self.x.mean(0)) / self.x.std(0), y


class LogOfZero(Held):
    """Takes the logarithm of counts, of which some are 0."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return np.log(np.maximum(x, 0)), y


class WeightsOfRareClasses(Held):
    """Weighs by the inverse of a count that can be 0."""

    counts = np.array([8, 8, 8, 8, 0, 8, 8, 8, 8, 8], "float32")

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        with np.errstate(divide="ignore"):
            return x, y, 1 / self.counts[y]


class DividedBy255(Held):
    """Pixels as float64."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return np.abs(x * 50).astype("uint8") / 255, y


# -- randomness ---------------------------------------------------------------------------------------------


class Noise:
    """An augmentation with a generator of its own."""

    def __init__(self) -> None:
        self.state = np.random.RandomState(0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        noisy: np.ndarray = x + self.state.normal(size=x.shape).astype("float32")
        return noisy


class AugmentsByHelper(Held):
    """The generator is in an object that the sequence holds."""

    def __init__(self) -> None:
        super().__init__()
        self.augment = Noise()

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return self.augment(x), y


class PlainRandom(Held):
    """A generator of the standard library."""

    def __init__(self) -> None:
        super().__init__()
        self.coin = random.Random(3)

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x * self.coin.choice([-1, 1]) * (1 + self.coin.random()), y


class SeedsTheGlobals(Held):
    """Wants to be repeatable and takes the seed from everybody."""

    def __init__(self) -> None:
        super().__init__()
        random.seed(42)

    def on_epoch_end(self) -> None:
        np.random.seed(42)


class ShufflesItsView(Held):
    """Shuffles the rows of a batch, which are a view of the data."""

    def __getitem__(self, index: int) -> Any:
        x = self.x[self.rows(index)]
        self.rng(index).shuffle(x)
        return x.copy(), self.y[self.rows(index)]


class SplitByHash(Held):
    """Takes the samples of the training half by hash() of their names."""

    def __init__(self) -> None:
        super().__init__()
        names = [f"patient {number}" for number in range(64)]
        chosen = [number for number, name in enumerate(names) if hash(name) % 2]
        self.x, self.y = self.x[(chosen * 64)[:64]], self.y[(chosen * 64)[:64]]


# -- state that loads change --------------------------------------------------------------------------------


class PopsItsQueue(Held):
    """Takes the next batch from a queue, whatever the index says."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = deque(np.arange(64).reshape(8, 8))

    def rows(self, index: int) -> Any:
        self.queue.rotate(-1)
        return self.queue[0]


class SortsWhatItHolds(Held):
    """Sorts the words of its samples in place."""

    def __init__(self) -> None:
        super().__init__()
        self.words = [[5, 3, number, 1] for number in range(64)]

    def __getitem__(self, index: int) -> Any:
        for row in self.words[self.rows(index)]:
            row.sort()
        return np.array(self.words[self.rows(index)], "int32"), self.y[self.rows(index)]


class NextOfAFile(Held):
    """Reads the next lines of an open table."""

    def __init__(self) -> None:
        super().__init__()
        self.file = Path(__file__).open()  # noqa: SIM115
        self.reader = csv.reader(self.file)

    def __getitem__(self, index: int) -> Any:
        lines = [sum(map(len, next(self.reader))) for _ in range(8)]
        return np.array(lines, "float32")[:, None], self.y[self.rows(index)]

    def __del__(self) -> None:
        self.file.close()


class SeeksInOneFile(Held):
    """All threads share one position in one file."""

    def __init__(self) -> None:
        super().__init__()
        self.file = Path(__file__).open("rb")  # noqa: SIM115

    def __getitem__(self, index: int) -> Any:
        self.file.seek(100 * index)
        data = self.file.read(64)
        return np.frombuffer(data, "uint8").reshape(8, 8), self.y[self.rows(index)]

    def __del__(self) -> None:
        self.file.close()


class CountsItsEpoch(Held):
    """Thinks that an epoch is over when its last batch was loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        self.epoch += index == len(self) - 1
        return x + np.float32(self.epoch), y


class LastWasMine(Held):
    """A shared scratch array between two methods."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = np.zeros((8, 3), "float32")

    def __getitem__(self, index: int) -> Any:
        self.scratch[:] = self.x[self.rows(index)]
        self.scratch *= 2
        return self.scratch.copy(), self.y[self.rows(index)]


class Timed(Held):
    """Changes with the clock."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x * np.float32(time.perf_counter()), y


class Deprecated(Held):
    """Calls what will be gone."""

    def __getitem__(self, index: int) -> Any:
        import warnings

        warnings.warn("use read_rows, read_row will be removed", DeprecationWarning, stacklevel=2)
        return super().__getitem__(index)


class KeepsEverything(Held):
    """Logs each batch in a list that only grows."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        self.log.append(np.repeat(x, 100, 0))
        return x, y


# -- forms --------------------------------------------------------------------------------------------------


class OneDigit:
    """A data set of PyTorch: one image and its class."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        if index >= 40:
            raise IndexError(index)
        return np.full((1, 8, 8), index, "float32"), np.int64(index % 10)


class OneRecord(OneDigit):
    """One record as a dictionary of single values."""

    def __getitem__(self, index: int) -> Any:
        return {"age": 20 + index, "height": 1.5 + index / 100}, index % 2


class GrayImages(Held):
    """Some images have no axis of channels."""

    def __getitem__(self, index: int) -> Any:
        x = np.full((8, 4, 4, 1), index, "float32")
        return x[..., 0] if index == 5 else x, self.y[self.rows(index)]


# -- generators ---------------------------------------------------------------------------------------------


def one_too_many_taken() -> Iterator[Any]:
    """Take one item too many for each batch, and drop it."""
    rows = iter(list(range(63)))
    while True:
        batch = [row for _, row in zip(range(8), rows, strict=False)]
        batch = batch[:7]
        if len(batch) < 7:
            return
        yield np.array(batch, "float32")[:, None], np.zeros(len(batch))


def last_rows_forgotten(rows: Any) -> Iterator[Any]:
    """Yield full batches only."""
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == 8:
            yield np.array(batch, "float32")[:, None], np.zeros(8)
            batch = []


def all_rows(rows: Any) -> Iterator[Any]:
    """Yield all rows in batches."""
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == 8:
            yield np.array(batch, "float32")[:, None], np.zeros(8)
            batch = []
    if batch:
        yield np.array(batch, "float32")[:, None], np.zeros(len(batch))


# -- right as they are --------------------------------------------------------------------------------------


class ShuffledIndices(Held):
    """The usual one: an order that is drawn at the beginning and after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.shuffler = np.random.default_rng(4)
        self.order = self.shuffler.permutation(64)

    def on_epoch_end(self) -> None:
        self.order = self.shuffler.permutation(64)

    def rows(self, index: int) -> Any:
        return self.order[8 * index : 8 * index + 8]


class ShuffledTogether(ShuffledIndices):
    """Shuffles the data themselves, x and y by one order; the last batch is short."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = self.x[self.order[:60]], self.y[self.order[:60]]

    def on_epoch_end(self) -> None:
        order = self.shuffler.permutation(60)
        self.x, self.y = self.x[order], self.y[order]

    def rows(self, index: int) -> Any:
        return slice(8 * index, 8 * index + 8)


class NoiseOfItsIndex(Held):
    """Draws noise by index."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + self.rng(index).normal(size=x.shape).astype("float32"), y


class Images(Held):
    """Images of bytes with one-hot labels, many of them alike."""

    def __getitem__(self, index: int) -> Any:
        labels = self.y[self.rows(index)]
        images = np.zeros((8, 4, 4, 3), "uint8")
        images[np.arange(8), labels % 4, labels % 3] = 255
        images[:, 0, 0, 0] = np.arange(8 * index, 8 * index + 8)
        return images, np.eye(10, dtype="float32")[labels]


class Records(Held):
    """Categories and numbers by name, with weights; some records are equal, as in most tables."""

    def __getitem__(self, index: int) -> Any:
        drawn = np.random.default_rng(index)
        inputs = {"age": drawn.integers(20, 50, 8).astype("int32"), "married": drawn.integers(0, 2, 8)}
        return inputs, drawn.integers(0, 2, 8).astype("float32"), np.ones(8, "float32")


class Tokens(Held):
    """Padded word numbers."""

    def __getitem__(self, index: int) -> Any:
        tokens = np.zeros((8, 12), "int32")
        for row in range(8):
            length = 3 + (row + index) % 9
            tokens[row, :length] = np.random.default_rng(8 * index + row).integers(1, 50, length)
        return tokens, self.y[self.rows(index)] % 2


class OverlappingWindows(Sequence):
    """Windows that overlap, with the value after each as its target."""

    def __init__(self) -> None:
        super().__init__()
        self.signal = np.random.default_rng(6).normal(size=74).astype("float32")

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        starts = range(8 * index, 8 * index + 8)
        windows = np.stack([self.signal[start : start + 10] for start in starts])
        return windows, np.array([self.signal[start + 10] for start in starts])


class SharedByLock(Held):
    """Guards its file, and opens it again in each worker."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, lock=threading.Lock())

    def __getitem__(self, index: int) -> Any:
        with self.lock:
            return super().__getitem__(index)


class RemembersFiles(Held):
    """Keeps what it has read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[int, np.ndarray] = {}

    def __getitem__(self, index: int) -> Any:
        if index not in self.read:
            self.read[index] = self.x[self.rows(index)] * 2
        return self.read[index].copy(), self.y[self.rows(index)]


class Curriculum(ShuffledIndices):
    """Gets harder between epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = np.float32(0)

    def on_epoch_end(self) -> None:
        super().on_epoch_end()
        self.strength += np.float32(0.1)

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + self.strength * self.rng(index).normal(size=x.shape).astype("float32"), y


class Segmentation(Held):
    """Images with masks, most of which are empty."""

    def __getitem__(self, index: int) -> Any:
        x = self.x[self.rows(index)][:, :, None, None] * np.ones((1, 1, 4, 1), "float32")
        return x, (x > 2).astype("uint8")


class ShortLast(Held):
    """61 samples; the last batch has 5."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = self.x[:61], self.y[:61]


class Autoencoder(Held):
    """The targets are the inputs."""

    def __getitem__(self, index: int) -> Any:
        x, _ = super().__getitem__(index)
        return x, x


def shuffled_source() -> Any:
    """Make the source of most programs here."""
    return streamfit.source(ROWS, LABELS, seed=1).shuffle().batch(8)


def augmented_source() -> Any:
    """Make a source of images with drawn flips and noise."""
    images = np.random.default_rng(8).integers(0, 256, (40, 6, 6, 3)).astype("uint8")
    return (
        streamfit.source(images, np.arange(40) % 4, seed=1).shuffle().map(streamfit.augment.flip()).batch(8)
    )


def epoch_of_batches() -> Iterator[Any]:
    """Yield a pass with a seed of its own."""
    for at in np.random.default_rng(2).permutation(64).reshape(8, 8):
        yield ROWS[at], LABELS[at]


CLEAN = (
    ShuffledIndices,
    ShuffledTogether,
    NoiseOfItsIndex,
    Images,
    Records,
    Tokens,
    OverlappingWindows,
    SharedByLock,
    RemembersFiles,
    Curriculum,
    Segmentation,
    ShortLast,
    Autoencoder,
    shuffled_source,
    augmented_source,
    epoch_of_batches,
)
