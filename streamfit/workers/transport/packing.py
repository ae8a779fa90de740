"""How the values of one job lie in its slot, and the frame body that describes them.

The arrays of a value are copied once, straight into the slot, each at a multiple of 64 bytes; the values of
a job lie behind one another. Values alike in structure and shapes form a *group*, which is described once:
that is what makes many small values cheap.

Guarantees kept here: values come out in the order in which they went in, equal to what went in; what was
packed before a load failed comes out before the failure.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from streamfit._base.errors import WorkerError
from streamfit.workers.transport.slots import Array, Slot, padded
from streamfit.workers.transport.values import Parts, Template, ValueReader, dump

_MAX_IN_FRAME = 1 << 15
# Capacity of the slot, bytes used, nanoseconds taken, groups, bytes of the failure.
_HEAD = struct.Struct("<QQQII")
# Template, values, where the first begins, how far apart they are, how many numbers follow, pickle bytes in
# the frame, pickle bytes in the slot and where they begin.
_GROUP = struct.Struct("<IIQQIIQQ")

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that cannot be put together, and is the last of its job."""

    error: Exception


@dataclass(slots=True)
class _Group:
    """Values alike: where they lie, and the numbers that say what lies there."""

    template: Template
    number: int
    shapes: Shapes
    offsets: list[int]
    base: int
    stride: int
    count: int = 1
    numbers: Sequence[int] = ()
    pickled: bytes = b""
    outside: int = 0

    def record(self) -> bytes:
        """Return the bytes that describe the group."""
        head = _GROUP.pack(
            self.number,
            self.count,
            self.base,
            self.stride,
            len(self.numbers),
            len(self.pickled),
            self.outside,
            self.base + self.stride - padded(self.outside),
        )
        return head + struct.pack(f"<{len(self.numbers)}Q", *self.numbers) + self.pickled


class Packer:
    """Writes the values of one job into its slot.

    Args:
        slot: belongs to the job.
        number_of: returns the number by which the reader knows a template.
    """

    def __init__(self, slot: Slot, number_of: Callable[[Template], int]) -> None:
        self._slot = slot
        self._number_of = number_of
        self._used = 0
        self._groups: list[_Group] = []

    def add(self, value: object) -> None:
        """Write one more value behind the others."""
        parts = Parts(value)
        arrays = parts.arrays
        shapes = tuple([array.shape for array in arrays])
        last = self._groups[-1] if self._groups else None
        if last is not None and not parts.rest and last.shapes == shapes and last.template == parts.template:
            self._write(arrays, last.offsets, last.stride)
            last.count += 1
        else:
            self._groups.append(self._begin(parts, shapes))

    def body(self, nanoseconds: int, failure: bytes = b"") -> bytes:
        """Return the body of the frame.

        Args:
            nanoseconds: how long the loads took together.
            failure: what `exceptions.pack` made of the exception that ended them, if one did.
        """
        # A reader maps the slot as far as it reaches, even if these values would fit a part of it.
        head = _HEAD.pack(self._slot.capacity, self._used, nanoseconds, len(self._groups), len(failure))
        return b"".join([head, *[group.record() for group in self._groups], failure])

    def _begin(self, parts: Parts, shapes: Shapes) -> _Group:
        pickled, buffers = dump(parts.rest) if parts.rest else (b"", [])
        arrays = parts.arrays + buffers
        offsets, size = [], 0
        for array in arrays:
            offsets.append(size)
            size += padded(array.nbytes)
        outside = len(pickled) if len(pickled) > _MAX_IN_FRAME else 0
        if outside:
            arrays = [*arrays, np.frombuffer(pickled, np.uint8)]
            offsets.append(size)
            size += padded(outside)
            pickled = b""
        base = self._used
        group = _Group(parts.template, self._number_of(parts.template), shapes, offsets, base, size)
        self._write(arrays, offsets, size)
        dimensions = [length for shape in shapes for length in shape]
        places = offsets[: len(parts.arrays) + len(buffers)]
        group.numbers = [*places, *dimensions, *[buffer.nbytes for buffer in buffers]]
        group.pickled, group.outside = pickled, outside
        return group

    def _write(self, arrays: Sequence[Array], offsets: Sequence[int], size: int) -> None:
        base = self._used
        if base + size > self._slot.capacity:
            self._slot.reserve(base + size)
        for array, offset in zip(arrays, offsets, strict=True):
            self._slot.write(array, base + offset)
        self._used = base + size


