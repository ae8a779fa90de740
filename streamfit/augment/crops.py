"""`crop`, `center_crop` and `pad`: parts of images, and images with a border, moved by whole pixels."""

from __future__ import annotations

import numpy as np

from streamfit._base.errors import SampleError
from streamfit._base.specs import Array
from streamfit.augment.borders import Padding, Size, all_of, fill_of, moves, padding_of, size_pair
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import FillMode, Step
from streamfit.augment.images import Frames
from streamfit.augment.transform import Transform


class Crop(Transform):
    """Cut out a part at a random place; each place is as probable as any other.

    With ``padding`` images get a border first: ``crop(32, padding=4)`` is what networks for CIFAR are trained
    with.

    Args:
        size: Height and width, or a number for a square.
        padding: Pixels of the border: a number, (above and below, at the left and the right), or ((above,
            below), (left, right)); None for none.
        fill_mode: What the border holds: ``'constant'``, ``'nearest'`` (the pixel at the edge), ``'reflect'``
            (``c b a | a b c | c b a``), ``'mirror'`` (``c b | a b c | b a``) or ``'wrap'`` (``b c | a b c | a
            b``).
        fill_value: Its value for ``'constant'``, in the unit of the pixels.

    Raises:
        SampleError: When called: an image with its border is smaller than the part.

    Example:
        >>> from streamfit import augment
        >>> images = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3, 1)
        >>> augment.crop(2)(images, seed=1)[0, :, :, 0].tolist()
        [[5, 6], [8, 9]]
    """

    def __init__(
        self,
        size: Size,
        padding: Padding | None = None,
        fill_mode: FillMode = "constant",
        fill_value: float = 0.0,
    ) -> None:
        self.size = size_pair("size", size)
        self.padding = padding_of(0 if padding is None else padding)
        self.fill = fill_of(fill_mode, fill_value)

    def __repr__(self) -> str:
        mode, value = self.fill
        return f"crop({self.size}, padding={self.padding}, fill_mode={mode!r}, fill_value={value})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the move to a drawn place."""
        (above, below), (left, right) = self.padding
        bordered = frames.sizes + np.array([above + below, left + right])
        room = _room("crop", self.size, bordered)
        places = draws.below(("row", "column"), room + 1)
        rows, columns = places[:, 0] - above, places[:, 1] - left
        return [moves(rows, columns, all_of(self.size, len(frames)), frames, self.fill)]


class CentralCrop(Transform):
    """Cut out the middle; where the rest is odd, a pixel more is cut off below and at the right.

    Args:
        size: Height and width, or a number for a square.

    Raises:
        SampleError: When called: an image is smaller than that.

    Example:
        >>> from streamfit import augment
        >>> images = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
        >>> augment.center_crop((1, 3))(images)[0, :, :, 0].tolist()
        [[3, 4, 5]]
    """

    def __init__(self, size: Size) -> None:
        self.size = size_pair("size", size)

    def __repr__(self) -> str:
        return f"center_crop({self.size})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the move to the middle."""
        room = _room("center_crop", self.size, frames.sizes) // 2
        sizes = all_of(self.size, len(frames))
        return [moves(room[:, 0], room[:, 1], sizes, frames, ("constant", 0.0))]


class Pad(Transform):
    """Give images a border.

    Args:
        padding: Its pixels: a number, (above and below, at the left and the right), or ((above, below),
            (left, right)).
        fill_mode: What it holds: ``'constant'``, ``'nearest'`` (the pixel at the edge), ``'reflect'``
            (``c b a | a b c | c b a``), ``'mirror'`` (``c b | a b c | b a``) or ``'wrap'`` (``b c | a b c | a
            b``).
        fill_value: Its value for ``'constant'``, in the unit of the pixels.

    Example:
        >>> from streamfit import augment
        >>> images = np.array([[[[1], [2], [3]]]], np.uint8)
        >>> augment.pad((0, 2), fill_mode="reflect")(images)[0, :, :, 0].tolist()
        [[2, 1, 1, 2, 3, 3, 2]]
    """

    def __init__(self, padding: Padding, fill_mode: FillMode = "constant", fill_value: float = 0.0) -> None:
        self.padding = padding_of(padding)
        self.fill = fill_of(fill_mode, fill_value)

    def __repr__(self) -> str:
        return f"pad({self.padding}, fill_mode={self.fill[0]!r}, fill_value={self.fill[1]})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the move into a larger frame."""
        (above, below), (left, right) = self.padding
        sizes = frames.sizes + np.array([above + below, left + right])
        rows, columns = np.full(len(frames), -above), np.full(len(frames), -left)
        return [moves(rows, columns, sizes, frames, self.fill)]


def _room(name: str, size: tuple[int, int], sizes: Array) -> Array:
    """Return how many rows and columns images have beyond a size, int64 (n, 2)."""
    room: Array = sizes - np.array(size)
    if room.min(initial=0) < 0:
        row = int(np.argmax((room < 0).any(axis=1)))
        raise SampleError(
            f"{name}() cuts {size[0]} x {size[1]} pixels (height x width) out, and this image has "
            f"{sizes[row, 0]} x {sizes[row, 1]} with its border; enlarge images before, with augment.resize "
            "or augment.pad, or write a smaller size",
            row,
        )
    return room
