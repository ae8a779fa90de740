"""Data in files, as pipelines: one function for each format.

Each names files by paths, globs or folders, reads them where batches are loaded, and needs the extra that its
description names.
"""

from __future__ import annotations

from streamfit.streams.stores.arrow_ipc import arrow
from streamfit.streams.stores.parquet import parquet
from streamfit.streams.stores.table import table

__all__ = ["arrow", "parquet", "table"]
