from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest
from oracles.sequences import Drawing, Endless, Numbered

from streamfit.streams import Stream, stream

X, Y = np.arange(10.0), np.arange(10)


def test_each_loop_reads_the_next_pass() -> None:
    batches = stream(X, Y, batch_size=4, shuffle=True, seed=1)
    first = np.concatenate([x for x, y in batches])
    second = np.concatenate([x for x, y in batches])
    assert sorted(first) == sorted(second) == X.tolist()
    assert first.tolist() != second.tolist()
    again = np.concatenate([batch.x for batch in batches.epoch(0)])
    assert again.tolist() == first.tolist()


def test_what_was_given_comes_out() -> None:
    assert [x.tolist() for x in stream(X, batch_size=5)] == [X[:5].tolist(), X[5:].tolist()]
    assert [len(batch) for batch in stream(X, Y, X)] == [3]
    assert [x.tolist() for x in stream(np.full(1, k) for k in range(3))] == [[0], [1], [2]]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("workers", "processes"), [(0, False), (1, False), (3, False), (2, True)])
def test_any_number_of_workers_gives_the_same(workers: int, processes: bool) -> None:
    def read(stream: Stream) -> list[Any]:
        with stream:
            return [
                (batch.data_epoch, batch.ids, batch.x.copy()) for e in (0, 2) for batch in stream.epoch(e)
            ]

    plain = read(stream(Drawing(), shuffle=True, seed=4))
    other = read(stream(Drawing(), shuffle=True, seed=4, workers=workers, use_multiprocessing=processes))
    for one, two in zip(plain, other, strict=True):
        assert one[:2] == two[:2]
        assert np.array_equal(one[2], two[2])


def test_batches_of_changing_shape_pass_through() -> None:
    def batches() -> Any:
        for length in (2, 5, 3):
            yield {"a": np.zeros((4, length))}, np.zeros(4)

    for workers in (0, 1):
        with stream(batches(), workers=workers) as shapes:
            assert [x["a"].shape for x, y in shapes] == [(4, 2), (4, 5), (4, 3)]


@pytest.mark.timeout(30)
def test_leaving_a_loop_leaves_nothing() -> None:
    before = threading.active_count()
    with stream(Endless(), workers=2, max_queue_size=3) as endless:
        for index, _ in enumerate(endless):
            if index == 5:
                break
    gc.collect()
    assert threading.active_count() == before


def test_length() -> None:
    assert len(stream(Numbered(7))) == 7
    with pytest.raises(TypeError, match="'data' does not know its number of batches"):
        len(stream(Endless()))


def test_a_closed_stream_says_so() -> None:
    closed = stream(X)
    closed.close()
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        closed.epoch(0)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_generator_is_read_on_and_nothing_is_lost(workers: int) -> None:
    with stream((np.full(1, k) for k in range(4)), workers=workers) as batches:
        taken = []
        for x in batches:
            taken.append(int(x[0]))
            if len(taken) == 2:
                break
        assert taken + [int(x[0]) for x in batches] == [0, 1, 2, 3]
        assert list(batches) == []
