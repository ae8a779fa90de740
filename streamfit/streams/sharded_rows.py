"""`ShardedArray` and `ShardedRows`: arrays that lie in one or many files and are never loaded whole.

Guarantees kept here: rows are those of the files joined in their order; a file that is cut off, replaced or
written to while it is read raises an error that names it; the number of open files and of mapped bytes does
not depend on the number and size of the files.

Rows that lie together are read through the file, without touching a map. Single rows are gathered from maps:
one call of NumPy for all files, which sees memory as rows at any byte (`_RowsAnywhere`). Where the rows of a
batch lie in more files than may be open, those of files that are not open are read one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams import bus_errors
from streamfit.streams.open_shards import FileShard, OpenShard, OpenShards
from streamfit.streams.residency import Residency

_LARGE_ROW = 32 << 10  # bytes; a row of this size is read through the file, which then costs no more


class ShardedArray:
    """Rows in files, joined to one array that is not loaded.

    Args:
        shards: Where the rows lie; none of them is empty.
        rows: How many rows each shard has.
        tail: The shape of a row.
        dtype: Of the values.

    Attributes:
        ends: For each shard the number of rows in it and in all shards before it, int64 (shards,).
    """

    def __init__(
        self,
        shards: Sequence[FileShard],
        rows: Sequence[int],
        tail: tuple[int, ...],
        dtype: np.dtype[np.generic],
    ) -> None:
        self.shards, self.tail, self.dtype = list(shards), tail, dtype
        self.ends = np.cumsum(np.array(rows, np.int64))
        self.starts = self.ends - np.array(rows, np.int64)
        same = len(rows) > 0 and all(count == rows[0] for count in rows[:-1]) and rows[-1] <= rows[0]
        self._each = int(rows[0]) if same else 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the whole."""
        return (len(self), *self.tail)

    @property
    def ndim(self) -> int:
        """Count the axes."""
        return 1 + len(self.tail)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, rows: slice) -> Array:
        """Read the rows ``[start:stop:step]``."""
        return ShardedRows(self, "x").pick(np.arange(*rows.indices(len(self))))

    def shards_of(self, ids: Array) -> Array:
        """Return the number of the shard that each row is in, int64."""
        return ids // self._each if self._each else self.ends.searchsorted(ids, "right")


class _Interface(TypedDict):
    version: int
    data: tuple[int, bool]
    shape: tuple[int, ...]
    typestr: str
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _RowsAnywhere:
    """Memory from one address on, seen as rows that may begin at any byte; only mapped ones may be read."""

    address: int
    count: int
    row_bytes: int
    kept: tuple[Array, ...]  # the maps, which stay as long as this is used

    @property
    def __array_interface__(self) -> _Interface:
        return {
            "version": 3,
            "data": (self.address, True),
            "shape": (self.count,),
            "typestr": f"|V{self.row_bytes}",
            "strides": (1,),
        }


@dataclass(frozen=True, slots=True)
class _Mapped:
    """Shards that rows are gathered from: a value, so that threads may use an old one while another is made.

    Args:
        opened: The shards by number.
        starts: Where row 0 of the whole array would lie in `rows` if it were in a shard, int64 (shards,).
        rows: `_RowsAnywhere` as an array.
        whole: The array, where there is one shard and its values lie at even addresses.
    """

    opened: dict[int, OpenShard] = field(default_factory=dict)
    starts: Array = field(default_factory=lambda: np.empty(0, np.int64))
    rows: Array = field(default_factory=lambda: np.empty(0, "V1"))
    whole: Array | None = None


