"""Data in files, as pipelines: one function for each format.

Each names files by paths, globs or folders, reads them where batches are loaded, and needs the extra that its
description names.
"""

from __future__ import annotations

from streamfit.streams.stores.npy import npy
from streamfit.streams.stores.npz import npz
from streamfit.streams.stores.parquet import parquet

__all__ = [
    "npy",
    "npz",
    "parquet",
]
