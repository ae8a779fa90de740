"""`CSVLogger`: writes the logs of every epoch to a file of comma-separated values."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any

from streamfit._base.telling import warn
from streamfit.training.callbacks.base import Callback, Logs

__all__ = ["CSVLogger"]

_NOT_METRICS = ("learning_rate", "lr")


class CSVLogger(Callback):
    """Write one row for each epoch.

    The columns are ``epoch`` (counted from 0) and the names in the logs of the first epoch, sorted; if
    validation is to come in a later epoch, its columns are there from the beginning. What an epoch does not
    have is ``NA``. The file is complete after each epoch and is never left open.

    Args:
        filename: Path of the file.
        separator: What stands between two values.
        append: Whether rows are added to a file that is already there; its header then gives the columns.

    Raises:
        ValueError: At the beginning of training, if the file to append to does not begin with such a header.

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
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._columns: list[str] | None = None
        self._warned = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Read the header of the file to append to, or empty the file."""
        self._columns = self._header() if self.append else None
        self._warned = False
        if not self.append:
            with open(self.filename, "w", encoding="utf-8"):
                pass

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the row of the epoch, and the header before the first."""
        logs = logs or {}
        rows: list[list[Any]] = []
        if self._columns is None:
            self._columns = self._choose_columns(logs)
            rows.append(["epoch", *self._columns])
        self._warn_of_new(logs, self._columns)
        rows.append([epoch, *(_cell(logs.get(name, "NA")) for name in self._columns)])
        with open(self.filename, "a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=self.separator, lineterminator="\n").writerows(rows)

    def _header(self) -> list[str] | None:
        try:
            with open(self.filename, encoding="utf-8", newline="") as file:
                header = next(csv.reader(file, delimiter=self.separator), None)
        except FileNotFoundError:
            return None
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
                f"{', '.join(['epoch', *columns])}",
                stacklevel=2,
            )


def _cell(value: Any) -> Any:
    """Write several values as one cell."""
    several = isinstance(value, Iterable) and not isinstance(value, str)
    if several and getattr(value, "ndim", 1) > 0:
        return f"[{', '.join(map(str, value))}]"
    return value
