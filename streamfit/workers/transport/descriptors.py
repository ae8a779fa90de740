"""File descriptors that the library keeps: which numbers they may have, and whether they are still its own.

In a process whose standard streams are closed, the next files to be opened get the numbers 0, 1 and 2, and
native code goes on writing to these numbers: into a batch, if its memory has one of them. And user code that
closes descriptors which it did not open (as daemons do) may open a file of its own with the same number.

Guarantees kept here: no descriptor that we keep has the number of a standard stream (a closed one is opened
on the null device as soon as workers are used); a number that is not ours any more is neither written to
nor closed by us.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket

_STANDARD = 3
Identity = tuple[int, int]
"""Device and inode of the file behind a descriptor."""


def above_standard(fd: int) -> int:
    """Return the descriptor; one with the number of a standard stream is replaced by a duplicate above."""
    if fd >= _STANDARD:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STANDARD)
    finally:
        os.close(fd)


def socket_above_standard(sock: socket.socket) -> socket.socket:
    """Return the socket; one with the number of a standard stream is replaced by a duplicate above."""
    if sock.fileno() >= _STANDARD:
        return sock
    return socket.socket(fileno=above_standard(sock.detach()))


def fill_standard() -> None:
    """Open closed standard streams on the null device, for this process and those it starts.

    `above_standard` is not enough: a mapping keeps a descriptor of its own, whose number cannot be chosen.
    """
    for number in range(_STANDARD):
        if identity(number) is None:
            with contextlib.suppress(
                OSError
            ):  # no null device or no descriptors left; `above_standard` still works
                fd = os.open(os.devnull, os.O_RDWR)
                if fd != number:
                    os.dup2(fd, number)
                    os.close(fd)
                os.set_inheritable(number, True)


def identity(fd: int) -> Identity | None:
    """Return the identity of the file behind a descriptor, or None if it is closed."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def close(fd: int, known: Identity | None) -> None:
    """Close a descriptor, unless its number belongs to another file by now.

    Args:
        fd: the number.
        known: its identity when it was made.
    """
    if known is not None and identity(fd) == known:
        with contextlib.suppress(OSError):
            os.close(fd)


def close_socket(sock: socket.socket, known: Identity | None) -> None:
    """Close a socket, unless its number belongs to another file by now."""
    if sock.fileno() >= 0 and identity(sock.fileno()) != known:
        sock.detach()
    sock.close()
