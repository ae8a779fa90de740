"""`Store`: samples that lie in blocks somewhere, such as the row groups of Parquet files.

A block is what is read and decoded at once. Samples are numbered as they lie: those of block 0, those of
block 1, and so on; the number of a sample is its id.

Guarantee kept here: `read` depends on the block alone, so a block may be read in any process, at any time,
and again after a crash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element

BYTES_OF_TEXT = 80
"""What one text takes in memory, roughly: a `str` object and the pointer to it."""


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """The samples of one block.

    Args:
        rows: All of them as one batch; those that are bad hold anything.
        bad: Why a sample cannot be used, by its row in the block: a message that says what is wrong with it.
    """

    rows: Element
    bad: Mapping[int, str] = field(default_factory=dict)


class Store(ABC):
    """Base of all stores.

    A store is made in the main process and travels to workers, so it holds names and numbers and no open
    file; `open` is called once in each process that reads.

    Attributes:
        name: What to call it in messages.
    """

    name: str = "data"

    @property
    @abstractmethod
    def lengths(self) -> Array:
        """The number of samples of each block, int64 (blocks,)."""

    @property
    @abstractmethod
    def specs(self) -> Element:
        """The structure of a sample with a `Spec` for each array; None where only reading tells."""

    @property
    @abstractmethod
    def row_bytes(self) -> int:
        """The bytes that a sample takes when it is decoded, roughly."""

    @abstractmethod
    def read(self, block: int) -> StoreBlock:
        """Read and decode a block.

        Raises:
            DataError: It cannot be read; the message says `where` it is.
        """

    @abstractmethod
    def where(self, block: int, row: int | None = None) -> str:
        """Say where a block, or a sample of it, is: ``'a.parquet', row group 3, row 17``."""

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """Return what makes these data others than other data: values for JSON, by the words of an error."""

    @abstractmethod
    def text(self) -> str:
        """Return the store as it is written in a pipeline: ``parquet('train', 12 files, 1,000 rows)``."""

    def open(self) -> None:  # noqa: B027 - optional
        """Open files: once in each process that reads, before its first block."""

    def close(self) -> None:  # noqa: B027 - optional
        """Close what `open` has opened."""


def first_rows(lengths: Array) -> Array:
    """Return the id of the first sample of each block, and behind them the number of samples.

    Example:
        >>> first_rows(np.array([2, 0, 3])).tolist()
        [0, 2, 2, 5]
    """
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
