"""`PathPattern`: a path with fields for epoch, batch and logs, checked before there are any."""

from __future__ import annotations

import os
import string
from collections.abc import Collection, Mapping
from pathlib import Path

from streamfit._base.names import did_you_mean
from streamfit.training.folder import check_writable

__all__ = ["PathPattern", "refuse_folder"]

_NUMBERED = ("epoch", "batch")


class PathPattern:
    """Fill the fields of a path.

    Args:
        pattern: A path with fields as `str.format` takes them.
        owner: Name of the callback, for messages.

    Raises:
        ValueError: It is no such pattern.

    Example:
        >>> pattern = PathPattern("w.{epoch:02d}-{loss:.2f}", "ModelCheckpoint")
        >>> pattern.check_fields(["epoch", "loss"], sure=True)
        >>> pattern.filled({"epoch": 3, "loss": 0.5}), pattern.can_be_filled(["epoch"])
        ('w.03-0.50', False)
    """

    def __init__(self, pattern: str, owner: str) -> None:
        self.pattern, self._owner = pattern, owner
        try:
            parts = list(string.Formatter().parse(pattern))
        except ValueError as error:
            raise ValueError(
                f"{owner} got filepath={pattern!r}, whose fields cannot be read: {error}; a brace that is "
                "part of the name is written twice"
            ) from None
        self._fields = [(field, spec) for _, field, spec, _ in parts if field is not None]
        self._names = [_first_name(field) for field, _ in self._fields]
        self._expected: set[str] = set()  # names that may be missing in some logs, but not in all

    def check_fields(self, known: Collection[str], sure: bool) -> None:
        """Refuse fields that can never be filled; those of `known` may be missing for a while.

        Args:
            known: Names that will be there, at some time at least.
            sure: Whether no other can come.

        Raises:
            KeyError: A field has another name.
            ValueError: The format of a field fits no number.
        """
        self._expected.update(known)
        for name, (field, spec) in zip(self._names, self._fields, strict=True):
            if name not in known and sure:
                raise self._unknown(name, known)
            if name == field and name in known and "{" not in (spec or ""):
                try:
                    format(1 if name in _NUMBERED else 0.5, spec or "")
                except ValueError as error:
                    raise ValueError(f"{self._owner} got filepath={self.pattern!r}: {error}") from None

    def check_place(self) -> None:
        """Refuse a path that nothing can be written to.

        Raises:
            OSError: It is a folder, or a file cannot be made beside it.
        """
        fixed = self.pattern.partition("{")[0]
        if fixed == self.pattern:
            refuse_folder(self.pattern, self._owner)
        check_writable(Path(os.path.dirname(fixed) or "."), f"{self._owner}: filepath={self.pattern!r}")

    def can_be_filled(self, names: Collection[str]) -> bool:
        """Return whether there is a value for each field.

        Raises:
            KeyError: One is missing that never was there and need not come.
        """
        missing = [name for name in self._names if name not in names]
        for name in missing:
            if name not in self._expected:
                raise self._unknown(name, names)
        if not missing:
            self._expected.update(self._names)
        return not missing

    def filled(self, values: Mapping[str, object]) -> str:
        """Return the path."""
        return self.pattern.format(**values)

    def _unknown(self, name: str, known: Collection[str]) -> KeyError:
        hint = "; it is known with save_freq=<number of batches>" if name == "batch" else ""
        if name.startswith("val_") and not any(other.startswith("val_") for other in known):
            hint = "; batches and a fit without validation_data have no results of validation"
        return KeyError(
            f'Failed to format this callback filepath: "{self.pattern}". Reason: {name!r} is not one of '
            f"{', '.join(known)}{hint}.{did_you_mean(name, known)}"
        )


def refuse_folder(path: str, owner: str) -> None:
    """Raise if a file is to be written where a folder is.

    Raises:
        IsADirectoryError: It is.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"Please specify a non-directory filepath for {owner}. "
            f"Filepath used is an existing directory: {path}"
        )


def _first_name(field: str) -> str:
    """Return the name of a field without its subscripts and attributes: ``loss`` of ``loss[0]``."""
    for mark in ".[":
        field = field.partition(mark)[0]
    return field
