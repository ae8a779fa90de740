"""`stream`: batches for any loop, including the loops of other libraries.

Guarantees kept here: the same batches in the same order for any number of workers of any kind; leaving
the loop at any point releases all resources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from streamfit._base.checks import truth, whole
from streamfit.streams.adapt import open_source
from streamfit.streams.batch import Batch
from streamfit.streams.feed import Feed
from streamfit.streams.load_policy import LoadPolicy
from streamfit.streams.source import Source
from streamfit.workers import Pool, check_init, hash_seed_of_program, hash_seed_of_run, make_pool
from streamfit.workers.contract import Kind


class Stream:
    """Iterate over the batches of a source, pass by pass.

    Each ``for`` loop reads the next pass. `epoch` reads any pass.

    Args:
        source: The source.
        workers: How many workers load batches; 0 loads in the caller's thread.
        use_multiprocessing: Whether the workers are processes and not threads.
        max_queue_size: How many batches are loaded ahead.
        policy: The treatment of loads that hang, raise an exception or kill a worker.
        worker_init: A function that each worker calls before its first load.
        hash_seed: Hash seed of worker processes; None for that of the program's last run.

    Example:
        >>> import numpy as np
        >>> with stream(np.arange(4), np.arange(4) ** 2, batch_size=2) as squares:
        ...     for x, y in squares:
        ...         print(x, y)
        [0 1] [0 1]
        [2 3] [4 9]
    """

    def __init__(
        self,
        source: Source,
        workers: int = 0,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        policy: LoadPolicy | None = None,
        worker_init: Callable[[], object] | None = None,
        hash_seed: int | None = None,
    ) -> None:
        workers = whole("workers", workers, 0)
        max_queue_size = whole("max_queue_size", max_queue_size, 1)
        processes = truth("use_multiprocessing", use_multiprocessing)
        kind: Kind = ("processes" if processes else "threads") if workers else "inline"
        policy = LoadPolicy() if policy is None else policy
        traits = source.traits
        working = traits.in_workers or traits.stages_in_workers
        policy.check(source, kind if working else "inline")
        self.source, self._tolerance = source, policy.tolerance
        self._ahead = max_queue_size if workers else 0
        self._pool: Pool | None = None
        if workers:
            self._pool = make_pool(
                kind, workers, max_queue_size, policy.load_timeout, init=worker_init, hash_seed=hash_seed
            )
        check_init(worker_init)
        own = working if workers else traits.copies_rows  # workers call it, or no call is needed
        self._init = None if own else worker_init
        self._reader = source.make_reader()
        self._next = 0
        self._closed = False
        # The batches that an iterator pulled ahead must not be lost.
        self._kept = None if traits.rewinds else self._feed()

    def _feed(self) -> Feed:
        tolerance = self._tolerance
        return Feed(
            self.source,
            self._pool,
            ahead=self._ahead,
            alike="nothing",
            tolerance=tolerance,
            kept=True,
            reader=self._reader,
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of pass `number`. Leaving the loop early is fine.

        An iterator (a generator object) only continues.
        """
        if self._closed:
            raise ValueError("the stream is closed; make a new one with streamfit.stream(...)")
        return self._read(number)

    def _read(self, number: int) -> Iterator[Batch]:
        init, self._init = self._init, None
        if init is not None:
            init()
        if self._kept is not None:
            yield from self._kept.run()
            return
        with self._feed() as feed:
            feed.seek(number, 0)
            try:
                yield from feed.run()
            finally:
                if self._tolerance is not None:
                    self._tolerance = max(0, self._tolerance - feed.lost)

    def __iter__(self) -> Iterator[Any]:
        number, self._next = self._next, self._next + 1
        return (batch.given() for batch in self.epoch(number))

    def __len__(self) -> int:
        count = self.source.batches(self._next)
        if count is None:
            raise TypeError(f"source {self.source.name!r} does not know its number of batches")
        return count

    def close(self) -> None:
        """Stop the workers."""
        self._closed = True
        if self._kept is not None:
            self._kept.close()
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stream(
    x: object,
    y: object = None,
    sample_weight: object = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    seed: int | None = None,
    workers: int = 0,
    use_multiprocessing: bool = False,
    max_queue_size: int = 10,
    name: str = "data",
    load_timeout: float | None = None,
    on_bad_sample: str = "raise",
    max_bad_samples: int | None = None,
    worker_init: Callable[[], object] | None = None,
) -> Stream:
    """Turn arrays, a generator, a `Sequence` or an iterable into a stream of batches.

    Args:
        x: Inputs, or the object that returns the batches.
        y: Targets, when `x` are arrays.
        sample_weight: Weights, when `x` are arrays.
        batch_size: Samples in a batch, when `x` are arrays; None for 32.
        shuffle: True, False or ``'batch'``.
        seed: Seed of the orders; None draws one.
        workers: How many workers load batches; 0 loads in the caller's thread.
        use_multiprocessing: Whether the workers are processes and not threads.
        max_queue_size: How many batches are loaded ahead.
        name: Name of the source in messages.
        load_timeout: Seconds that a load may take before its worker process counts as hung and is replaced;
            None sets the limit by the earlier loads, at least one minute.
        on_bad_sample: The treatment of a sample whose load raises an exception or kills its workers:
            ``'raise'``, or ``'skip'`` to leave it out of its batch (a `Sequence`: the whole batch) with a
            warning.
        max_bad_samples: How many may be left out in all passes together; needed with ``'skip'``.
        worker_init: Called without arguments once in each worker process (also in replacements) or thread,
            before its first load; without workers, once in the caller's thread. Its exceptions end the
            loop.

    Returns:
        An iterable of x, (x, y) or (x, y, sample_weight), as the data have them.

    Example:
        >>> import numpy as np
        >>> len(stream(np.zeros((10, 2)), batch_size=4))
        3
        >>> class Torn:
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def __getitem__(self, index):
        ...         if index == 1:
        ...             raise OSError("cannot read")
        ...         return np.zeros((2, 3)), np.zeros(2)
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # the warning that batch 1 was left out
        ...     len(list(stream(Torn(), on_bad_sample="skip", max_bad_samples=1)))
        2
    """
    source = open_source(
        x,
        y,
        sample_weight,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        name=name,
        targets=False,
        text=True,
    )
    policy = LoadPolicy(load_timeout, on_bad_sample, max_bad_samples)
    hash_seed = hash_seed_of_program() if seed is None else hash_seed_of_run(seed)
    return Stream(source, workers, use_multiprocessing, max_queue_size, policy, worker_init, hash_seed)
