"""Stages of a pipeline: immutable descriptions of data and of what happens to them, one file each."""

from __future__ import annotations

from streamfit.streams.stages.bases import ArrayRows, Batches, IndexedSamples, Items
from streamfit.streams.stages.batch import Batch
from streamfit.streams.stages.filter import Filter
from streamfit.streams.stages.map import Map
from streamfit.streams.stages.shuffle import Shuffle
from streamfit.streams.stages.stage import Pass, Stage
from streamfit.streams.stages.take import Skip, Take
from streamfit.streams.stages.unbatch import Unbatch

__all__ = [
    "ArrayRows",
    "Batch",
    "Batches",
    "Filter",
    "IndexedSamples",
    "Items",
    "Map",
    "Pass",
    "Shuffle",
    "Skip",
    "Stage",
    "Take",
    "Unbatch",
]
