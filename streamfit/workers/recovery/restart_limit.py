"""Limits how many workers and fork servers in a row are replaced without any progress."""

from __future__ import annotations

from streamfit._base.errors import WorkerError
from streamfit.workers.recovery import exceptions
from streamfit.workers.recovery.crash_report import WorkerExit

_MAX_WORKERS, _MAX_FORK_SERVERS = 20, 3


class RestartLimit:
    """Losses since the last result that counted."""

    def __init__(self) -> None:
        self._workers = 0
        self._fork_servers = 0

    def progress(self) -> None:
        """Take note of a result."""
        self._workers = self._fork_servers = 0

    def worker(self, *, in_vain: bool) -> None:
        """Take note of the death of a worker.

        Args:
            in_vain: it has loaded nothing, and its death counts against no ticket.
        """
        self._workers = self._workers + 1 if in_vain else 0

    def check(self, death: WorkerExit) -> None:
        """Raise if too many workers have ended in a row; `death` is the last of them."""
        if self._workers > _MAX_WORKERS:
            error = WorkerError(
                f"{self._workers} worker processes in a row ended before they loaded anything; the last one "
                f"{death.how()}. Look at what they printed, or use threads (use_multiprocessing=False)."
            )
            exceptions.add_stacks(error, death)
            raise error

    def fork_server(self) -> None:
        """Take note of the death of the fork server; raise if too many have died in a row."""
        self._fork_servers += 1
        if self._fork_servers > _MAX_FORK_SERVERS:
            raise WorkerError(
                f"the process that starts workers died {self._fork_servers} times in a row before any of "
                "them had loaded anything; look at what it printed, or use threads "
                "(use_multiprocessing=False)"
            )
