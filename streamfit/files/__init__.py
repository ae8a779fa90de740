"""Data in files, as pipelines: one function for each format.

Each names files by paths, globs or folders, reads them where batches are loaded, and needs the extra that its
description names.
"""

from __future__ import annotations

from streamfit.preprocessing.audio.audio_dataset import audio
from streamfit.preprocessing.image.image_shards import image_shards
from streamfit.preprocessing.image_files import image_table, images
from streamfit.streams.stores.any_table import table
from streamfit.streams.stores.arrow_ipc import arrow
from streamfit.streams.stores.categories import categories
from streamfit.streams.stores.csv import csv
from streamfit.streams.stores.hdf5_store import hdf5
from streamfit.streams.stores.json_lines import json_lines
from streamfit.streams.stores.npy import npy
from streamfit.streams.stores.npz import npz
from streamfit.streams.stores.parquet import parquet
from streamfit.streams.stores.text_lines import text_lines
from streamfit.streams.stores.zarr_store import zarr

__all__ = [
    "arrow",
    "audio",
    "categories",
    "csv",
    "hdf5",
    "image_shards",
    "image_table",
    "images",
    "json_lines",
    "npy",
    "npz",
    "parquet",
    "table",
    "text_lines",
    "zarr",
]
