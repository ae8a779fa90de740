"""Whether a run can give another value; if not, why, and the error for a consumer that asks for one."""

from __future__ import annotations

from enum import Enum
from typing import NoReturn

from streamfit._base.errors import WorkerError


class RunState(Enum):
    """The state of a run; the value is the message for a consumer that asks for one more value."""

    OPEN = "This run is open."
    FINISHED = "This run has delivered all its values."
    CLOSED = "This run was closed before its last value; open another."
    LOADER_FAILED = "This run was ended by an exception from its loader; open another."
    TICKETS_FAILED = "This run was ended by an exception from its tickets; open another."
    INTERRUPTED = "This run was ended because its pool was interrupted; open another."
    OTHER_HASH_SEED = "This run was ended because its workers got another hash seed; open another."
    POOL_CLOSED = "This run was ended because its pool was closed."

    def refuse(self) -> NoReturn:
        """Raise the exception for a consumer that asks for one more value.

        Raises:
            StopIteration: the run is finished.
            WorkerError: it ended before its last value.
        """
        if self is RunState.FINISHED:
            raise StopIteration
        raise WorkerError(self.value)
