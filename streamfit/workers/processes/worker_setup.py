"""Sends workers the state of this process and `worker_init`, beside tickets and loaders.

Guarantees kept here: before a load that is sent to it after a data pass began, a worker takes on the state
that this process was in at that moment; before its first load, it calls `worker_init`.
"""

from __future__ import annotations

from streamfit._base.uninterrupted import uninterrupted
from streamfit.workers.contract import Init
from streamfit.workers.processes.parent_state import StateRecorder, StateSnapshot
from streamfit.workers.processes.reports import Reports
from streamfit.workers.processes.worker_group import WorkerHandle
from streamfit.workers.transport.loader_pickle import LoaderRegistry, PickledLoader


class WorkerSetup:
    """The state of this process as the workers of one pool have it.

    Args:
        registry: pickles `init`.
        init: called in each worker before its first load, or None.

    Attributes:
        reports: messages of workers beside values.
        state_key: of the state that workers are to have; 0 for none.
    """

    def __init__(self, registry: LoaderRegistry, init: Init | None) -> None:
        self._registry, self._init = registry, init
        self._pickled_init: PickledLoader | None = None
        self._recorder = StateRecorder()
        self._snapshot: StateSnapshot | None = None
        self.state_key = 0
        self.reports = Reports()

    def for_probe_pool(self, registry: LoaderRegistry) -> WorkerSetup:
        """Return the same for a pool that examines tickets of this one; nothing is reported twice."""
        setup = WorkerSetup(registry, self._init)
        setup.reports = self.reports
        return setup

    def note_environment(self) -> None:
        """Note the environment that workers inherit which are started now."""
        self._recorder.note_environment()

    def update(self) -> None:
        """Take the state of this process; workers get it before their next load.

        Raises:
            PicklingError: `init` cannot be sent to another process.
        """
        if self._init is not None and self._pickled_init is None:
            self._pickled_init = self._registry.pickle(self._init, "worker_init")
        self._snapshot = self._recorder.take()
        self.state_key = self._snapshot.key
        self.reports.note(self._recorder.unsent)

    def clear(self) -> None:
        """Release all memory; workers that have mapped it keep what they need."""
        if self._pickled_init is not None:
            uninterrupted(self._pickled_init.close)
        self._recorder.clear()
        self._pickled_init = self._snapshot = None
        self.state_key = 0

    def send_init(self, handle: WorkerHandle) -> None:
        """Send a new worker the function to call before its first load."""
        if self._pickled_init is not None:
            handle.send_init(self._pickled_init)

    def send_state(self, handle: WorkerHandle) -> None:
        """Send a worker the state, unless it has it."""
        if self._snapshot is not None:
            handle.send_state(self._snapshot)
