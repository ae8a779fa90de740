"""File descriptors that we keep: which numbers they may have, and whether they are still ours.

A process whose standard streams are closed hands out 0, 1 and 2 to whoever opens something next, and native
code goes on writing to them: to what a batch lies in, if that has the number. And user code that closes what
it did not open (as daemons do) may leave a number of ours to a file of its own.

Guarantees kept here: what we keep never has the number of a standard stream (one that is closed is opened on
the null device as soon as workers are used); a number that is not ours any
more is neither written to nor closed by us.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket

_STANDARD = 3
Identity = tuple[int, int]
"""Device and inode: what a number leads to."""


def lifted(fd: int) -> int:
    """Return the descriptor, or in place of one with the number of a standard stream another for the same."""
    if fd >= _STANDARD:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STANDARD)
    finally:
        os.close(fd)


def lifted_socket(sock: socket.socket) -> socket.socket:
    """Return the socket, or in place of one with the number of a standard stream another for the same."""
    if sock.fileno() >= _STANDARD:
        return sock
    return socket.socket(fileno=lifted(sock.detach()))


def fill_standard() -> None:
    """Open what is closed of the standard streams on nothing, for this process and those it starts.

    `lifted` alone is not enough: a mapping keeps a descriptor of its own, whose number cannot be chosen.
    """
    for number in range(_STANDARD):
        if identity(number) is None:
            with contextlib.suppress(OSError):  # no null device, no descriptors left: `lifted` has to do
                fd = os.open(os.devnull, os.O_RDWR)
                if fd != number:
                    os.dup2(fd, number)
                    os.close(fd)
                os.set_inheritable(number, True)


def identity(fd: int) -> Identity | None:
    """Return what a number leads to, or None if it is closed."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def close(fd: int, known: Identity | None) -> None:
    """Close a descriptor, unless its number leads elsewhere by now and is somebody else's.

    Args:
        fd: the number.
        known: what it led to when it was made.
    """
    if known is not None and identity(fd) == known:
        with contextlib.suppress(OSError):
            os.close(fd)


def close_socket(sock: socket.socket, known: Identity | None) -> None:
    """Close a socket, likewise."""
    if sock.fileno() >= 0 and identity(sock.fileno()) != known:
        sock.detach()
    sock.close()
