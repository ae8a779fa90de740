"""What is allowed while a model is made of a file: no other file, and no more memory than the file accounts
for.

Whatever reserves memory by numbers of a description, or opens a file that an argument names, asks here first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SLACK = 1 << 20
"""Bytes that any model may use, however small its file is: state of metrics, settings, names."""


class _Limits(threading.local):
    budget: int | None = None
    source: str = ""


_limits = _Limits()


@contextmanager
def loading_from(source: str, size: int) -> Iterator[None]:
    """Restrict what objects made inside the block may do, on this thread.

    Args:
        source: Name of the file, for messages.
        size: Its size in bytes.
    """
    before = _limits.budget, _limits.source
    _limits.budget, _limits.source = size + _SLACK, source
    try:
        yield
    finally:
        _limits.budget, _limits.source = before


def is_loading() -> bool:
    """Return whether this thread makes a model of a file."""
    return _limits.budget is not None


def reserve(size: int, what: str) -> None:
    """Take bytes from what the file accounts for; without a file, do nothing.

    Raises:
        ValueError: The file is smaller than what its description asks for.

    Example:
        >>> with loading_from("model.streamfit", 100):
        ...     reserve(10**9, "weight 'kernel'")
        Traceback (most recent call last):
        ValueError: model.streamfit describes weight 'kernel' of 1000000000 bytes, more than the whole file \
holds; it is damaged, or was made to exhaust memory
    """
    if _limits.budget is None:
        return
    if size > _limits.budget:
        raise ValueError(
            f"{_limits.source} describes {what} of {size} bytes, more than the whole file holds; it is "
            "damaged, "
            "or was made to exhaust memory"
        )
    _limits.budget -= size


def refuse_path(path: object, what: str) -> None:
    """Refuse to open a file that a description names.

    Raises:
        ValueError: A model is being made of a file.
    """
    if _limits.budget is not None:
        raise ValueError(
            f"{_limits.source} names the file {path!r} as {what}; loading a model opens no other file"
        )
