"""From the data arguments of the user to a feed of batches, with the workers it needs."""

from __future__ import annotations

import functools
import math
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np

from streamfit._base.arrow_columns import without_arrow
from streamfit._base.checks import real, scalar, whole_or_none
from streamfit._base.errors import DataError
from streamfit._base.thread_budget import taken_threads
from streamfit.streams import ArraySource, Batch, Feed, Source, check_batch_size, open_source
from streamfit.streams.adapt import kind_of
from streamfit.streams.batch_layout import Alike
from streamfit.streams.leaves import as_array, as_rows, as_text_or_array, is_arraylike, leaves, rebuild
from streamfit.streams.profiling.recorder import StreamRecorder
from streamfit.training.stream_settings import StreamSettings
from streamfit.workers import Pool, keep_hash_seed, make_pool
from streamfit.workers.contract import Kind

_AHEAD = 10  # Keras' default of max_queue_size


@dataclass
class Data:
    """Data as they were passed to `fit`, `evaluate` or `predict`.

    Attributes:
        targets: Whether targets are wanted.
        text: Whether x may hold text.
    """

    x: object
    y: object
    sample_weight: object
    batch_size: int | None
    shuffle: bool | str
    targets: bool = True
    validation_batch_size: int | None = None
    text: bool = False

    def __post_init__(self) -> None:
        self.x, self.y = without_arrow(self.x, "x"), without_arrow(self.y, "y")
        self.sample_weight = without_arrow(self.sample_weight, "sample_weight")

    def source(self, seed: int, name: str) -> Source:
        """Make the source."""
        if self.x is None:
            raise ValueError(f"{name}: x is missing; pass arrays, a generator, a Sequence or a Source")
        try:
            return open_source(
                *(self.x, self.y, self.sample_weight),
                batch_size=self.batch_size,
                shuffle=self.shuffle,
                seed=seed,
                name=name,
                targets=self.targets,
                text=self.text,
            )
        except DataError as error:
            raise type(error)(f"{error} (source {name!r})") from error.__cause__

    def split(self, share: float) -> tuple[Data, Data]:
        """Split off the last `share` of the samples; rows are views, nothing is copied.

        The cut is at floor(n * (1 - share)), computed in exact decimals.

        Raises:
            ValueError: The data are no arrays, or one side would be empty.
        """
        if self.x is None or kind_of(self.x, "training data") != "arrays":
            raise ValueError(
                "`validation_split` is only supported for arrays; for a generator or Sequence pass "
                "validation_data"
            )
        parts = (self.y, as_rows, "y"), (self.sample_weight, as_rows, "sample_weight")
        take_x = functools.partial(as_rows, text=self.text)
        whole = [rebuild(self.x, take_x, "x"), *(rebuild(*part) for part in parts)]
        # It checks that the lengths agree.
        total = ArraySource(*whole, name="training data", text=self.text).samples
        at = math.floor(total * (1 - Fraction(repr(share))))  # 0.8 of 100 leaves 20: the decimals count
        if not 0 < at < total:
            raise ValueError(f"validation_split={share} of {total} samples leaves nothing on one side")
        x, y, weight = (rebuild(part, lambda rows, _: rows[:at]) for part in whole)
        head = Data(x, y, weight, self.batch_size, self.shuffle, text=self.text)
        x, y, weight = (rebuild(part, lambda rows, _: rows[at:]) for part in whole)
        size = self.validation_batch_size or self.batch_size
        return head, Data(x, y, weight, size, False, text=self.text)


def validation(
    data: object, share: float, batch_size: int | None, own_batch_size: int | None = None
) -> Data | float | None:
    """Return the validation data, or the share to split off, or None.

    Args:
        data: (x, y) or (x, y, weights), a stream, or None.
        share: How much of the training data to split off when there are no `data`.
        batch_size: That of the training data.
        own_batch_size: That of the validation data alone, where it differs.

    Raises:
        ValueError: A tuple of another length than 2 or 3, or a share outside [0, 1).
        TypeError: The share is no number.
    """
    if own_batch_size is not None:
        check_batch_size(own_batch_size)
    if data is None:
        return _share(share)
    if not isinstance(data, (tuple, list)):
        return Data(data, None, None, own_batch_size, False)
    if not 2 <= len(data) <= 3:
        raise ValueError(
            "When passing validation_data, it must contain 2 (x_val, y_val) or 3 (x_val, y_val, "
            f"val_sample_weights) items, however it contains {len(data)} items"
        )
    weight = data[2] if len(data) == 3 else None
    return Data(data[0], data[1], weight, batch_size if own_batch_size is None else own_batch_size, False)


def _share(share: object) -> float | None:
    share = scalar(share)
    value = real(share)
    if value is None:
        raise TypeError(
            f"validation_split must be a number in [0, 1), got {share!r} ({type(share).__name__})"
        )
    # np.float32(0.8) was written as 0.8: its shortest decimals, not the nearest binary number.
    if isinstance(share, np.floating):
        value = float(str(share))
    if not 0.0 <= value < 1.0:
        raise ValueError(f"validation_split must be in [0, 1), got {share}")
    return value or None


def need_steps(data: object, steps: float | None, argument: str) -> None:
    """Raise unless the number of steps is given or the data know their length.

    Raises:
        ValueError: A plain generator without a number of steps.
    """
    # An iterator that has batches by number, such as those of `ImageDataGenerator`, is read by number.
    plain = hasattr(data, "__next__") and not hasattr(data, "__getitem__")
    if steps is None and (plain or not (hasattr(data, "__len__") or isinstance(data, Source))):
        raise ValueError(
            f"`{argument}=None` is only valid for a generator based on the `keras.utils.Sequence` class. "
            f"Please specify `{argument}` or use the `Sequence` class."
        )


