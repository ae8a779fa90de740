"""Layer 2: sources of batches, their order, pipelines, and feeds that deliver them epoch by epoch."""

from __future__ import annotations

from streamfit.streams.adapt import check_batch_size, open_source
from streamfit.streams.arrays import ArraySource
from streamfit.streams.batch import Batch
from streamfit.streams.delegating import DelegatingSource
from streamfit.streams.feed import Feed
from streamfit.streams.generator import GeneratorSource
from streamfit.streams.iterate import Stream, stream
from streamfit.streams.load_policy import LoadPolicy
from streamfit.streams.mapped_inputs import with_mapped_inputs
from streamfit.streams.mixing import interleave, mix
from streamfit.streams.pipeline import Pipeline, source
from streamfit.streams.receipt import Receipt
from streamfit.streams.sampling import Sampling
from streamfit.streams.sequence import Sequence, SequenceSource
from streamfit.streams.shuffle_quality import ShuffleQuality, shuffle_quality
from streamfit.streams.source import Source
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

__all__ = [
    "ArraySource",
    "Batch",
    "DelegatingSource",
    "Feed",
    "GeneratorSource",
    "LoadPolicy",
    "Pipeline",
    "Receipt",
    "Sampling",
    "Sequence",
    "SequenceSource",
    "ShuffleQuality",
    "Source",
    "SourceTraits",
    "Stream",
    "Ticket",
    "check_batch_size",
    "interleave",
    "mix",
    "open_source",
    "shuffle_quality",
    "source",
    "stream",
    "with_mapped_inputs",
]
