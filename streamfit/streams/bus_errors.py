"""Guarded memory maps: those whose file may be cut off while native code copies from them.

The system sends SIGBUS to whoever touches a page of a map that its file no longer has, which ends the
process. A check of the file before each copy leaves the time of the copy itself. So a handler puts a page of
zeros in the place of such a page, in maps that are guarded and nowhere else; the copy goes on, and its caller
asks `faults` and looks at the file. For any other SIGBUS the handler that was there before is put back.

The handler is Python, called by ctypes: the fault comes from a copy of memory, in which nothing is locked or
half done. It is installed once in a process, when the first map is guarded. Linux on 64-bit processors only;
elsewhere the check before the copy is all there is.
"""

from __future__ import annotations

import ctypes
import mmap
import signal
import struct
import sys
import threading

_WORD = struct.calcsize("P")
_AVAILABLE = sys.platform == "linux" and _WORD == 8
_SA_SIGINFO, _MAP_FIXED, _ADDRESS_AT = 4, 0x10, 16  # asm/signal.h, asm/mman.h, and si_addr in siginfo_t
_FAILED = ctypes.c_void_p(-1).value


class _Action(ctypes.Structure):
    """``struct sigaction`` of the C library (bits/sigaction.h)."""

    _fields_ = [
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_byte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


class _Guard:
    """The handler of one process, and the maps that it knows."""

    def __init__(self) -> None:
        self.faults = 0
        self.torn: set[int] = set()
        self._ranges: dict[int, int] = {}  # begin and end of each map
        self._before = _Action()
        libc = ctypes.CDLL(None, use_errno=True)
        self._set = libc.sigaction
        self._map = libc.mmap
        self._map.restype = ctypes.c_void_p
        self._map.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        self._called = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(self._handle)
        action = _Action(ctypes.cast(self._called, ctypes.c_void_p).value, flags=_SA_SIGINFO)
        self._set(int(signal.SIGBUS), ctypes.byref(action), ctypes.byref(self._before))

    def add(self, begin: int, length: int) -> None:
        self._ranges[begin] = begin + length

    def remove(self, begin: int) -> None:
        self._ranges.pop(begin, None)
        self.torn.discard(begin)

    def _handle(self, number: int, information: int, context: int) -> None:
        address = ctypes.c_void_p.from_address(information + _ADDRESS_AT).value or 0
        page = address // mmap.PAGESIZE * mmap.PAGESIZE
        known = [begin for begin, end in list(self._ranges.items()) if begin <= page < end]
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
        if known and self._map(page, mmap.PAGESIZE, mmap.PROT_READ, flags, -1, 0) != _FAILED:
            self.torn.update(known)
            self.faults += 1
            return
        # Not ours: the instruction runs again, and whoever was there before sees the signal.
        self._set(int(signal.SIGBUS), ctypes.byref(self._before), None)


_guard: _Guard | None = None
_lock = threading.Lock()


def guard(begin: int, length: int) -> None:
    """Guard the memory of a map; `release` it before it is unmapped.

    Args:
        begin: Its address, at the begin of a page.
        length: Its bytes.
    """
    global _guard
    if not _AVAILABLE:
        return
    with _lock:
        if _guard is None:
            _guard = _Guard()
        _guard.add(begin, length)


def release(begin: int) -> None:
    """Guard a map no longer."""
    if _guard is not None:
        _guard.remove(begin)


def faults() -> int:
    """Return how many pages of guarded maps were missing in this process so far."""
    return 0 if _guard is None else _guard.faults


def is_torn(begin: int) -> bool:
    """Return whether pages of a guarded map were missing."""
    return _guard is not None and begin in _guard.torn
