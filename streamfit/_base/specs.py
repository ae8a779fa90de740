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
        shape: Length of each axis. `None` stands for the batch size and may only come first.
        dtype: NumPy dtype of the elements.

    Example:
        >>> spec = Spec((None, 3), np.dtype("float32"))
        >>> spec.at(8)
        (8, 3)
        >>> spec.batched
        True
    """

    shape: Shape
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        if any(axis is None for axis in self.shape[1:]):
            raise ValueError(
                f"only the first axis of a shape may be None (the batch size), got {self.shape}; "
                "give every other axis a fixed length"
            )

    @property
    def batched(self) -> bool:
        """Return whether the first axis is the batch."""
        return bool(self.shape) and self.shape[0] is None

    @property
    def rank(self) -> int:
        """Count the axes."""
        return len(self.shape)

    def at(self, batch_size: int) -> tuple[int, ...]:
        """Return the concrete shape for a batch of `batch_size` samples."""
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
