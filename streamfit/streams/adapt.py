"""`open_source`: the only place that checks what kind of object the user passed.

Guarantee kept here: the kind of the data changes only how they are read; an argument that has no meaning
for a kind is an error and is not ignored. (`shuffle` is the exception, as in Keras: an
iterator has no order to change.)
"""

from __future__ import annotations

import os
from collections import UserList
from typing import Literal, Protocol, cast

import numpy as np

from streamfit._base.arrow_columns import without_arrow
from streamfit._base.checks import integer, is_mapping
from streamfit._base.config import next_seed
from streamfit._base.keys import seed_from
from streamfit.streams.arrays import ArraySource
from streamfit.streams.generator import GeneratorSource
from streamfit.streams.leaves import brief, is_arraylike
from streamfit.streams.sequence import SequenceSource
from streamfit.streams.shuffle import check_shuffle
from streamfit.streams.source import Source
from streamfit.streams.table_advice import table_advice

Kind = Literal["pipeline", "source", "arrays", "iterator", "sequence", "iterable"]

DEFAULT_BATCH_SIZE = 32

_NO_DATA = str, bytes, os.PathLike, set, frozenset, bool, int, float, complex, np.generic

# Which function of `streamfit.files` reads a file, by its ending.
_READERS = {
    ".npy": "npy",
    ".npz": "npz",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".jsonl": "json_lines",
    ".txt": "text_lines",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".zarr": "zarr",
}


class Readable(Protocol):
    """A description of data that makes the source itself: a `Pipeline`."""

    def open_source(
        self, *, seed: int | None, batch_size: int | None, name: str, targets: bool, text: bool
    ) -> Source:
        """Return a source for one consumer."""
        ...


def open_source(
    x: object,
    y: object = None,
    sample_weight: object = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    seed: int | None = None,
    name: str = "data",
    targets: bool = True,
    text: bool = False,
) -> Source:
    """Return the source that a feed reads, of whatever holds the data.

    `streamfit.stream`, `fit` and their like open their data here; a pipeline opens itself.

    Args:
        x: Arrays (one, or a list, tuple or mapping of them; any object that NumPy can read or that can be
            sliced like an array), a generator, a `Sequence` or another object with ``__getitem__`` and
            ``__len__``, an iterable of batches, or a `Source`, which is returned as it is.
        y: Targets, when `x` are arrays.
        sample_weight: Weights, when `x` are arrays.
        batch_size: Samples in a batch, when `x` are arrays; None for 32.
        shuffle: True, False or ``'batch'``.
        seed: Seed of the orders, a whole number of any size; None draws one (or follows
            `set_random_seed`).
        name: Name of the source in messages.
        targets: Whether the consumer wants targets.
        text: Whether the consumer takes text as x.

    Returns:
        The source.

    Raises:
        TypeError: `x` is not data, or `batch_size` is not a whole number.
        ValueError: An argument has no meaning for this kind of data, or a wrong value.

    Example:
        >>> open_source(np.zeros((10, 3)), batch_size=4).batches(0)
        3
    """
    x, y = without_arrow(x, "x"), without_arrow(y, "y")
    sample_weight = without_arrow(sample_weight, "sample_weight")
    kind = kind_of(x, name)
    if kind == "pipeline":
        _refuse_array_arguments(x, y, sample_weight, None)
        made: Source = cast(Readable, x).open_source(
            seed=seed, batch_size=batch_size, name=name, targets=targets, text=text
        )
        return made
    if kind != "arrays":
        _refuse_array_arguments(x, y, sample_weight, batch_size)
    if kind == "source":
        assert isinstance(x, Source)
        return x
    start = next_seed() if seed is None else seed_from(seed)
    if kind == "arrays":
        size = check_batch_size(batch_size)
        order = check_shuffle(shuffle)
        return ArraySource(
            x, y, sample_weight, batch_size=size, shuffle=order, seed=start, name=name, text=text
        )
    if kind == "sequence":
        return SequenceSource(x, shuffle=shuffle, seed=start, name=name, targets=targets, text=text)
    return GeneratorSource(x, name=name, seed=start, targets=targets, text=text)


