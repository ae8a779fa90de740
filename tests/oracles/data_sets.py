"""Data sets that misbehave, or hold objects that do; in a module that worker processes import quickly."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from oracles.rows import Rows
from soak_data import SCALE, SIZE, Drawn

from streamfit.streams import Sequence

AT = 5
"""The batch or ticket at which the data sets here misbehave."""


class Batches(Sequence):
    """Batches of four for workers to load."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x) // 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * 4, index * 4 + 4)
        return self.x[rows], self.y[rows]


def batch_of(number: int) -> list[np.ndarray]:
    return [np.full((SIZE, 4), number / SCALE), np.full((SIZE, 1), number / SCALE)]


class Listed(Sequence):
    """Gives the batches of a list; calls those that are functions."""

    def __init__(self, batches: list[Any]) -> None:
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        batch = self.batches[index]
        return tuple(batch() if callable(batch) else batch)


class Poisoned(Drawn):
    """Kills the process that loads one batch."""

    def __getitem__(self, index: int) -> Any:
        if index == 4:
            Rows(bad={0: "exit 9"}, samples=1).load(next(Rows(samples=1).tickets(0)))
        return super().__getitem__(index)


def read_nothing(_: Path) -> None:
    ctypes.string_at(0)


def read_past_the_end(folder: Path) -> None:
    with open(folder / f"{os.getpid()}.bin", "w+b") as file:
        file.truncate(2 * mmap.PAGESIZE)
        memory = mmap.mmap(file.fileno(), 2 * mmap.PAGESIZE)
        file.truncate(0)
        bytes(memory)


def give_up(_: Path) -> None:
    os.abort()


CRASHES: dict[str, Callable[[Path], None]] = {
    "SIGSEGV": read_nothing,
    "SIGBUS": read_past_the_end,
    "SIGABRT": give_up,
}


class Fragile(Drawn):
    """Crashes at some batches: always, or the first time that each is loaded."""

    def __init__(self, folder: Path, name: str, at: tuple[int, ...], always: bool = False) -> None:
        super().__init__(12)
        self.folder, self.crash, self.at, self.always = folder, CRASHES[name], at, always

    def __getitem__(self, index: int) -> Any:
        mark = self.folder / f"crashed-{index}"
        if index in self.at and (self.always or not mark.exists()):
            mark.touch()
            self.crash(self.folder)
        return super().__getitem__(index)


class RowError(Exception):
    """Takes more arguments than it hands on."""

    def __init__(self, row: int, column: str) -> None:
        super().__init__(f"row {row}, column {column}")
        self.row, self.column = row, column


class HeldError(Exception):
    """Holds an object that cannot travel."""

    def __init__(self) -> None:
        super().__init__("the disk is gone")
        self.lock, self.retry = threading.Lock(), lambda: None


class Broken(Drawn):
    """Does something else than load one of its batches, in its second pass; notes when."""

    def __init__(self, folder: Path, do: Callable[[], Any]) -> None:
        super().__init__(9)
        self.folder, self.do, self.passes = folder, do, 0

    def __getitem__(self, index: int) -> Any:
        if self.passes == 1 and index == AT:
            (self.folder / "began").write_text(repr(time.time()))
            return self.do()
        return super().__getitem__(index)

    def on_epoch_end(self) -> None:
        self.passes += 1

    def began(self) -> float:
        return float((self.folder / "began").read_text())


def raise_row() -> None:
    raise RowError(3, "age")


def raise_held() -> None:
    raise HeldError


class RefusesToBePickled:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


class DiesWhenPickled:
    def __reduce__(self) -> Any:
        os.abort()


class DiesWhenDeleted:
    def __reduce__(self) -> Any:
        return int, ()

    def __del__(self) -> None:
        os.abort()


class RefusesToBeUnpickled:
    def __reduce__(self) -> Any:
        return raise_row, ()


def odd_at(ticket: int, odd: type) -> Any:
    return [ticket, odd()] if ticket == AT else [ticket]


class Stuck:
    """Sleeps for ever in the first load, until two workers have been caught in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, ticket: int) -> int:
        if len(list(self.folder.iterdir())) < 2:
            (self.folder / str(os.getpid())).touch()
            time.sleep(3600)
        return ticket


class Careless(Sequence):
    """Draws from NumPy's global state; or, as it should, from the generator of the batch."""

    def __init__(self, careful: bool) -> None:
        super().__init__()
        self.careful = careful

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        number = self.rng(index).integers(1 << 40) if self.careful else np.random.randint(1 << 40)
        return np.zeros((8, 4)), np.full((8, 1), number / 1024)
