"""Anonymous shared memory, and the slots that values travel in.

Guarantees kept here: the memory has no name in any file system, so nothing can be left behind; its pages
are reserved before they are mapped, so running out of space is an exception and never a bus error; a slot
only grows, and memory that a worker might truncate (where the kernel cannot forbid it) is read, never mapped,
by the main process; a number that user code has closed is not mapped, grown or closed again by us.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamfit._base.errors import WorkerError
from streamfit.workers.transport import descriptors

Array = NDArray[np.generic]
"""An array of any shape and dtype."""

ALIGNMENT = 64
_SMALL, _LARGE = 1 << 16, 1 << 20
_QUICK = 1 << 18
_BUFFER_KINDS = "biufc"
_SHARED_MEMORY = "/dev/shm"
_POPULATE = getattr(mmap, "MAP_POPULATE", 0)
# A mapping keeps a descriptor of its own, which user code could close, unless it is made without one.
_UNTRACKED: dict[str, bool] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_NO_SPACE = {errno.ENOSPC, errno.EFBIG, errno.ENOMEM, errno.EDQUOT}


@contextmanager
def taking_descriptors() -> Iterator[None]:
    """Turn the error of a block that finds no file descriptors left into one that says what to do."""
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
        name: shown by the system's tools beside the mapping; need not be unique.
        size: in bytes; see `grow`.

    Raises:
        WorkerError: the system has none, or no room for it.
    """
    with taking_descriptors():
        descriptors.fill_standard()
        fd = descriptors.above_standard(_anonymous(name))
    try:
        _forbid_shrinking(fd)
        if size:
            grow(fd, size)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _anonymous(name: str) -> int:
    """Return a descriptor of empty memory without a name: from the kernel, else a file without one.

    Whether `memfd_create` works is only known from a call: an old kernel or a sandbox refuses it.
    """
    refusals: list[str] = []
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create(f"streamfit-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
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
    """Yield folders for files used as shared memory: that of POSIX shared memory, then the temporary one."""
    if os.path.isdir(_SHARED_MEMORY):
        yield _SHARED_MEMORY
    with suppress(FileNotFoundError):  # there is no usable folder for temporary files
        yield tempfile.gettempdir()


def _nameless_file(folder: str) -> int:
    """Return a descriptor of a new file without a name, in one step where the file system can do that."""
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fd, path = tempfile.mkstemp(prefix="streamfit-", dir=folder)
    os.unlink(path)
    return fd


def _forbid_shrinking(fd: int) -> None:
    with suppress(OSError, AttributeError):  # an ordinary file, or no Linux; see `can_shrink`
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)


def can_shrink(fd: int) -> bool:
    """Return whether a process could truncate this memory, which kills others that have mapped it."""
    try:
        return not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
    except (OSError, AttributeError):
        return True


def grow(fd: int, size: int, start: int = 0) -> None:
    """Make sure that `size` bytes from `start` on can be written.

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


def mapping(fd: int, size: int, **how: int) -> mmap.mmap:
    """Map a descriptor; the mapping stays when it is closed."""
    with taking_descriptors():
        descriptors.fill_standard()
        return mmap.mmap(fd, size, **how, **_UNTRACKED)


def padded(size: int) -> int:
    """Return `size` rounded up to where the next buffer begins."""
    return (size + ALIGNMENT - 1) & -ALIGNMENT


class Slot:
    """Shared memory for one value in flight; each process has its own `Slot` on the same descriptor.

    Args:
        fd: taken over; closed by `close`.
        guarded: map it only if no process can truncate it; else its bytes are read into other memory.
    """

    def __init__(self, fd: int, *, guarded: bool = False) -> None:
        self.fd = fd
        self.capacity = 0
        self._identity = descriptors.identity(fd)
        self._mapped = not (guarded and can_shrink(fd))
        self._map: mmap.mmap | None = None

    def reserve(self, size: int) -> int:
        """Map at least `size` bytes, growing the memory if need be; return how many there are."""
        if size > self.capacity:
            have = self._size()
            if have < size:
                step = _SMALL if size < _LARGE else _LARGE
                have = -(-size // step) * step
                grow(self.fd, have)
            self.attach(have)
        return self.capacity

    def attach(self, capacity: int) -> None:
        """Map the first `capacity` bytes, which must be there."""
        if capacity > self.capacity:
            if self._size() < capacity:  # touching what is not there would be a bus error
                raise WorkerError(f"a worker reported {capacity:,} bytes of shared memory that are not there")
            # A mapping in use by leased arrays lives on until they are gone.
            if self._mapped:
                self._map = mapping(self.fd, capacity, flags=mmap.MAP_SHARED | _POPULATE)
            self.capacity = capacity

    def bytes(self, size: int) -> NDArray[np.uint8]:
        """Return the first `size` bytes as an array: on the mapping, or a copy where it is not safe."""
        if self._mapped:
            return np.ndarray((size,), np.uint8, self._map)
        memory = np.empty(size, np.uint8)
        if read(self.fd, memory.data, 0) < size:
            raise WorkerError(
                f"{size:,} bytes of shared memory are not there any more: a worker cut it short"
            )
        return memory

    def fill(self, data: memoryview) -> None:
        """Write bytes to the beginning; there must be room."""
        write(self.fd, data, 0)

    def check(self) -> None:
        """Raise if user code has closed the descriptor."""
        self._size()

    def _size(self) -> int:
        if descriptors.identity(self.fd) != self._identity:
            raise WorkerError(
                "the shared memory of a batch was closed or replaced by user code, which closes file "
                "descriptors that it did not open (os.close, os.closerange, os.dup2)"
            )
        return os.fstat(self.fd).st_size

    def array(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], offset: int) -> Array:
        """Return an array on the mapped bytes from `offset` on."""
        return np.ndarray(shape, dtype, self._map, offset)

    def write(self, array: Array, offset: int) -> None:
        """Copy an array, in its own memory order, to `offset`; the bytes must be mapped."""
        flags = array.flags
        if not array.size or self._map is None:
            return
        if flags.c_contiguous and array.nbytes < _QUICK and array.dtype.kind in _BUFFER_KINDS:
            self._map[offset : offset + array.nbytes] = array.data  # a quarter of the overhead of a view
        else:
            order: Literal["C", "F"] = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
            np.copyto(np.ndarray(array.shape, array.dtype, self._map, offset, None, order), array)

    def close(self) -> None:
        """Close the descriptor; arrays on the memory stay valid."""
        self._map = None
        descriptors.close(self.fd, self._identity)
        self._identity = None

    def __del__(self) -> None:
        """Close a slot that nobody refers to any more, because its maker was interrupted."""
        self.close()


def read(fd: int, memory: memoryview, offset: int) -> int:
    """Read from memory that may have been truncated into `memory`; return how many bytes there were."""
    at = 0
    while at < len(memory):
        found = os.preadv(fd, [memory[at:]], offset + at)
        if not found:
            break
        at += found
    return at


def write(fd: int, data: memoryview, offset: int) -> None:
    """Write bytes to memory that is there; the descriptor's position is neither used nor moved."""
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written
