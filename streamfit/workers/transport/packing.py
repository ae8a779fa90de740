"""How the values of one job lie in its slot, and the frame body that describes them.

The arrays of a value are copied once, straight into the slot, each at a multiple of 64 bytes; the values of
a job lie behind one another. Values alike in structure and shapes form a *group*, which is described once:
that is what makes many small values cheap.

A frame body is a head, the groups one after the other, and the failure that ended the job, if one did. Each
part below has its encoding and its decoding side by side.

Guarantees kept here: values come out in the order in which they went in, equal to what went in; the values
packed before a load failed come out before the failure.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamfit._base.errors import WorkerError
from streamfit.workers.transport.scratch import SCRATCH
from streamfit.workers.transport.slots import Array, Slot, padded
from streamfit.workers.transport.values import Leaf, Order, Parts, Template, ValueReader, dump

_MAX_IN_FRAME = 1 << 15
# Capacity of the slot, bytes used, nanoseconds taken, groups, bytes of the failure.
_HEAD = struct.Struct("<QQQII")
# Template, values, where the first begins, how far apart they are, how many numbers follow, pickle bytes in
# the frame, pickle bytes in the slot and where they begin.
_GROUP = struct.Struct("<IIQQIIQQ")

Shapes = tuple[tuple[int, ...], ...]
Place = tuple[int, int]
"""Offset and size of bytes."""


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that cannot be put together, and is the last of its job."""

    error: Exception


# -- the frame body ---------------------------------------------------------------------------------------


def _encode_body(
    capacity: int, used: int, nanoseconds: int, groups: Sequence[_Group], failure: bytes
) -> bytes:
    head = _HEAD.pack(capacity, used, nanoseconds, len(groups), len(failure))
    return b"".join([head, *[group.encode() for group in groups], failure])


def _decode_body(body: bytes) -> tuple[int, int, int, list[_Group], bytes]:
    """Return the arguments of `_encode_body`."""
    capacity, used, nanoseconds, n_groups, n_failure = _HEAD.unpack_from(body)
    groups: list[_Group] = []
    at = _HEAD.size
    for _ in range(n_groups):
        group, at = _Group.decode(body, at)
        groups.append(group)
    return capacity, used, nanoseconds, groups, body[len(body) - n_failure :] if n_failure else b""


@dataclass(slots=True)
class _Group:
    """Values alike: where they lie in the slot, and the numbers that describe one of them.

    Attributes:
        template: its number.
        base: where the first value begins.
        stride: how many bytes apart values begin.
        numbers: as `_encode_numbers` returned them.
        pickled: pickle bytes of all parts but the arrays, where they travel in the frame.
        outside: offset and size of these bytes where they travel in the slot.
        count: how many values there are.
    """

    template: int
    base: int
    stride: int
    numbers: tuple[int, ...]
    pickled: bytes
    outside: Place
    count: int = 1

    def encode(self) -> bytes:
        place, size = self.outside
        n_numbers, n_pickled = len(self.numbers), len(self.pickled)
        head = _GROUP.pack(
            self.template, self.count, self.base, self.stride, n_numbers, n_pickled, size, place
        )
        return head + struct.pack(f"<{n_numbers}Q", *self.numbers) + self.pickled

    @classmethod
    def decode(cls, body: bytes, at: int) -> tuple[_Group, int]:
        """Return the group at an offset of a frame body, and the offset behind it."""
        template, count, base, stride, n_numbers, n_pickled, size, place = _GROUP.unpack_from(body, at)
        at += _GROUP.size
        numbers = struct.unpack_from(f"<{n_numbers}Q", body, at)
        at += 8 * n_numbers
        end = at + n_pickled
        return cls(template, base, stride, numbers, body[at:end], (place, size), count), end


def _encode_numbers(offsets: Sequence[int], shapes: Shapes, buffers: Sequence[Array]) -> tuple[int, ...]:
    """Return the offsets of arrays and of the buffers of pickled parts, all dimensions, sizes of buffers."""
    dimensions = [length for shape in shapes for length in shape]
    return (*offsets, *dimensions, *[buffer.nbytes for buffer in buffers])


