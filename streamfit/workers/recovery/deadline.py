"""How long a load may take before its worker counts as hung.

Unless the user sets a time, a pool judges by the loads so far: a hundred times the longest, and a minute at
the least, so that neither a slow disk nor a busy machine counts as a hang. Each further attempt is given four
times as long. Only time counts in which the consumer waited for the worker.
"""

from __future__ import annotations

AT_LEAST = 60.0
TIMES_LONGEST = 100.0
PER_ATTEMPT = 4.0
START_SECONDS = 600.0
"""How long a worker may take to get its loader ready, which may import whole frameworks."""


class Deadline:
    """The time that loads may take.

    Args:
        seconds: how long, for every load; None judges by the loads that were noted.

    Example:
        >>> deadline = Deadline()
        >>> deadline.seconds(attempt=1)
        600.0
        >>> deadline.note(2_000_000_000)
        >>> deadline.seconds(attempt=1), deadline.seconds(attempt=2), Deadline(5).seconds(attempt=2)
        (200.0, 800.0, 5.0)
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._given = seconds
        self._longest = 0.0

    def note(self, nanoseconds: int) -> None:
        """Take note of how long a load took."""
        self._longest = max(self._longest, nanoseconds * 1e-9)

    def seconds(self, attempt: int) -> float:
        """Return how many seconds a load may take at its first, second, ... attempt."""
        if self._given is not None:
            return float(self._given)
        if not self._longest:
            return START_SECONDS * PER_ATTEMPT ** (attempt - 1)
        return max(AT_LEAST, TIMES_LONGEST * self._longest) * PER_ATTEMPT ** (attempt - 1)


class LoadTimer:
    """Counts how long the consumer has waited for one worker without a sign of life from it.

    Attributes:
        seconds: the time counted so far.
        stopped: when the worker was stopped, on the monotonic clock; 0 if it was not.
    """

    __slots__ = ("_seen", "seconds", "stopped")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.stopped = 0.0
        self._seen: object = None

    def look(self, seen: object, passed: float) -> float:
        """Return for how long `seen`, a sign of life, has not changed.

        Args:
            seen: any value that changes when the worker makes progress.
            passed: seconds waited since the last look.
        """
        self.seconds = self.seconds + passed if seen == self._seen else 0.0
        self._seen = seen
        return self.seconds
