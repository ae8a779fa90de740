"""`Residency`: how much of mapped files may stay mapped, which is what the system counts as resident.

Pages of a mapped file belong to the page cache: the system takes them back when it needs memory, whether a
process has mapped them or not. But they are counted as memory of the process, so few stay mapped while a file
is read once, where they are of no use. A file that is read again is faster by far if they stay: to map a page
costs several times what it costs to copy a row of it.

Guarantee kept here: no more is mapped than `FIRST_PASS` bytes until as much was read as the files hold, and
then a share of the machine's memory.
"""

from __future__ import annotations

import functools
import os

FIRST_PASS = 64 << 20
_FAULT_AROUND = 64 << 10  # a touched row makes its neighbours resident too
_SHARE = 8  # of the machine's memory, one part


class Residency:
    """Count what is mapped of one or more files.

    Args:
        length: The bytes of the files.
        first_pass: Bytes that may stay mapped until the files were read once.

    Attributes:
        mapped: An upper bound of the bytes that are mapped now.
    """

    def __init__(self, length: int, first_pass: int = FIRST_PASS) -> None:
        self._length, self._unread, self._most = length, length, first_pass
        self.mapped = 0

    def full(self, rows: int, nbytes: int) -> bool:
        """Count rows that were read, and return whether all pages should be given back now.

        Args:
            rows: How many rows were read that do not lie together.
            nbytes: Their bytes.
        """
        if self._length <= self._most:
            return False
        self.mapped += nbytes + _FAULT_AROUND * rows
        if self._unread > 0:
            self._unread -= nbytes
            if self._unread <= 0:
                self._most = max(self._most, memory_of_machine() // _SHARE)
        if self.mapped < self._most:
            return False
        self.mapped = 0
        return True


@functools.cache
def memory_of_machine() -> int:
    """Return the bytes of memory of this machine; 0 where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
