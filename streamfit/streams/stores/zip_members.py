"""Members of zip archives, found with suspicion: where they lie and how large they are.

Guarantees kept here: nothing is unpacked; sizes that an archive declares are checked against the size of its
file, and against what its compression can do at most.
"""

from __future__ import annotations

import os
import struct
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

from streamfit._base.errors import DataError

_LOCAL = struct.Struct("<4sHHHHHLLLHH")  # PKWARE's APPNOTE, 4.3.7: the local header of a member
_LOCAL_MAGIC = b"PK\x03\x04"
_ENCRYPTED = 1
_MOST_RATIO = 1032
"""Bytes that one byte of deflated data can stand for at most (zlib's technical details)."""


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A member of an archive.

    Args:
        info: What the archive says of it.
        begin: Where its bytes begin in the file.
        stored: Whether they lie there as they are; else they are deflated.
    """

    info: zipfile.ZipInfo
    begin: int
    stored: bool


def open_archive(file: BinaryIO, where: str) -> zipfile.ZipFile:
    """Open an archive and read its directory.

    Raises:
        DataError: It is none.
    """
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # whatever bytes of an archive make of the module that reads them
        raise DataError(
            f"{where} is no archive as np.savez writes it: {type(error).__name__}: {error}"
        ) from None


def find_member(archive: zipfile.ZipFile, file: BinaryIO, name: str, where: str) -> ZipMember:
    """Find an array in an archive.

    Args:
        archive: The archive, open.
        file: The file that it is read from.
        name: The name of the array, with or without ``.npy``.
        where: The file in words.

    Raises:
        DataError: There is no such member, it is encrypted or compressed in another way than by deflating, or
            what the archive says of it cannot be true.
    """
    entries = {entry.filename: entry for entry in archive.infolist()}
    info = entries.get(f"{name}.npy") or entries.get(name)
    if info is None:
        names = [entry.removesuffix(".npy") for entry in entries]
        raise DataError(f"{where} has no array {name!r}; it has {', '.join(map(repr, names)) or 'none'}")
    inside = f"{where}, array {name!r}"
    stored = info.compress_type == zipfile.ZIP_STORED
    if info.flag_bits & _ENCRYPTED:
        raise DataError(f"{inside} is encrypted; write it again with np.savez")
    if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
        raise DataError(f"{inside} is compressed in a way that NumPy does not use; write it with np.savez")
    size = os.fstat(file.fileno()).st_size
    found = (
        os.pread(file.fileno(), _LOCAL.size, info.header_offset) if 0 <= info.header_offset < size else b""
    )
    if len(found) < _LOCAL.size or not found.startswith(_LOCAL_MAGIC):
        raise DataError(f"{inside} is not where the directory of the archive says; write it again")
    *_, name_bytes, extra_bytes = _LOCAL.unpack(found)
    begin = info.header_offset + _LOCAL.size + name_bytes + extra_bytes
    if begin + info.compress_size > size:
        raise DataError(f"{inside} would end behind the end of the file, which was cut off; write it again")
    most = info.compress_size * (1 if stored else _MOST_RATIO)
    if info.file_size > most or (stored and info.file_size != info.compress_size):
        raise DataError(
            f"{inside} has {info.compress_size:,} bytes in the file, which cannot stand for the "
            f"{info.file_size:,} that the archive says"
        )
    return ZipMember(info, begin, stored)
