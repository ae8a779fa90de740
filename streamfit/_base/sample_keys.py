"""`SampleKeys`: the keys of the samples that a function of the user's is called with, for layers in it.

A stage that calls such a function offers the keys around the call; a layer that draws random numbers takes
them. So ``source.map(lambda x, y: (flip(x), y))`` draws by seed, pass and sample, whoever computes it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token

import numpy as np

from streamfit._base.keys import derive, each_key
from streamfit._base.specs import Array


class SampleKeys:
    """Offer keys inside a ``with`` statement.

    Args:
        make: Returns the key of the element, which is asked for only where something draws.

    Example:
        >>> with SampleKeys(lambda: 7):
        ...     first = offered_keys(2)
        >>> first is not None and len(set(first.tolist())), offered_keys(2)
        (2, None)
    """

    __slots__ = ("_calls", "_make", "_token")

    def __init__(self, make: Callable[[], int]) -> None:
        self._make, self._calls = make, 0
        self._token: Token[SampleKeys | None] | None = None

    def __enter__(self) -> SampleKeys:
        self._token = _here.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _here.reset(self._token)

    def take(self, count: int) -> Array:
        """Return a key for each of some samples; each call within the element has keys of its own."""
        self._calls += 1
        return each_key(derive(self._make(), self._calls), np.arange(count))


_here: ContextVar[SampleKeys | None] = ContextVar("streamfit sample keys", default=None)


def offered_keys(count: int) -> Array | None:
    """Return a key for each of some samples, uint64 (n,); None where nobody offers any."""
    found = _here.get()
    return None if found is None else found.take(count)
