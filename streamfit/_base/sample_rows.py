"""Which row of a batch an exception is about, whatever its type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_NAME = "_streamfit_row"


@contextmanager
def of_row(row: int) -> Iterator[None]:
    """Note on exceptions raised inside which row of a batch they are about.

    Example:
        >>> try:
        ...     with of_row(2):
        ...         raise KeyError("a")
        ... except KeyError as error:
        ...     row_of(error)
        2
    """
    try:
        yield
    except Exception as error:
        setattr(error, _NAME, row)
        raise


def row_of(error: BaseException) -> int | None:
    """Return which row an exception is about: its `row` where it has one; None where that is not known."""
    row = getattr(error, "row", None)
    return row if isinstance(row, int) else getattr(error, _NAME, None)
