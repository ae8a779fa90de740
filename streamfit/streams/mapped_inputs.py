"""`MappedInputs`: a source whose x goes through a function where it is loaded, such as the host layers of a
model.

Guarantee kept here: order, receipts, hooks, state and identity are those of the source below; only what the
function returns travels from the workers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.checks import integer
from streamfit._base.errors import DataError, SampleError
from streamfit._base.keys import derive, each_key
from streamfit._base.specs import Array
from streamfit.streams.batch import Batch, Part
from streamfit.streams.block_reader import block_plan, on_base
from streamfit.streams.delegating import DelegatingReader, DelegatingSource
from streamfit.streams.items import Value
from streamfit.streams.leaves import leaves
from streamfit.streams.naming import sample_named
from streamfit.streams.ordered import OrderedSource
from streamfit.streams.pipeline_source import PipelineSource
from streamfit.streams.seekable import SeekableSource
from streamfit.streams.source import Identity, Source
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.stages import KeyedMap, Map
from streamfit.streams.stores.converted_rows import ConvertedRows
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

Function = Callable[..., Part]
"""Called with x; and where its attribute ``keyed`` is True with the key of each sample, uint64 (n,)."""


class MappedInputs(DelegatingSource):
    """Call a function on the x of each batch.

    Args:
        source: The source below.
        function: From x of a batch to x of equally many samples; it depends on nothing else, but for the
            keys of the samples that a ``keyed`` one is given, and is picklable.
    """

    def __init__(self, source: Source, function: Function) -> None:
        super().__init__(source)
        self.function = function
        for name in ("batch_size", "samples", "sequence"):
            if hasattr(source, name):
                setattr(self, name, getattr(source, name))

    def _traits(self) -> SourceTraits:
        traits = self.source.traits
        return replace(
            traits,
            # An iterator is owned by this process; rows of arrays are work now that a function is called.
            in_workers=traits.in_workers or traits.copies_rows,
            may_change=True,  # arrays in memory, and what the function holds
            one_layout=False,
            copies_rows=False,
            only_reads=False,
        )

    def load(self, ticket: Ticket) -> Value:
        """Load a batch and map it."""
        return self.mapped(ticket, self.source.load(ticket))

    def mapped(self, ticket: Ticket, value: Value) -> Value:
        """Map the x of a batch that was loaded.

        Raises:
            DataError: The function refuses it; the error names the batch.
        """
        x, y, sample_weight = value
        try:
            made = self.function(x, self._keys(ticket, x)) if self._keyed else self.function(x)
            return made, y, sample_weight
        except DataError as error:
            row = error.row if isinstance(error, SampleError) else None
            where = f"{sample_named(ticket.ids, row)}{self.describe(ticket)}"
            raise type(error)(f"{error} ({where})") from error.__cause__

    @property
    def _keyed(self) -> bool:
        return bool(getattr(self.function, "keyed", False))

    def _keys(self, ticket: Ticket, x: Part) -> Array:
        """Return the key of each sample: of seed, pass and id; or of the batch and the place in it."""
        arrays = leaves(x)
        count = len(arrays[0][1]) if arrays else 0
        first = derive(self.seed, ticket.data_epoch, "inputs")
        if isinstance(ticket.ids, np.ndarray) and ticket.ids.shape == (count,):
            return each_key(first, ticket.ids)
        number = ticket.number if (found := integer(ticket.ids)) is None else found
        return each_key(derive(first, number), np.arange(count))

    def samples_in(self, data_epoch: int, batches: int | None = None) -> int | None:
        """Count the samples of a pass: those of the source below."""
        return self.source.samples_in(data_epoch, batches)

    def identity(self) -> Identity:
        """Return what a saved place belongs to: the source below."""
        return self.source.identity()

    def make_reader(self) -> SourceReader:
        """Return a reader that maps what the reader of the source below has set apart."""
        return MappedReader(self, self.source.make_reader())


class MappedReader(DelegatingReader):
    """Read the source below in its own way, and map what it reads.

    Args:
        source: The source.
        inner: The reader of the source below.
    """

    def __init__(self, source: MappedInputs, inner: SourceReader) -> None:
        super().__init__(source, inner, apart=True)
        self._mapped = source.mapped

    def load_apart(self, ticket: Ticket, *, threads: bool = False) -> Value:
        """Load a batch that shares no memory to which the source may write later, and map it."""
        return self._mapped(ticket, self._inner.load_apart(ticket, threads=threads))

    def pull(
        self, data_epoch: int, start: int = 0, *, thread: bool = False
    ) -> Iterator[tuple[Ticket, Batch]]:
        """Pull and map the batches of a pass; what is given back is what was pulled."""
        for ticket, batch in self._inner.pull(data_epoch, start, thread=thread):
            value = batch.x, batch.y, batch.sample_weight
            yield ticket, self.loaded(ticket, functools.partial(self._mapped, value=value))


def with_mapped_inputs(source: Source, function: Function) -> Source:
    """Return a source whose x goes through a function where it is loaded.

    Example:
        >>> import numpy as np
        >>> from streamfit.streams import ArraySource
        >>> doubled = with_mapped_inputs(ArraySource(np.arange(3), shuffle=False), lambda x: x * 2)
        >>> [batch.x.tolist() for batch in doubled.make_reader().read(0)]
        [[0, 2, 4]]
    """
    plan = block_plan(source.stage) if isinstance(source, SeekableSource) else None
    if plan is None and not isinstance(source, OrderedSource):
        return MappedInputs(source, function)
    assert isinstance(source, PipelineSource)
    if plan is not None and not plan.computes and getattr(function, "row_by_row", False):
        base = ConvertedRows(plan.base, function)
        return source.with_stage(on_base(source.stage, base), text=False)
    # It runs with the other stages.
    if getattr(function, "keyed", False):
        return source.with_stage(KeyedMap(source.stage, function), text=False)
    return source.with_stage(Map(source.stage, function, on="x", new_form=True), text=False)
