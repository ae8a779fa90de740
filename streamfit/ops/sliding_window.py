"""Sliding windows: what convolution and pooling share, from the arguments to the geometry for kernels.

A window slides over the spatial axes of ``(batch, ..., channels)``, of which there are one to three. Kernels
always see three: missing ones are put in front, with length 1.

Padding, for a length n, a window of size k with dilation d, and stride s (formulas: TensorFlow, "Neural
network ops", notes on padding; Keras 3 has the same):

- ``'valid'``: none; ``(n - d (k - 1) - 1) // s + 1`` positions.
- ``'same'``: ``ceil(n / s)`` positions; what is missing is put around the input, an odd one at its end.
- ``'causal'``: ``d (k - 1)`` in front, so that no position sees what comes later; ``ceil(n / s)`` positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamfit._base.checks import integer
from streamfit._base.config import image_data_format
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Shape
from streamfit.kernels.patches import BEFORE, COUNT, DILATION, LENGTH, SIZE, STRIDE

PADDINGS = ("valid", "same")
AXES = 3
"""The number of spatial axes that kernels see."""
_NAMES = ("depth", "height", "width")
SPATIAL_AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}
"""The names of one, two and three spatial axes, for messages."""

Lengths = int | Sequence[int]
"""A whole number for all spatial axes, or one for each."""


def lengths_of(name: str, value: object, rank: int) -> tuple[int, ...]:
    """Return one whole number of at least 1 for each spatial axis.

    Args:
        name: Of the argument, for the message.
        value: A whole number, or `rank` of them.
        rank: The number of spatial axes.

    Raises:
        ValueError: It is something else.

    Example:
        >>> lengths_of("strides", 2, 2), lengths_of("strides", (1, 3), 2)
        ((2, 2), (1, 3))
    """
    single = integer(value)
    given: Sequence[object] = (single,) * rank if single is not None else ()
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)):
        given = list(value)
    numbers = [number for number in map(integer, given) if number is not None and number >= 1]
    if len(numbers) != rank or len(given) != rank:
        raise ValueError(f"{name} must be a whole number of at least 1, or {rank} of them, got {value!r}")
    return tuple(numbers)


def padding_of(value: object, options: Sequence[str] = PADDINGS) -> str:
    """Return the name of a padding in lower case.

    Raises:
        ValueError: It is none of `options`.

    Example:
        >>> padding_of("SAME")
        'same'
    """
    found = value.lower() if isinstance(value, str) else value
    if found not in options:
        raise ValueError(f"padding must be {' or '.join(map(repr, options))}, got {value!r}")
    return str(found)


def channels_last(value: object) -> str:
    """Return ``'channels_last'``, the one layout of data; None means `image_data_format`.

    Raises:
        ValueError: It is another layout.

    Example:
        >>> channels_last(None)
        'channels_last'
    """
    if value == "channels_last" or (value is None and image_data_format() == "channels_last"):
        return "channels_last"
    if value is None:
        raise ValueError(
            "image_data_format is 'channels_first', which layers do not support: kernels read channels last. "
            "Write backend.set_image_data_format('channels_last') and transpose the data once, "
            "np.moveaxis(x, 1, -1); or write data_format='channels_last' in the layer"
        )
    if value == "channels_first":
        raise ValueError(
            "data_format='channels_first' is not supported: kernels read channels last. Transpose the data "
            "once, np.moveaxis(x, 1, -1), and leave data_format out"
        )
    raise ValueError(f"data_format must be None or 'channels_last', got {value!r}")


@dataclass(frozen=True)
class SlidingWindow:
    """A window and how it moves, one number for each spatial axis.

    Args:
        size: Its lengths.
        strides: How far it moves at a time.
        dilation: The distance of neighbouring elements inside it.
        padding: ``'valid'``, ``'same'`` or ``'causal'``.

    Example:
        >>> SlidingWindow((3, 3), (2, 2), (1, 1), "same").counts((None, 5))
        (None, 3)
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str

    @property
    def rank(self) -> int:
        """Count the spatial axes."""
        return len(self.size)

    def _spans(self) -> list[int]:
        return [d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True)]

    def counts(self, lengths: Shape) -> Shape:
        """Return the number of positions along each axis, None where the length is None; 0 if none fits."""
        return tuple(
            None if n is None else -(-n // s) if self.padding != "valid" else max(0, (n - span) // s + 1)
            for n, s, span in zip(lengths, self.strides, self._spans(), strict=True)
        )

    def paddings(self, lengths: Shape) -> list[tuple[int, int] | None]:
        """Return how much is put in front of each axis and behind it; None where a length of None decides it.

        Example:
            >>> SlidingWindow((4, 4), (1, 2), (1, 1), "same").paddings((None, None))
            [(1, 2), None]
        """
        found: list[tuple[int, int] | None] = []
        for n, s, span in zip(lengths, self.strides, self._spans(), strict=True):
            if self.padding == "valid":
                found.append((0, 0))
            elif self.padding == "causal":
                found.append((span - 1, 0))
            elif n is None and s > 1:
                found.append(None)
            else:
                missing = span - 1 if n is None else max(0, (-(-n // s) - 1) * s + span - n)
                found.append((missing // 2, missing - missing // 2))
        return found

    def checked_counts(self, who: str, smaller: str, lengths: Shape) -> Shape:
        """Return `counts`.

        Args:
            who: The operation or layer, for the message.
            smaller: What to make smaller where the window does not fit, for the message.
            lengths: Of the spatial axes.

        Raises:
            ShapeError: There is no position along an axis.
        """
        counts = self.counts(lengths)
        if 0 not in counts:
            return counts
        axis = counts.index(0)
        name = _NAMES[AXES - self.rank + axis] if self.rank > 1 else "length"
        span, size, length = self._spans()[axis], self.size[axis], lengths[axis]
        dilated = f" ({span} with dilation_rate {self.dilation[axis]})" if span != size else ""
        remedy = f"padding='same', a smaller {smaller} or " if length else ""
        raise ShapeError(
            f"{who} would leave nothing of inputs with spatial axes {lengths}: a window of {size}{dilated} "
            f"does not fit into a {name} of {length}; use {remedy}larger inputs"
        )

    def geometry(self, lengths: Sequence[int]) -> Array:
        """Return all numbers that kernels need, shape (6, 3), int64; the rows are in `kernels/patches.py`."""
        found = np.ones((COUNT + 1, AXES), np.int64)
        found[BEFORE] = 0
        own = found[:, AXES - self.rank :]
        own[SIZE], own[STRIDE], own[DILATION] = self.size, self.strides, self.dilation
        own[LENGTH], own[COUNT] = lengths, [count or 0 for count in self.counts(tuple(lengths))]
        own[BEFORE] = [around[0] if around else 0 for around in self.paddings(tuple(lengths))]
        return found


def spatial(array: Array) -> Array:
    """Return (batch, ..., channels) with three spatial axes, in the same memory."""
    return array.reshape(array.shape[0], *(1,) * (AXES + 2 - array.ndim), *array.shape[1:])


def lines(array: Array) -> Array:
    """Return (batch, depth, height, width * channels), in the same memory."""
    n, depth, height, width, channels = spatial(array).shape
    return array.reshape(n, depth, height, width * channels)


def elements(window: SlidingWindow) -> int:
    """Count the elements of a window."""
    return math.prod(window.size)


def windows_are_the_input(geometry: Array) -> bool:
    """Return whether the elements of all windows, one after the other, are the input in order of memory.

    Example:
        >>> pixels = SlidingWindow((1, 1), (1, 1), (1, 1), "same")
        >>> windows_are_the_input(pixels.geometry((4, 5)))
        True
    """
    size, count = geometry[SIZE], geometry[COUNT]
    side_by_side = (count == 1) | (geometry[STRIDE] == size)
    solid = (size == 1) | (geometry[DILATION] == 1)
    unpadded = (geometry[BEFORE] == 0) & (size * count == geometry[LENGTH])
    if not (side_by_side & solid & unpadded).all():
        return False
    wide = np.flatnonzero(size > 1)
    return not wide.size or bool((count[wide[0] + 1 :] == 1).all())
