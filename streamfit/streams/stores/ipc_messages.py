"""Where the messages of an Arrow IPC file or stream are, and how many rows their record batches have.

Only the frames of messages are read here, which Arrow's Python package does not show: places, lengths and
whether buffers are compressed. Values are read by Arrow itself.

Source: the format's description, https://arrow.apache.org/docs/format/Columnar.html, and its flatbuffer
schemas ``File.fbs``, ``Message.fbs`` and ``Schema.fbs``.

Guarantee kept here: each place that is returned lies inside the file, whatever its bytes are.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array

_MAGIC, _FEATHER_1 = b"ARROW1", b"FEA1"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3  # kinds of messages
_BLOCK = np.dtype(
    {"names": ["offset", "metadata", "body"], "formats": ["<i8", "<i4", "<i8"], "offsets": [0, 8, 16]}
)
_BUFFER = np.dtype([("offset", "<i8"), ("length", "<i8")])
_LONGEST = 256 << 20  # bytes of the frame of one message

BATCH = np.dtype([("offset", "i8"), ("metadata", "i8"), ("body", "i8"), ("rows", "i8"), ("packed", "?")])
"""A record batch: its place, the lengths of its frame and body, its rows, and whether it is compressed."""


@dataclass(frozen=True, slots=True)
class DictionaryMessage:
    """A message with values of a dictionary.

    Args:
        number: The dictionary.
        delta: Whether its values follow those before; else they stand in their place.
        before: How many record batches come before it, in a stream.
        offset: Its place.
        length: Its bytes.
        packed: Whether it is compressed.
    """

    number: int
    delta: bool
    before: int
    offset: int
    length: int
    packed: bool


@dataclass(frozen=True)
class IpcLayout:
    """The messages of a file.

    Args:
        stream: Whether it is a stream, without a footer.
        schema: The message with the schema; empty where a file has it in its footer alone.
        batches: Its record batches, dtype `BATCH`.
        dictionaries: Its dictionaries.
    """

    stream: bool
    schema: bytes
    batches: Array
    dictionaries: tuple[DictionaryMessage, ...] = ()

    def dictionaries_at(self, batch: int) -> list[DictionaryMessage]:
        """Return the messages that make the dictionaries of a record batch, in order."""
        found: dict[int, list[DictionaryMessage]] = {}
        for message in self.dictionaries:
            if message.before <= batch:
                earlier = found.get(message.number, []) if message.delta else []
                found[message.number] = [*earlier, message]
        return sorted((each for part in found.values() for each in part), key=lambda each: each.offset)


def read_layout(path: str) -> IpcLayout:
    """Find the messages of a file: from its footer, or in one pass over the frames of a stream.

    Raises:
        DataError: It is no Arrow file or stream, is cut off, or names places outside of itself.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            begin = os.pread(file.fileno(), 8, 0)
            if begin[:4] == _FEATHER_1:
                raise DataError(
                    f"{path!r} is a Feather file of version 1, which is no Arrow IPC; write it again: "
                    "pyarrow.feather.write_feather(table, path)"
                )
            if begin[:6] == _MAGIC:
                return _file_layout(file, size)
            return _stream_layout(file, size)
    except (struct.error, ValueError, OverflowError) as error:
        if isinstance(error, DataError) and path in str(error):
            raise
        raise DataError(f"{path!r} is no Arrow IPC file that can be read: {error}") from None


def _file_layout(file: BinaryIO, size: int) -> IpcLayout:
    tail = _read(file, max(0, size - 10), 10, size)
    if tail[4:] != _MAGIC:
        raise ValueError("its end is missing; it was cut off, or not closed by its writer")
    length = int.from_bytes(tail[:4], "little", signed=True)
    if not 0 < length <= min(size - 18, _LONGEST):
        raise ValueError(f"its footer has {length} bytes")
    footer = FlatTable.root(_read(file, size - 10 - length, length, size))
    schema = _schema_at_begin(file, size)
    made = _blocks(footer, 3, size)
    for at, offset in enumerate(made["offset"].tolist()):
        _, kind, message, body = _message_at(file, offset, size)
        if kind != _BATCH or body != made["body"][at]:
            raise ValueError(f"its footer and its record batch {at} say different things")
        made["rows"][at], made["packed"][at] = _batch(message, body)
    dictionaries = []
    for offset, metadata, body, _, _ in _blocks(footer, 2, size).tolist():
        _, kind, message, own = _message_at(file, offset, size)
        if kind != _DICTIONARY or own != body:
            raise ValueError(f"its footer and its dictionary at byte {offset:,} say different things")
        dictionaries.append(_dictionary(message, 0, offset, metadata + body))
    return IpcLayout(False, schema, made, tuple(dictionaries))


def _schema_at_begin(file: BinaryIO, size: int) -> bytes:
    """Return the message in front of a file; empty where there is none, as in files of polars."""
    try:
        found, kind, _, _ = _message_at(file, 8, size)
    except (struct.error, ValueError):
        return b""
    return found if kind == _SCHEMA else b""


def _blocks(footer: FlatTable, field: int, size: int) -> Array:
    """Return the places that a footer names, dtype `BATCH`, without their rows."""
    blocks = footer.structs(field, _BLOCK)
    made = np.zeros(len(blocks), BATCH)
    for name in _BLOCK.names or ():
        made[name] = blocks[name]
    wrong = (made["offset"] < 8) | (made["metadata"] < 8) | (made["body"] < 0)
    for name in ("offset", "metadata", "body"):
        wrong |= made[name] > size
    if bool((wrong | (made["offset"] + made["metadata"] + made["body"] > size)).any()):
        raise ValueError("its footer names places outside of the file")
    return made


