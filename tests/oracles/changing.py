"""Data that can be changed while they are in use, in many places; light to import, since workers do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from streamfit import Sequence, Source, SourceTraits, Ticket

BATCHES = 20


class Loads:
    """The batches that this process has loaded; outside the data, so not part of their state."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._change = threading.Condition()

    def add(self, number: int) -> None:
        with self._change:
            self.numbers.append(number)
            self._change.notify_all()

    def wait(self, count: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: len(self.numbers) >= count, timeout=20), self.numbers

    def clear(self) -> None:
        self.numbers.clear()


LOADS = Loads()


def batch(level: Any) -> Any:
    return np.zeros((4, 1), "float32"), np.full((4, 1), level, "float32")


class Plain(Sequence):
    def __init__(self) -> None:
        super().__init__()
        self.value = 0.0

    def __len__(self) -> int:
        return BATCHES

    def level(self) -> Any:
        return self.value

    def change(self, level: int) -> None:
        self.value = float(level)

    def __getitem__(self, index: int) -> Any:
        made = batch(self.level())
        LOADS.add(index)
        return made


class Slotted:
    __slots__ = ("inner",)

    def __init__(self) -> None:
        self.inner = {"levels": [0]}


class InNestedObject(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.settings = Slotted()

    def level(self) -> Any:
        return self.settings.inner["levels"][-1]

    def change(self, level: int) -> None:
        self.settings.inner["levels"].append(level)


class InSmallArray(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.levels = np.zeros(3)

    def level(self) -> Any:
        return self.levels[1]

    def change(self, level: int) -> None:
        self.levels[1] = level


class OfLargeArray(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.levels = np.zeros(1 << 18)

    def level(self) -> Any:
        return self.levels[-1]

    def change(self, level: int) -> None:
        self.levels = np.full(1 << 18, float(level))


class OfInner(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.parts = [Plain(), Plain()]

    def level(self) -> Any:
        return self.parts[1].value

    def change(self, level: int) -> None:
        self.parts[1].value = level


class Duck:
    """An object that uses no class of the library."""

    def __init__(self) -> None:
        self.value = 0

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> Any:
        made = batch(self.value)
        LOADS.add(index)
        return made

    def change(self, level: int) -> None:
        self.value = level


class OwnSource(Source):
    traits = SourceTraits(in_workers=True, may_change=True)

    def __init__(self) -> None:
        self.value = 0

    def batches(self, data_epoch: int) -> int:
        return BATCHES

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        return (Ticket(data_epoch, number, number) for number in range(start, BATCHES))

    def load(self, ticket: Ticket) -> Any:
        made = batch(self.value)
        LOADS.add(ticket.ids)
        return (*made, None)

    def change(self, level: int) -> None:
        self.value = level
