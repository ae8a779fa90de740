"""Public names of data in files: functions that make a pipeline of files as other programs write them."""

from __future__ import annotations

from streamfit.streams.stores.npy import npy

__all__ = [
    "npy",
]
