"""Pools by kind."""

from __future__ import annotations

import contextlib
import weakref

from streamfit._base.errors import WorkerError
from streamfit._base.names import did_you_mean
from streamfit._base.telling import warn
from streamfit.workers.contract import Init, Kind, Pool, inside_worker
from streamfit.workers.pool.inline import InlinePool
from streamfit.workers.pool.threads import ThreadPool

_KINDS = ("inline", "threads", "processes")
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def make_pool(
    kind: Kind,
    workers: int,
    ahead: int = 10,
    timeout: float | None = None,
    *,
    init: Init | None = None,
    hash_seed: int | None = None,
) -> Pool:
    """Make a pool of workers.

    Args:
        kind: "inline" (load in the caller's thread), "threads" or "processes".
        workers: how many loads go on at once; 0 is the same as "inline".
        ahead: how many tickets may be in flight beyond the delivered one.
        timeout: seconds that a load may take before its worker process counts as hung and is replaced; None
            judges by the loads before it, a minute at the least. Loads in this process cannot be stopped.
        init: called without arguments once in each worker before its first load: in each process (also one
            that replaces another) or thread; without workers, once in the caller's thread.
        hash_seed: the seed of `hash` in worker processes, in [0, 2**32), also after they are replaced; None
            for that of the program's last run. Loads in this process hash as it does.

    Returns:
        a pool whose workers start with the first `open`, or with `start`. Close it, or use it in a `with`.

    Raises:
        ValueError: an argument is out of range.
        TypeError: `init` cannot be called.
        WorkerError: worker processes cannot work on this system.

    Example:
        >>> class Square:
        ...     def load(self, ticket):
        ...         return ticket * ticket
        >>> with make_pool("threads", workers=2) as pool, pool.open(Square(), range(3)) as run:
        ...     [loaded.value for loaded in run]
        [0, 1, 4]
    """
    if kind not in _KINDS:
        raise ValueError(f"kind={kind!r} is none of {', '.join(_KINDS)}.{did_you_mean(str(kind), _KINDS)}")
    if workers < 0:
        raise ValueError(f"workers={workers}: write 0 to load in the main thread, or a positive number")
    if ahead < 1:
        raise ValueError(f"ahead={ahead} (max_queue_size): write 1 or more")
    check_init(init)
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout={timeout} (load_timeout): write a positive number of seconds")
    if timeout is not None and (kind != "processes" or workers == 0):
        raise ValueError(
            f"timeout={timeout} (load_timeout) needs worker processes (use_multiprocessing=True, workers >= 1"
            "): a load in this process, in a thread or not, cannot be stopped"
        )
    if kind == "processes" and workers and inside_worker():
        warn(
            "a pool of processes was asked for inside a worker process; it loads inline. Make the data set "
            "without workers of its own, or load it in threads.",
            RuntimeWarning,
            stacklevel=2,
        )
        return InlinePool(init)
    if kind == "inline" or workers == 0:
        return InlinePool(init)
    if kind == "threads":
        pool: Pool = ThreadPool(workers, ahead, init)
    else:
        from streamfit.workers.processes.probe_pool import (
            ExaminingPool,  # takes a while; most programs need none
        )

        pool = ExaminingPool(workers, ahead, timeout, init=init, hash_seed=hash_seed)
    _pools.add(pool)
    return pool


def check_init(init: object) -> None:
    """Raise a TypeError unless `init` is None or can be called."""
    if init is not None and not callable(init):
        raise TypeError(
            f"worker_init={init!r}: write a function without arguments, to be called in each new worker"
        )


def live_pids() -> list[int]:
    """Return the process ids of all worker processes of this process, for tests and demonstrations.

    Example:
        >>> live_pids()
        []
    """
    pids: list[int] = []
    for pool in list(_pools):
        with contextlib.suppress(WorkerError):  # closed, but not collected yet
            pids += pool.pids()
    return pids
