"""Loads that do not end, and a loader that meets them; in a module that worker processes can import."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from oracles.loaders import expected

FOREVER = 300.0


def sleep_for_ever() -> None:
    time.sleep(FOREVER)


def pause_in_native_code() -> None:
    """Wait in the C library without letting go of the interpreter."""
    ctypes.PyDLL(None).pause()


def search_for_ever() -> None:
    """Keep the processor busy in native code."""
    re.match("(a|a)*$", "a" * 60 + "b")


def stop_myself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


HANGS = {
    function.__name__: function
    for function in (sleep_for_ever, pause_in_native_code, search_for_ever, stop_myself)
}


@dataclass
class Hangs:
    """Loads `expected(ticket)`, and hangs at one ticket the first times that it is loaded."""

    folder: Path
    how: str
    at: int
    times: int = 1

    def load(self, ticket: int) -> tuple[np.ndarray, int]:
        if ticket == self.at and first(self.folder, str(ticket), self.times):
            HANGS[self.how]()
        return expected(ticket), ticket


def first(folder: Path, name: str, times: int) -> bool:
    """Return whether this is one of the first calls for a name, over all processes."""
    for count in range(times):
        try:
            (folder / f"{name}-{count}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False
