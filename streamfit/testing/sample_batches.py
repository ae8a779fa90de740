"""Batches of objects that give single samples: data sets with one sample for an index, and iterables of them.

The checks look at batches. Here samples are stacked to small ones, with errors that name the sample.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from typing import Protocol

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.leaves import brief
from streamfit.streams.stages.elements import Element, as_mapping, collate, map_leaves, named_leaves
from streamfit.testing.failure import brief_error

MOST_SAMPLES = 8  # of a batch; fewer where there would be fewer than four batches
SLOW_SAMPLES, _SLOW_SECONDS = 2, 0.02  # of a batch where one sample takes so long
_ROLES = 3  # x, y, sample_weight
_COLOURS = (1, 3, 4)


class Samples(Protocol):
    """A data set that gives one sample for an index."""

    def __getitem__(self, index: int, /) -> object:
        """Return one sample."""
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        ...


class SampleBatches:
    """The samples of a data set, stacked to batches.

    Args:
        samples: The data set.
        ragged: Whether samples of a batch may differ in shape; then they are padded with zeros at their ends.
        most: How many samples a batch holds at most.

    Example:
        >>> batches = SampleBatches([(np.zeros(3), number) for number in range(10)])
        >>> len(batches), batches[4][1].tolist()
        (5, [8, 9])
    """

    def __init__(self, samples: Samples, ragged: bool = False, most: int = MOST_SAMPLES) -> None:
        self.samples, self.ragged, self.most = samples, ragged, most

    @property
    def stands_for(self) -> object:
        """The data set, whose own draws are not changed by the wrapper."""
        return self.samples

    def _size(self) -> int:
        return max(1, min(self.most, len(self.samples) // 4))

    def __len__(self) -> int:
        count = len(self.samples)
        if count < 1:
            raise DataError(f"it has {count} samples")
        return -(-count // self._size())

    def __getitem__(self, index: int) -> Element:
        size = self._size()
        numbers = range(index * size, min((index + 1) * size, len(self.samples)))
        if not numbers:
            raise IndexError(index)
        return stacked([self._sample(number) for number in numbers], numbers, self.ragged)

    def _sample(self, number: int) -> object:
        try:
            return self.samples[number]
        except Exception as error:  # the user's code runs here
            raise DataError(f"sample {number} raised {brief_error(error)}") from error

    def on_epoch_begin(self) -> None:
        """Call the hook of the data set, if it has one."""
        self._call("on_epoch_begin")

    def on_epoch_end(self) -> None:
        """Call the hook of the data set, if it has one."""
        self._call("on_epoch_end")

    def _call(self, name: str) -> None:
        hook = getattr(self.samples, name, None)
        if hook is not None:
            hook()


def most_samples(samples: Samples) -> int:
    """Return how many samples a batch should hold: few where loading one takes long."""
    began = time.perf_counter()
    try:
        samples[0]
    except Exception:  # the user's code runs here, and a check reports it
        return MOST_SAMPLES
    return SLOW_SAMPLES if time.perf_counter() - began > _SLOW_SECONDS else MOST_SAMPLES


class BatchedItems:
    """The items of an iterable, which are samples, stacked to batches; each pass reads it anew.

    Args:
        items: The iterable.
        ragged: Whether samples of a batch may differ in shape; then they are padded with zeros at their ends.

    Example:
        >>> [y.tolist() for x, y in BatchedItems([(np.zeros(3), number) for number in range(10)])]
        [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9]]
    """

    def __init__(self, items: Iterable[object], ragged: bool = False) -> None:
        self.items, self.ragged = items, ragged

    def __iter__(self) -> Iterator[Element]:
        return _batched(self.items, self.ragged)


class BatchedIterator:
    """The items of an iterator, which are samples, stacked to batches; it is read once."""

    def __init__(self, items: Iterable[object], ragged: bool = False) -> None:
        self._batches = _batched(items, ragged)

    def __iter__(self) -> BatchedIterator:
        return self

    def __next__(self) -> Element:
        return next(self._batches)

    def close(self) -> None:
        """Close the iterator."""
        self._batches.close()


def _batched(items: Iterable[object], ragged: bool) -> Generator[Element, None, None]:
    """Stack the items of an iterable, which are samples, to batches."""
    waiting: list[object] = []
    first = 0
    for item in items:
        waiting.append(item)
        if len(waiting) == MOST_SAMPLES:
            yield stacked(waiting, range(first, first + MOST_SAMPLES), ragged)
            first, waiting = first + MOST_SAMPLES, []
    if waiting:
        yield stacked(waiting, range(first, first + len(waiting)), ragged)


def stacked(samples: list[object], numbers: range, ragged: bool) -> Element:
    """Stack samples to a batch.

    Args:
        samples: At least one: a value, a tuple (x, y) or (x, y, weight), a tuple of more parts, which are all
            x, or a mapping. A value may be an array, a number, a text, an image, a list of numbers, or a
            tensor of another library.
        numbers: Their numbers, for messages.
        ragged: Whether they may differ in shape.

    Raises:
        DataError: A sample holds something else, or cannot be stacked with the others.

    Example:
        >>> stacked([[1, 2], [3, 4]], range(2), False).tolist()
        [[1, 2], [3, 4]]
    """
    found = [_as_arrays(sample, number) for sample, number in zip(samples, numbers, strict=True)]
    if ragged:
        found = _padded(found)
    # Text is of any length: its dtype must not depend on the longest one in a batch.
    return map_leaves(collate(found, np.array(numbers)), _text_as_objects)


def _text_as_objects(leaf: object) -> object:
    return leaf.astype(object) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "US" else leaf


def _as_arrays(sample: object, number: int) -> Element:
    if isinstance(sample, (tuple, list)) and not _is_plain_list(sample):
        parts: list[Element] = [
            _converted(part, f"part {at} of sample {number}") for at, part in enumerate(sample)
        ]
        return tuple(parts) if 1 <= len(parts) <= _ROLES else parts
    return _converted(sample, f"sample {number}")


def _converted(value: object, called: str) -> Element:
    """Return the same structure with an array in place of each value."""
    if value is None:
        return None
    mapping = as_mapping(value)
    if mapping is not None:
        return {key: _converted(entry, f"{key!r} of {called}") for key, entry in mapping.items()}
    if isinstance(value, (tuple, list)) and not _is_plain_list(value):
        return [_converted(entry, f"entry {at} of {called}") for at, entry in enumerate(value)]
    try:
        array = np.asarray(value)
    except Exception as error:  # the user's objects are asked for their values
        raise DataError(f"{called} ({brief(value)}) cannot be made an array: {brief_error(error)}") from error
    if array.dtype.hasobject and not all(isinstance(each, (str, bytes)) for each in array.flat):
        raise DataError(f"{called} is {brief(value)}, which is no array of numbers and no text")
    return array


def _is_plain_list(value: object) -> bool:
    """Return whether a list or tuple holds only numbers or text, at any depth."""
    if isinstance(value, list):
        return all(map(_is_plain_list, value))
    return isinstance(value, (bool, int, float, complex, str, bytes, np.generic))


def _padded(samples: list[Element]) -> list[Element]:
    """Pad the arrays of samples with zeros to the longest of each, where their ranks and dtypes agree."""
    rows = [[leaf for _, leaf in named_leaves(sample)] for sample in samples]
    if len({len(row) for row in rows}) > 1:
        return samples
    columns = [_padded_column([np.asarray(leaf) for leaf in column]) for column in zip(*rows, strict=True)]
    return [_with_leaves(sample, [column[at] for column in columns]) for at, sample in enumerate(samples)]


def _with_leaves(sample: Element, leaves: list[Array]) -> Element:
    waiting = iter(leaves)
    return map_leaves(sample, lambda _: next(waiting))


def _padded_column(arrays: list[Array]) -> list[Array]:
    if len({(array.ndim, array.dtype) for array in arrays}) > 1 or not arrays[0].ndim:
        return arrays
    shape = tuple(np.max([array.shape for array in arrays], axis=0).tolist())
    return [np.pad(a, [(0, want - have) for want, have in zip(shape, a.shape, strict=True)]) for a in arrays]


# -- one sample where a batch was expected -------------------------------------------------------------------


def sample_text(item: object, *, likely: bool = False) -> str | None:
    """Describe an item that is one sample, and no batch, as far as that can be told; else return None.

    A label that is a single value, or an image of Pillow, is no batch of anything. With `likely` also arrays
    whose first axes differ where one looks like an image (3, 8, 8) or marks one of several classes, which
    is no proof.

    Example:
        >>> sample_text((np.zeros((3, 8, 8)), 4))
        'x of shape (3, 8, 8), y a single value'
        >>> sample_text((np.zeros((3, 8, 8)), np.zeros(3))) is None
        True
    """
    found = [(name, _shape_of(leaf), leaf) for name, leaf in _parts(item)]
    if not found:
        return None
    single = any(shape == () or _is_picture(leaf) for _, shape, leaf in found)
    lengths = first_axes(item)
    lines = [shape[0] for _, shape, _ in found if len(shape) == 1]  # features and targets of one sample
    apart = len(lines) == len(found) > 1 and max(lines) >= 2 * min(lines)
    if likely and apart:
        return ", ".join(_told(*part) for part in found)
    if not single and not (likely and len(lengths) > 1 and any(_like_a_sample(leaf) for _, _, leaf in found)):
        return None
    return ", ".join(_told(*part) for part in found)


def first_axes(item: object) -> set[int]:
    """Return the lengths of the first axes of the arrays of an item.

    Example:
        >>> first_axes((np.zeros((8, 3)), 1))
        {8}
    """
    return {shape[0] for _, leaf in _parts(item) if (shape := _shape_of(leaf))}


def _parts(item: object) -> Iterator[tuple[str, object]]:
    if isinstance(item, list) and len(item) in (2, 3) and not _is_plain_list(item):
        item = tuple(item)
    for name, leaf in _leaves(item):
        yield name.strip("[]") if is_mapping(item) else name, leaf


def _leaves(item: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(item, list) and _is_plain_list(item):
        yield name or "x", item
    elif isinstance(item, tuple) and not name and len(item) <= _ROLES:
        for role, part in zip(("x", "y", "sample_weight"), item, strict=False):
            yield from _leaves(part, role)
    elif is_mapping(item):
        for key, part in (as_mapping(item) or {}).items():
            yield from _leaves(part, f"{name}[{key!r}]")
    else:
        yield from named_leaves(item, name)


def _shape_of(leaf: object) -> tuple[int, ...]:
    if isinstance(leaf, list):
        try:
            return np.shape(leaf)
        except ValueError:  # its entries differ in length
            return (len(leaf),)
    shape: object = getattr(leaf, "shape", None)
    if shape is None and (_is_picture(leaf) or hasattr(leaf, "__array__")):
        return np.shape(np.asarray(leaf))
    try:
        return tuple(int(axis) for axis in shape or ())  # type: ignore[attr-defined]
    except TypeError:  # unknown axes
        return ()


def _like_a_sample(leaf: object) -> bool:
    """Return whether an array is likely a part of one sample: an image, a mark of one class, one value."""
    try:
        array = np.asarray(leaf)
    except Exception:  # the user's objects are asked for their values
        return False
    if array.ndim == 3:
        first, *_, last = array.shape
        square = array.shape[0] == array.shape[1] or array.dtype == np.uint8
        return first in _COLOURS or (last in _COLOURS and square)
    marks = array.dtype.kind in "biuf" and array.ndim == 1
    return marks and (array.size == 1 or (sorted(array.tolist())[-2:] == [0, 1] and not array.sum() - 1))


def _is_picture(leaf: object) -> bool:
    return any(kind.__module__ == "PIL.Image" for kind in type(leaf).__mro__)


def _told(name: str, shape: tuple[int, ...], leaf: object) -> str:
    if _is_picture(leaf):
        return f"{name} an image of Pillow"
    if isinstance(leaf, (str, bytes)):
        return f"{name} a text"
    return f"{name} of shape {shape}" if shape else f"{name} a single value"
