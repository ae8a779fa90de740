"""Anonymous shared memory, and the slots that values travel in.

Guarantees kept here: the memory has no name in any file system, so nothing can be left behind; its pages
are reserved before they are mapped, so running out of space is an exception and never a bus error; a slot
only grows.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfit._base.errors import WorkerError

ALIGNMENT = 64
_SMALL, _LARGE = 1 << 16, 1 << 20
_QUICK = 1 << 18
_BUFFER_KINDS = "biufc"
_SHARED_MEMORY = "/dev/shm"
_POPULATE = getattr(mmap, "MAP_POPULATE", 0)
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_NO_SPACE = {errno.ENOSPC, errno.EFBIG, errno.ENOMEM, errno.EDQUOT}


@contextmanager
def taking_descriptors() -> Iterator[None]:
    """Say what to do when the block finds that there are no file descriptors left."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_DESCRIPTORS:
            raise
        raise WorkerError(
            f"no file descriptors left ({error.strerror}); each ticket ahead takes two. Use fewer "
            "tickets ahead (max_queue_size), fewer workers or threads (use_multiprocessing=False), or raise "
            "the limit (ulimit -n)."
        ) from error


def create(name: str, size: int = 0) -> int:
    """Return a descriptor of new anonymous memory of `size` bytes.

    Args:
        name: shown by the system's tools next to the mapping; need not be unique.
        size: in bytes; see `grow`.

    Raises:
        WorkerError: the system has none, or no room for it.
    """
    with taking_descriptors():
        fd = _anonymous(name)
    try:
        if size:
            grow(fd, size)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _anonymous(name: str) -> int:
    """Return a descriptor of empty memory without a name: of the kernel, else of a file without one.

    Whether `memfd_create` works is only known from a call: an old kernel or a sandbox refuses it.
    """
    refusals: list[str] = []
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create(f"streamfit-{name}", os.MFD_CLOEXEC)
        except OSError as error:
            refusals.append(_refusal("memfd_create", error))
    for folder in _folders():
        try:
            return _nameless_file(folder)
        except OSError as error:
            refusals.append(_refusal(folder, error))
    raise WorkerError(
        "worker processes need shared memory, and this system gives none "
        f"({'; '.join(refusals)}). Let one of these work, or use threads (use_multiprocessing=False)."
    )


def _refusal(what: str, error: OSError) -> str:
    if error.errno in _NO_DESCRIPTORS:
        raise error
    return f"{what}: {error.strerror}"


def _folders() -> Iterator[str]:
    """Return where files can be that are shared memory: that of POSIX shared memory, then temporary ones."""
    if os.path.isdir(_SHARED_MEMORY):
        yield _SHARED_MEMORY
    with suppress(FileNotFoundError):  # there is no usable folder for temporary files
        yield tempfile.gettempdir()


def _nameless_file(folder: str) -> int:
    """Return a descriptor of a new file that has no name, at once where the file system can do that."""
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fd, path = tempfile.mkstemp(prefix="streamfit-", dir=folder)
    os.unlink(path)
    return fd


def grow(fd: int, size: int, start: int = 0) -> None:
    """Make sure that `size` bytes from `start` on are there to be written.

    Raises:
        WorkerError: the system has no room for them.
    """
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, start, size)
        elif os.fstat(fd).st_size < start + size:
            os.ftruncate(fd, start + size)
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise WorkerError(
            f"no room for {size:,} bytes of shared memory ({error.strerror}). Use smaller batches, fewer "
            "tickets ahead (max_queue_size) or threads (use_multiprocessing=False)."
        ) from error


def padded(size: int) -> int:
    """Return `size` rounded up to where the next buffer begins."""
    return (size + ALIGNMENT - 1) & -ALIGNMENT


class Slot:
    """Shared memory for one value in flight; each process has its own `Slot` on the same descriptor.

    Args:
        fd: taken over; closed by `close`.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.capacity = 0
        self._map: mmap.mmap | None = None

    def reserve(self, size: int) -> int:
        """Map at least `size` bytes, growing the memory if need be; return how many there are."""
        if size > self.capacity:
            have = os.fstat(self.fd).st_size
            if have < size:
                step = _SMALL if size < _LARGE else _LARGE
                have = -(-size // step) * step
                grow(self.fd, have)
            self.attach(have)
        return self.capacity

    def attach(self, capacity: int) -> None:
        """Map the first `capacity` bytes, which must be there."""
        if capacity > self.capacity:
            if os.fstat(self.fd).st_size < capacity:  # touching what is not there would be a bus error
                raise WorkerError(f"a worker reported {capacity:,} bytes of shared memory that are not there")
            # A mapping in use by lent arrays lives on until they are gone.
            with taking_descriptors():
                self._map = mmap.mmap(self.fd, capacity, flags=mmap.MAP_SHARED | _POPULATE)
            self.capacity = capacity

    def bytes(self, size: int) -> NDArray[np.uint8]:
        """Return the first `size` bytes as a new array that keeps the mapping alive."""
        return np.ndarray((size,), np.uint8, self._map)

    def write(self, array: NDArray[Any], offset: int) -> None:
        """Copy an array, in its own memory order, to `offset`; the bytes must be mapped."""
        flags = array.flags
        if not array.size or self._map is None:
            return
        if flags.c_contiguous and array.nbytes < _QUICK and array.dtype.kind in _BUFFER_KINDS:
            self._map[offset : offset + array.nbytes] = array.data  # a quarter of the overhead of a view
        else:
            order: Any = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
            np.copyto(np.ndarray(array.shape, array.dtype, self._map, offset, None, order), array)

    def close(self) -> None:
        """Close the descriptor; arrays on the memory stay valid."""
        self._map = None
        os.close(self.fd)
