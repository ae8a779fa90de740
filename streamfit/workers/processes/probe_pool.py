"""Pools for tickets that cannot be loaded: one worker, set aside for them, finds out which parts are bad.

Guarantee kept here: a ticket that kills its worker here is reported at once and not tried again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamfit.workers.contract import AnyLoader, Describe
from streamfit.workers.processes.pool import ProcessPool
from streamfit.workers.recovery.bad_samples import AnyProbe, CannotExamineError
from streamfit.workers.transport.loader_pickle import PickledLoader


class ProbePool(ProcessPool):
    """One worker for tickets that may kill it; it reports the first death and tries nothing again.

    Args:
        pickled_loader: the loader as the other workers got it, however the original has changed since.
        pool: the one whose tickets it examines.
    """

    deaths = 1

    def __init__(self, pickled_loader: PickledLoader, pool: ProcessPool) -> None:
        super().__init__(workers=1, ahead=1, hash_seed=pool._hash_seed)
        self._pickled_loader, self._deadline = pickled_loader, pool._deadline
        self._setup = pool._setup.for_probe_pool(self._registry)

    def pickled_loader_for(self, loader: AnyLoader) -> PickledLoader:
        """Return the loader as the other pool sends it."""
        return self._pickled_loader


class ExaminingPool(ProcessPool):
    """Loads in worker processes, and examines tickets that cannot be loaded; see `ProcessPool`."""

    @contextmanager
    def probing(
        self, loader: AnyLoader, loader_handle: PickledLoader, describe: Describe
    ) -> Iterator[AnyProbe]:
        """Return a probe that loads tickets in a worker set aside for it."""
        with ProbePool(loader_handle, self) as pool:

            def probe(ticket: object) -> object:
                run = None
                try:
                    with pool.open(loader, [ticket], describe=describe) as run:
                        return next(run).value
                except Exception as error:
                    if run is not None and run.failed:
                        raise
                    text = f"what cannot be loaded could not be examined: {error}"
                    raise CannotExamineError(text) from error

            yield probe
