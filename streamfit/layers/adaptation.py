"""Data that layers adapt to: arrays, or whatever else `fit` reads.

Layers do not know sources, so `training` puts the function that reads them here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class BatchReader(Protocol):
    """Reads one pass over data."""

    def __call__(self, data: object, batch_size: int | None, steps: int | None) -> Iterator[object]:
        """Yield x of each batch: an array, or a structure of arrays."""
        ...


class _Registered:
    reader: BatchReader | None = None


_registered = _Registered()


def register_reader(reader: BatchReader) -> None:
    """Have layers read data with this function."""
    _registered.reader = reader


def batches_of(data: object, batch_size: int | None = None, steps: int | None = None) -> Iterator[object]:
    """Yield x of each batch of one pass over data.

    Args:
        data: Arrays, a generator, a `Sequence`, a `Source` or a pipeline; targets are ignored.
        batch_size: Samples in a batch, for arrays.
        steps: The number of batches to read; None for a whole pass.
    """
    if _registered.reader is None:
        raise RuntimeError("nothing reads data yet: import streamfit before its layers")
    yield from _registered.reader(data, batch_size, steps)
