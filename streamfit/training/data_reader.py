"""Reads the data that layers adapt to."""

from __future__ import annotations

from collections.abc import Iterator

from streamfit.layers.adaptation import register_reader
from streamfit.streams import open_source
from streamfit.streams.adapt import kind_of
from streamfit.streams.batch import Part
from streamfit.streams.items import Value
from streamfit.streams.mapped_inputs import MappedInputs
from streamfit.streams.source import Source
from streamfit.streams.ticket import Ticket
from streamfit.training.batches import Streams
from streamfit.training.stream_settings import StreamSettings
from streamfit.workers import hash_seed_of_program

_BATCH_SIZE = 4096  # rows of arrays that are looked at together


class _InputsAlone(MappedInputs):
    """Leave targets and weights out, which may have any form where nobody looks at them.

    Args:
        source: The source below.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source, _same)

    def mapped(self, ticket: Ticket, value: Value) -> Value:
        """Return x of a batch that was loaded."""
        return value[0], None, None


def _same(x: Part) -> Part:
    return x


def read_batches(data: object, batch_size: int | None = None, steps: int | None = None) -> Iterator[object]:
    """Yield x of each batch of one pass over data; see `layers.adaptation.batches_of`.

    As in `evaluate`, the workers that a `Sequence` asks for load its batches, and one thread loads those of
    anything else but arrays; they come in the order of the data.
    """
    if batch_size is None and kind_of(data, "data") == "arrays":
        batch_size = _BATCH_SIZE
    source = open_source(data, batch_size=batch_size, targets=False, text=True, seed=0)
    if kind_of(data, "data") in ("sequence", "iterator", "iterable"):
        source = _InputsAlone(source)
    with Streams(StreamSettings(), hash_seed_of_program(0)) as streams:
        for batch in streams.feed(source, wrap=False, total=steps).run(steps):
            yield batch.x


register_reader(read_batches)
