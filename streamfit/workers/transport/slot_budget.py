"""Finds slots that have grown far beyond what values need.

A slot grows to the largest value that was ever in it. Where nearly all values are that large it stays so, and
no slot is made anew; where many are small, a slot that held a large one is released as soon as it is free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

SMALL = 1 << 20
"""Bytes of a slot up to which it is never released: while all are so small, nothing need be noted."""
_TIMES_USUAL = 4
_RECENT = 32


class SlotBudget:
    """Sizes of the slots and of the values that went through them lately.

    Attributes:
        large: bytes of those slots that may be too large, by slot; empty if no slot can be.

    Example:
        >>> budget = SlotBudget()
        >>> for slot in range(10):
        ...     budget.note(slot, capacity=1 << 16, used=100)
        >>> budget.note(3, capacity=50 << 20, used=50 << 20)
        >>> budget.excess([1, 3])
        [3]
        >>> for turn in range(40):
        ...     budget.note(turn % 10, capacity=50 << 20, used=50 << 20)
        >>> budget.excess([1, 3])
        []
    """

    def __init__(self) -> None:
        self.large: dict[int, int] = {}
        self._recent: deque[int] = deque(maxlen=_RECENT)

    def note(self, slot: int, capacity: int, used: int) -> None:
        """Take note of a value.

        Args:
            slot: number of the slot that it is in.
            capacity: bytes that the slot has grown to.
            used: bytes of the value.
        """
        self._recent.append(used)
        if capacity > SMALL:
            self.large[slot] = capacity

    def excess(self, free: Iterable[int]) -> list[int]:
        """Return those of the free slots that are much larger than many values; they are forgotten."""
        # Not the median: values that are loaded together with a large one share its slot.
        usual = sorted(self._recent)[len(self._recent) // 4] if self._recent else 0
        most = max(SMALL, _TIMES_USUAL * usual)
        found = [slot for slot in free if self.large.get(slot, 0) > most]
        for slot in found:
            del self.large[slot]
        return found
