"""`CheckSettings`: the options that all checks of one object share."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

SampleKey = Callable[..., Hashable]


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How the checks look at an object.

    Args:
        limit: How many batches a check looks at.
        workers: How many worker processes are used at most.
        ragged: Whether the shapes of samples may differ between batches, as where each batch is padded to
            its longest sample.
        key: Called as ``key(x, y)`` with one sample; returns what stays the same when the sample is drawn
            or augmented anew, such as its number. None: a sample is known by its values.
        source: The items that a function of kind ``'generator'`` reads, which is then called with them.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> CheckSettings(limit=8).workers
        2
    """

    limit: int = 32
    workers: int = 2
    ragged: bool = False
    key: SampleKey | None = None
    source: object = None

    def __post_init__(self) -> None:
        if self.limit < 2 or self.workers < 1:
            raise ValueError(
                f"limit must be at least 2 and workers at least 1, got {self.limit} and {self.workers}"
            )
