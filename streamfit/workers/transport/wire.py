"""Frames between processes: one AF_UNIX socket pair per worker, file descriptors in-band.

Guarantees kept here: a frame is received whole or not at all, so one that was cut off by the death of its
writer is never read; bytes that are no frame (of user code that writes to a descriptor which it did not
open) end a channel at once, after the whole frames before them; a process that is stopped, slow or dead
never blocks the parent, which writes and reads as much as the sockets take at once and keeps the rest.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from streamfit._base.errors import WorkerError
from streamfit.workers.transport import descriptors

# From the parent to a worker.
PROGRESS_PAGE, SLOT, SHARE, LOADER, FORGET, TICKET, LARGE_TICKET, CANCEL, DROP_SLOT = range(1, 10)
# From a worker to the parent.
TEMPLATE, RESULT, CANCELLED = range(11, 14)
# Between the parent and the fork server.
PRELOAD, SPAWN, KILL, SPAWNED, SPAWN_FAILED, EXITED, FINISH, READY = range(21, 29)
# To a worker: the state of the parent, and `worker_init`. From a worker, beside values: log records, names of
# settings that could not be sent, a `worker_init` that failed.
STATE, INIT = range(31, 33)
RECORD, UNSENT, INIT_FAILED = range(33, 36)

# magic number, body size, kind, descriptors, queue, attempt, slot, extra, number
_HEAD = struct.Struct("<4sIBBxxIIIIQ")
_MAGIC = b"\xf5\x9eSF"  # no text begins like this: 0xf5 is in none that is UTF-8
_MAX_BODY = 1 << 28
_MAX_GROUP = 64
_MAX_FDS = 250
_FD_BYTES = array.array("i").itemsize
_FD_SPACE = socket.CMSG_SPACE(_MAX_FDS * _FD_BYTES)
_CHUNK = 1 << 16
_SHOWN = 40
_SO_COOKIE = 57  # Linux; Python has no name for it
_NOT_OURS = {errno.EBADF, errno.ENOTSOCK, errno.ENOTCONN, errno.EOPNOTSUPP, errno.EINVAL}
_WAIT = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_NO_WAIT = _WAIT | socket.MSG_DONTWAIT


class Frame(NamedTuple):
    """One message; the meaning of the numbers depends on its kind."""

    kind: int
    queue: int
    attempt: int
    slot: int
    extra: int
    number: int
    body: bytes
    fds: list[int]


class Channel:
    """Frames over one end of a socket pair.

    Args:
        sock: a connected stream socket; its blocking mode is used as it is.

    Attributes:
        ended: the other side is gone, or its bytes are no messages; nothing more will come.
        stray: a description of the bytes that came in place of a message, or nothing.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = descriptors.socket_above_standard(sock)
        self.ended = False
        self.stray = ""
        self._identity = descriptors.identity(self.socket.fileno())
        self._cookie = self._ask_cookie()
        self._out: deque[tuple[bytes | memoryview, tuple[int, ...], object]] = deque()
        self._in = bytearray()
        self._fds: deque[int] = deque()

    def fileno(self) -> int:
        """Return the socket's descriptor, for poll."""
        return self.socket.fileno()

    def put(
        self,
        kind: int,
        body: bytes = b"",
        fds: tuple[int, ...] = (),
        *,
        queue: int = 0,
        attempt: int = 0,
        slot: int = 0,
        extra: int = 0,
        number: int = 0,
        keep: object = None,
    ) -> None:
        """Queue a frame; `flush` sends it. `keep`, the owner of `fds`, lives until then.

        Raises:
            WorkerError: the body is too large.
        """
        if len(body) > _MAX_BODY:
            raise WorkerError(f"a message of {len(body)} bytes is too large for a frame ({_MAX_BODY} bytes)")
        head = _HEAD.pack(_MAGIC, len(body), kind, len(fds), queue, attempt, slot, extra, number)
        self._out.append((head + body, fds, keep))

    def flush(self) -> bool:
        """Send as much as the socket takes; return whether nothing is left."""
        while self._out:
            fds = self._out[0][1]
            try:
                sent = self.socket.sendmsg(self._group(), _ancillary(fds))
            except BlockingIOError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                self._out.clear()  # the reader is gone; its death is reported elsewhere
                break
            except OSError as error:
                self._out.clear()
                self._on_error(error)
                break
            self._drop_sent(sent)
        return True

    def receive(self, *, wait: bool = True) -> list[Frame]:
        """Read once and return the whole frames; sets `ended` at the end of the stream.

        Args:
            wait: on a blocking socket, whether to wait for bytes.
        """
        try:
            data, ancillary, flags, _ = self.socket.recvmsg(_CHUNK, _FD_SPACE, _WAIT if wait else _NO_WAIT)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            self.ended = True
            return []
        except OSError as error:
            self._on_error(error)
            return []
        if flags & socket.MSG_CTRUNC:
            raise WorkerError("this process has run out of file descriptors; raise its limit (ulimit -n)")
        for _level, _kind, packed in ancillary:
            received = array.array("i", packed[: len(packed) - len(packed) % _FD_BYTES])
            self._fds.extend(map(descriptors.above_standard, received))
        if not data:
            self.ended = True
        return self._frames(data)

    def give_up(self, why: str) -> None:
        """Read and write no more: the bytes are no message, or the socket is not ours any more."""
        self.ended = True
        self.stray = self.stray or why

    def is_ours(self) -> bool:
        """Return whether the socket's number still leads to it."""
        if self._cookie is not None:
            return self._ask_cookie() == self._cookie
        return descriptors.identity(self.socket.fileno()) == self._identity

    def _ask_cookie(self) -> bytes | None:
        """Return a number of this socket alone, where the system has one: at half the cost of `identity`."""
        try:
            return self.socket.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
        except OSError:
            return None

    def close(self) -> None:
        """Close the socket and every received descriptor that is not part of a returned frame."""
        descriptors.close_socket(self.socket, self._identity)
        while self._fds:
            os.close(self._fds.popleft())

    def _frames(self, data: bytes) -> list[Frame]:
        if self._in:
            self._in += data
            frames, used = self._parse(bytes(self._in))
            del self._in[:used]
        else:
            frames, used = self._parse(data)
            self._in += data[used:]
        return frames

    def _parse(self, data: bytes) -> tuple[list[Frame], int]:
        frames: list[Frame] = []
        at, end = 0, len(data)
        while at + _HEAD.size <= end:
            magic, size, kind, n_fds, queue, attempt, slot, extra, number = _HEAD.unpack_from(data, at)
            body = at + _HEAD.size
            if magic != _MAGIC or size > _MAX_BODY or body + size > end:
                break
            if n_fds > len(self._fds):
                self.give_up("a message came without its file descriptors")
                break
            fds = [self._fds.popleft() for _ in range(n_fds)]
            at = body + size
            frames.append(Frame(kind, queue, attempt, slot, extra, number, data[body:at], fds))
        if at < end and not _may_begin_frame(data, at):
            self.give_up(f"{bytes(data[at : at + _SHOWN])!r} came in place of a message")
        return frames, at

    def _on_error(self, error: OSError) -> None:
        """End the channel: user code has closed its socket or a descriptor to send, or taken its number."""
        if self.is_ours() and error.errno not in _NOT_OURS:
            raise error
        self.give_up(f"a socket of the workers, or what was sent over it, was closed ({error.strerror})")

    def _group(self) -> list[bytes | memoryview]:
        """Return the first frame and those after it that can go in the same system call."""
        return [self._out[0][0], *self._followers()]

    def _followers(self) -> Iterator[bytes | memoryview]:
        for data, fds, _ in islice(self._out, 1, _MAX_GROUP):
            if fds:
                return
            yield data

    def _drop_sent(self, sent: int) -> None:
        while sent:
            data, _, keep = self._out.popleft()
            if sent < len(data):
                self._out.appendleft((memoryview(data)[sent:], (), keep))
                return
            sent -= len(data)


def _may_begin_frame(data: bytes, at: int) -> bool:
    """Return whether the bytes from `at` on can begin a frame."""
    found = data[at : at + _HEAD.size]
    if not found.startswith(_MAGIC[: len(found)]):
        return False
    return len(found) < _HEAD.size or _HEAD.unpack(found)[1] <= _MAX_BODY


def _ancillary(fds: tuple[int, ...]) -> list[tuple[int, int, array.array[int]]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
