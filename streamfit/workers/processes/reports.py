"""Messages of workers beside values: log records, settings that they lack, a `worker_init` that failed."""

from __future__ import annotations

import os
import pickle
import warnings
from collections import deque

from streamfit._base.errors import WorkerError
from streamfit.workers.processes import log_records
from streamfit.workers.recovery import exceptions
from streamfit.workers.transport import wire
from streamfit.workers.transport.wire import Channel, Frame

KINDS = frozenset({wire.RECORD, wire.UNSENT, wire.INIT_FAILED})
_NAMED = 20
_MOST_READS = 64  # a worker may go on logging for ever


class Reports:
    """Collects messages of the workers of a pool, and passes them on when the pool is between two steps."""

    def __init__(self) -> None:
        self._records: deque[tuple[bytes, int | None]] = deque()
        self._unsent: list[str] = []
        self._reported: set[str] = set()
        self._init_error: Exception | None = None

    def take(self, worker: int | None, frame: Frame) -> None:
        """Take in a frame of one of `KINDS` from a worker, given its process id."""
        if frame.kind == wire.RECORD:
            self._records.append((frame.body, worker))
        elif frame.kind == wire.UNSENT:
            self.note(pickle.loads(frame.body))
        elif self._init_error is None:
            self._init_error = exceptions.unpack(frame.body)
            self._init_error.add_note("worker_init raised this in a new worker process.")

    def take_last(self, worker: int | None, channel: Channel) -> None:
        """Take in the unread log records of a worker, and no other messages."""
        for _ in range(_MOST_READS):
            if channel.ended:
                return
            try:
                frames = channel.receive(wait=False)
            except (OSError, WorkerError):  # nothing more can be read; it ends anyway
                return
            if not frames:
                return
            for frame in frames:
                for fd in frame.fds:
                    os.close(fd)
                if frame.kind == wire.RECORD:
                    self.take(worker, frame)

    def note(self, unsent: list[str]) -> None:
        """Note settings that cannot be passed on; each is reported once."""
        self._unsent += [name for name in unsent if name not in self._reported]
        self._reported.update(unsent)

    def pass_on(self) -> None:
        """Handle log records, warn of settings, raise the exception of `worker_init`."""
        if not (self._records or self._unsent or self._init_error):
            return
        self.pass_on_records()
        if self._init_error is not None:
            error, self._init_error = self._init_error, None
            raise error
        if self._unsent:
            names, self._unsent = self._unsent, []
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            warnings.warn(
                "these settings of this process differ from what an import gives, and worker processes, "
                f"which import anew, cannot be given them: {', '.join(names[:_NAMED])}{more}. Set them when "
                "the module is imported, in a function passed as worker_init=..., or hold them in the data "
                "set; or use threads (use_multiprocessing=False).",
                RuntimeWarning,
                stacklevel=2,
            )

    def pass_on_records(self) -> None:
        """Handle log records alone."""
        while self._records:
            log_records.handle(*self._records.popleft())
