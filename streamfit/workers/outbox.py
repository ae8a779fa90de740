"""The way out of a worker: frames of any of its threads, one after the other.

Guarantees kept here: frames leave whole and in the order in which they were handed in, whatever thread or
signal handler did so.
"""

from __future__ import annotations

import threading
from collections import deque

from streamfit.workers.wire import Channel


class Outbox:
    """Sends frames over a blocking channel.

    Args:
        channel: only this object writes to it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[tuple[int, bytes, int, int, int, int]] = deque()
        self._lock = threading.Lock()
        self._senders: set[int] = set()

    def put(self, kind: int, body: bytes = b"", number: int = 0) -> None:
        """Hand in a frame that goes with the next one that is sent; see `Channel.put`."""
        self._waiting.append((kind, body, number, 0, 0, 0))

    def send(
        self, kind: int, body: bytes = b"", number: int = 0, lane: int = 0, attempt: int = 0, slot: int = 0
    ) -> None:
        """Send a frame, and what was handed in before it."""
        self._waiting.append((kind, body, number, lane, attempt, slot))
        me = threading.get_ident()
        if me in self._senders:  # a signal handler in the midst of sending: what it interrupted sends this
            return
        self._senders.add(me)
        try:
            with self._lock:
                while self._waiting:
                    while self._waiting:
                        kind, body, number, lane, attempt, slot = self._waiting.popleft()
                        self._channel.put(kind, body, number=number, lane=lane, attempt=attempt, slot=slot)
                    self._channel.flush()
        finally:
            self._senders.discard(me)
