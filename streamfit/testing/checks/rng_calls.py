"""The check of `Sequence.rng`: the thread that loads must call it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

from streamfit.streams import Sequence
from streamfit.testing.checked_object import CheckedObject, place
from streamfit.testing.failure import fail, skip
from streamfit.testing.table import Check, Kind

_SEQUENCE: tuple[Kind, ...] = ("sequence", "stream")
_LOADS = 4


class _Calls:
    """Note which threads call `rng`."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []


@contextmanager
def _watched() -> Iterator[_Calls]:
    """Note the calls of `rng` of all sequences, including sequences inside another one."""
    calls, original = _Calls(), Sequence.rng

    def rng(self: Sequence, index: int) -> np.random.Generator:
        calls.threads.append(threading.current_thread())
        return original(self, index)

    rng.__doc__ = original.__doc__
    Sequence.rng = rng  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        Sequence.rng = original  # type: ignore[method-assign]


def check_rng_threads(checked: CheckedObject) -> str | None:
    """Check that the thread that loads calls `self.rng`: only there is the pass known for certain."""
    source = checked.source()
    if not isinstance(getattr(source, "sequence", None), Sequence):
        skip("it has no rng(index) of this library")
    tickets = []
    with suppress(Exception):  # another check reports batches that cannot be listed or loaded
        for ticket, _ in zip(checked.tickets(source), range(_LOADS), strict=False):
            tickets.append(ticket)
    with _watched() as calls:
        for ticket in tickets:
            with suppress(Exception):
                source.load(ticket)
            others = [thread for thread in calls.threads if thread is not threading.current_thread()]
            if others:
                fail(
                    f"{checked.name}: loading {place(ticket)} calls self.rng on the thread "
                    f"{others[0].name!r}, which is not the one that loads. Seed and epoch belong to the "
                    "load: elsewhere they are guessed at best, or the draws are the same in every epoch. "
                    "Call self.rng(index) in __getitem__ and hand the generator, or what it draws, to your "
                    "threads"
                )
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        "rng_threads",
        "self.rng is called on the thread that loads.",
        check_rng_threads,
        _SEQUENCE,
        ("length",),
        hint=(
            "rng = self.rng(index)  # on the thread that loads\n"
            "parts = list(pool.map(augment, images, rng.integers(2**32, size=len(images))))"
        ),
    ),
)
