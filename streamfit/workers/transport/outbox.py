"""Sends the frames of a worker, from any of its threads, one after the other.

Guarantees kept here: frames leave whole and in the order in which they were queued, whatever thread or signal
handler queued them.
"""

from __future__ import annotations

import threading
from collections import deque

from streamfit.workers.transport.wire import Channel


class Outbox:
    """Sends frames over a blocking channel.

    Args:
        channel: only this object writes to it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[tuple[int, bytes, int, int, int, int]] = deque()
        self._lock = threading.Lock()

    def put(self, kind: int, body: bytes = b"", number: int = 0) -> None:
        """Queue a frame, which goes with the next one that is sent; see `Channel.put`."""
        self._waiting.append((kind, body, number, 0, 0, 0))

    def send(
        self, kind: int, body: bytes = b"", number: int = 0, queue: int = 0, attempt: int = 0, slot: int = 0
    ) -> None:
        """Send a frame, and those queued before it.

        If another thread is sending, or a signal handler has interrupted a send, that send takes it along.
        """
        self._waiting.append((kind, body, number, queue, attempt, slot))
        # Checked again afterwards: the thread that had the lock may have finished before this was queued.
        while self._waiting and self._lock.acquire(blocking=False):
            try:
                self._drain()
            finally:
                self._lock.release()

    def _drain(self) -> None:
        channel, waiting = self._channel, self._waiting
        while waiting:
            kind, body, number, queue, attempt, slot = waiting.popleft()
            channel.put(kind, body, number=number, queue=queue, attempt=attempt, slot=slot)
        if channel.is_ours():
            channel.flush()
        else:
            channel.give_up("the socket was closed, or its number is another file's")