def kind_of(x: object, name: str = "data") -> Kind:
    """Return the kind of the object that holds the data.

    Raises:
        TypeError: `x` is not data.

    Example:
        >>> kind_of([1, 2, 3]), kind_of(iter("")), kind_of(range)
        Traceback (most recent call last):
        TypeError: source 'data': a type is not data; call it and pass what it returns
    """
    if isinstance(x, Source):
        return "source"
    if hasattr(type(x), "open_source"):
        return "pipeline"
    advice = table_advice(x)
    if advice is not None:
        raise TypeError(f"source {name!r}: a {type(x).__name__} does not say what x and y are; {advice}")
    if x is None or isinstance(x, _NO_DATA):
        raise TypeError(f"source {name!r}: {_refusal(x)}")
    if isinstance(x, (np.ndarray, list, tuple, UserList)) or is_mapping(x) or is_arraylike(x):
        return "arrays"
    if getattr(x, "shape", None) == () and hasattr(x, "dtype"):
        return "arrays"  # a single value; `ArraySource` refuses it with a clear message
    if isinstance(x, type):
        raise TypeError(f"source {name!r}: a type is not data; call it and pass what it returns")
    if hasattr(x, "__getitem__") and (hasattr(x, "__len__") or hasattr(x, "num_batches")):
        return "sequence"  # even if it is also an iterator: workers can load batches by number
    if hasattr(x, "__next__"):
        return "iterator"
    if hasattr(x, "__iter__"):
        return "iterable"
    called = "; call it and pass what it returns" if callable(x) else ""
    raise TypeError(f"source {name!r}: {_refusal(x)}{called}")


def check_batch_size(batch_size: object) -> int:
    """Return the batch size as an int; 32 for None.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is less than 1.

    Example:
        >>> check_batch_size(None), check_batch_size(np.int64(8))
        (32, 8)
    """
    if batch_size is None:
        return DEFAULT_BATCH_SIZE
    size = None if isinstance(batch_size, (float, np.floating)) else integer(batch_size)
    if size is None:
        raise TypeError(
            f"batch_size must be a whole number, got {brief(batch_size)} of type "
            f"{type(batch_size).__name__}; write for example batch_size=32"
        )
    if size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}; write for example batch_size=32")
    return size


def _refusal(x: object) -> str:
    hint = _file_hint(x) if isinstance(x, (str, bytes, os.PathLike)) else ""
    if isinstance(x, (set, frozenset)):
        hint = "; a set has no order, so pass a list or an array"
    return f"{brief(x)} is not data; pass arrays, a generator, a Sequence or an iterable of batches{hint}"


def _file_hint(path: str | bytes | os.PathLike[str]) -> str:
    """Return what to write to read a file: the function for its ending."""
    text = os.fsdecode(path)
    reader = next((name for ending, name in _READERS.items() if text.lower().endswith(ending)), None)
    call = (
        "a function of streamfit.files" if reader is None else f"streamfit.files.{reader}({brief(text)}, ...)"
    )
    return f"; load the file and pass its arrays, or read it with {call}"


def _refuse_array_arguments(x: object, y: object, sample_weight: object, batch_size: object) -> None:
    taken = f" (x is a {type(x).__name__}, which is taken for one)"
    advice = "; of a table name their columns: target=, weight=" if hasattr(x, "open_source") else ""
    if y is not None:
        raise ValueError(
            "`y` argument is not supported when data is a generator or Sequence instance. "
            "Instead pass targets as the second element of the generator." + taken + advice
        )
    if sample_weight is not None:
        raise ValueError(
            "`sample_weight` argument is not supported when data is a generator or Sequence instance. "
            "Instead pass sample weights as the third element of the generator." + taken + advice
        )
    if batch_size is not None:
        raise ValueError(
            "The `batch_size` argument must not be specified when using a generator or Sequence as an input."
            + taken
        )
