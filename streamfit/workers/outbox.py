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
        self._waiting: deque[tuple[int, bytes, dict[str, int]]] = deque()
        self._lock = threading.Lock()
        self._senders: set[int] = set()

    def put(self, kind: int, body: bytes = b"", **numbers: int) -> None:
        """Hand in a frame that goes with the next one that is sent; see `Channel.put`."""
        self._waiting.append((kind, body, numbers))

    def send(self, kind: int, body: bytes = b"", **numbers: int) -> None:
        """Send a frame, and what was handed in before it."""
        self._waiting.append((kind, body, numbers))
        me = threading.get_ident()
        if me in self._senders:  # a signal handler in the midst of sending: what it interrupted sends this
            return
        self._senders.add(me)
        try:
            with self._lock:
                while self._waiting:
                    while self._waiting:
                        kind, body, numbers = self._waiting.popleft()
                        self._channel.put(kind, body, (), **numbers)
                    self._channel.flush()
        finally:
            self._senders.discard(me)
