"""Sequences whose loads depend on the state of the interpreter; in a module that workers import quickly."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from streamfit import Sequence


class OwnWarning(UserWarning):
    """A user's class."""


class Warns(Sequence):
    """Warns in each load."""

    def __init__(self, category: type[Warning] = UserWarning) -> None:
        self.category = category

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        warnings.warn(f"in load {index}", self.category, stacklevel=1)
        return np.zeros((2, 3), "float32"), np.zeros((2, 1), "float32")


class Overflows(Sequence):
    """Overflows in each load."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        x = np.full((2, 3), 1e38, "float32") * np.float32(100)
        return np.nan_to_num(x, posinf=0), np.zeros((2, 1), "float32")


class Deep(Sequence):
    """Needs a deep stack."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        def down(levels: int) -> int:
            return 1 + down(levels - 1) if levels else 0

        return np.array([[down(2000)]])