def _decode_numbers(
    numbers: tuple[int, ...], leaves: Sequence[Leaf], has_buffers: bool
) -> tuple[list[tuple[int, ...]], list[Place]]:
    """Return the shapes of the arrays, whose offsets come first, and the places of the buffers."""
    n_buffers = 0
    if has_buffers:
        dimensions = sum([ndim for _, ndim, _ in leaves])
        n_buffers = (len(numbers) - len(leaves) - dimensions) // 2
    shapes: list[tuple[int, ...]] = []
    begin = at = len(leaves) + n_buffers
    for _, ndim, _ in leaves:
        shapes.append(numbers[at : at + ndim])
        at += ndim
    return shapes, list(zip(numbers[len(leaves) : begin], numbers[at:], strict=True)) if n_buffers else []


# -- from values to a slot and a frame body ---------------------------------------------------------------


class Packer:
    """Writes the values of one job into its slot.

    Args:
        slot: belongs to the job.
        number_of: returns the number by which the reader knows a template.

    Attributes:
        used: how many bytes of the slot hold values.
    """

    def __init__(self, slot: Slot, number_of: Callable[[Template], int]) -> None:
        self._slot = slot
        self._number_of = number_of
        self.used = 0
        self._groups: list[_Group] = []
        # Of the last group.
        self._template: Template | None = None
        self._shapes: Shapes = ()
        self._offsets: list[int] = []

    def add(self, value: object) -> None:
        """Write one more value behind the others."""
        parts = Parts(value)
        if SCRATCH.handed:
            self._add_in_place(parts)
            SCRATCH.handed.clear()
            return
        arrays = parts.arrays
        shapes = tuple([array.shape for array in arrays])
        if not parts.rest and self._shapes == shapes and self._template == parts.template:
            group = self._groups[-1]
            self._write(arrays, self._offsets, group.stride)
            group.count += 1
        else:
            self._begin_group(parts, shapes)

    def _add_in_place(self, parts: Parts) -> None:
        """Write a value of which some arrays may lie in the slot already: these stay where they are."""
        arrays, base = parts.arrays, self.used
        places = [SCRATCH.offset_of(array) for array in arrays]
        shapes = tuple([array.shape for array in arrays])
        if parts.rest:  # pickled parts have a layout of their own, which begins where those arrays lie
            pairs = zip(arrays, places, strict=True)
            parts.arrays = [array if place is None else array.copy() for array, place in pairs]
            self._begin_group(parts, shapes)
            return
        offsets, size = list[int](), SCRATCH.end - base
        for array, place in zip(arrays, places, strict=True):
            offsets.append(size if place is None else place - base)
            size += padded(array.nbytes) if place is None else 0
        self._slot.reserve(base + size)
        for array, place, offset in zip(arrays, places, offsets, strict=True):
            if place is None:
                self._slot.write(array, base + offset)
        self.used = base + size
        if (self._template, self._shapes, self._offsets) == (parts.template, shapes, offsets):
            group = self._groups[-1]
            if group.stride == size:
                group.count += 1
                return
        number, numbers = self._number_of(parts.template), _encode_numbers(offsets, shapes, ())
        self._groups.append(_Group(number, base, size, numbers, b"", (0, 0)))
        self._template, self._shapes, self._offsets = parts.template, shapes, offsets

    def body(self, nanoseconds: int, failure: bytes = b"") -> bytes:
        """Return the body of the frame.

        Args:
            nanoseconds: how long the loads took together.
            failure: the exception that ended them, as `exceptions.pack` returned it, if one did.
        """
        # A reader maps the slot as far as it reaches, even if these values would fit a part of it.
        return _encode_body(self._slot.capacity, self.used, nanoseconds, self._groups, failure)

    def _begin_group(self, parts: Parts, shapes: Shapes) -> None:
        """Write a value that is unlike the one before."""
        pickled, buffers = dump(parts.rest) if parts.rest else (b"", [])
        arrays = parts.arrays + buffers
        offsets, size = [], 0
        for array in arrays:
            offsets.append(size)
            size += padded(array.nbytes)
        numbers = _encode_numbers(offsets, shapes, buffers)
        base = self.used
        outside = base + size, 0
        if len(pickled) > _MAX_IN_FRAME:
            arrays = [*arrays, np.frombuffer(pickled, np.uint8)]
            offsets.append(size)
            outside = base + size, len(pickled)
            size += padded(len(pickled))
            pickled = b""
        group = _Group(self._number_of(parts.template), base, size, numbers, pickled, outside)
        self._write(arrays, offsets, size)
        self._groups.append(group)
        self._template, self._shapes, self._offsets = parts.template, shapes, offsets

    def _write(self, arrays: Sequence[Array], offsets: Sequence[int], size: int) -> None:
        base = self.used
        if base + size > self._slot.capacity:
            self._slot.reserve(base + size)
        for array, offset in zip(arrays, offsets, strict=True):
            self._slot.write(array, base + offset)
        self.used = base + size


