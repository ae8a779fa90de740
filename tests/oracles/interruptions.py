"""A training run that stops in the middle, as a crash would stop it."""

from __future__ import annotations

from typing import Any

from streamfit.callbacks import Callback


class StopError(Exception):
    """Stands for the crash."""


class Stop(Callback):
    """Raise after a number of steps in all."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.left == 0:
            raise StopError
        self.left -= 1
