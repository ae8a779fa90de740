"""`empty`: what is written in place arrives as it was written, beside whatever else a value holds."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from streamfit import empty
from streamfit.workers import make_pool

pytestmark = pytest.mark.timeout(60)


class Mixed:
    """Values with arrays in the slot, beside it, in part of it, twice, and pickled."""

    kinds = ("whole", "second", "slice", "twice", "rest", "unused", "grown", "nested", "transposed", "thread")

    def load(self, ticket: tuple[str, int]) -> Any:
        """Return one value."""
        kind, seed = ticket
        made = empty((5, 7), "float32")
        made[...] = np.arange(35).reshape(5, 7) + seed
        plain = np.arange(11) * seed
        if kind == "grown":
            large = empty((300, 1000), "float64")
            large[...] = seed
            return made, large
        if kind == "thread":
            found: list[Any] = []
            thread = threading.Thread(target=lambda: found.append(empty(3, "int64")))
            thread.start()
            thread.join()
            found[0][...] = seed
            return found[0], made
        return {
            "whole": made,
            "second": (plain, made),
            "slice": (made[1:4], plain),
            "twice": (made, made),
            "rest": (made, {seed: "text"}, plain),
            "unused": plain,
            "nested": {"a": made, "b": [plain, made[:2]]},
            "transposed": (made.T, plain),
        }[kind]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def test_values_arrive_as_they_were_written() -> None:
    tickets = [(kind, seed) for seed in range(12) for kind in Mixed.kinds]
    tickets += [("second", seed) for seed in range(50)]
    with make_pool("processes", 2) as pool:
        kept = [loaded.value for loaded in pool.open(Mixed(), tickets)]
    for ticket, value in zip(tickets, kept, strict=True):
        assert _equal(value, Mixed().load(ticket)), ticket


def test_elsewhere_it_is_plain_memory() -> None:
    assert empty(3).dtype == np.float32
    assert empty((2, 0), "int8").shape == (2, 0)
    assert empty((2, 3), bool).flags.owndata
