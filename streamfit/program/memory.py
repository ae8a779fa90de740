"""Memory of a program: weights and gradients as flat vectors, everything else in an arena.

Every array starts at a multiple of 64 bytes, a cache line and the widest vector register. The gaps in
the flat vectors hold zeros in weights and gradients alike and so stay zero under every optimizer.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamfit._base.specs import Array
from streamfit.ops.core import Variable
from streamfit.optimizers.update import Update

ALIGNMENT = 64
_LINE = 16  # elements of at least 4 bytes: whole cache lines
_moving = threading.Lock()


def aligned_empty(nbytes: int) -> Array:
    """Return `nbytes` of uninitialised memory that start at a multiple of 64 bytes."""
    return _aligned(np.empty(nbytes + ALIGNMENT, np.uint8), nbytes)


def _aligned(memory: Array, nbytes: int) -> Array:
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


def _padded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def pieces_of(total: int, count: int, least: int = 1) -> list[slice]:
    """Cut a vector into at most `count` pieces of whole cache lines, of at least `least` elements but the
    last.

    Example:
        >>> pieces_of(40, 2)
        [slice(0, 32, None), slice(32, 40, None)]
    """
    step = max(-(-total // (count * _LINE)) * _LINE, least)
    return [slice(first, min(first + step, total)) for first in range(0, total, step)]


class Arena:
    """Allocate arrays from a few large blocks, and take back those that are not needed any more.

    Programs that never run at the same time share an arena: each calls `rewind` before it takes its
    arrays, so that a partial last batch and validation need no memory of their own.

    Args:
        block: The least number of bytes of a block.
    """

    def __init__(self, block: int = 1 << 20) -> None:
        self._least = block
        self._parts: list[Arena] = []
        self._blocks: list[Array] = []
        self._free: list[list[tuple[int, int]]] = []  # of each block: where free memory begins and ends
        self._taken: dict[int, tuple[int, int, int]] = {}  # by address: block, beginning and end

    def rewind(self) -> None:
        """Reuse all memory from its beginning, that of its parts too."""
        for part in self._parts:
            part.rewind()
        self._free = [[(0, block.nbytes)] for block in self._blocks]
        self._taken.clear()

    def take(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialised C-contiguous array."""
        dtype = np.dtype(dtype)
        nbytes = math.prod(shape) * dtype.itemsize
        if not nbytes:  # arrays without elements have no address of their own
            return np.empty(tuple(shape), dtype)
        needed = _padded(nbytes)
        block, start, end = self._smallest_gap(needed)
        gaps = self._free[block]
        gaps.remove((start, end))
        if end - start > needed:
            gaps.append((start + needed, end))
        memory = self._blocks[block][start : start + needed]
        self._taken[memory.ctypes.data] = (block, start, start + needed)
        array: Array = (
            memory[:nbytes].view(dtype).reshape(tuple(shape))
        )  # its address, even where it is empty
        return array

    def _smallest_gap(self, needed: int) -> tuple[int, int, int]:
        """Return block, beginning and end of the smallest free memory that is large enough."""
        fitting = [
            (end - start, block, start)
            for block, gaps in enumerate(self._free)
            for start, end in gaps
            if end - start >= needed
        ]
        if not fitting:
            self._blocks.append(aligned_empty(max(self._least, needed)))
            self._free.append([(0, self._blocks[-1].nbytes)])
            return len(self._blocks) - 1, 0, self._blocks[-1].nbytes
        size, block, start = min(fitting)
        return block, start, start + size

    def give_back(self, array: Array) -> None:
        """Let other arrays have the memory of one that `take` returned, or of a view of all of it."""
        if not array.nbytes:
            return
        block, start, end = self._taken.pop(array.ctypes.data)
        gaps = self._free[block]
        for gap in [gap for gap in gaps if gap[1] == start or gap[0] == end]:
            gaps.remove(gap)
            start, end = min(start, gap[0]), max(end, gap[1])
        gaps.append((start, end))

    def owns(self, array: Array) -> bool:
        """Return whether an array is one that `take` returned and that was not given back."""
        return array.ctypes.data in self._taken

    def part(self, number: int) -> Arena:
        """Return an arena for what one thread does, beside those of other numbers."""
        while len(self._parts) <= number:
            self._parts.append(Arena(1 << 16))
        return self._parts[number]

    @property
    def nbytes(self) -> int:
        """Count the bytes of all blocks, those of its parts included."""
        return sum(block.nbytes for block in self._blocks) + sum(part.nbytes for part in self._parts)


