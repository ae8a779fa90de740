"""Settings that Hypothesis draws: workers, epochs, places to resume at, faults of workers."""

from __future__ import annotations

from typing import TypedDict

from streamfit.testing.checked_reader import WorkerKind
from streamfit.testing.fault_plan import SURVIVED, Fault, FaultKind, FaultPlan
from streamfit.testing.strategies.hypothesis_package import st


class WorkerSettings(TypedDict):
    """The arguments of `fit` and `stream` that choose the workers."""

    workers: int
    use_multiprocessing: bool
    max_queue_size: int


def worker_settings(
    kinds: tuple[WorkerKind, ...] = ("inline", "threads", "processes"), most: int = 3
) -> st.SearchStrategy[WorkerSettings]:
    """Draw the keyword arguments of `fit` and `stream` that choose the workers.

    Args:
        kinds: The kinds of workers; processes take some tenths of a second to start.
        most: How many workers at most.
    """

    def settings(kind: WorkerKind, workers: int, ahead: int) -> WorkerSettings:
        count = 0 if kind == "inline" else workers
        return {"workers": count, "use_multiprocessing": kind == "processes", "max_queue_size": ahead}

    return st.builds(settings, st.sampled_from(kinds), st.integers(1, most), st.integers(1, 10))


def epochs(most: int = 3, steps: int = 12) -> st.SearchStrategy[dict[str, int | None]]:
    """Draw the keyword arguments `epochs` and `steps_per_epoch` of `fit`; None is one whole pass."""
    limit = st.none() | st.integers(1, steps)
    return st.fixed_dictionaries({"epochs": st.integers(1, most), "steps_per_epoch": limit})


def resume_points(passes: int = 2, batches: int = 12) -> st.SearchStrategy[tuple[int, int]]:
    """Draw a place in a stream: number of the pass, number of the batch."""
    return st.tuples(st.integers(0, passes), st.integers(0, batches))


def fault_plans(
    kinds: tuple[FaultKind, ...] = SURVIVED, *, batches: int = 12, most: int = 4
) -> st.SearchStrategy[FaultPlan]:
    """Draw a plan with a few faults at chosen places, so that it shrinks to the fault that matters."""
    fault = st.builds(Fault, st.sampled_from(kinds), st.integers(0, 1), st.integers(0, batches - 1))
    faults = st.lists(fault, max_size=most, unique_by=lambda one: (one.epoch, one.batch))
    return faults.map(lambda chosen: FaultPlan(rate=0, faults=chosen, seconds=0.01))