def _dictionary(message: FlatTable, before: int, offset: int, length: int) -> DictionaryMessage:
    values = message.table(1)
    if values is None:
        raise ValueError(f"the dictionary at byte {offset:,} has no values")
    number, delta = message.number(0, "<q"), bool(message.number(2, "<b"))
    return DictionaryMessage(number, delta, before, offset, length, values.table(3) is not None)


def _stream_layout(file: BinaryIO, size: int) -> IpcLayout:
    at, schema = 0, b""
    batches: list[tuple[int, int, int, int, bool]] = []
    dictionaries: list[DictionaryMessage] = []
    while at < size:
        if size - at < 8:
            raise ValueError(f"it is cut off at byte {at:,}")
        prefix = os.pread(file.fileno(), 8, at)
        if prefix in (b"\xff\xff\xff\xff\0\0\0\0", b"\0\0\0\0"):
            at += 8
            break
        frame, kind, message, body = _message_at(file, at, size)
        behind = at + len(frame) + body
        if behind > size:
            raise ValueError(f"it is cut off: the message at byte {at:,} ends at byte {behind:,} of {size:,}")
        if (kind == _SCHEMA) != (not schema) or kind > _BATCH:
            raise ValueError(f"the message at byte {at:,} does not belong there")
        if kind == _SCHEMA:
            schema = frame
        elif kind == _DICTIONARY:
            dictionaries.append(_dictionary(message, len(batches), at, len(frame) + body))
        else:
            batches.append((at, len(frame), body, *_batch(message, body)))
        at = behind
    if not schema:
        raise ValueError("it holds no schema")
    if at < size:
        raise ValueError(
            f"{size - at:,} bytes come behind its end; streams that were joined are read only to the end of "
            "the first: keep them in files of their own"
        )
    return IpcLayout(True, schema, np.array(batches, BATCH), tuple(dictionaries))


def _message_at(file: BinaryIO, at: int, size: int) -> tuple[bytes, int, FlatTable, int]:
    """Return the frame of a message with its prefix, its kind, its own table and the length of its body."""
    prefix = _read(file, at, 8, size)
    first = int.from_bytes(prefix[:4], "little", signed=True)
    length = int.from_bytes(prefix[4:], "little", signed=True) if first == -1 else first
    skipped = 8 if first == -1 else 4  # before Arrow 0.15 the length stood alone
    if not 0 < length <= _LONGEST:
        raise ValueError(f"the message at byte {at:,} has a frame of {length} bytes")
    frame = _read(file, at, skipped + length, size)
    message = FlatTable.root(frame[skipped:])
    body = message.number(3, "<q")
    inner = message.table(2)
    if inner is None or body < 0:
        raise ValueError(f"the message at byte {at:,} is damaged")
    return frame, message.number(1, "<B"), inner, body


def _batch(message: FlatTable, body: int) -> tuple[int, bool]:
    """Return the rows of a record batch, and whether it is compressed."""
    rows, packed = message.number(0, "<q"), message.table(3) is not None
    if rows < 0 or (not packed and rows > max(1 << 20, 8 * body)):  # a value takes a bit at least
        raise ValueError(f"a record batch of {body:,} bytes says that it has {rows:,} rows")
    return rows, packed


def unpacked_bytes(path: str, at: int) -> int:
    """Return how many bytes a compressed record batch or dictionary takes, by its own account.

    Args:
        path: The file.
        at: The place of its message.

    Raises:
        DataError: It is damaged.
    """
    total = 0
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            frame, kind, message, _ = _message_at(file, at, size)
            body = at + len(frame)
            batch = message.table(1) if kind == _DICTIONARY else message
            for offset, length in [] if batch is None else batch.structs(2, _BUFFER).tolist():
                if length:
                    declared = int.from_bytes(_read(file, body + offset, 8, size), "little", signed=True)
                    total += length if declared == -1 else max(0, declared)
    except (struct.error, ValueError, OverflowError) as error:
        raise DataError(f"{path!r} is no Arrow IPC file that can be read: {error}") from None
    return total


def _read(file: BinaryIO, at: int, count: int, size: int) -> bytes:
    if at < 0 or count < 0 or at + count > size:
        raise ValueError(f"it is cut off: it has {size:,} bytes, and {count:,} at byte {at:,} were due")
    found = os.pread(file.fileno(), count, at)
    if len(found) < count:
        raise ValueError("it became shorter while it was read")
    return found


class FlatTable:
    """A table of a flatbuffer, whose fields are found by number.

    Every read is checked against the bytes: a place outside raises `struct.error` or ValueError.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._slots = at - self._value("<i", at)
        self._size = self._value("<H", self._slots)

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """Return the table that a buffer begins with."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _value(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError("a place is in front of the buffer")
        return int(struct.unpack_from(form, self._data, at)[0])

    def _place(self, field: int) -> int:
        slot = 4 + 2 * field
        if slot + 2 > self._size:
            return 0
        offset = self._value("<H", self._slots + slot)
        return self._at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        """Return a number, 0 where it is not there."""
        place = self._place(field)
        return self._value(form, place) if place else 0

    def table(self, field: int) -> FlatTable | None:
        """Return a table inside."""
        place = self._place(field)
        return FlatTable(self._data, place + self._value("<I", place)) if place else None

    def structs(self, field: int, dtype: np.dtype[np.void]) -> Array:
        """Return a vector of structs."""
        place = self._place(field)
        if not place:
            return np.empty(0, dtype)
        start = place + self._value("<I", place)
        count = self._value("<I", start)
        if start + 4 + count * dtype.itemsize > len(self._data):
            raise ValueError("a vector goes beyond the buffer")
        return np.frombuffer(self._data, dtype, count, start + 4)
