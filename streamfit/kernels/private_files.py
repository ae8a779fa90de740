"""Files that nobody else can have written, so that code from them may be run.

A hash beside the data reveals damage, not who wrote it. Guarantee kept here: bytes are returned only from a
regular file in a regular folder, both owned by this user or by root and writable by nobody else, in a place
where nobody else can put another folder. The file that is checked is the file that is read: it is opened
first, without following a link and without waiting for a writer, and checked by its descriptor.

A file is written whole or not at all. While it is written it has no name. Where the system has no files
without a name, it has a name that ends in two numbers, and a lock; the next program removes files that a
killed program left.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

_POSIX = os.name == "posix"
_OPEN_FILES = "/proc/self/fd"
_WRITABLE_BY_GROUP, _WRITABLE_BY_ALL = stat.S_IWGRP, stat.S_IWOTH
_LEFTOVER = re.compile(r".+\.kernel\.\d+\.\d+")
_swept: set[Path] = set()


class UntrustedError(OSError):
    """Another user may have written this file or folder, or may replace it."""


def read(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        OSError: It cannot be read; an `UntrustedError` if another user may have written it.
    """
    if not _POSIX:
        return path.read_bytes()
    with _folder(path.parent) as folder:
        handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise UntrustedError(f"{path} is no regular file")
            _check_owner(path, found)
            return file.read()


def write(path: Path, data: bytes, make_folder: bool = False) -> None:
    """Write a file that only this user can read and write.

    Args:
        path: Its name; a file that has it is replaced.
        data: Its contents.
        make_folder: Whether the folder is ours alone: it is made where it is missing, and others lose the
            right to write to it.

    Raises:
        OSError: It cannot be written, or not in a place where nobody else may write.
    """
    if not _POSIX:
        _write_anywhere(path, data)
        return
    if make_folder:
        _make_folder(path.parent)
    with _folder(path.parent, tighten=make_folder) as folder:
        if not _write_nameless(path.name, data, folder):
            _write_named(path.name, data, folder)


# -- owners and permissions ----------------------------------------------------------------------------------


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise UntrustedError(f"{path} belongs to the user with the number {found.st_uid}")
    if found.st_mode & (_WRITABLE_BY_GROUP | _WRITABLE_BY_ALL):
        raise UntrustedError(f"others may write to {path}")


@contextlib.contextmanager
def _folder(path: Path, tighten: bool = False) -> Iterator[int]:
    """Open a folder that nobody else may write to; with `tighten`, take that right from others."""
    handle = os.open(_checked_path(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if tighten and found.st_uid == os.geteuid() and found.st_mode & 0o777 != 0o700:
            os.fchmod(handle, 0o700)
            found = os.fstat(handle)
        _check_owner(path, found)
        _sweep(path, handle)
        yield handle
    finally:
        os.close(handle)


@functools.cache
def _checked_path(path: Path) -> Path:
    """Return the path with its links resolved; raise if others can put another folder in its place."""
    real = Path(os.path.realpath(path.parent), path.name)
    for folder in real.parents:
        found = os.stat(folder)
        if found.st_uid not in (os.geteuid(), 0):
            raise UntrustedError(f"{folder} belongs to the user with the number {found.st_uid}")
        if found.st_mode & stat.S_ISVTX:
            continue  # as in /tmp: only the owner of a file can move it
        by_group = found.st_mode & _WRITABLE_BY_GROUP and not _is_own_group(found.st_gid)
        if by_group or found.st_mode & _WRITABLE_BY_ALL:
            raise UntrustedError(f"others may write to {folder}")
    return real


def _is_own_group(number: int) -> bool:
    """Return whether a group is the private group that many systems make for each user."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(number)
    except KeyError:
        return False
    return user.pw_gid == number and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)


# -- whole files ------------------------------------------------------------------------------------


def _write_nameless(name: str, data: bytes, folder: int) -> bool:
    """Write a file that has no name until it is whole; return whether that can be done here."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir(_OPEN_FILES):
        return False
    try:
        handle = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError:  # not on this file system; any other cause shows in the next attempt
        return False
    with open(handle, "wb") as file:
        os.fchmod(handle, 0o600)
        file.write(data)
        file.flush()
        for _ in range(8):  # others may store the same kernel now
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            try:
                os.link(f"{_OPEN_FILES}/{handle}", name, src_dir_fd=handle, dst_dir_fd=folder)
            except FileExistsError:
                continue
            except OSError:  # this file system cannot name a file later
                return False
            break
    return True


def _write_named(name: str, data: bytes, folder: int) -> None:
    """Write a file under another name and rename it."""
    aside = f"{name}.{os.getpid()}.{threading.get_ident()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(aside, flags, 0o600, dir_fd=folder)
    try:
        with open(handle, "wb") as file:
            _lock(handle)
            os.fchmod(handle, 0o600)
            file.write(data)
            file.flush()
            os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside, dir_fd=folder)
        raise


def _write_anywhere(path: Path, data: bytes) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        aside.write_bytes(data)
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def _lock(handle: int) -> bool:
    """Lock an open file; return whether that was possible: a running writer holds the lock."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(path: Path, folder: int) -> None:
    """Remove the files that killed writers left in a folder; once for each program."""
    if path in _swept:
        return
    _swept.add(path)
    for name in os.listdir(folder):
        if _LEFTOVER.fullmatch(name):
            with contextlib.suppress(OSError):
                _remove_leftover(name, folder)


def _remove_leftover(name: str, folder: int) -> None:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if stat.S_ISREG(os.fstat(handle).st_mode) and _lock(handle):
            os.unlink(name, dir_fd=folder)
    finally:
        os.close(handle)
