"""What a Zarr store says about its arrays, read with suspicion before the Zarr library sees it.

Codecs are those of a short list, none of which runs code or makes objects. Chunks are looked for before they
are read, as those that are not there would be read as the fill value, and the sizes that they declare are
compared with that of a chunk.

Sources: https://zarr-specs.readthedocs.io (versions 2 and 3), the frame formats of Zstandard (RFC 8878) and
of Blosc (its chunk header), and gzip (RFC 1952).

Guarantee kept here: nothing outside of the store is opened: no path that leaves it and no symbolic link.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from streamfit._base.errors import DataError
from streamfit.streams.stores.inflating import inflated_size, may_burst

_MOST_METADATA = 16 << 20
_PLAIN = ("bytes", "crc32c", "transpose", "delta", "shuffle")
_PACKED = ("zstd", "blosc", "gzip", "zlib")
_TEXT = "vlen-utf8"
_SHARDS = "sharding_indexed"
_SLACK = 1 << 20
_ZIP_ERRORS = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, struct.error)


class Tree(ABC):
    """The files of a store by key, such as ``x/c/0/0``."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the bytes of a file, None without it.

        Raises:
            DataError: It is no regular file.
        """

    @abstractmethod
    def read(self, key: str, offset: int, count: int) -> bytes:
        """Return some bytes of a file."""

    @abstractmethod
    def keys(self) -> Iterator[str]:
        """Yield the keys of files with metadata."""


class FolderTree(Tree):
    """The files in a folder.

    Args:
        path: The folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def size(self, key: str) -> int | None:
        """Return the bytes of a file, None without it."""
        path = self.path
        for part in key.split("/"):
            path = os.path.join(path, part)
            try:
                found = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            if stat.S_ISLNK(found.st_mode):
                raise DataError(f"{path!r} is a symbolic link, which is not followed; copy the files")
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{path!r} is no regular file")
        return found.st_size

    def read(self, key: str, offset: int, count: int) -> bytes:
        """Return some bytes of a file."""
        with open(os.path.join(self.path, *key.split("/")), "rb", buffering=0) as file:
            return os.pread(file.fileno(), count, offset)

    def keys(self) -> Iterator[str]:
        """Yield the keys of files with metadata; folders of chunks are not looked into."""
        for where, folders, names in os.walk(self.path):
            for name in ("zarr.json", ".zarray"):
                if name in names:
                    front = os.path.relpath(where, self.path)
                    yield name if front == "." else f"{front.replace(os.sep, '/')}/{name}"
            if ".zarray" in names or "c" in folders:
                folders.clear()


class ZipTree(Tree):
    """The files in a zip archive, which are stored as they are.

    Args:
        path: The archive.

    Raises:
        DataError: It is no archive, or has compressed or doubled members.
    """

    def __init__(self, path: str) -> None:
        try:
            self._archive = zipfile.ZipFile(path)  # closed when this object is gone
            found = self._archive.infolist()
        except _ZIP_ERRORS as error:
            raise DataError(f"{path!r} is no zip archive that can be read: {error}") from None
        self._members = {each.filename: each for each in found}
        if len(self._members) < len(found):
            raise DataError(f"{path!r} has members of the same name, one of which would be lost")
        for each in found:
            if each.compress_type != zipfile.ZIP_STORED or each.compress_size != each.file_size:
                raise DataError(
                    f"{path!r}: {each.filename!r} is compressed by zip; chunks are compressed already, so "
                    "write the archive without: zip -0, or zarr.storage.ZipStore"
                )
        self.path = path

    def size(self, key: str) -> int | None:
        """Return the bytes of a file, None without it."""
        found = self._members.get(key)
        return None if found is None else found.file_size

    def read(self, key: str, offset: int, count: int) -> bytes:
        """Return some bytes of a file."""
        try:
            with self._archive.open(self._members[key]) as file:
                file.seek(offset)
                return file.read(count)
        except _ZIP_ERRORS as error:
            raise DataError(f"{key!r} of {self.path!r} cannot be read: {error}") from None

    def keys(self) -> Iterator[str]:
        """Yield the keys of files with metadata."""
        return (key for key in self._members if key.rpartition("/")[2] in ("zarr.json", ".zarray"))


