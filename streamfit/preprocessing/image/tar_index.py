"""Where the members of tar archives are, found by reading their headers alone.

Guarantee kept here: an archive that was cut off, is compressed or goes on behind its end is an error, so no
member is left out in silence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from streamfit._base.errors import DataError

_BLOCK = 512
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file in an archive.

    Args:
        name: Its path in the archive.
        begin: Where its bytes begin.
        size: How many there are.
    """

    name: str
    begin: int
    size: int


def tar_members(path: str) -> Iterator[TarMember]:
    """Yield the files of an archive, in order; folders are left out.

    Raises:
        DataError: It is no archive that is not compressed, was cut off, or holds something else than files.
        OSError: It cannot be read.
    """
    import tarfile  # it takes a while to import

    where = repr(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        end = 0
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for member in archive:
                    end = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
                    if end > size:
                        raise DataError(
                            f"{where} was cut off inside of {member.name!r}: it has {size:,} bytes and needs "
                            f"{end:,}; copy it again"
                        )
                    archive.members.clear()  # type: ignore[attr-defined]
                    if member.isdir():
                        continue
                    if not member.isreg() or member.issparse():
                        raise DataError(
                            f"{where} holds {member.name!r}, which is a link or no plain file; write "
                            "the file itself into the archive"
                        )
                    yield TarMember(member.name, member.offset_data, member.size)
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{where} is no tar archive, or a compressed or damaged one: {error}; unpack it, or write it "
                "again without compression"
            ) from None
        _check_end(file, end, size, where)


def _check_end(file: BinaryIO, end: int, size: int, where: str) -> None:
    """Check that two blocks of zeros, and nothing else, are behind the last member."""
    file.seek(end)
    rest = file.read(2 * _BLOCK)
    if len(rest) < 2 * _BLOCK and not any(rest):
        raise DataError(
            f"{where} has no end mark behind its last member, so it was cut off; copy it again, or write it "
            "again with tar"
        )
    while rest:
        if any(rest):
            raise DataError(
                f"{where} has no header at byte {end:,}, or goes on behind its end: it is damaged, or "
                "several archives were joined; join them with tar --concatenate, or name them one by one"
            )
        rest = file.read(_PIECE)
    assert file.tell() >= size
