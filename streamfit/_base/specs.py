"""`Spec`: the shape and dtype of an array, known before the array exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Spec:
    """Describe an array: its shape and its dtype.

    Args:
        shape: Length of each axis. `None` in front is the batch; `None` elsewhere is a free axis, such as the
            steps of sequences, whose length the data of each batch decide.
        dtype: NumPy dtype of the elements.

    Example:
        >>> spec = Spec((None, 3), np.dtype("float32"))
        >>> spec.at(8)
        (8, 3)
        >>> spec.batched, spec.free
        (True, False)
    """

    shape: Shape
    dtype: np.dtype[Any]

    @property
    def batched(self) -> bool:
        """Return whether the first axis is the batch."""
        return bool(self.shape) and self.shape[0] is None

    @property
    def free(self) -> bool:
        """Return whether another axis than the batch has no fixed length."""
        return None in self.shape[1:]

    @property
    def rank(self) -> int:
        """Count the axes."""
        return len(self.shape)

    def at(self, batch_size: int) -> tuple[int, ...]:
        """Return the concrete shape for a batch of `batch_size` samples.

        Raises:
            ValueError: Another axis is free, so the size of the batch does not give the shape.
        """
        if self.free:
            raise ValueError(f"shape {self.shape} has free axes: the size of the batch alone does not fix it")
        return tuple(batch_size if axis is None else axis for axis in self.shape)

    def with_shape(self, shape: Shape) -> Spec:
        """Return a spec of another shape with the same dtype."""
        return Spec(tuple(shape), self.dtype)

    def with_dtype(self, dtype: npt.DTypeLike) -> Spec:
        """Return a spec of another dtype with the same shape."""
        return Spec(self.shape, np.dtype(dtype))

    @staticmethod
    def of(array: Array) -> Spec:
        """Describe `array` as it is, with no batch axis."""
        return Spec(array.shape, array.dtype)


def may_equal(*shapes: Shape) -> bool:
    """Return whether shapes can be the same once the lengths of all axes are known.

    Example:
        >>> may_equal((None, None, 3), (None, 5, 3)), may_equal((None, 4), (None, 5))
        (True, False)
    """
    if len({len(shape) for shape in shapes}) > 1:
        return False
    return all(len(set(lengths) - {None}) <= 1 for lengths in zip(*shapes, strict=True))


def merged(*shapes: Shape) -> Shape:
    """Return one shape with every length that any of `shapes`, which `may_equal`, knows.

    Example:
        >>> merged((None, None, 3), (None, 5, 3))
        (None, 5, 3)
    """
    found = ([length for length in lengths if length is not None] for lengths in zip(*shapes, strict=True))
    return tuple(lengths[0] if lengths else None for lengths in found)
