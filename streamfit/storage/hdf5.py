"""HDF5 files of numbers: made in memory, read with suspicion.

An HDF5 file can refer to other files, ask for libraries that decode it, and declare arrays of any size. What
is read here has none of that: hard links, plain numbers, no more bytes than the file has. Needs h5py.
"""

from __future__ import annotations

import io
import math
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from streamfit._base.hdf5_package import h5py_package
from streamfit._base.specs import Array
from streamfit._base.tree import part_of

_Item = Any  # a group or an array of h5py, which has no types
Texts = str | list[str]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL"  # where texts of any length are
_SLACK = 1 << 26
_BUILT_IN_FILTERS = {1, 2, 3}  # deflate, shuffle, checksum: any other one would be loaded from a library
_MOST_LEVELS = 64
_WANTED = re.compile(r"(layer|weight)_names[0-9]*|model_config|training_config|keras_version|name", re.ASCII)
_LONGEST_HEADER = 64000  # an attribute in HDF5 has at most 64 kB


@dataclass
class Hdf5Content:
    """What is in an HDF5 file.

    Attributes:
        arrays: Arrays by path, such as ``"layers/dense/vars/0"``.
        attributes: Texts and lists of texts by path of the group and name; the path of the root is empty.
        groups: Paths of all groups.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    attributes: dict[str, dict[str, Texts]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)

    def within(self, path: str) -> Hdf5Content:
        """Return the part below a group, with paths that begin there."""
        front = f"{path}/"
        attributes = {**part_of(self.attributes, front), "": self.attributes.get(path, {})}
        groups = part_of(dict.fromkeys(self.groups), front)
        return Hdf5Content(part_of(self.arrays, front), attributes, set(groups))

    def texts(self, path: str, name: str) -> list[str]:
        """Return a list of texts that is an attribute, perhaps in several parts as Keras writes long ones."""
        own = self.attributes.get(path, {})
        if name in own:
            return list(own[name])
        found: list[str] = []
        part = 0
        while f"{name}{part}" in own:
            found.extend(own[f"{name}{part}"])
            part += 1
        return found


def check_installed() -> ModuleType:
    """Return h5py.

    Raises:
        MissingExtraError: It is not installed.
    """
    return h5py_package()


# -- writing ------------------------------------------------------------------------------------


def hdf5_bytes(content: Hdf5Content) -> memoryview:
    """Return the bytes of an HDF5 file with this content.

    Raises:
        MissingExtraError: h5py is not installed.
    """
    h5py = check_installed()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path in sorted({*content.groups, *content.attributes}):
            group = file.require_group(path) if path else file
            for name, value in content.attributes.get(path, {}).items():
                for key, part in _attribute_parts(name, value):
                    group.attrs[key] = part
        for path, array in content.arrays.items():
            file.create_dataset(path, data=array)
    return buffer.getbuffer()


def _attribute_parts(name: str, value: Texts) -> list[tuple[str, str | Array]]:
    if isinstance(value, str):
        return [(name, value)]
    texts = [text.encode() for text in value]
    width = max(map(len, texts), default=1)
    at_once = max(1, _LONGEST_HEADER // max(1, width))
    if len(texts) <= at_once:
        return [(name, np.array(texts, f"S{width or 1}"))]
    starts = range(0, len(texts), at_once)
    return [(f"{name}{i}", np.array(texts[at : at + at_once], f"S{width}")) for i, at in enumerate(starts)]


# -- reading ------------------------------------------------------------------------------------


def read_hdf5_file(path: Path) -> tuple[Hdf5Content, int]:
    """Read an HDF5 file; see `read_hdf5`.

    Returns:
        Its content, and its size in bytes.

    Raises:
        FileNotFoundError: There is no such file.
        MissingExtraError: h5py is not installed.
        ValueError: It is no regular file, is damaged, or has what no file of weights has.
    """
    check_installed()
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path} is no regular file, so no HDF5 file")
    data = path.read_bytes()
    return read_hdf5(data, str(path)), len(data)


def read_hdf5(data: bytes, where: str) -> Hdf5Content:
    """Read the bytes of an HDF5 file.

    Args:
        data: The bytes.
        where: Name of the file, for messages.

    Raises:
        MissingExtraError: h5py is not installed.
        ValueError: It is damaged, or has what no file of weights has: links, references to other files,
            objects, arrays larger than the file.
    """
    h5py = check_installed()
    if not data.startswith(_SIGNATURE):
        raise ValueError(f"{where} is no HDF5 file; use another copy")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return _Hdf5Reader(h5py, where, data).read(file)
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ValueError(f"{where} is a damaged HDF5 file: {type(error).__name__}: {error}") from error


class _RefusedError(Exception):
    pass


class _Hdf5Reader:
    def __init__(self, h5py: ModuleType, where: str, data: bytes) -> None:
        self.h5py, self.where, self.size = h5py, where, len(data)
        self.budget, self.seen = self.size, set[object]()
        self.longest_text = _longest_text(data)
        self.content = Hdf5Content()

    def read(self, file: _Item) -> Hdf5Content:
        self._group("", file)
        return self.content

    def _refuse(self, path: str, reason: str) -> _RefusedError:
        return _RefusedError(
            f"{self.where}: {path!r} {reason}; no file of weights has that, so it is not read"
        )

    def _group(self, start: str, group: _Item) -> None:
        waiting = [(start, group, 0)]
        while waiting:
            path, group, level = waiting.pop()
            self._attributes(path, group)
            if level > _MOST_LEVELS:
                raise self._refuse(path, "is nested too deep")
            for name in group:
                inner = f"{path}/{name}" if path else name
                link = group.get(name, getclass=True, getlink=True)
                if link is not self.h5py.HardLink:
                    raise self._refuse(inner, f"is a link of kind {link.__name__}")
                kind = group.get(name, getclass=True)
                if kind not in (self.h5py.Group, self.h5py.Dataset):
                    raise self._refuse(inner, "is neither a group nor an array")
                item = group[name]
                self._note(inner, item)
                if kind is self.h5py.Group:
                    self.content.groups.add(inner)
                    waiting.append((inner, item, level + 1))
                else:
                    self.content.arrays[inner] = self._array(inner, item)

    def _note(self, path: str, item: _Item) -> None:
        """Refuse an object that is there under two names: there may be circles of such names."""
        token = self.h5py.h5o.get_info(item.id).addr
        if token in self.seen:
            raise self._refuse(path, "is there under two names")
        self.seen.add(token)

    def _array(self, path: str, item: _Item) -> Array:
        if item.is_virtual or item.external:
            raise self._refuse(path, "has its values in another file")
        dtype, shape = item.dtype, item.shape
        if dtype.kind not in "biuf" or dtype.itemsize > 8 or shape is None:
            raise self._refuse(path, f"holds {dtype}, not numbers")
        declared = math.prod(shape) * dtype.itemsize
        if declared > self.budget:
            raise self._refuse(
                path, f"declares shape {shape} of {dtype}, more than the file's {self.size} bytes"
            )
        self.budget -= declared
        filters = item.id.get_create_plist()
        kinds = {filters.get_filter(place)[0] for place in range(filters.get_nfilters())}
        if not kinds <= _BUILT_IN_FILTERS:
            raise self._refuse(path, f"is encoded with the filters {sorted(kinds)}")
        if not kinds and item.id.get_storage_size() < declared:
            raise self._refuse(path, f"declares {declared} bytes and has fewer")
        found = np.empty(shape, dtype.newbyteorder("="))
        if found.size:
            item.read_direct(found)
        return found

    def _attributes(self, path: str, group: _Item) -> None:
        for name in group.attrs:
            if not _WANTED.fullmatch(name):
                continue
            own = self.h5py.h5a.open(group.id, name.encode())
            dtype, count = own.dtype, math.prod(own.shape)
            if self.h5py.check_string_dtype(dtype) is None:
                if count and dtype.kind not in "biuf":
                    raise self._refuse(path, f"has an attribute {name!r} of {dtype}")
                self.content.attributes.setdefault(path, {})[name] = []
                continue
            if count * (dtype.itemsize + self.longest_text * (dtype.kind == "O")) > _SLACK + 16 * self.size:
                raise self._refuse(path, f"has an attribute {name!r} with more text than the file")
            self.content.attributes.setdefault(path, {})[name] = _text(group.attrs[name])


def _text(value: object) -> Texts:
    if isinstance(value, np.ndarray):
        return [_one_text(item) for item in value.reshape(-1).tolist()]
    return _one_text(value)


def _one_text(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _longest_text(data: bytes) -> int:
    """Return a bound for the bytes of a text in a file: the largest of its heaps."""
    longest, at = 0, data.find(_HEAP)
    while at >= 0:
        longest = max(longest, int.from_bytes(data[at + 8 : at + 16], "little"))
        at = data.find(_HEAP, at + 4)
    return min(longest, len(data))