@dataclass(slots=True)
class _Record:
    """A group as the reader finds it."""

    reader: ValueReader | Exception
    count: int
    base: int
    stride: int
    numbers: tuple[int, ...]
    pickled: bytes
    outside: tuple[int, int]


class Packed:
    """The values of one job, as a frame describes them.

    Args:
        body: what `Packer.body` returned.
        readers: the readers of the templates, by number; an exception for one that cannot be read.

    Attributes:
        capacity: bytes of the slot that must be mapped.
        used: bytes of it that hold values.
        nanoseconds: how long the loads took together.
        failure: the exception that ended them as `exceptions.unpack` takes it, or empty.
    """

    __slots__ = ("_records", "capacity", "failure", "nanoseconds", "used")
    capacity: int
    used: int
    nanoseconds: int

    def __init__(self, body: bytes, readers: dict[int, ValueReader | Exception]) -> None:
        self.capacity, self.used, self.nanoseconds, groups, failure = _HEAD.unpack_from(body)
        self.failure = body[len(body) - failure :] if failure else b""
        self._records: list[_Record] = []
        at = _HEAD.size
        for _ in range(groups):
            number, count, base, stride, numbers, inside, size, place = _GROUP.unpack_from(body, at)
            begin = at + _GROUP.size
            end = begin + 8 * numbers
            at = end + inside
            found = struct.unpack_from(f"<{numbers}Q", body, begin)
            record = _Record(readers[number], count, base, stride, found, body[end:at], (place, size))
            self._records.append(record)

    def values(self, memory: Array, *, apart: bool) -> list[object]:
        """Return the values, whose arrays are views of `memory`; one that is `Unreadable` ends them.

        Args:
            memory: the used bytes of the slot.
            apart: copy each value first, so that one that is kept does not keep the others.
        """
        values: list[object] = []
        for record in self._records:
            try:
                values += _separate(record, memory) if apart else _values(record, memory)
            except Exception as error:  # a class of the user's; surfaces at its place
                values.append(Unreadable(error))
                break
        return values


def _separate(record: _Record, memory: Array) -> list[object]:
    values: list[object] = []
    place, size = record.outside
    for at in range(record.count):
        begin = record.base + at * record.stride
        own = memory[begin : begin + record.stride].copy()
        values += _values(replace(record, count=1, base=0, outside=(place - begin, size)), own)
    return values


def _values(record: _Record, memory: Array) -> list[object]:
    reader = record.reader
    if isinstance(reader, Exception):
        raise WorkerError("a value cannot be put together in the main process") from reader
    numbers, leaves, count = record.numbers, reader.leaves, record.count
    place, size = record.outside
    pickled = memory[place : place + size].tobytes() if size else record.pickled
    at = len(leaves)
    if pickled:
        dimensions = sum([leaf[1] for leaf in leaves])
        at += (len(numbers) - at - dimensions) // 2
    columns: list[Sequence[Array]] = []
    begin = at
    for offset, (dtype, ndim, order) in zip(numbers, leaves, strict=False):
        shape = numbers[begin : begin + ndim]
        begin += ndim
        columns.append(_column(shape, dtype, order, memory, record.base + offset, record.stride, count))
    if pickled:
        whole = memory.data
        starts = [record.base + offset for offset in numbers[len(leaves) : at]]
        buffers = [whole[a : a + n] for a, n in zip(starts, numbers[begin:], strict=True)]
        return [reader.read([column[0] for column in columns], pickle.loads(pickled, buffers=buffers))]
    if not columns:
        return [reader.read(()) for _ in range(count)]
    return [reader.read(arrays) for arrays in zip(*columns, strict=True)]


def _column(
    shape: tuple[int, ...],
    dtype: np.dtype,
    order: Literal["C", "F"],
    memory: Array,
    offset: int,
    stride: int,
    count: int,
) -> Sequence[Array]:
    """Return one array of each of `count` values that lie `stride` bytes apart."""
    if count > 2 and shape and order == "C" and 0 not in shape:
        inner = np.ndarray(shape, dtype, memory, offset).strides
        return list(np.ndarray((count, *shape), dtype, memory, offset, (stride, *inner)))
    return [np.ndarray(shape, dtype, memory, offset + stride * at, None, order) for at in range(count)]
