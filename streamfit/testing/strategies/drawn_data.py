"""Data that Hypothesis draws: arrays, data sets, `Sequence`s and generators with known contents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streamfit._base.keys import generator
from streamfit._base.specs import Array
from streamfit.streams import Batch, Sequence, Ticket
from streamfit.testing.strategies.hypothesis_package import st

PLAIN_DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
ODD_DTYPES = ("float16", "int8", "uint16", "uint32", "uint64", ">f4", ">i2")
Arrays = tuple[Array, Array]


def dtypes(*, odd: bool = True) -> st.SearchStrategy[np.dtype[np.generic]]:
    """Draw a dtype of numbers; examples shrink to the common ones.

    Args:
        odd: Whether to draw rare dtypes too (half floats, unsigned, the other byte order).
    """
    return st.sampled_from(PLAIN_DTYPES + (ODD_DTYPES if odd else ())).map(np.dtype)


@st.composite
def arrays(draw: st.DrawFn, samples: int | None = None, *, odd: bool = True, special: bool = True) -> Array:
    """Draw an array of shape (samples, ...) whose rows have different values.

    Args:
        draw: Passed by Hypothesis.
        samples: Number of samples; None draws one from 1 to 40.
        odd: Whether to draw rare dtypes too.
        special: Whether floats may hold NaN, infinities and -0.0.
    """
    count = draw(st.integers(1, 40)) if samples is None else samples
    shape = (count, *draw(st.lists(st.integers(1, 4), max_size=2)))
    dtype = draw(dtypes(odd=odd))
    values = generator(draw(st.integers(0, 2**16))).integers(0, 100, shape) + np.arange(count).reshape(
        -1, *[1] * (len(shape) - 1)
    )
    array = (values % 2 if dtype.kind == "b" else values).astype(dtype)
    if special and dtype.kind == "f" and draw(st.booleans()):
        array.reshape(-1)[draw(st.integers(0, array.size - 1))] = draw(
            st.sampled_from([np.nan, np.inf, -np.inf, -0.0])
        )
    return _laid_out(draw, array)


def _laid_out(draw: st.DrawFn, array: Array) -> Array:
    """Give an array a memory layout that users have: in Fortran order, with gaps, read-only."""
    how = draw(st.sampled_from(["plain", "fortran", "gaps", "read-only"]))
    if how == "fortran":
        return np.asfortranarray(array)
    if how == "gaps":
        return np.repeat(array, 2, axis=0)[::2]
    array.flags.writeable = how != "read-only"
    return array


@st.composite
def ragged(draw: st.DrawFn, samples: int | None = None, most: int = 6) -> list[Array]:
    """Draw a list of one-dimensional arrays of different lengths, such as sentences."""
    count = draw(st.integers(1, 20)) if samples is None else samples
    lengths = draw(st.lists(st.integers(0, most), min_size=count, max_size=count))
    return [np.arange(length) + 100 * number for number, length in enumerate(lengths)]


@st.composite
def data_sets(draw: st.DrawFn, *, odd: bool = True, special: bool = True) -> Arrays:
    """Draw a data set in memory: x and y with the same number of samples."""
    samples = draw(st.integers(1, 40))
    x: Array = draw(arrays(samples, odd=odd, special=special))
    y: Array = draw(arrays(samples, odd=odd, special=special))
    return x, y


def batch_sizes(most: int = 50) -> st.SearchStrategy[int]:
    """Draw a batch size; most do not divide the number of samples, or are larger than it."""
    return st.integers(1, most)


class KnownSequence(Sequence):
    """Give batches whose contents are known: batch k holds rows of k, and its sizes may differ.

    Args:
        sizes: Number of samples of each batch.
    """

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Arrays:
        return np.full((self.sizes[index], 2), index, "float32"), np.arange(self.sizes[index])

    def __repr__(self) -> str:
        return f"KnownSequence({self.sizes})"


def sequences(most: int = 12) -> st.SearchStrategy[KnownSequence]:
    """Draw a `Sequence` with known contents; with a smaller last batch, or batches of any size."""
    return st.lists(st.integers(1, 5), min_size=1, max_size=most).map(KnownSequence)


class PlannedGenerator:
    """Make generators that end after some batches, or raise there.

    Args:
        count: Number of batches.
        error: The exception at the end; None for an ordinary end.

    Example:
        >>> len(list(PlannedGenerator(3, None)()))
        3
    """

    def __init__(self, count: int, error: Exception | None) -> None:
        self.count, self.error = count, error

    def __call__(self) -> Iterator[tuple[Array, Array]]:
        """Make a new generator."""
        for number in range(self.count):
            yield np.full((2, 3), number, "float32"), np.full(2, number)
        if self.error is not None:
            raise self.error

    def __repr__(self) -> str:
        return f"PlannedGenerator({self.count}, {self.error!r})"


def generators(most: int = 8, *, raising: bool = True) -> st.SearchStrategy[PlannedGenerator]:
    """Draw a function that makes generators which end early, give nothing, or raise."""
    errors: list[Exception | None] = [None]
    errors += [ValueError("planned"), KeyError("planned"), OSError(5, "planned")] if raising else []
    return st.builds(PlannedGenerator, st.integers(0, most), st.sampled_from(errors))


def tickets() -> st.SearchStrategy[Ticket]:
    """Draw a ticket for a batch of a `Sequence`."""
    small = st.integers(0, 100)
    return st.builds(Ticket, small, small, ids=small, key=st.integers(0, 2**64 - 1), payload=st.none())


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Draw a batch with x and y."""
    x, y = draw(data_sets())
    number = draw(st.integers(0, 100))
    return Batch(x, y, ids=number, number=number, data_epoch=draw(st.integers(0, 3)), size=len(x))
