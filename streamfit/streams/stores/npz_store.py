"""`NpzStore`: compressed archives, decoded one by one: each archive is a block."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from typing import BinaryIO, cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Spec
from streamfit._base.tree import map_entries
from streamfit.streams.items import as_item
from streamfit.streams.leaves import as_array
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.npy import Member
from streamfit.streams.stores.npy_header import FIRST_READ, Header, bytes_needed, parse_header
from streamfit.streams.stores.store import Store, StoreBlock
from streamfit.streams.stores.zip_members import find_member, open_archive

Names = str | list[str] | dict[str, str] | None
Archive = dict[str, Member]
"""The arrays of an archive by name."""


class NpzStore(Store):
    """The rows of archives that are decoded as a whole.

    Args:
        archives: What is in each archive; the arrays of one name are alike in all of them.
        parts: The names of x, y and sample_weight.
        name: What to call the data in messages.
    """

    def __init__(self, archives: Sequence[Archive], parts: Sequence[Names], name: str) -> None:
        self.name, self._parts = name, list(parts)
        rows = [next(iter(archive.values())).header.rows for archive in archives]
        self._archives = [archive for archive, count in zip(archives, rows, strict=True) if count]
        if not self._archives:
            raise DataError(f"npz(): there are no samples in {len(archives):,} files")
        self._lengths = np.array([count for count in rows if count], np.int64)
        self._headers = {each: member.header for each, member in self._archives[0].items()}
        for part, role in zip(parts, ("x", "y", "sample_weight"), strict=True):
            for each in names_of(part):
                rowless = np.empty((0, *self._headers[each].tail), self._headers[each].dtype)
                as_array(rowless, f"{role} ({each!r})", text=role == "x")

    @property
    def lengths(self) -> Array:
        """The rows of each archive."""
        return self._lengths

    @property
    def specs(self) -> Element:
        """The specs of a row."""
        return self._element({each: Spec(found.tail, found.dtype) for each, found in self._headers.items()})

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return sum(header.row_bytes for header in self._headers.values())

    def read(self, block: int) -> StoreBlock:
        """Decode the arrays of an archive that are used."""
        archive, where = self._archives[block], self.where(block)
        shard = next(iter(archive.values())).shard
        shard.mark.check(shard.path)
        try:
            with open(shard.path, "rb") as file, open_archive(file, where) as opened:
                found = {
                    each: read_array(opened, file, each, where, archive[each].header) for each in archive
                }
        except OSError as error:
            raise DataError(f"{where} cannot be read: {error.strerror}") from error
        shard.mark.check(shard.path)  # it may have been replaced in the middle
        return StoreBlock(self._element(found))

    def where(self, block: int, row: int | None = None) -> str:
        """Say where an archive is."""
        at = repr(next(iter(self._archives[block].values())).shard.path)
        return at if row is None else f"{at}, row {row}"

    def identity(self) -> dict[str, object]:
        """Return names of files, rows and arrays."""
        paths = [next(iter(archive.values())).shard.path for archive in self._archives[:1000]]
        return {
            "files": [os.path.basename(path) for path in paths],
            "rows": int(self._lengths.sum()),
            "arrays": {each: f"{found.dtype} {found.tail}" for each, found in self._headers.items()},
        }

    def text(self) -> str:
        """Return the store as it is written in a pipeline."""
        count = len(self._archives)
        files = f"{count:,} file{'s' * (count > 1)}"
        return f"npz({self.name!r}, {files}, {int(self._lengths.sum()):,} rows)"

    def _element(self, found: dict[str, Array] | dict[str, Spec]) -> Element:
        def filled(part: Names) -> object:
            if part is None or isinstance(part, str):
                return None if part is None else found[part]
            return cast(object, map_entries(part, lambda each, _: found[each]))

        return as_item(tuple(map(filled, self._parts)))


def names_of(part: Names) -> list[str]:
    """List the names of the arrays of a part."""
    if part is None:
        return []
    return [part] if isinstance(part, str) else list(part.values() if isinstance(part, dict) else part)


def read_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Header:
    """Decode the header of a compressed array.

    Raises:
        DataError: It is none, or does not fit the size that the archive says.
    """
    try:
        with archive.open(info) as stream:
            start = stream.read(FIRST_READ)
            start += stream.read(max(0, bytes_needed(start, where) - len(start)))
    except DataError:
        raise
    except Exception as error:  # whatever bytes make of the module that decodes them
        raise DataError(f"{where} cannot be decoded: {type(error).__name__}: {error}") from None
    return parse_header(start, info.file_size, where)


def read_array(archive: zipfile.ZipFile, file: BinaryIO, name: str, where: str, header: Header) -> Array:
    """Decode an array of an archive.

    Raises:
        DataError: It is not the one that had this header, or its bytes are damaged.
    """
    inside = f"{where}, array {name!r}"
    info = find_member(archive, file, name, where).info
    if read_header(archive, info, inside) != header:
        raise DataError(f"{inside} was changed after it was opened; do not change files that are read")
    values = np.empty((header.rows, *header.tail), header.dtype)
    into = values.reshape(-1).view(np.uint8).data
    try:
        with archive.open(info) as stream:
            stream.read(header.length)
            done = 0
            while done < len(into) and (count := cast(io.BufferedIOBase, stream).readinto(into[done:])):
                done += count
            complete = done == len(into) and not stream.read(1)  # at the end the checksum is compared
    except Exception as error:  # as above
        raise DataError(f"{inside} cannot be decoded: {type(error).__name__}: {error}") from None
    if not complete:
        raise DataError(f"{inside} does not have the size that the archive says; write it again")
    return values
