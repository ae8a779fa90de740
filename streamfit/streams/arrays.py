"""`ArraySource`: arrays in memory or in files, shuffled by sample or by batch.

Guarantees kept here: every sample comes once per pass, in an order that depends on (seed, pass) alone; all
arrays have the same number of samples; dtypes never change; arrays that a user keeps are never overwritten.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.errors import DataError
from streamfit._base.keys import seed_from
from streamfit._base.specs import Array, Spec
from streamfit._base.text import holds_text
from streamfit._base.tree import map_entries
from streamfit.streams.batch import ROLES, Batch, Part, Structure
from streamfit.streams.batch_order import BatchOrder, ShuffledOrder
from streamfit.streams.items import Value
from streamfit.streams.leaves import as_rows, leaves, rebuild, spec_of
from streamfit.streams.objects import stack_hint
from streamfit.streams.rows import ROWS, Buffers, MemoryRows, Rows, SlicedRows, rows_of
from streamfit.streams.sampling import Sampling
from streamfit.streams.sharded_rows import ShardedRows
from streamfit.streams.shuffle import Shuffle, check_shuffle
from streamfit.streams.source import Identity, Source, not_empty
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

_DIGEST_ROWS, _DIGEST_BYTES = 8, 8 << 20  # at most, for the digest of a few samples
_JOINED_BYTES = 256 << 10  # joined batches should still be in the processor's cache when they are used


class ArraySource(Source):
    """Feed arrays in batches.

    Args:
        x: Array of shape (n, ...) with numbers of any dtype, or a list, tuple or dict of such arrays.
            Memory maps, lists of numbers, data frames and tensors of other libraries are accepted, and so
            are objects that can only be sliced, such as a data set in an HDF5 file: their rows are read
            batch by batch.
        y: Targets, likewise, or None.
        sample_weight: Weights, likewise, or None.
        batch_size: Samples in a batch; the last batch of a pass may be smaller.
        shuffle: True for a new order of the samples in each pass, ``'batch'`` for a new order of whole
            batches (a smaller last batch stays last), False for none.
        seed: Seed of the orders.
        name: Name of the source in messages.
        text: Whether `x` may hold text.

    Raises:
        DataError: The arrays hold no numbers, no samples, or differ in their number of samples.

    Example:
        >>> source = ArraySource(np.arange(6.0), np.arange(6), batch_size=4, shuffle=False)
        >>> [batch.x.tolist() for batch in source.make_reader().read(0)]
        [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0]]
    """

    def __init__(
        self,
        x: object,
        y: object = None,
        sample_weight: object = None,
        *,
        batch_size: int = 32,
        shuffle: Shuffle = True,
        seed: int = 0,
        name: str = "data",
        text: bool = False,
    ) -> None:
        self.name = name
        size, order = whole("batch_size", batch_size, 1), check_shuffle(shuffle)
        given = zip((x, y, sample_weight), ROLES, strict=True)
        read_x = functools.partial(as_rows, text=text)
        self._arrays = [rebuild(value, as_rows if role != "x" else read_x, role) for value, role in given]
        self.samples = _count_samples((x, y, sample_weight), *self._arrays)
        self.order: BatchOrder = ShuffledOrder(self.samples, size, order, seed_from(seed))
        self._spec = tuple(spec_of(part) for part in self._arrays)
        self._open()

    def _open(self) -> None:
        self.row_parts = [
            rebuild(part, rows_of, role) for part, role in zip(self._arrays, ROLES, strict=True)
        ]
        work = any(rows.in_workers for part in self.row_parts for rows in _rows(part))
        self.traits = SourceTraits(in_workers=work, one_layout=True, copies_rows=True)
        self.sliced = any(isinstance(rows, SlicedRows) for part in self.row_parts for rows in _rows(part))

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "row_parts"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._open()

    @property
    def batch_size(self) -> int:
        """Samples in a batch."""
        return self.order.batch_size

    @property
    def seed(self) -> int:
        """Where the orders of the passes start from."""
        return self.order.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self.order = self.order.with_seed(seed)

    @property
    def shuffle(self) -> Shuffle:
        """Whether samples or batches come in a new order in each pass."""
        return self.order.shuffle if isinstance(self.order, ShuffledOrder) else not self.order.sequential

    def reordered(self, order: BatchOrder, name: str) -> Self:
        """Return a source of the same arrays in another order."""
        other = copy.copy(self)
        other.order, other.name = order, name
        return other

    def batches(self, data_epoch: int) -> int:
        """Count the batches of a pass."""
        return not_empty(self, self.order.batches(data_epoch), data_epoch)

    def samples_in(self, data_epoch: int, batches: int | None = None) -> int:
        """Count the samples of a pass, or of its first batches."""
        used = self.order.used(data_epoch)
        return used if batches is None else min(used, batches * self.batch_size)

    def spec(self) -> tuple[Structure[Spec], ...]:
        """Return the specs of (x, y, sample_weight)."""
        return self._spec

    def identity(self) -> Identity:
        """Return the properties of the data that a saved place belongs to."""
        return {
            "kind of source": "arrays",
            "samples": self.samples,
            **self.order.identity(),
            "structure": repr(self._spec),
        }

    def sample_digest(self) -> str:
        """Return a digest of up to 8 samples, spread over the data."""
        rows = [rows for part in self.row_parts for rows in _rows(part)]
        cost = max(1, sum(each.row_bytes for each in rows))
        count = min(self.samples, _DIGEST_ROWS, max(1, _DIGEST_BYTES // cost))
        ids = np.linspace(0, self.samples - 1, count).astype(np.int64)
        found = hashlib.blake2b(digest_size=8)
        for each in rows:
            picked = each.pick(ids)
            found.update(
                _text_bytes(picked) if holds_text(picked) else np.ascontiguousarray(picked).tobytes()
            )
        return found.hexdigest()

    def samplings(self, data_epoch: int) -> list[Sampling]:
        """Return what is drawn in a pass, where it does not take every sample once."""
        return self.order.samplings(data_epoch)

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Yield the tickets of a pass, with the ids of each batch."""
        key = self.key(data_epoch)
        for number, ids in enumerate(self.order.batch_ids(data_epoch, start), start):
            yield Ticket(data_epoch, number, ids, key)

    def load(self, ticket: Ticket) -> Value:
        """Copy the rows of one batch to new arrays."""
        ids = ticket.ids
        x, y, sample_weight = (_map(part, lambda rows: rows.pick(ids)) for part in self.row_parts)
        return x, y, sample_weight

    def stacks(self, starts: Array, length: int) -> Value:
        """Copy `length` samples from each of `starts` on: arrays (n, length, ...)."""
        x, y, weight = (_map(part, lambda rows: rows.stacks(starts, length)) for part in self.row_parts)
        return x, y, weight

    def close(self) -> None:
        """Close files that were opened to read rows; whoever reads on opens them again."""
        for part in self.row_parts:
            for rows in _rows(part):
                if isinstance(rows, ShardedRows):
                    rows.close()

    def make_reader(self) -> SourceReader:
        """Return a reader that joins batches."""
        return ArrayReader(self)


