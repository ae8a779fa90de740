"""A function of an image that kills the worker that it runs in, once."""

from __future__ import annotations

import os
import signal

import numpy as np


class Deadly:
    """Return the image; the first call that a worker makes ends it.

    Args:
        mark: A file that is made just before.
        main: The process that is not ended.
    """

    def __init__(self, mark: str, main: int) -> None:
        self.mark, self.main = mark, main

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if os.getpid() != self.main:
            try:
                os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return image
            os.kill(os.getpid(), signal.SIGKILL)
        return image
