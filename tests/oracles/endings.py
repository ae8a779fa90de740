"""Data sets whose loads open and start things, and say in a folder when those were ended; light to import."""

from __future__ import annotations

import atexit
import ctypes
import gzip
import os
import signal
import subprocess
import tempfile
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import streamfit

_MODULE_FILES: list[Any] = []


class Plain(streamfit.Sequence):
    """Opens and starts nothing."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return np.full((2, 3), index, "float32")


class Opens(streamfit.Sequence):
    """Each worker opens and starts something of every kind at its first load."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.main, self.ready = folder, os.getpid(), False

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        if os.getpid() != self.main and not self.ready:
            self.open()
            self.ready = True
        return np.full((2, 3), index, "float32"), np.zeros((2, 1), "float32")

    def open(self) -> None:
        """Open and start things."""
        me = os.getpid()
        self.scratch = tempfile.TemporaryDirectory(prefix="scratch-", dir=self.folder)
        self.log = open(self.folder / f"log-{me}", "w")  # noqa: SIM115
        self.log.write("buffered\n")
        zipped = gzip.open(self.folder / f"zip-{me}.gz", "wt")  # noqa: SIM115
        zipped.write("compressed\n")
        _MODULE_FILES.append(zipped)
        self.threads = ThreadPoolExecutor(1)
        self.threads.submit(self.folder.joinpath(f"thread-{me}").touch)
        weakref.finalize(self, self.folder.joinpath(f"finalized-{me}").touch)
        atexit.register(self.folder.joinpath(f"atexit-{me}").touch)
        decoder = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        (self.folder / f"decoder-{decoder.pid}").touch()
        if me % 2:
            atexit.register(decoder.kill)
        (self.folder / f"worker-{me}").touch()


class Left(Opens):
    """A worker that has started a program dies, and another loads its batch."""

    def __getitem__(self, index: int) -> Any:
        flag = self.folder / "died"
        if index == 3 and os.getpid() != self.main and not flag.exists():
            flag.touch()
            decoder = subprocess.Popen(["sleep", "600"], start_new_session=True)
            (self.folder / f"decoder-{decoder.pid}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full((2, 3), index, "float32")


class Busy(streamfit.Sequence):
    """Loads that take for ever from one index on: in Python, or where no signal handler runs."""

    def __init__(self, folder: Path, native: bool) -> None:
        super().__init__()
        self.folder, self.native, self.main = folder, native, os.getpid()

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        if index >= 2 and os.getpid() != self.main:
            (self.folder / f"busy-{os.getpid()}").touch()
            if self.native:
                ctypes.PyDLL(None).usleep(
                    600_000_000
                )  # starts again with what is left, and keeps the interpreter
                while True:
                    ctypes.PyDLL(None).usleep(1_000_000)
            try:
                time.sleep(600)
            finally:
                (self.folder / f"unwound-{os.getpid()}").touch()
        return np.full((2, 3), index, "float32")


def alive(pid: int) -> bool:
    """Return whether a process lives and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids(folder: Path, name: str) -> list[int]:
    """Return the process ids that files in a folder are named after."""
    return sorted(int(path.name.split("-")[1]) for path in folder.glob(f"{name}-*"))
