"""`CSVLogger`: writes the logs of every epoch to a file of comma-separated values."""

from __future__ import annotations

import csv
import io
import json
import os
import zlib
from collections.abc import Iterable, Mapping

import numpy as np

from streamfit.training.callbacks.base import Callback, Logs, State
from streamfit.training.user_warnings import warn

__all__ = ["CSVLogger"]

_NOT_METRICS = ("learning_rate", "lr")
_NO_SEPARATORS = '"\r\n'


class CSVLogger(Callback):
    """Write one row for each epoch.

    The columns are ``epoch`` (counted from 0) and the names in the logs of the first epoch, sorted; if
    validation is to come in a later epoch, its columns are there from the beginning. A value that an epoch
    does not have is ``NA``; several values (of a metric whose result is an array) are JSON. The file is
    complete after each epoch and is never left open. A run that is resumed by `BackupAndRestore` continues in
    the file, and each of its epochs has one row.

    Args:
        filename: Path of the file.
        separator: What stands between two values.
        append: Whether rows are added to a file that is already there; its header then gives the columns.

    Raises:
        TypeError: `append` is neither True nor False.
        ValueError: `separator` cannot separate; or, at the beginning of training, the file to append to does
            not begin with such a header.
        OSError: At the beginning of training, the file cannot be written to.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "log.csv")
        ...     logger = CSVLogger(path)
        ...     logger.on_train_begin()
        ...     logger.on_epoch_end(0, {"loss": 0.5, "accuracy": 1.0})
        ...     print(path.read_text())
        epoch,accuracy,loss
        0,1.0,0.5
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1 or separator in _NO_SEPARATORS:
            raise ValueError(
                "separator must be one character, neither a quotation mark nor a line break, "
                f"got {separator!r}"
            )
        if not isinstance(append, (bool, np.bool_)):
            raise TypeError(f"append must be True or False, got {append!r}")
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = bool(append)
        self._columns: list[str] | None = None
        self._warned = False
        self._begun = False  # whether the file is as the first row needs it
        self._end = self._check = 0  # bytes of the file that are known, and their checksum

    def state_dict(self) -> State:
        """Return how far the file is written."""
        return {"columns": self._columns, "bytes": self._end, "check": self._check}

    def load_state_dict(self, state: State) -> None:
        """Remove the rows that came after the backup: their epochs are trained again."""
        size, known = state["bytes"], self._read(state["bytes"])
        if len(known) < size or zlib.crc32(known) != state["check"]:
            warn(
                f"CSVLogger: {self.filename} is not the file that was written before the interruption, so "
                "rows may be missing or doubled; the rows to come are added to what is there"
            )
            self._begin(append=True)
            return
        os.truncate(self.filename, size)
        self._columns, self._end, self._check, self._begun = state["columns"], size, state["check"], True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Look whether the file can be written to; its rows are touched when the first epoch begins.

        Raises:
            OSError: It cannot.
            ValueError: It is to be appended to and has another header.
        """
        self._warned = self._begun = False
        try:
            with open(self.filename, "ab"):
                pass
        except OSError as error:
            text = f"CSVLogger: filename={self.filename!r} cannot be written to: {error.strerror}"
            raise type(error)(error.errno, f"{text}; make its folder, or choose another path") from error
        if self.append:
            self._header()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Make the file ready before the first epoch."""
        if not self._begun:
            self._begin(self.append)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the row of the epoch, and the header before the first."""
        self.on_epoch_begin(epoch)
        logs = logs or {}
        rows: list[list[object]] = []
        if self._columns is None:
            self._columns = self._choose_columns(logs)
            rows.append(["epoch", *self._columns])
        self._warn_of_new(logs, self._columns)
        rows.append([epoch, *(_cell(logs.get(name, "NA")) for name in self._columns)])
        text = io.StringIO()
        csv.writer(text, delimiter=self.separator, lineterminator="\n").writerows(rows)
        self._add(text.getvalue().encode())

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Make the file ready though there was no epoch."""
        self.on_epoch_begin(0)

    def _begin(self, append: bool) -> None:
        self._begun = True
        if not append:
            with open(self.filename, "wb"):
                pass
            self._columns, self._end, self._check = None, 0, 0
            return
        content = self._read()
        self._end, self._check = len(content), zlib.crc32(content)
        self._columns = self._header()
        if content and not content.endswith(b"\n"):
            last = content.splitlines()[-1].decode(errors="replace")
            warn(
                f"CSVLogger: the last line of {self.filename} is cut: {last!r}; the rows to come stand on "
                "lines of their own"
            )
            self._add(b'"\n' if content.count(b'"') % 2 else b"\n")

    def _add(self, data: bytes) -> None:
        with open(self.filename, "ab") as file:
            file.write(data)
        self._end += len(data)
        self._check = zlib.crc32(data, self._check)

    def _read(self, size: int = -1) -> bytes:
        with open(self.filename, "rb") as file:
            return file.read(size)

    def _header(self) -> list[str] | None:
        with open(self.filename, encoding="utf-8", newline="") as file:
            header = next(csv.reader(file, delimiter=self.separator), None)
        if header is None:
            return None
        if header[:1] != ["epoch"]:
            raise ValueError(
                f"cannot append to {self.filename}: its first line {header} does not begin with 'epoch' and "
                f"separator {self.separator!r}; pass append=False to start a new file, or another filename"
            )
        return header[1:]

    def _choose_columns(self, logs: Logs) -> list[str]:
        columns = sorted(logs)
        params = self.params or {}
        if params.get("do_validation") and not any(name.startswith("val_") for name in columns):
            metrics = params.get("metrics") or [name for name in columns if name not in _NOT_METRICS]
            columns += [f"val_{name}" for name in metrics if not name.startswith("val_")]
        return columns

    def _warn_of_new(self, logs: Logs, columns: list[str]) -> None:
        new = [name for name in logs if name not in columns]
        if new and not self._warned:
            self._warned = True
            warn(
                f"CSVLogger does not write {', '.join(new)}: the columns of {self.filename} are "
                f"{', '.join(['epoch', *columns])}"
            )


def _cell(value: object) -> object:
    """Write several values as JSON in one cell."""
    if isinstance(value, np.ndarray) and value.ndim:
        return json.dumps(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, str) and getattr(value, "ndim", 1) > 0:
        return json.dumps(value if isinstance(value, Mapping) else list(value), default=_number)
    return value


def _number(value: object) -> object:
    """Return a value that JSON can hold for one that it cannot."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
