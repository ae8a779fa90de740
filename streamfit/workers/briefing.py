"""What the workers of a pool are told beside tickets and loaders, and what they tell beside values.

Guarantees kept here: a worker is in the state that this process was in when the latest pass began before it
loads anything that is sent to it after that, and has called `worker_init` before its first load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamfit.workers.crew import Link
from streamfit.workers.dataset import Dispatch, Parcel
from streamfit.workers.reports import Reports
from streamfit.workers.surroundings import State, Surroundings
from streamfit.workers.uninterrupted import uninterrupted


class Briefing:
    """The state of this process as the workers of one pool have it.

    Args:
        dispatch: pickles what is to be called.
        init: what each worker calls before its first load, or None.

    Attributes:
        reports: what workers tell.
        state: the key of the state that workers are to have; 0 for none.
    """

    def __init__(self, dispatch: Dispatch, init: Callable[[], Any] | None) -> None:
        self._dispatch, self._init = dispatch, init
        self._parcel: Parcel | None = None
        self._surroundings = Surroundings()
        self._state: State | None = None
        self.state = 0
        self.reports = Reports()

    def for_one_more(self, dispatch: Dispatch) -> Briefing:
        """Return the same for another pool that serves this one: what was told is not told again."""
        briefing = Briefing(dispatch, self._init)
        briefing.reports = self.reports
        return briefing

    def begin(self) -> None:
        """Note what workers inherit that are started now."""
        self._surroundings.begin()

    def update(self) -> None:
        """Take the state of this process; workers get it before their next load.

        Raises:
            PicklingError: what is to be called cannot be sent to another process.
        """
        if self._init is not None and self._parcel is None:
            self._parcel = self._dispatch.pickle(self._init, "worker_init")
        self._state = self._surroundings.take()
        self.state = self._state.key
        self.reports.note(self._surroundings.untold)

    def clear(self) -> None:
        """Give back all memory; workers that have mapped it keep what they need."""
        if self._parcel is not None:
            uninterrupted(self._parcel.close)
        self._surroundings.clear()
        self._parcel = self._state = None
        self.state = 0

    def greet(self, link: Link) -> None:
        """Tell a new worker what to call."""
        if self._parcel is not None:
            link.send_init(self._parcel)

    def send(self, link: Link) -> None:
        """Send a worker the state, unless it has it."""
        if self._state is not None:
            link.send_state(self._state)