@dataclass(frozen=True)
class ZarrArray:
    """What an array says about itself.

    Args:
        version: The version of its format, 2 or 3.
        metadata: The key of its metadata.
        front: What the keys of its chunks begin with.
        separator: What is between the numbers of a chunk.
        shape: Its shape.
        grid: The shape of what one file holds: a chunk, or a shard of several.
        chunk: The shape of its chunks.
        codecs: What a chunk is encoded with.
        sharded: Whether files hold several chunks, with an index behind them.
        text: Whether it holds texts of any length.
    """

    version: int
    metadata: str
    front: str
    separator: str
    shape: tuple[int, ...]
    grid: tuple[int, ...]
    chunk: tuple[int, ...]
    codecs: tuple[str, ...]
    sharded: bool
    text: bool

    def keys(self, start: int, stop: int) -> Iterator[str]:
        """Yield the keys of the chunks, or shards, that hold these rows."""
        if not self.shape:
            return
        counts = [range(-(-length // size)) for length, size in zip(self.shape, self.grid, strict=True)]
        counts[0] = range(start // self.grid[0], -(-stop // self.grid[0]))
        for place in product(*counts):
            yield self.front + self.separator.join(map(str, place))


def array_in(tree: Tree, name: str, where: str) -> ZarrArray | None:
    """Return what an array says about itself, None without it.

    Raises:
        DataError: It is damaged, or has codecs that are refused.
    """
    parts = [part for part in name.split("/") if part]
    if any(part in (".", "..") or "\\" in part for part in parts):
        return None
    front = "".join(f"{part}/" for part in parts)
    for version, key in ((3, f"{front}zarr.json"), (2, f"{front}.zarray")):
        size = tree.size(key)
        if size is None:
            continue
        try:
            if size > _MOST_METADATA:
                raise ValueError(f"it has {size:,} bytes of metadata")
            found = json.loads(tree.read(key, 0, size))
            if version == 3 and found["node_type"] != "array":
                return None
            return _third(found, key, front) if version == 3 else _second(found, key, front)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            reason = f"{type(error).__name__}: {error}"
            raise DataError(f"{key!r} of {where} is no array that can be read: {reason}") from None
    return None


def _third(found: Mapping[str, object], key: str, front: str) -> ZarrArray:
    entries = json.loads(json.dumps(found))  # plain values
    if entries.get("storage_transformers") or entries["chunk_grid"]["name"] != "regular":
        raise ValueError("it has storage transformers or a grid of chunks that is not regular")
    encoding = entries["chunk_key_encoding"]
    default = encoding["name"] == "default"
    if not default and encoding["name"] != "v2":
        raise ValueError(f"its keys are encoded by {encoding['name']!r}")
    separator = encoding.get("configuration", {}).get("separator", "/" if default else ".")
    shape, grid = (
        _whole(entries["shape"], 0),
        _whole(entries["chunk_grid"]["configuration"]["chunk_shape"], 1),
    )
    codecs, chunk = entries["codecs"], grid
    sharded = [codec["name"] for codec in codecs] == [_SHARDS]
    if sharded:
        settings = codecs[0]["configuration"]
        index = [codec["name"] for codec in settings["index_codecs"]]
        if index != ["bytes", "crc32c"] or settings.get("index_location", "end") != "end":
            raise ValueError(f"the index of its shards is encoded by {index}, or not at their end")
        chunk, codecs = _whole(settings["chunk_shape"], 1), settings["codecs"]
    names = _allowed([codec["name"] for codec in codecs])
    return ZarrArray(
        3, key, f"{front}c{separator}" if default else front, _separator(separator), shape,
        _same_rank(shape, grid), _same_rank(shape, chunk), names, sharded, _TEXT in names,
    )  # fmt: skip


def _second(found: Mapping[str, object], key: str, front: str) -> ZarrArray:
    entries = json.loads(json.dumps(found))
    if not isinstance(entries["dtype"], str):
        raise ValueError(f"it holds {entries['dtype']}, which are no numbers and no text")
    shape, grid = _whole(entries["shape"], 0), _whole(entries["chunks"], 1)
    codecs = [*(entries.get("filters") or []), *([entries["compressor"]] if entries["compressor"] else [])]
    names = _allowed([codec["id"] for codec in codecs])
    if entries["dtype"] == "|O" and _TEXT not in names:
        raise ValueError("it holds objects that are no text")
    separator = _separator(entries.get("dimension_separator", "."))
    grid = _same_rank(shape, grid)
    return ZarrArray(2, key, front, separator, shape, grid, grid, names, False, _TEXT in names)


def _whole(values: object, least: int) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int and value >= least for value in values):
        raise ValueError(f"{values!r} is no shape")
    return tuple(values)


def _same_rank(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    if len(chunk) != len(shape):
        raise ValueError(f"its shape {shape} and its chunks {chunk} differ in their number of axes")
    return chunk


def _separator(value: object) -> str:
    if value not in ("/", "."):
        raise ValueError(f"its keys are separated by {value!r}")
    return str(value)


def _allowed(names: list[object]) -> tuple[str, ...]:
    known = (*_PLAIN, *_PACKED, _TEXT)
    for name in names:
        if name not in known:
            raise ValueError(f"it is encoded by {name!r}, which is not read; write it with one of {known}")
    if sum(name in _PACKED for name in names) > 1:
        raise ValueError("it is compressed twice")
    return tuple(map(str, names))


def check_chunk(tree: Tree, array: ZarrArray, key: str, itemsize: int) -> None:
    """Check the sizes that a chunk, or each chunk of a shard, declares.

    Raises:
        DataError: It is larger than a chunk of this array.
    """
    size = tree.size(key) or 0
    if not array.sharded:
        _check_packed(tree, array, key, 0, size, itemsize)
        return
    count = math.prod(-(-outer // inner) for outer, inner in zip(array.grid, array.chunk, strict=True))
    length = 16 * count + 4
    index = tree.read(key, max(0, size - length), length)
    if len(index) < length:
        raise DataError(f"{key!r} is cut off: its index is not whole")
    for offset, inner in struct.iter_unpack("<QQ", index[:-4]):
        if (offset, inner) == (2**64 - 1, 2**64 - 1):  # a chunk that holds the fill value
            continue
        if offset + inner > size:
            raise DataError(f"{key!r} has a chunk outside of itself")
        _check_packed(tree, array, key, offset, inner, itemsize)


def _check_packed(tree: Tree, array: ZarrArray, key: str, offset: int, size: int, itemsize: int) -> None:
    most = math.prod(array.chunk) * itemsize * (16 if array.text else 1) + _SLACK
    declared = size
    if "blosc" in array.codecs:
        head = tree.read(key, offset, 16)
        declared = int.from_bytes(head[4:8], "little")
    elif "zstd" in array.codecs:
        declared = zstd_size(tree.read(key, offset, 18)) or 0
    elif ("gzip" in array.codecs or "zlib" in array.codecs) and may_burst(size):
        declared = inflated_size(tree.read(key, offset, min(size, most)), most)
    if max(declared, size) > most:
        raise DataError(
            f"{key!r} takes {max(declared, size):,} bytes or more, where a chunk of {array.chunk} takes "
            f"{most - _SLACK:,}"
        )


def zstd_size(head: bytes) -> int | None:
    """Return the size of the content that a frame of Zstandard declares; None where it declares none.

    Example:
        >>> zstd_size(bytes([40, 181, 47, 253, 96, 128, 11]))
        3200
    """
    if len(head) < 6 or head[:4] != b"\x28\xb5\x2f\xfd":
        return None
    flag, single = head[4] >> 6, head[4] >> 5 & 1
    at = 5 + (1 - single) + (0, 1, 2, 4)[head[4] & 3]
    width = (single, 2, 4, 8)[flag]
    if not width:
        return None
    return int.from_bytes(head[at : at + width], "little") + (256 if flag == 1 else 0)
