"""`TextStore`: the base of stores whose records lie one after the other in files of text.

Files are cut into blocks behind whole records, by one scan when the store is made; only where each block
begins is kept. A record is read with the block that holds it.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.stores.file_index import FileIndex
from streamfit.streams.stores.paths import FileMark, absolute
from streamfit.streams.stores.record_scan import RecordForm, Scanned, scan
from streamfit.streams.stores.store import Store

BLOCK_BYTES = 4 << 20
"""How many bytes make a block, roughly."""
MOST_BYTES = 64 << 20
"""How many bytes a record may have; a longer one is refused before it is read."""

BOM = codecs.BOM_UTF8
OTHER_FORMATS = (
    (b"\x1f\x8b", "compressed by gzip, in which no place can be found; unpack it: gunzip"),
    (b"BZh", "compressed by bzip2, in which no place can be found; unpack it: bunzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz, in which no place can be found; unpack it: unxz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd, in which no place can be found; unpack it: unzstd"),
    (b"PK\x03\x04", "a ZIP file (as spreadsheets are); unpack it, or save the table as CSV"),
    (b"PAR1", "a Parquet file: read it with files.parquet"),
    (b"ARROW1", "an Arrow file: read it with files.arrow"),
    (b"\xff\xfe", "text in UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "text in UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8"),
)
"""How files begin that are no text, and what to say of them."""


class Start(NamedTuple):
    """Where the records of a file begin: the byte, and the lines before it."""

    byte: int = 0
    lines: int = 0


class TextStore(Store):
    """The records of files of text.

    Args:
        files: The files.
        form: What ends a record.
        encoding: How they are encoded, see `checked_encoding`.
        caller: What the user called, for messages.
        name: What to call the data in messages.

    A class that derives from it calls `cut` when it knows all that `start_of` needs.
    """

    def __init__(self, files: Sequence[str], form: RecordForm, encoding: str, caller: str, name: str) -> None:
        self.name, self.files, self.form, self.caller = name, absolute(files), form, caller
        self.encoding = checked_encoding(encoding, caller)
        self._marks = [FileMark.of(path) for path in files]

    # -- when it is made ----------------------------------------------------------------------------

    def cut(self, examine: Callable[[bytes, int, int, bool], None] | None = None) -> None:
        """Cut the files into blocks.

        Args:
            examine: Called with the text of each block, the number of its file and of its first line, and
                whether it ends inside of quotes.

        Raises:
            DataError: A file is no text, a record is too long, or there are no records.
        """
        # Where the content must be examined, too, all of it is read anyway.
        index = FileIndex(
            self.files,
            self._marks,
            f"{self.caller} {self.form} {self.encoding} {BLOCK_BYTES} {self.start_of(0)}",
        )
        known = index.load() if examine is None else None
        if known is None:
            known = self._cut(examine)
            index.save(known)
        columns: list[Array] = list(known["columns"])
        self._files, self._begins, self._sizes, self._lengths, self._lines = columns
        self._unclosed = frozenset(known["unclosed"].tolist())

    def _cut(self, examine: Callable[[bytes, int, int, bool], None] | None) -> dict[str, Array]:
        found: list[tuple[int, int, int, int, int]] = []
        unclosed: list[int] = []
        for number, path in enumerate(self.files):
            start = self.start_of(number)
            position, line = start.byte, start.lines + 1
            for data, scanned in _pieces(path, position, self._marks[number].size, self.form):
                if not scanned.records:
                    line, position = line + scanned.lines, position + scanned.end
                    continue
                if scanned.unclosed:
                    unclosed.append(len(found))
                found.append((number, position, scanned.end, scanned.records, line))
                if examine is not None:
                    examine(data[: scanned.end], number, line, scanned.unclosed)
                line, position = line + scanned.lines, position + scanned.end
            self._marks[number].check(path)
        if not found:
            raise DataError(
                f"{self.caller}: there are no records in {len(self.files):,} files ({self.files[0]!r}, ...)"
            )
        columns = np.ascontiguousarray(np.array(found, np.int64).T)
        return {"columns": columns, "unclosed": np.array(unclosed, np.int64)}

    def start_of(self, number: int) -> Start:
        """Return where the records of a file begin: behind a byte order mark.

        Raises:
            DataError: It is no text.
        """
        with open(self.files[number], "rb") as file:
            head = file.read(16)
        for magic, what in OTHER_FORMATS:
            if head.startswith(magic):
                raise DataError(f"{self.caller}: {self.files[number]!r} is {what}")
        return Start(len(BOM) if self.encoding == "utf-8" and head.startswith(BOM) else 0)

    # -- a store ------------------------------------------------------------------------------------

    @property
    def lengths(self) -> Array:
        """The records of each block."""
        return self._lengths

    @property
    def row_bytes(self) -> int:
        """The bytes of a record, roughly."""
        return int(self._sizes.sum() // self._lengths.sum()) + 1

    def data(self, block: int) -> bytes:
        """Return the bytes of a block.

        Raises:
            DataError: They cannot be read, or are others than when the store was made.
        """
        number = int(self._files[block])
        path, mark = self.files[number], self._marks[number]
        mark.check(path)
        size = int(self._sizes[block])
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(int(self._begins[block]))
                data = _read(file.read, size)
        except OSError as error:
            raise DataError(f"{self.where(block)} cannot be read: {error}") from None
        mark.check(path)  # it may have been changed in the middle
        if len(data) != size:
            raise DataError(f"{self.where(block)} cannot be read: the file ends before")
        return data

    def starts(self, data: bytes) -> Array:
        """Return where the records of a block begin."""
        return scan(data, self.form, final=True, starts=True).starts

    def is_unclosed(self, block: int) -> bool:
        """Return whether the last record of a block ends inside of quotes."""
        return block in self._unclosed

    def where(self, block: int, row: int | None = None) -> str:
        """Say where a block, or a record of it, is: by the lines of its file."""
        number, line = int(self._files[block]), int(self._lines[block])
        path = self.files[number]
        if row is None:
            end = int(self._begins[block] + self._sizes[block])
            return f"{path!r}, from line {line:,} (bytes {int(self._begins[block]):,} to {end:,})"
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(int(self._begins[block]))
                data = _read(file.read, int(self._sizes[block]))
            start = int(self.starts(data)[row])
        except (OSError, IndexError):  # it has changed since; that will be said elsewhere
            return f"{path!r}, record {row:,} behind line {line:,}"
        return f"{path!r}, line {line + lines_in(data[:start], self.form):,}"

    def identity(self) -> dict[str, object]:
        """Return names of files, and records."""
        return {
            "files": [os.path.basename(path) for path in self.files[:1000]],
            "records": int(self._lengths.sum()),
            "bytes": int(self._sizes.sum()),
        }

    def text(self) -> str:
        """Return the store as it is written in a pipeline."""
        files = f"{len(self.files):,} file{'s' * (len(self.files) > 1)}"
        return f"{self.caller.removesuffix('()')}({self.name!r}, {files}, {int(self._lengths.sum()):,} rows)"


def lines_in(data: bytes, form: RecordForm) -> int:
    """Return how many lines end in a text.

    Example:
        >>> lines_in(b"a\\r\\nb\\nc\\rd", RecordForm(returns=True))
        3
    """
    return data.count(b"\n") + (data.count(b"\r") - data.count(b"\r\n") if form.returns else 0)


def checked_encoding(encoding: str, caller: str) -> str:
    """Return the name of an encoding in which line ends can be found without decoding.

    Raises:
        ValueError: There is no such encoding, or its letters may hold the bytes of line ends.
    """
    try:
        name = codecs.lookup(encoding).name
        if name in ("utf-8", "utf-8-sig"):
            return "utf-8"
        plain = bytes(range(128))
        single = len(bytes(range(256)).decode(name, "replace")) == 256
        if single and plain.decode(name) == plain.decode("ascii"):
            return name
    except (LookupError, TypeError, UnicodeError):
        pass
    raise ValueError(
        f"{caller}: encoding={encoding!r} is none in which lines can be found without decoding all; use "
        "'utf-8', or one with a byte a letter such as 'latin-1' or 'cp1252', or write the files as UTF-8: "
        "iconv -t UTF-8"
    )


def _read(read: Callable[[int], bytes | None], size: int) -> bytes:
    """Read so many bytes, or all that are left."""
    data = read(size) or b""
    while len(data) < size:
        more = read(size - len(data))
        if not more:
            break
        data += more
    return data


def _pieces(path: str, position: int, size: int, form: RecordForm) -> Iterator[tuple[bytes, Scanned]]:
    """Read a file piece by piece, each from behind the last record of the one before.

    Raises:
        DataError: A record is longer than any record should be.
    """
    wanted = BLOCK_BYTES
    with open(path, "rb", buffering=0) as file:
        while position < size:
            file.seek(position)
            data = _read(file.read, min(wanted, size - position))
            final = position + len(data) >= size or len(data) < min(wanted, size - position)
            scanned = scan(data, form, final=final)
            if not scanned.end and wanted >= MOST_BYTES:
                raise DataError(
                    f"{path!r}: the record that begins at byte {position:,} does not end within "
                    f"{MOST_BYTES:,} bytes; is a quote open, or is this no text?"
                )
            if not scanned.end:
                if final:
                    return  # it has become shorter; the mark of the file will tell
                wanted = min(2 * wanted, MOST_BYTES)
                continue
            yield data, scanned
            position, wanted = position + scanned.end, BLOCK_BYTES