# -- from a slot and a frame body to values ---------------------------------------------------------------


class Packed:
    """The values of one job, as a frame describes them.

    Args:
        body: the bytes that `Packer.body` returned.
        readers: the readers of the templates, by number; an exception for one that cannot be read.

    Attributes:
        capacity: bytes of the slot that must be mapped.
        used: bytes of it that hold values.
        nanoseconds: how long the loads took together.
        failure: the exception that ended them, for `exceptions.unpack`, or empty.
    """

    __slots__ = ("_groups", "capacity", "failure", "nanoseconds", "used")

    def __init__(self, body: bytes, readers: dict[int, ValueReader | Exception]) -> None:
        self.capacity, self.used, self.nanoseconds, groups, self.failure = _decode_body(body)
        self._groups = [(group, readers[group.template]) for group in groups]

    def values(self, memory: Array, *, apart: bool) -> list[object]:
        """Return the values, whose arrays are views of `memory`; one that is `Unreadable` ends them.

        Args:
            memory: the used bytes of the slot.
            apart: copy each value first, so that one that is kept does not keep the others.
        """
        values: list[object] = []
        for group, reader in self._groups:
            try:
                values += _copied_values(group, reader, memory) if apart else _values(group, reader, memory)
            except Exception as error:  # a class of the user's; raised at its place in the order
                values.append(Unreadable(error))
                break
        return values


def _copied_values(group: _Group, reader: ValueReader | Exception, memory: Array) -> list[object]:
    """Return the values of a group, each in memory of its own."""
    values: list[object] = []
    place, size = group.outside
    for at in range(group.count):
        begin = group.base + at * group.stride
        own = memory[begin : begin + group.stride].copy()
        values += _values(replace(group, count=1, base=0, outside=(place - begin, size)), reader, own)
    return values


def _values(group: _Group, reader: ValueReader | Exception, memory: Array) -> list[object]:
    """Return the values of a group as views of `memory`."""
    if isinstance(reader, Exception):
        raise WorkerError("a value cannot be put together in the main process") from reader
    base, count = group.base, group.count
    place, size = group.outside
    pickled = memory[place : place + size].tobytes() if size else group.pickled
    shapes, buffers = _decode_numbers(group.numbers, reader.leaves, bool(pickled))
    columns: list[Sequence[Array]] = []
    for offset, shape, (dtype, _, order) in zip(group.numbers, shapes, reader.leaves, strict=False):
        columns.append(_column(shape, dtype, order, memory, base + offset, group.stride, count))
    if pickled:
        whole = memory.data
        views = [whole[base + offset : base + offset + size] for offset, size in buffers]
        return [reader.read([column[0] for column in columns], pickle.loads(pickled, buffers=views))]
    if not columns:
        return [reader.read(()) for _ in range(count)]
    return [reader.read(arrays) for arrays in zip(*columns, strict=True)]


def _column(
    shape: tuple[int, ...],
    dtype: np.dtype,
    order: Order,
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
