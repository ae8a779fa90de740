"""A folder that belongs to one run at a time, and a check that files can be written to it.

Guarantees kept here: two runs never write to one folder at the same time, in one program or in two; a run
that died holds no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from streamfit._base.errors import FolderInUseError
from streamfit._base.telling import warn

__all__ = ["check_writable", "owned"]

_LOCKS = "/proc/locks"
_held: set[int] = set()


@contextlib.contextmanager
def owned(folder: Path, what: str) -> Iterator[None]:
    """Own a folder for a while. The lock is on the folder itself: no file is made that could be left over.

    Args:
        folder: It is made if it is not there.
        what: Name of the folder in messages, such as ``"backup_dir"``.

    Raises:
        FolderInUseError: Another run owns it.
        OSError: It cannot be made, or nothing can be written to it.
    """
    with _explained(f"{what}={str(folder)!r} cannot be used"):
        folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder, f"{what}={str(folder)!r}")
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    _held.add(handle)
    try:
        _lock(handle, folder, what)
        yield
    finally:
        if handle in _held:  # in a child made by fork it is closed already
            _held.remove(handle)
            os.close(handle)


def check_writable(path: Path, what: str) -> None:
    """Check that a file can be made in a folder, or where the folder will be made.

    Args:
        path: The folder.
        what: Name of the folder in messages.

    Raises:
        OSError: It cannot: its class and number are those of the failed attempt.
    """
    folder = path
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    with _explained(f"{what} cannot be written to"), tempfile.TemporaryFile(dir=folder):
        pass  # it has no name, where the file system allows that


def _lock(handle: int, folder: Path, what: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderInUseError(
            f"{what}={str(folder)!r} is in use by {_owner(handle)}; give each run a folder of its own, or "
            "wait until the other one has ended"
        ) from None
    except OSError as error:  # some network file systems lock no folders
        warn(
            f"whether another program works with {what}={str(folder)!r} cannot be told on this file system "
            f"({error.strerror}); make sure that none does",
            stacklevel=2,
        )


def _owner(handle: int) -> str:
    """Describe the owner of the lock, as far as the system shows it."""
    number = os.fstat(handle).st_ino
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(_LOCKS).read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(number) and int(fields[4]) > 0:
                mine = int(fields[4]) == os.getpid()
                return "another fit of this program" if mine else f"another program (process {fields[4]})"
    return "another program, or another fit of this one"


@contextlib.contextmanager
def _explained(text: str) -> Iterator[None]:
    """Put the intention before the message of the system."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, f"{text}: {error.strerror}; choose another path") from error


def _let_go() -> None:
    """Close the folders in a child made by fork: it may outlive its parent, and would hold the lock."""
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