deferring: weakref.WeakSet[FlatVariables] = weakref.WeakSet()
"""The vectors with tables whose rows may be behind: they are brought up to date before others read them."""


def padded_sizes(variables: Sequence[Variable]) -> Array:
    """Return how many elements of a flat vector belong to each variable, gap included, int64.

    Example:
        >>> padded_sizes([Variable(np.zeros((2, 10), "float32")), Variable(np.zeros(8, "float64"))]).tolist()
        [32, 8]
    """
    units = (ALIGNMENT // variable.dtype.itemsize for variable in variables)
    return np.array(
        [-(-v.memory.size // unit) * unit for v, unit in zip(variables, units, strict=True)], dtype=np.int64
    )


class FlatVariables:
    """Keep variables of one dtype side by side in one vector.

    Args:
        variables: They move here: `Variable.value` becomes a view of `vector`.

    Attributes:
        vector: All values, with zeros in the gaps.
        sizes: How many elements of `vector` belong to each variable, gap included, shape (k,), int64.
    """

    def __init__(self, variables: Sequence[Variable]) -> None:
        self.variables = list(variables)
        self.update: Update | None = None
        dtypes = {variable.dtype for variable in self.variables} or {np.dtype(np.float32)}
        if len(dtypes) > 1:
            raise ValueError(
                "all trained weights of a model must have one dtype, got "
                + ", ".join(f"{v.name} {v.dtype}" for v in self.variables)
            )
        self.dtype = dtypes.pop()
        self.sizes = padded_sizes(self.variables)
        self._nbytes = int(self.sizes.sum()) * self.dtype.itemsize
        self.vector = aligned_empty(self._nbytes).view(self.dtype)
        self.vector[...] = 0
        # The same view objects each time: a binding that has one is valid again when its variable returns.
        self._places = self.views(self.vector)
        self.rebind()

    def views(self, vector: Array) -> list[Array]:
        """Return, for each variable, the part of `vector` that belongs to it, in its shape."""
        starts = (np.cumsum(self.sizes) - self.sizes).tolist()
        return [
            vector[start : start + v.memory.size].reshape(v.memory.shape)
            for start, v in zip(starts, self.variables, strict=True)
        ]

    def zeros_like(self) -> Array:
        """Return a vector of zeros with the same layout, for gradients.

        They are zeros of the system: what nobody writes, such as the gradient of a table, takes no memory.
        """
        return _aligned(np.zeros(self._nbytes + ALIGNMENT, np.uint8), self._nbytes).view(self.dtype)

    @property
    def at_home(self) -> bool:
        """Return whether all variables still lie in `vector` (another model may have moved them)."""
        return all(variable.home is self for variable in self.variables)

    def defer(self, update: Update) -> None:
        """Note what takes the steps; where it has tables, rows of them may be behind from now on."""
        self.update = update
        if update.tables:
            deferring.add(self)
        else:
            deferring.discard(self)

    def settle(self) -> None:
        """Bring all rows of tables up to date."""
        if self.update is not None:
            self.update.settle()

    def rebind(self) -> None:
        """Move the variables (back) into `vector`, with their present values."""
        for variable, memory in zip(self.variables, self._places, strict=True):
            if variable.home is not self:
                with _moving:  # another model with this weight may move it at the same time
                    variable.move(memory, self)
