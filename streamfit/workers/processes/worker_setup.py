"""What the workers of a pool are told beside tickets and loaders, and what they tell beside values.

Guarantees kept here: a worker is in the state that this process was in when the latest pass began before it
loads anything that is sent to it after that, and has called `worker_init` before its first load.
"""

from __future__ import annotations

from streamfit.workers.contract import Init
from streamfit.workers.processes.parent_state import ParentState, ProcessState
from streamfit.workers.processes.reports import Reports
from streamfit.workers.processes.worker_group import WorkerHandle
from streamfit.workers.transport.loader_pickle import LoaderRegistry, PickledLoader
from streamfit.workers.transport.uninterrupted import uninterrupted


class WorkerSetup:
    """The state of this process as the workers of one pool have it.

    Args:
        registry: pickles what is to be called.
        init: what each worker calls before its first load, or None.

    Attributes:
        reports: what workers tell.
        state: the key of the state that workers are to have; 0 for none.
    """

    def __init__(self, registry: LoaderRegistry, init: Init | None) -> None:
        self._registry, self._init = registry, init
        self._pickled_loader: PickledLoader | None = None
        self._parent_state = ParentState()
        self._state: ProcessState | None = None
        self.state = 0
        self.reports = Reports()

    def for_one_more(self, registry: LoaderRegistry) -> WorkerSetup:
        """Return the same for another pool that serves this one: what was told is not told again."""
        setup = WorkerSetup(registry, self._init)
        setup.reports = self.reports
        return setup

    def begin(self) -> None:
        """Note what workers inherit that are started now."""
        self._parent_state.begin()

    def update(self) -> None:
        """Take the state of this process; workers get it before their next load.

        Raises:
            PicklingError: what is to be called cannot be sent to another process.
        """
        if self._init is not None and self._pickled_loader is None:
            self._pickled_loader = self._registry.pickle(self._init, "worker_init")
        self._state = self._parent_state.take()
        self.state = self._state.key
        self.reports.note(self._parent_state.untold)

    def clear(self) -> None:
        """Give back all memory; workers that have mapped it keep what they need."""
        if self._pickled_loader is not None:
            uninterrupted(self._pickled_loader.close)
        self._parent_state.clear()
        self._pickled_loader = self._state = None
        self.state = 0

    def greet(self, handle: WorkerHandle) -> None:
        """Tell a new worker what to call."""
        if self._pickled_loader is not None:
            handle.send_init(self._pickled_loader)

    def send(self, handle: WorkerHandle) -> None:
        """Send a worker the state, unless it has it."""
        if self._state is not None:
            handle.send_state(self._state)
