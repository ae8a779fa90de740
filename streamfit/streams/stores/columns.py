"""`TableForm`: which columns of a table make x, y and sample_weight of a sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array, Spec
from streamfit.streams.stages.elements import Element

Columns = str | Sequence[str] | Mapping[str, str | Sequence[str]]
"""A column: its array. Names of columns: a dictionary of them. A dictionary: by the names of the inputs,
where several columns for one input become a matrix (n, columns)."""


class TableForm:
    """Make samples of the columns of a table.

    Args:
        available: The names of all columns.
        columns: What x is made of, see `Columns`; None for a dictionary of all columns that are neither
            target nor weight.
        target: The column of y; several become a matrix (n, columns), a dictionary one array for each output.
        weight: The column of sample_weight.
        table: What to call the table in messages.

    Raises:
        ValueError: A column is not there, or none is left for x.

    Example:
        >>> form = TableForm(["age", "hours", "rich"], target="rich")
        >>> form.names
        ['age', 'hours', 'rich']
        >>> form.element({name: np.zeros(2) for name in form.names})
        ({'age': array([0., 0.]), 'hours': array([0., 0.])}, array([0., 0.]))
    """

    def __init__(
        self,
        available: Sequence[str],
        columns: Columns | None = None,
        target: Columns | None = None,
        weight: str | None = None,
        table: str = "the table",
    ) -> None:
        self._available, self._table = list(available), table
        self.target = None if target is None else self._part("target", target, matrix=True)
        self.weight = None if weight is None else self._part("weight", weight, matrix=True)
        if isinstance(self.weight, (tuple, dict)):
            raise ValueError(f"weight={weight!r}: write the name of one column")
        used = {*_names(self.target), *_names(self.weight)}
        given = [name for name in available if name not in used] if columns is None else columns
        self.x = self._part("columns", given, matrix=False)
        self.names: list[str] = list(
            dict.fromkeys([*_names(self.x), *_names(self.target), *_names(self.weight)])
        )
        if not _names(self.x):
            raise ValueError(f"{table} has no column for x; its columns are {self._available}")

    def _part(self, role: str, given: Columns, *, matrix: bool) -> _Part:
        if isinstance(given, str):
            return self._known(role, given)
        if is_mapping(given):
            return {key: self._part(role, entry, matrix=True) for key, entry in given.items()}  # type: ignore[misc]
        if not isinstance(given, Iterable) or isinstance(given, (bytes, Set)):  # a set has no order
            raise TypeError(f"{role}={given!r}: write the name of a column, a list of names, or a dictionary")
        names = tuple(self._known(role, name) for name in given)
        return names if matrix else {name: name for name in names}

    def _known(self, role: str, name: object) -> str:
        if not isinstance(name, str):
            raise ValueError(f"{role}: {name!r} is no name of a column")
        if name not in self._available:
            raise ValueError(
                f"{role}: {self._table} has no column {name!r}.{did_you_mean(name, self._available)} "
                f"Its columns are {self._available}"
            )
        return name

    def element(self, arrays: Mapping[str, Array]) -> Element:
        """Return samples, given an array for each of `names`."""
        x = _made(self.x, arrays, self._table)
        if self.target is None and self.weight is None:
            return x
        y = None if self.target is None else _made(self.target, arrays, self._table)
        return (x, y) if self.weight is None else (x, y, _made(self.weight, arrays, self._table))

    def specs(self, specs: Mapping[str, Spec]) -> Element:
        """Return the specs of a sample, given that of a value of each column."""
        empty = {name: np.empty((0, *_fixed(spec)), spec.dtype) for name, spec in specs.items()}

        def spec(part: _Part) -> Element:
            if isinstance(part, str):
                return specs[part]
            if isinstance(part, dict):
                return {key: spec(entry) for key, entry in part.items()}
            made = _made(part, empty, self._table)
            assert isinstance(made, np.ndarray)
            return Spec(made.shape[1:], made.dtype)

        x = spec(self.x)
        if self.target is None and self.weight is None:
            return x
        y = None if self.target is None else spec(self.target)
        return (x, y) if self.weight is None else (x, y, spec(self.weight))


_Part = str | tuple[str, ...] | dict[str, "str | tuple[str, ...]"]


def _fixed(spec: Spec) -> tuple[int, ...]:
    return tuple(0 if length is None else length for length in spec.shape)


def _names(part: _Part | None) -> list[str]:
    if part is None:
        return []
    if isinstance(part, str):
        return [part]
    entries = part.values() if isinstance(part, dict) else part
    return [name for entry in entries for name in _names(entry)]


def _made(part: _Part, arrays: Mapping[str, Array], table: str) -> Element:
    if isinstance(part, str):
        return arrays[part]
    if isinstance(part, dict):
        return {key: _made(entry, arrays, table) for key, entry in part.items()}
    found = [arrays[name] for name in part]
    for name, array in zip(part, found, strict=True):
        if array.dtype != found[0].dtype or array.shape != found[0].shape:
            raise DataError(
                f"{table}: columns {part[0]!r} ({found[0].dtype}, {found[0].shape[1:]}) and {name!r} "
                f"({array.dtype}, {array.shape[1:]}) make no matrix; columns of one input need one dtype and "
                f"shape: cast them, as with casts={{{name!r}: '{found[0].dtype}'}} in tables, or make inputs "
                "of their own of them"
            )
    return np.stack(found, axis=1)
