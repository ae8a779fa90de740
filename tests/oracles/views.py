"""Data sets that hold views and many arrays; light to import, since workers do."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

import streamfit


def used() -> float:
    """Megabytes of this process and all below it: private memory, and shared memory once."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    total, shared = 0, {}
    for pid in family:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
            for path in Path(f"/proc/{pid}/fd").iterdir():
                if os.readlink(path).startswith(("/memfd:", "/dev/shm/")):
                    found = path.stat()
                    shared[found.st_ino] = 512 * found.st_blocks
        except OSError:
            continue
    return (total + sum(shared.values())) / 2**20


def described(array: np.ndarray) -> str:
    """Return all that can be seen of an array."""
    bits = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]
    return f"{array.shape} {array.dtype} {array.flags.writeable} {bits}"


class Holds(streamfit.Sequence):
    """Loads a description of its arrays as they are in the process that loads."""

    def __init__(self, arrays: Any) -> None:
        super().__init__()
        self.arrays = arrays

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        arrays = self.arrays.values() if isinstance(self.arrays, dict) else self.arrays
        text = "|".join(described(array) for array in arrays)
        same = [[one is other for other in arrays] for one in arrays] if len(arrays) < 20 else []
        return np.frombuffer(f"{text} {same}".encode().ljust(20_000), np.uint8).copy()


class Touches(streamfit.Sequence):
    """Reads a little of each of its arrays."""

    def __init__(self, arrays: Any) -> None:
        super().__init__()
        self.arrays = arrays

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        arrays = list(self.arrays.values()) if isinstance(self.arrays, dict) else self.arrays
        return np.array([float(array[(0,) * array.ndim]) for array in arrays[index::12]]).sum(keepdims=True)


class Uneven(streamfit.Sequence):
    """Batches of these sizes in turn, in bytes."""

    def __init__(self, sizes: list[int], count: int) -> None:
        super().__init__()
        self.sizes, self.count = sizes, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return np.full(self.sizes[index % len(self.sizes)], index % 200, "uint8")


class Counts(streamfit.Sequence):
    """Holds a large table; the bits of it are read by each load."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.table, self.extra = table, 0

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return np.array([self.table[index, 0] + self.extra])


class Cuts(streamfit.Sequence):
    """Workers cut all memory short that they can find, in the middle of the run."""

    def __init__(self) -> None:
        super().__init__()
        self.main = os.getpid()
        self.table = np.arange(200_000.0)

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        if index == 9 and os.getpid() != self.main:
            for name in os.listdir("/proc/self/fd"):
                try:
                    if "streamfit" in os.readlink(f"/proc/self/fd/{name}"):
                        os.truncate(f"/proc/self/fd/{name}", 0)
                except OSError:
                    continue
        return np.full((300, 300), index) + self.table[index]