class ShardedRows:
    """Read rows of a sharded array.

    Args:
        array: The array.
        name: Its name in messages.
    """

    in_workers = True

    def __init__(self, array: ShardedArray, name: str) -> None:
        self.array, self.name = array, name
        self.row_bytes = array.dtype.itemsize * int(np.prod(array.tail, dtype=np.int64))
        self._files = OpenShards(array.shards)
        self._all = list(range(len(array.shards))) if len(array.shards) <= self._files.most else []
        self._mapped = _Mapped()
        self._current: tuple[int, int, OpenShard | None] = 0, 0, None  # the shard of the last span, its rows
        self._lock = threading.Lock()
        self._residency = Residency(sum(shard.length for shard in array.shards))

    def span(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Read the rows [start, stop) to `out`, or to a new array."""
        rows = self._empty(stop - start) if out is None else out
        if stop > start:
            self._read(start, stop, rows.reshape(-1).view(np.uint8).data)
        return rows

    def pick(self, ids: Array, out: Array | None = None) -> Array:
        """Read the rows `ids` to `out`, or to a new array."""
        count = len(ids)
        if not count or _lie_together(ids):
            first = int(ids[0]) if count else 0
            return self.span(first, first + count, out)
        if self.row_bytes >= _LARGE_ROW:
            return self._one_by_one(ids, self._empty(count) if out is None else out)
        faults = bus_errors.faults()
        if len(self.array.shards) == 1:
            rows = self._take(ids, out)
        else:
            shards = self.array.shards_of(ids)
            touched = self._touched(shards)
            if len(touched) > self._files.most:
                return self._one_by_one(ids, self._empty(count) if out is None else out)
            rows = self._gather(ids, shards, touched)
        self._read_from_maps(faults, count, count * self.row_bytes)
        if out is None or rows is out:
            return rows
        out[...] = rows
        return out

    def stacks(self, starts: Array, length: int) -> Array:
        """Read `length` rows from each of `starts` on: (n, length, ...)."""
        made = np.empty((len(starts), length, *self.array.tail), self.array.dtype)
        if length * self.row_bytes >= _LARGE_ROW:
            for place in starts.argsort(kind="stable").tolist():
                self.span(int(starts[place]), int(starts[place]) + length, made[place])
            return made
        shards = self.array.shards_of(starts)
        inside = shards == self.array.shards_of(starts + (length - 1))
        touched = self._touched(shards)
        if len(touched) > self._files.most:
            inside[:] = False
        elif inside.all():
            return self._gather_stacks(starts, shards, touched, length)
        else:
            made[inside] = self._gather_stacks(starts[inside], shards[inside], touched, length)
        if not inside.all():
            made[~inside] = self.pick(rows_of_stacks(starts[~inside], length)).reshape(-1, *made.shape[1:])
        return made

    def _gather_stacks(self, starts: Array, shards: Array, touched: list[int], length: int) -> Array:
        """Copy stacks that each lie in one shard: memory seen as rows of their size at any byte."""
        faults = bus_errors.faults()
        mapped, size = self._map(touched), length * self.row_bytes
        for number in touched:
            mapped.opened[number].check()
        count = len(mapped.rows) + self.row_bytes - size
        wide = np.asarray(_RowsAnywhere(int(mapped.rows.ctypes.data), count, size, (mapped.rows,)))
        copied: Array = wide[starts * self.row_bytes + mapped.starts.take(shards)].view(self.array.dtype)
        self._read_from_maps(faults, len(starts), copied.nbytes)
        return copied.reshape(len(starts), length, *self.array.tail)

    def _read_from_maps(self, faults: int, rows: int, nbytes: int) -> None:
        """Check the maps, and give pages back if there are many."""
        if bus_errors.faults() != faults:
            for shard in self._mapped.opened.values():
                shard.check_pages()
        if self._residency.full(rows, nbytes):
            for shard in self._mapped.opened.values():
                shard.release()

    def _take(self, ids: Array, out: Array | None) -> Array:
        """Copy rows of the only shard."""
        mapped = self._mapped if self._mapped.opened else self._map([0])
        mapped.opened[0].check()
        whole = mapped.whole
        if whole is None:
            return self._gather(ids, None, [])
        return whole.take(ids, 0, out, "clip")  # "clip" only saves NumPy a second buffer

    def _gather(self, ids: Array, shards: Array | None, touched: list[int]) -> Array:
        """Copy rows of several shards, or of one in which values lie at odd addresses."""
        mapped = self._map(touched) if touched else self._mapped
        for number in touched:
            mapped.opened[number].check()
        places = ids * self.row_bytes
        places += mapped.starts if shards is None else mapped.starts.take(shards)
        rows: Array = mapped.rows[places].view(self.array.dtype)
        return rows.reshape(len(ids), *self.array.tail)

    def close(self) -> None:
        """Close all files; they are opened again when they are needed."""
        with self._lock:
            self._mapped, self._current = _Mapped(), (0, 0, None)
            self._files.close()

    def _empty(self, count: int) -> Array:
        return np.empty((count, *self.array.tail), self.array.dtype)

    def _touched(self, shards: Array) -> list[int]:
        """Return the shards that rows are in, or all where all may be open: which ones costs more to find."""
        return self._all or sorted(set(shards.tolist()))

    def _read(self, start: int, stop: int, into: memoryview) -> None:
        size, done = self.row_bytes, 0
        while start < stop:
            first, last, shard = self._current
            if not first <= start < last or shard is None:
                number = int(self.array.ends.searchsorted(start, "right"))
                first, last = int(self.array.starts[number]), int(self.array.ends[number])
                shard = self._files.get(number)
                self._current = first, last, shard
            end = min(stop, last)
            nbytes = (end - start) * size
            shard.read(
                (start - first) * size, into if end == stop and not done else into[done : done + nbytes]
            )
            start, done = end, done + nbytes

    def _one_by_one(self, ids: Array, out: Array) -> Array:
        """Read each row through its file: the order of the files saves opening one twice."""
        array, size = self.array, self.row_bytes
        into = out.reshape(-1).view(np.uint8).data
        order = ids.argsort(kind="stable")
        shards = array.shards_of(ids[order]).tolist()
        rows = (ids[order] - array.starts.take(shards)).tolist()
        at, shard = -1, None
        for place, number, row in zip(order.tolist(), shards, rows, strict=True):
            if number != at or shard is None:
                at, shard = number, self._files.apart(number)
            shard.read(row * size, into[place * size : (place + 1) * size])
        return out

    def _map(self, touched: list[int]) -> _Mapped:
        """Return maps of these shards, and of others while there is room."""
        mapped = self._mapped
        if len(mapped.opened) == len(self.array.shards) or all(map(mapped.opened.__contains__, touched)):
            return mapped
        with self._lock:
            found = {number: self._files.get(number) for number in touched}
            opened = {**self._files.still_open(self._mapped.opened), **found}
            self._mapped = mapped = _map_all(opened, self.array, self.row_bytes)
        return mapped


def rows_of_stacks(starts: Array, length: int) -> Array:
    """Return `length` numbers from each of `starts` on, one after the other.

    Example:
        >>> rows_of_stacks(np.array([0, 7]), 3).tolist()
        [0, 1, 2, 7, 8, 9]
    """
    numbers: Array = (starts[:, None] + np.arange(length)).reshape(-1)
    return numbers


def _map_all(opened: dict[int, OpenShard], array: ShardedArray, row_bytes: int) -> _Mapped:
    memory = {number: shard.memory for number, shard in opened.items()}
    address = {number: int(each.ctypes.data) for number, each in memory.items()}
    low = min(address.values())
    high = max(address[number] + memory[number].nbytes for number in memory)
    starts = np.zeros(len(array.shards), np.int64)
    for number, begin in address.items():
        starts[number] = begin - low - int(array.starts[number]) * row_bytes
    rows = _RowsAnywhere(low, high - low - row_bytes + 1, row_bytes, tuple(memory.values()))
    whole = memory[0].view(array.dtype).reshape(array.shape) if len(array.shards) == 1 else None
    aligned = whole is not None and whole.flags.aligned
    return _Mapped(opened, starts, np.asarray(rows), whole if aligned else None)


def _lie_together(ids: Array) -> bool:
    return int(ids[-1]) - int(ids[0]) == len(ids) - 1 and bool((ids[1:] - ids[:-1] == 1).all())
