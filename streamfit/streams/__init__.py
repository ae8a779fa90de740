"""Layer 2: sources of batches, their order, and feeds that deliver them epoch by epoch."""

from __future__ import annotations

from streamfit.streams.adapt import as_stream, check_batch_size
from streamfit.streams.arrays import ArraySource
from streamfit.streams.batch import Batch
from streamfit.streams.feed import Feed
from streamfit.streams.generator import GeneratorSource
from streamfit.streams.iterate import Stream, stream
from streamfit.streams.load_policy import LoadPolicy
from streamfit.streams.receipt import Receipt
from streamfit.streams.sequence import Sequence, SequenceSource
from streamfit.streams.source import Source
from streamfit.streams.ticket import Ticket

__all__ = [
    "ArraySource",
    "Batch",
    "Feed",
    "GeneratorSource",
    "LoadPolicy",
    "Receipt",
    "Sequence",
    "SequenceSource",
    "Source",
    "Stream",
    "Ticket",
    "as_stream",
    "check_batch_size",
    "stream",
]