class ArrayReader(SourceReader):
    """Read arrays without tickets, several batches joined into one where that is wanted."""

    def __init__(self, source: ArraySource) -> None:
        super().__init__(source)
        self._arrays = source

    def read(self, data_epoch: int, start: int = 0) -> Iterator[Batch]:
        """Load the batches of a pass in this thread, without tickets."""
        take = self.joined(data_epoch, start)
        while True:
            try:
                yield take(1)
            except StopIteration:
                return

    def joined(self, data_epoch: int, start: int) -> Callable[[int], Batch]:
        """Return a function that takes the next batch, or several batches joined into one.

        Its argument is the largest number of batches to join; only whole batches are joined. It raises
        StopIteration at the end of the pass.
        """
        order, parts, sliced = self._arrays.order, self._arrays.row_parts, self._arrays.sliced
        size, ids, number, offset = order.batch_size, np.empty(0, np.int64), start, 0
        read_x, read_y, read_weight = (_reader(part, size, not order.sequential) for part in parts)
        chunks = order.chunks(data_epoch, start)
        row_bytes = sum(rows.row_bytes for part in parts for rows in _rows(part))
        most_joined = 1 if sliced else max(1, _JOINED_BYTES // max(1, row_bytes * size))

        def take(most: int) -> Batch:
            nonlocal ids, number, offset
            if offset >= len(ids):
                ids, offset = next(chunks), 0
            steps = min(most, most_joined, (len(ids) - offset) // size) or 1
            mine = ids[offset : offset + steps * size]
            batch = Batch(
                read_x(mine), read_y(mine), read_weight(mine), mine, number, data_epoch, len(mine), steps
            )
            offset += len(mine)
            number += steps
            return batch

        return take


def _count_samples(given: tuple[object, object, object], x: Part, y: Part, sample_weight: Part) -> int:
    named = leaves(x, "x")
    if not named:
        raise DataError("x holds no array; pass at least one array of samples")
    name, first = named[0]
    count = len(first)
    for other, array in named[1:]:
        if len(array) != count:
            raise DataError(
                f"All input arrays should have the same number of samples. Found {count} samples in {name} "
                f"and {len(array)} samples in {other}.{stack_hint(given[0], 'x').lstrip('.')}"
            )
    hints = stack_hint(given[0], "x"), stack_hint(given[1], "y")
    for role, part in (("target", y), ("sample_weight", sample_weight)):
        for other, array in leaves(part, role):
            if len(array) != count:
                raise DataError(
                    f"Input arrays should have the same number of samples as {role} arrays. "
                    f"Found {count} input samples and {len(array)} {role} samples."
                    + (f" ({name} against {other})" if other != role or len(named) > 1 else "")
                    + "".join(hint.lstrip(".") for hint in hints)
                )
    if count == 0:
        raise DataError(f"{name} has shape {first.shape}: there are no samples in it")
    return count


def _text_bytes(rows: Array) -> bytes:
    return repr(rows.tolist()).encode()  # the memory of objects holds addresses


def _rows(part: Structure[Rows]) -> list[Rows]:
    if isinstance(part, ROWS):
        return [part]
    entries = part.values() if isinstance(part, dict) else part or ()
    return [rows for rows in entries if rows is not None]


def _map(part: Structure[Rows], read: Callable[[Rows], Array]) -> Part:
    if isinstance(part, ROWS):
        return read(part)
    if part is None:
        return None
    mapped: Part = map_entries(part, lambda rows, key: None if rows is None else read(rows))
    return mapped


def _reader(part: Structure[Rows], size: int, shuffled: bool) -> Callable[[Array], Part]:
    """Return a function from ids to the rows of one part, as cheap as its structure allows."""
    if part is None:
        return lambda ids: None
    if isinstance(part, ROWS):
        return _rows_reader(part, size, shuffled)
    readers = {id(rows): _rows_reader(rows, size, shuffled) for rows in _rows(part)}
    return lambda ids: _map(part, lambda rows: readers[id(rows)](ids))


def _rows_reader(rows: Rows, size: int, shuffled: bool) -> Callable[[Array], Array]:
    if not shuffled:
        span = rows.span
        return lambda ids: span(int(ids[0]), int(ids[-1]) + 1)
    buffers, pick = Buffers(rows.array, size), rows.pick
    if not buffers.reuses:
        if isinstance(rows, MemoryRows) and rows.straight:
            return functools.partial(rows.array.take, axis=0, mode="clip")  # as `pick`, with less around it
        return pick
    return lambda ids: pick(ids, buffers.lend(len(ids)))
