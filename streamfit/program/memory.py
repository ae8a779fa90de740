"""Memory of a program: weights and gradients as flat vectors, everything else in an arena.

Every array starts at a multiple of 64 bytes, a cache line and the widest vector register. The gaps in
the flat vectors hold zeros in weights and gradients alike and so stay zero under every optimizer.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamfit._base.specs import Array
from streamfit.ops.core import Variable

ALIGNMENT = 64
_BLOCK = 1 << 20
_moving = threading.Lock()


def aligned_empty(nbytes: int) -> Array:
    """Return `nbytes` of uninitialised memory that start at a multiple of 64 bytes."""
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


def _padded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class Arena:
    """Allocate arrays from a few large blocks, and take back those that are not needed any more.

    Programs that never run at the same time share an arena: each calls `rewind` before it takes its
    arrays, so that a partial last batch and validation need no memory of their own.
    """

    def __init__(self) -> None:
        self._blocks: list[Array] = []
        self._free: list[list[tuple[int, int]]] = []  # of each block: where free memory begins and ends
        self._taken: dict[int, tuple[int, int, int]] = {}  # by address: block, beginning and end

    def rewind(self) -> None:
        """Reuse all memory from its beginning."""
        self._free = [[(0, block.nbytes)] for block in self._blocks]
        self._taken.clear()

    def take(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialised C-contiguous array."""
        dtype = np.dtype(dtype)
        nbytes = math.prod(shape) * dtype.itemsize
        needed = max(_padded(nbytes), ALIGNMENT)
        block, start, end = self._smallest_gap(needed)
        gaps = self._free[block]
        gaps.remove((start, end))
        if end - start > needed:
            gaps.append((start + needed, end))
        memory = self._blocks[block][start : start + nbytes]
        self._taken[memory.ctypes.data] = (block, start, start + needed)
        array: Array = memory.view(dtype).reshape(tuple(shape))
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
            self._blocks.append(aligned_empty(max(_BLOCK, needed)))
            self._free.append([(0, self._blocks[-1].nbytes)])
            return len(self._blocks) - 1, 0, self._blocks[-1].nbytes
        size, block, start = min(fitting)
        return block, start, start + size

    def give_back(self, array: Array) -> None:
        """Let other arrays have the memory of one that `take` returned, or of a view of all of it."""
        block, start, end = self._taken.pop(array.ctypes.data)
        gaps = self._free[block]
        for gap in [gap for gap in gaps if gap[1] == start or gap[0] == end]:
            gaps.remove(gap)
            start, end = min(start, gap[0]), max(end, gap[1])
        gaps.append((start, end))

    @property
    def nbytes(self) -> int:
        """Count the bytes of all blocks."""
        return sum(block.nbytes for block in self._blocks)


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
        dtypes = {variable.dtype for variable in self.variables} or {np.dtype(np.float32)}
        if len(dtypes) > 1:
            raise ValueError(
                "all trained weights of a model must have one dtype, got "
                + ", ".join(f"{v.name} {v.dtype}" for v in self.variables)
            )
        self.dtype = dtypes.pop()
        unit = ALIGNMENT // self.dtype.itemsize
        self.sizes = np.array([-(-v.value.size // unit) * unit for v in self.variables], dtype=np.int64)
        self.vector = self._zeros()
        # The same view objects each time: a binding that has one is valid again when its variable returns.
        self._places = self.views(self.vector)
        self.rebind()

    def _zeros(self) -> Array:
        vector = aligned_empty(int(self.sizes.sum()) * self.dtype.itemsize).view(self.dtype)
        vector[...] = 0
        return vector

    def views(self, vector: Array) -> list[Array]:
        """Return, for each variable, the part of `vector` that belongs to it, in its shape."""
        starts = (np.cumsum(self.sizes) - self.sizes).tolist()
        return [
            vector[start : start + v.value.size].reshape(v.value.shape)
            for start, v in zip(starts, self.variables, strict=True)
        ]

    def zeros_like(self) -> Array:
        """Return a vector of zeros with the same layout, for gradients."""
        return self._zeros()

    @property
    def at_home(self) -> bool:
        """Return whether all variables still lie in `vector` (another model may have moved them)."""
        return all(variable.home is self for variable in self.variables)

    def rebind(self) -> None:
        """Move the variables (back) into `vector`, with their present values."""
        for variable, memory in zip(self.variables, self._places, strict=True):
            if variable.home is not self:
                with _moving:  # another model with this weight may move it at the same time
                    variable.move(memory, self)
