"""Loaders for the tests of pools; in a module that worker processes can import."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


def expected(ticket: int, shape: tuple[int, ...] = (16, 4)) -> np.ndarray:
    """Return the array that belongs to a ticket; each ticket's is different in every element."""
    size = int(np.prod(shape))
    return (np.arange(size, dtype=np.int64) * 1_000_003 + ticket * 7_919).reshape(shape)


@dataclass
class Numbers:
    """Loads `expected(ticket)`."""

    shape: tuple[int, ...] = (16, 4)
    name: str = "numbers"

    def load(self, ticket: int) -> tuple[np.ndarray, int]:
        return expected(ticket, self.shape), ticket


@dataclass
class Growing:
    """Loads arrays whose size depends on the ticket, in no order."""

    def load(self, ticket: int) -> np.ndarray:
        return np.full((ticket * 7_919) % 50_021, ticket, np.int32)


@dataclass
class Slow:
    """Takes its time, more for some tickets than for others."""

    seconds: float = 0.002

    def load(self, ticket: int) -> tuple[np.ndarray, int]:
        time.sleep(self.seconds * (1 + ticket % 3))
        return expected(ticket), os.getpid()


@dataclass
class Raises:
    """Raises at one ticket the exception that `make` returns."""

    at: int
    make: Callable[[], BaseException]

    def load(self, ticket: int) -> int:
        if ticket == self.at:
            raise self.make()
        return ticket


class TwoArguments(Exception):  # noqa: N818
    """Cannot be unpickled the usual way: `args` does not fit `__init__`."""

    def __init__(self, first: str, second: int) -> None:
        super().__init__(f"{first}/{second}")
        self.second = second


class Unpicklable(Exception):  # noqa: N818
    """Holds an object that no other process can have."""

    def __init__(self) -> None:
        super().__init__("held by a lock")
        self.lock = threading.Lock()


class Misprints(Exception):  # noqa: N818
    """An exception whose text fails."""

    def __str__(self) -> str:
        raise ZeroDivisionError("in __str__")


def end(how: str) -> None:
    """End this process in one of several ways; not for the faint of heart."""
    match how:
        case "exit 0":
            os._exit(0)
        case "exit 3":
            os._exit(3)
        case "exit 9":
            os._exit(9)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "term":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)


@dataclass
class EndsOnce:
    """Ends its worker the first time that it loads one of some tickets; notes it in a folder."""

    folder: Path
    how: str
    at: tuple[int, ...]

    def load(self, ticket: int) -> tuple[np.ndarray, int]:
        mark = self.folder / f"ended-{ticket}"
        if ticket in self.at and not mark.exists():
            mark.touch()
            end(self.how)
        return expected(ticket), ticket


@dataclass
class EndsAlways:
    """Ends its worker whenever it loads one ticket."""

    how: str
    at: int

    def load(self, ticket: int) -> tuple[np.ndarray, int]:
        if ticket == self.at:
            end(self.how)
        return expected(ticket), ticket


@dataclass
class Gate:
    """Waits at one ticket until a file is there; says in a file that it waits."""

    folder: Path
    at: int

    def load(self, ticket: int) -> tuple[np.ndarray, int]:
        if ticket == self.at:
            (self.folder / f"waits-{os.getpid()}").touch()
            while not (self.folder / "open").exists():
                time.sleep(0.002)
        return expected(ticket), os.getpid()

    def waiting(self) -> list[int]:
        """Return the process ids that wait, or waited."""
        return [int(path.name.removeprefix("waits-")) for path in self.folder.glob("waits-*")]

    def open(self) -> None:
        """Let all go on."""
        (self.folder / "open").touch()


@dataclass
class Holder:
    """Holds arrays, and loads what `look` returns for them."""

    arrays: list[Any]
    look: Callable[[list[Any], int], Any]
    may_change: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def load(self, ticket: int) -> Any:
        return self.look(self.arrays, ticket)


@dataclass
class Calls:
    """Returns the result of a function."""

    function: Callable[[Any], Any]

    def load(self, ticket: Any) -> Any:
        return self.function(ticket)
