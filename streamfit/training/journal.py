"""`Journal`: records that are added to a file, so that a long run writes each of them once.

Guarantee kept here: a reader gets exactly the records up to the place that a backup names, or an error;
records that a crash left behind that place, whole or cut, are never read; the next record overwrites them.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

from streamfit._base.plain import pack, unpack

__all__ = ["Journal"]


class Journal:
    """Add records to a file, one line each.

    Args:
        path: The file; it is made with the first record.

    Attributes:
        place: Where the records end: ``{"bytes": ..., "check": ...}``, a value for JSON. Keep it with the
            data that belong to the records; `open_at` continues there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     journal = Journal(Path(folder, "journal"))
        ...     journal.add({"loss": 0.5})
        ...     place = journal.place
        ...     journal.add({"loss": 0.25})
        ...     Journal(Path(folder, "journal")).open_at(place)
        [{'loss': 0.5}]
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.place = {"bytes": 0, "check": 0}

    def open_at(self, place: dict[str, int]) -> list[object]:
        """Return the records up to a place; the next one is added behind them.

        Raises:
            ValueError: The file is missing, shorter, or was changed.
        """
        size = place["bytes"]
        data = b""
        if size:
            try:
                with open(self._path, "rb") as file:
                    data = file.read(size)
            except FileNotFoundError:
                pass
        if len(data) < size or zlib.crc32(data) != place["check"]:
            raise ValueError(
                f"{self._path} is damaged: {size} bytes of it belong to the backup beside it, and "
                f"{len(data) or 'none'} of them are there{' but changed' * (len(data) == size)}; "
                "use an older copy of the whole folder, or begin anew with another backup folder"
            )
        self.place = dict(place)
        return [unpack(json.loads(line)) for line in data.splitlines()]

    def add(self, record: object) -> None:
        """Write a record behind the others, in the end on the disk.

        Raises:
            OSError: The disk does not take it; the records before it are untouched.
        """
        line = json.dumps(pack(record, "the record")).encode() + b"\n"
        start = self.place["bytes"]
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with open(handle, "wb") as file:
            file.truncate(start)  # records that a crash left behind the place
            file.seek(start)
            file.write(line)
            file.flush()
            os.fsync(handle)
        self.place = {"bytes": start + len(line), "check": zlib.crc32(line, self.place["check"])}

    def remove(self) -> None:
        """Delete the file, if it is there."""
        self._path.unlink(missing_ok=True)