class Streams:
    """Open feeds, and close them and their workers at the end, also after an error.

    Args:
        settings: Who loads.
        hash_seed: That of worker processes.
        alike: What the batches of a stream must have in common.

    Attributes:
        hash_seed: As above, or as `use_hash_seed` has changed it.
        alike: As above; it counts for the feeds that are made from now on.
    """

    def __init__(self, settings: StreamSettings, hash_seed: int, alike: Alike = "shapes") -> None:
        self._settings, self.hash_seed, self.alike = settings, hash_seed, alike
        self._stack = ExitStack()
        self._pool: Pool | None = None
        self._pools: list[Pool] = []
        self._init = settings.worker_init
        self._pool_kind: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def feed(
        self,
        source: Source,
        *,
        wrap: bool,
        total: int | None,
        audit: bool = False,
        recorder: StreamRecorder | None = None,
    ) -> Feed:
        """Return a feed of `source`; workers start now, in the background.

        Args:
            source: Where batches come from.
            wrap: Whether passes follow one another within an epoch.
            total: The largest number of batches that will be read, when that is known.
            audit: Whether receipts have a checksum of contents.
            recorder: What measures the stream, where that is wanted.
        """
        kind, workers, ahead = self._who_loads(source)
        traits = source.traits
        pooled = kind != "inline" and (traits.in_workers or traits.stages_in_workers)
        policy = self._settings.policy
        policy.check(source, "processes" if self._pool is not None else kind if pooled else "inline")
        # A thread that reads files is seldom at work; one that runs the user's code may always be.
        busy = workers - 1 if kind == "threads" and traits.only_reads else workers
        pool = self._shared_pool(kind, workers, ahead, busy) if pooled else None
        if pool is None and not source.traits.copies_rows:
            self._init_here()
        reader = None
        if recorder is not None:
            pool, reader = recorder.watch(source, pool, ahead if workers else 0)
        feed = Feed(
            source,
            pool,
            wrap=wrap,
            seed=source.seed,
            ahead=ahead if workers else 0,
            total=total,
            alike=self.alike,
            tolerance=policy.tolerance,
            audit=audit,
            reader=reader,
        )
        self._stack.callback(feed.close)
        return feed

    def _init_here(self) -> None:
        """Call `worker_init` once in this thread, where code of the user's is to load here."""
        init, self._init = self._init, None
        if init is not None:
            init()

    def use_hash_seed(self, hash_seed: int) -> None:
        """Have worker processes hash as those of another run did, before anything is read."""
        self.hash_seed = keep_hash_seed(hash_seed)
        for pool in self._pools:
            pool.use_hash_seed(hash_seed)

    def _who_loads(self, source: Source) -> tuple[Kind, int, int]:
        """Return kind, number of workers and how far they may work ahead.

        The arguments win, then the attributes of a `Sequence`, then one thread for everything but arrays.
        """
        settings, own = self._settings, getattr(source, "sequence", None)
        processes = settings.use_multiprocessing
        if processes is None:
            processes = bool(getattr(own, "use_multiprocessing", False))
        workers = settings.workers
        if workers is None:
            workers = whole_or_none("workers", getattr(own, "workers", None), 0)
        if workers is None:
            workers = 0 if source.traits.copies_rows and not processes else 1
        ahead = settings.max_queue_size or int(getattr(own, "max_queue_size", None) or _AHEAD)
        if not workers:
            return "inline", 0, ahead
        return ("processes" if processes else "threads"), workers, ahead

    def _shared_pool(self, kind: Kind, workers: int, ahead: int, busy: int) -> Pool:
        """Training and validation share one pool when they use the same workers."""
        if self._pool is None or self._pool_kind != (kind, workers):
            timeout = self._settings.policy.load_timeout if kind == "processes" else None
            self._pool = make_pool(
                kind,
                workers,
                ahead,
                timeout,
                init=self._settings.worker_init,
                hash_seed=self.hash_seed,
            )
            self._pool_kind = (kind, workers)
            self._pools.append(self._pool)
            self._stack.callback(self._pool.close)
            self._stack.enter_context(taken_threads(busy))  # kernels leave them their processors
            self._pool.start(["streamfit.streams"])  # once, not in each worker that takes another's place
        return self._pool


def empty_rows(x: object) -> bool:
    """Return whether `x` is one or several arrays without rows."""
    found = [array for _, array in leaves(x)]
    return bool(found) and all(is_arraylike(a) and not a.shape[0] for a in found)


def one_batch(
    x: object, y: object = None, sample_weight: object = None, *, text: bool = False, rows: int = 0
) -> Batch:
    """Make a batch of the arguments of `train_on_batch` and its like.

    Args:
        x, y, sample_weight: The batch.
        text: Whether x may hold text.
        rows: How many samples have their place as their id; 0 for samples without ids.

    Raises:
        DataError: Something that is no array of numbers.
    """
    inputs = rebuild(x, as_text_or_array if text else as_array, "x")
    weights = rebuild(sample_weight, as_array, "sample_weight")
    ids = np.arange(rows) if rows else None
    return Batch(inputs, rebuild(y, as_array, "y"), weights, ids)


def need_data(found: bool, name: str) -> None:
    """Raise when there was not a single batch."""
    if not found:
        raise DataError(f"{name}: there was not a single batch")
