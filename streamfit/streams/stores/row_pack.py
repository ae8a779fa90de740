"""`RowPack`: rows of many blocks side by side in memory, from which batches of any rows are taken.

In columns the values of a row lie far apart, and a batch in a shuffled order touches a line of cache for each
of them. Side by side they lie in one or two lines. So columns of one width are written as rows, block by
block, and what is taken of these is turned back into columns while it is in the nearest cache.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.stores.row_form import RowForm
from streamfit.streams.stores.row_kernels import pack_eight

_WIDTHS = (1, 2, 4, 8)


class SpareMemory:
    """Memory of packs that are no longer used, for the next ones: fresh memory costs as much as copying.

    Example:
        >>> spare = SpareMemory()
        >>> first = spare.empty((2, 3), np.dtype("float32"))
        >>> spare.take_back(first)
        >>> spare.empty((3, 2), np.dtype("int32")).ctypes.data == first.ctypes.data
        True
    """

    def __init__(self) -> None:
        self._free: list[Array] = []

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """Return an array with any content."""
        if dtype.hasobject:
            return np.empty(shape, dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        fitting = [at for at, memory in enumerate(self._free) if size <= memory.nbytes <= 2 * size]
        best = min(fitting, key=lambda at: self._free[at].nbytes, default=None)
        memory = np.empty(size, np.uint8) if best is None else self._free.pop(best)
        return memory[:size].view(dtype).reshape(shape)

    def take_back(self, array: Array) -> None:
        """Keep the memory of an array that `empty` has returned and that nobody uses."""
        memory = array
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        if not memory.dtype.hasobject:
            self._free.append(memory)

    def clear(self) -> None:
        """Let go of the memory."""
        self._free.clear()


class PackLayout:
    """Which arrays of rows lie side by side: those with one number a row, by the width of the number.

    Args:
        form: The form of the rows.

    Attributes:
        groups: For each pack of columns, by dtype, the leaves.
        alone: All other leaves.
    """

    def __init__(self, form: RowForm) -> None:
        by_width: defaultdict[int, defaultdict[np.dtype[np.generic], list[int]]]
        by_width = defaultdict(lambda: defaultdict(list))
        self.alone: list[int] = []
        for leaf, (dtype, shape) in enumerate(form.specs):
            if shape or dtype.hasobject or dtype.itemsize not in _WIDTHS:
                self.alone.append(leaf)
            else:
                by_width[dtype.itemsize][dtype].append(leaf)
        self.groups: list[dict[np.dtype[np.generic], list[int]]] = []
        for found in by_width.values():
            leaves = [leaf for some in found.values() for leaf in some]
            if len(leaves) > 1:
                self.groups.append(dict(found))
            else:
                self.alone += leaves


class RowPack:
    """The rows of a window.

    Args:
        form: Their form.
        count: How many there is place for.
        spare: Where memory comes from.

    Example:
        >>> form = RowForm({"a": np.zeros(1, "float32"), "b": np.zeros(1, "int32")})
        >>> pack = RowPack(form, 3, SpareMemory())
        >>> pack.put([np.array([1, 2, 3], "float32"), np.array([4, 5, 6], "int32")], 0)
        >>> pack.take(np.array([2, 0]))
        [array([3., 1.], dtype=float32), array([6, 4], dtype=int32)]
    """

    def __init__(self, form: RowForm, count: int, spare: SpareMemory) -> None:
        self._layout, self._leaves, self._spare = PackLayout(form), len(form.specs), spare
        specs = [form.specs[leaf] for leaf in self._layout.alone]
        self._alone = [spare.empty((count, *shape), dtype) for dtype, shape in specs]
        self._groups: list[Array] = []
        for group in self._layout.groups:
            width = sum(map(len, group.values()))
            self._groups.append(spare.empty((count, width), np.dtype(f"u{next(iter(group)).itemsize}")))

    def put(self, leaves: list[Array], slot: int) -> None:
        """Write rows into the slots from `slot` on."""
        stop = slot + len(leaves[0])
        for leaf, kept in zip(self._layout.alone, self._alone, strict=True):
            kept[slot:stop] = leaves[leaf]
        for group, packed in zip(self._layout.groups, self._groups, strict=True):
            columns = [_words(leaves[leaf], packed.dtype) for some in group.values() for leaf in some]
            out = packed[slot:stop]
            full = len(columns) // 8 * 8
            for at in range(0, full, 8):
                a, b, c, d, e, f, g, h = columns[at : at + 8]
                pack_eight(a, b, c, d, e, f, g, h, out, at)
            for at in range(full, len(columns)):
                out[:, at] = columns[at]

    def take(self, slots: Array) -> list[Array]:
        """Return the rows in some slots, int64, in fresh arrays."""
        found: list[Array] = [slots] * self._leaves
        for leaf, kept in zip(self._layout.alone, self._alone, strict=True):
            found[leaf] = kept.take(slots, 0, mode="clip")  # all are inside; "raise" copies once more
        for group, packed in zip(self._layout.groups, self._groups, strict=True):
            columns = np.ascontiguousarray(packed.take(slots, 0, mode="clip").T)
            at = 0
            for dtype, leaves in group.items():
                for leaf, column in zip(leaves, columns[at : at + len(leaves)].view(dtype), strict=True):
                    found[leaf] = column
                at += len(leaves)
        return found

    def release(self) -> None:
        """Give back the memory; nothing can be taken then."""
        for array in (*self._alone, *self._groups):
            self._spare.take_back(array)
        self._alone, self._groups = [], []


def _words(column: Array, dtype: np.dtype[np.generic]) -> Array:
    """Return a column as words, without the mark that they are for reading only.

    Kernels do not declare which arrays they write to, so they take none that is marked. The caller keeps the
    array that owns the memory.
    """
    column = np.ascontiguousarray(column)
    if column.ctypes.data % dtype.itemsize:
        column = column.copy()
    if column.flags.writeable:
        return column.view(dtype)
    memory = (ctypes.c_uint8 * column.nbytes).from_address(column.ctypes.data)
    return np.ctypeslib.as_array(memory).view(dtype)
