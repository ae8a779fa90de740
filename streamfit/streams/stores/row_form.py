"""`RowForm`: the structure of rows as a flat list of arrays, and back.

Batches are cut from windows by the thousand, so that nothing may walk through structures each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.batch import Part
from streamfit.streams.items import Value
from streamfit.streams.stages.elements import Element, as_mapping, map_leaves, named_leaves

Build = Callable[[Iterator[object]], Element]


class RowForm:
    """Structure, dtypes and shapes of rows.

    Args:
        rows: Some rows as one batch.

    Example:
        >>> form = RowForm(({"a": np.zeros(2), "b": np.zeros((2, 3))}, np.zeros(2)))
        >>> form.build([1, 2, 3])
        ({'a': 1, 'b': 2}, 3)
    """

    def __init__(self, rows: Element) -> None:
        named = [(name, np.asarray(leaf)) for name, leaf in named_leaves(rows)]
        self.names = [name for name, _ in named]
        self.specs = [(leaf.dtype, leaf.shape[1:]) for _, leaf in named]
        self._build = _builder(rows)

    def build(self, leaves: list[Array]) -> Element:
        """Return rows, given their arrays."""
        return self._build(iter(leaves))

    def parts(self, leaves: list[Array]) -> Value:
        """Return x, y and sample_weight, given the arrays of a batch."""
        element = self.build(leaves)
        if type(element) is tuple:
            x, y, weight = (*element, None, None)[:3]
            return x, y, weight
        return cast(Part, element), None, None

    def leaves(self, rows: Element, where: Callable[[], str]) -> list[Array]:
        """Return the arrays of rows.

        Raises:
            DataError: They have another form.
        """
        named = [(name, np.asarray(leaf)) for name, leaf in named_leaves(rows)]
        if [name for name, _ in named] != self.names:
            raise DataError(f"{where()}: the parts are {[name for name, _ in named]}, before: {self.names}")
        for (name, leaf), (dtype, shape) in zip(named, self.specs, strict=True):
            if leaf.dtype != dtype or leaf.shape[1:] != shape:
                raise DataError(
                    f"{where()}: {name} has dtype {leaf.dtype} and shape {leaf.shape[1:]} in each sample, "
                    f"and before dtype {dtype} and shape {shape}; all files need one form"
                )
        return [leaf for _, leaf in named]

    def empty(self, count: int) -> list[Array]:
        """Return arrays for so many rows."""
        return [np.empty((count, *shape), dtype) for dtype, shape in self.specs]


def _builder(rows: Element) -> Build:
    if rows is None:
        return lambda leaves: None
    mapping = as_mapping(rows)
    if mapping is not None:
        keys, entries = list(mapping), [_builder(entry) for entry in mapping.values()]
        if all(entry is next for entry in entries):
            return lambda leaves: dict(zip(keys, leaves, strict=False))
        return lambda leaves: {key: build(leaves) for key, build in zip(keys, entries, strict=True)}
    if isinstance(rows, tuple) and not hasattr(rows, "_fields"):
        builders = [_builder(entry) for entry in rows]
        return lambda leaves: tuple([build(leaves) for build in builders])
    if type(rows) is list:
        parts = [_builder(entry) for entry in rows]
        return lambda leaves: [build(leaves) for build in parts]
    if isinstance(rows, (tuple, list)):
        return lambda leaves: map_leaves(rows, lambda _: next(leaves))
    return next


__all__ = ["RowForm"]
