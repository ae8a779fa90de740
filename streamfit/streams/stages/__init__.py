"""Stages of a pipeline: immutable descriptions of data and of what happens to them, one file each."""

from __future__ import annotations

from streamfit.streams.stages.augmented import Augmented, KeyedMap
from streamfit.streams.stages.balance import Balanced
from streamfit.streams.stages.bases import ArrayRows, Batches, IndexedSamples, Items
from streamfit.streams.stages.batch_stage import BatchStage
from streamfit.streams.stages.cache import Cache
from streamfit.streams.stages.concatenate import Concatenated
from streamfit.streams.stages.filter import Filter
from streamfit.streams.stages.interleave import Interleave
from streamfit.streams.stages.map import Map
from streamfit.streams.stages.mix import Mix
from streamfit.streams.stages.padded_batch import PaddedBatch
from streamfit.streams.stages.pass_stage import Seeded
from streamfit.streams.stages.repeat import Repeat
from streamfit.streams.stages.sample import Sampled
from streamfit.streams.stages.shard import Shard
from streamfit.streams.stages.shuffle_stage import Shuffle
from streamfit.streams.stages.split import Split
from streamfit.streams.stages.stage import Pass, Stage
from streamfit.streams.stages.take import SkipStage, TakeStage
from streamfit.streams.stages.unbatch import Unbatch
from streamfit.streams.stages.window import Window
from streamfit.streams.stages.zip import Zip

__all__ = [
    "ArrayRows",
    "Augmented",
    "Balanced",
    "BatchStage",
    "Batches",
    "Cache",
    "Concatenated",
    "Filter",
    "IndexedSamples",
    "Interleave",
    "Items",
    "KeyedMap",
    "Map",
    "Mix",
    "PaddedBatch",
    "Pass",
    "Repeat",
    "Sampled",
    "Seeded",
    "Shard",
    "Shuffle",
    "SkipStage",
    "Split",
    "Stage",
    "TakeStage",
    "Unbatch",
    "Window",
    "Zip",
]
