"""`ImageIterator`: endless batches of an `ImageDataGenerator`, by hand and as a stream of `fit`.

Guarantees kept here: every sample comes once in each pass, in an order and with random numbers that depend on
seed, pass and sample alone; a stream that reads an iterator does not move the place of loops by hand, and
two streams that read it one after the other get different passes.
"""

from __future__ import annotations

import threading

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.config import next_seed
from streamfit._base.keys import derive, seed_or_none
from streamfit._base.specs import Array
from streamfit.preprocessing.image.generated_images import GeneratedImages
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.seekable import SeekableSource
from streamfit.streams.sequence import Sequence
from streamfit.streams.source import Source
from streamfit.streams.stages import BatchStage, Pass, Shuffle, Stage
from streamfit.streams.stages.elements import Element


class ImageIterator(Sequence):
    """Base of what `flow`, `flow_from_directory` and `flow_from_dataframe` return.

    It is passed to `fit`, `fit_generator` and their like, which read it as they read a pipeline: on any
    workers, each sample once a pass, resumable, with the ids of samples in the receipts. By hand,
    ``next(it)`` and loops never end, ``it[i]`` is batch i of the present pass, and `on_epoch_end` begins the
    next pass.
    Iterators with one seed give the same order and the same transforms, so images and masks can be zipped.

    Args:
        stage: The samples.
        batch_size: Samples in a batch; the last one of a pass may be smaller.
        shuffle: Whether each pass has an order of its own.
        seed: Of orders and transforms; None follows the run that reads it, and by hand `set_random_seed`.

    Attributes:
        n: The number of samples; `samples` too.
        batch_index: Which batch ``next`` returns.
        total_batches_seen: How many batches were taken by hand.
    """

    def __init__(self, stage: GeneratedImages, batch_size: object, shuffle: object, seed: object) -> None:
        super().__init__()
        self.n = self.samples = len(stage.samples)
        self.batch_size = whole("batch_size", batch_size, 1)
        self.shuffle, self.seed = truth("shuffle", shuffle), seed_or_none(seed)
        self.batch_index = self.total_batches_seen = 0
        self._by_hand = next_seed() if self.seed is None else self.seed
        self._pass = -1  # of loops by hand; -1 before the first
        self._streams = 0  # how many have read this
        self._stage = stage
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.__dict__["_lock"] = threading.Lock()

    # -- by hand --------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Element:
        """Return a batch of the present pass."""
        count = len(self)
        if not 0 <= index < count:
            raise ValueError(f"there is no batch {index}: a pass has {count}, counted from 0")
        with self._lock:
            self.__dict__["total_batches_seen"] += 1
        return self._batches().load(self._present(), int(index), None)

    def __iter__(self) -> ImageIterator:
        return self

    def __next__(self) -> Element:
        return self.next()

    def next(self) -> Element:
        """Return the next batch; pass follows pass without end."""
        if not self.n:
            raise ValueError("there are no images, so there is no batch")
        own = self.__dict__  # a place in a loop is no change of the data
        with self._lock:
            if self.batch_index == 0:
                own["_pass"] = self._pass + 1
            index, present = self.batch_index, self._present()
            own["batch_index"] = (index + 1) % len(self)
            own["total_batches_seen"] += 1
        return self._batches().load(present, index, None)

    def reset(self) -> None:
        """Have ``next`` begin a pass."""
        self.__dict__["batch_index"] = 0

    def on_epoch_end(self) -> None:
        """Begin the next pass of ``it[i]``."""
        self._pass = max(self._pass, 0) + 1

    @property
    def index_array(self) -> Array:
        """The samples in the order of the present pass, int64 (n,)."""
        return self._ordered().ids(self._present(), np.arange(self.n))

    def _present(self) -> Pass:
        return Pass(self._by_hand, max(self._pass, 0))

    def _ordered(self) -> Stage:
        return Shuffle(self._stage) if self.shuffle else self._stage

    def _batches(self) -> BatchStage:
        return BatchStage(self._ordered(), self.batch_size)

    # -- as a stream ------------------------------------------------------------------------------------

    def as_pipeline(self) -> Pipeline:
        """Return the batches as a pipeline, to which more stages can be added; `source` calls it."""
        return Pipeline(self._batches(), seed=self.seed)

    def open_source(
        self,
        *,
        seed: int | None = None,
        batch_size: int | None = None,
        name: str = "data",
        targets: bool = True,
        text: bool = False,
    ) -> Source:
        """Return what a stream reads; see `Pipeline.open_source`.

        Raises:
            ValueError: `batch_size` is given: it is that of this iterator.
        """
        if batch_size is not None:
            raise ValueError(
                f"batch_size={batch_size}: the {type(self).__name__} makes batches itself; write batch_size "
                "in flow()"
            )
        if self.seed is None:
            start = next_seed() if seed is None else seed
        else:
            start = self.seed if not self._streams else derive(self.seed, "stream", self._streams) >> 1
        return _IteratorSource(self, self._batches(), seed=start, name=name, targets=targets, text=text)

    def _read(self) -> None:
        self.__dict__["_streams"] = self._streams + 1


class _IteratorSource(SeekableSource):
    """Feed the batches of an iterator, and count that it was read."""

    def __init__(
        self, iterator: ImageIterator, stage: Stage, *, seed: int, name: str, targets: bool, text: bool
    ) -> None:
        super().__init__(stage, seed=seed, name=name, targets=targets, text=text)
        self._iterator: ImageIterator | None = iterator

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_iterator": None}

    def begin_pass(self, data_epoch: int) -> None:
        """Count the first pass of this stream."""
        iterator, self._iterator = self._iterator, None
        if iterator is not None:
            iterator._read()
        super().begin_pass(data_epoch)
