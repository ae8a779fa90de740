"""Sequences and functions for tests of worker processes; light to import, since workers do."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from streamfit import Sequence


class Odd:
    """An argument that cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __str__(self) -> str:
        return "odd"


class Logs(Sequence):
    """Logs something in each load."""

    def __init__(self, how: Any = None, length: int = 6) -> None:
        self.how, self.length = how, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        logger = logging.getLogger("promises.loads")
        logger.debug("too little to be heard")
        if self.how is None:
            logger.info("load %d", index)
        else:
            self.how(logger, index)
        return np.zeros((2, 3), "float32"), np.zeros((2, 1), "float32")


class Notes:
    """A folder with one file for each call, named after the worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def __call__(self) -> None:
        name = f"{os.getpid()}-{threading.get_ident()}"
        (self.folder / name).open("x").close()  # a second call in one worker is an error

    def count(self) -> int:
        return len(list(self.folder.iterdir()))


class Needs(Sequence):
    """Loads only in workers that were initialized."""

    def __init__(self, notes: Notes, length: int = 8, kill: int = -1) -> None:
        self.notes, self.length, self.kill = notes, length, kill

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        here = [str(os.getpid())]
        assert any(path.name.split("-")[0] in here for path in self.notes.folder.iterdir())
        flag = self.notes.folder.parent / "killed"
        if index == self.kill and not flag.exists():
            flag.touch()
            os._exit(1)
        return np.ones((2, 3), "float32"), np.ones((2, 1), "float32")


class Shifted(Sequence):
    """Batches that hold their own numbers, shifted by the first of an array."""

    def __init__(self, arrays: Any = None) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        more = 0 if self.arrays is None else self.arrays[0, 0]
        return np.full((2, 3), index + more, "float32"), np.zeros((2, 1), "float32")
