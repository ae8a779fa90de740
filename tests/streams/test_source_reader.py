"""Sources keep order and load; readers read them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, DelegatingSource, Source, SourceTraits, Ticket, source, stream
from streamfit.streams import ArraySource, Batch, Feed, GeneratorSource
from streamfit.streams.source_reader import SourceReader
from streamfit.workers import make_pool


class Numbered(Source):
    """Three batches that hold their own number; it writes each to one buffer."""

    traits = SourceTraits(in_workers=True)

    def __init__(self) -> None:
        self.buffer = np.zeros((2, 1))
        self.opened = 0

    def open(self) -> None:
        self.opened += 1

    def batches(self, data_epoch: int) -> int:
        return 3

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        return (Ticket(data_epoch, number, number) for number in range(start, 3))

    def load(self, ticket: Ticket) -> Any:
        self.buffer[:] = ticket.number
        return self.buffer, None, None


class Joining(Numbered):
    """Has a reader of its own, which hands out two batches at once."""

    def make_reader(self) -> SourceReader:
        return JoiningReader(self)


class JoiningReader(SourceReader):
    def joined(self, data_epoch: int, start: int) -> Callable[[int], Batch]:
        numbers = iter(range(start, 3))

        def take(most: int) -> Batch:
            number = next(numbers)
            return Batch(
                np.full((2, 1), 10 + number), ids=number, number=number, data_epoch=data_epoch, size=2
            )

        return take


def test_a_read_batch_may_be_overwritten_and_a_pulled_one_may_not() -> None:
    reader = Numbered().make_reader()
    assert [batch.x[0, 0] for batch in list(reader.read(0))] == [2, 2, 2]
    assert [batch.x[0, 0] for _, batch in list(reader.pull(0))] == [0, 1, 2]
    assert [item[0, 0] for _, item in list(reader.items(0, 1))] == [1, 2]  # type: ignore[index]
    assert reader.replayed(0, 1).x[0, 0] == 1  # type: ignore[index,call-overload,union-attr]
    with pytest.raises(DataError, match="pass 0 has no batch 3 now"):
        reader.replayed(0, 3)


def test_a_source_may_bring_a_reader_of_its_own() -> None:
    assert [int(batch.x[0, 0]) for batch in Feed(Joining()).run()] == [10, 11, 12]
    assert [int(batch.x[0, 0]) for batch in Feed(DelegatingSource(Joining())).run()] == [10, 11, 12]

    class Negated(DelegatingSource):
        def load(self, ticket: Ticket) -> Any:
            x, y, weight = super().load(ticket)
            return -x, y, weight

    assert [int(batch.x[0, 0]) for batch in Feed(Negated(Joining())).run()] == [0, -1, -2]


def test_a_wrapped_pipeline_that_is_read_in_order_is_computed_by_workers() -> None:
    def triple(x: Any) -> Any:
        return x * 3

    wrapped = DelegatingSource(
        source([[1.0], [2.0], [3.0]]).filter(lambda x: x[0] > 1).map(triple).open_source()
    )
    with make_pool("threads", 2) as pool:
        assert [batch.x.tolist() for batch in Feed(wrapped, pool).run()] == [[[6.0], [9.0]]]


def test_worker_processes_open_the_source_through_its_reader() -> None:
    class Opened(Numbered):
        def load(self, ticket: Ticket) -> Any:
            return np.full((1, 1), self.opened), None, None

    with stream(Opened(), workers=1, use_multiprocessing=True) as batches:
        assert [int(x[0, 0]) for x in batches] == [1, 1, 1]


def test_a_stream_sends_an_unchanged_source_once() -> None:
    class Counting(Numbered):
        sent = 0

        def __getstate__(self) -> dict[str, Any]:
            type(self).sent += 1
            return self.__dict__.copy()

    made = Counting()
    with stream(made, workers=1, use_multiprocessing=True) as batches:
        list(batches)
        first = Counting.sent
        list(batches)
    assert first >= 1
    assert Counting.sent == first


def test_errors_name_the_batch_and_empty_batches_are_refused() -> None:
    class Broken(Numbered):
        def load(self, ticket: Ticket) -> Any:
            if ticket.number:
                raise OSError("gone")
            return np.zeros((0, 2)), None, None

    reader = Broken().make_reader()
    with pytest.raises(DataError, match=r"source 'data', pass 0, batch 0.*: received an empty batch"):
        next(reader.read(0))
    with pytest.raises(OSError, match="gone") as caught:
        next(reader.read(0, 1))
    assert caught.value.__notes__ == ["while loading source 'data', pass 0, batch 1"]


def test_unused_items_go_back_to_the_iterator_through_any_wrapper() -> None:
    numbers = (np.full((1, 1), k) for k in range(5))
    reader = DelegatingSource(GeneratorSource(numbers, targets=False)).make_reader()
    pulled = [ticket for ticket, _ in itertools.islice(reader.pull(0), 3)]
    reader.give_back(pulled[1:])
    left = GeneratorSource(numbers, targets=False).make_reader()
    assert [int(batch.x[0, 0]) for batch in left.read(0)] == [1, 2, 3, 4]


def test_arrays_are_joined_up_to_what_is_asked_for() -> None:
    take = ArraySource(np.arange(10), batch_size=2, shuffle=False).make_reader().joined(0, 1)
    assert take is not None
    first, second = take(3), take(9)
    assert (first.x.tolist(), first.steps) == ([2, 3, 4, 5, 6, 7], 3)  # type: ignore[union-attr]
    assert (second.x.tolist(), second.steps, second.number) == ([8, 9], 1, 4)  # type: ignore[union-attr]
