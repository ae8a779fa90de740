"""Pipelines of 10^12 samples that hold nothing but ids: the first batches at once, in little memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from streamfit._base.specs import Array
from streamfit.streams import Feed, Pipeline, interleave, mix
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import Pass, Stage
from streamfit.streams.traits import SourceTraits

MANY = 10**12


class Numbers(Stage):
    """The numbers below `count`; they are made when they are fetched."""

    def __init__(self, count: int) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.count = count

    def __repr__(self) -> str:
        return f"numbers({self.count})"

    def size(self, p: Pass) -> int:
        return self.count

    def space(self, p: Pass) -> int:
        return self.count

    def ids(self, p: Pass, positions: Array) -> Array:
        return positions

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        return [np.array(number) for number in ids.tolist()]


def numbers(count: int = MANY) -> Pipeline:
    return Pipeline(Numbers(count))


def halved(x: Element) -> Element:
    return x // 2


PIPELINES: dict[str, Callable[[], Pipeline]] = {
    "in order": numbers,
    "shuffle": lambda: numbers().shuffle(),
    "map": lambda: numbers().shuffle().map(halved),
    "batches": lambda: numbers().batch(32).shuffle(),
    "take": lambda: numbers().shuffle().take(MANY // 2),
    "skip": lambda: numbers().skip(MANY // 2).shuffle(),
    "shard": lambda: numbers().shuffle().shard(8, 3),
    "shards shuffled": lambda: numbers().shard(8, 3).shuffle(),
    "split": lambda: numbers().split(0.9)[0].shuffle(),
    "other part": lambda: numbers().split(0.9)[1],
    "part of a part": lambda: numbers().split(0.9)[0].split(0.5)[1].shuffle(),
    "repeat": lambda: numbers().shuffle().repeat(5),
    "repeat without end": lambda: numbers().shuffle().repeat(),
    "concatenate": lambda: numbers().concatenate(numbers(5)).shuffle(),
    "zip": lambda: numbers().shuffle(seed=1).zip(numbers().shuffle(seed=1)),
    "interleave": lambda: interleave([numbers(), numbers(MANY // 3), numbers(7)], block_length=4).shuffle(),
    "mix": lambda: mix([numbers().shuffle(), numbers(MANY // 3)], weights=[0.7, 0.3]),
    "window": lambda: numbers().window(10, shift=3).shuffle(),
    "cache": lambda: numbers().shuffle().take(MANY // 10).cache(),
    "filter": lambda: numbers().shuffle().filter(lambda x: x % 2 == 0),
    "unbatch": lambda: numbers().batch(8).unbatch().shuffle(),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_first_batches_come_at_once_and_the_state_is_small(name: str) -> None:
    """And a run that is resumed there goes on with the next batch."""
    pipeline = PIPELINES[name]()
    if not pipeline.stage.traits.batched:
        pipeline = pipeline.batch(32)
    first_values(pipeline, 0)  # compiles
    tracemalloc.start()
    try:
        begin = time.process_time()
        values, state = first_values(pipeline, 0)
        seconds, most = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < 2  # milliseconds, but for tracing and kernels in plain Python
    assert most < 1 << 20
    assert len(json.dumps(state)) <= 1000
    assert len(values) == 3
    with Feed(pipeline.open_source(seed=1)) as feed:  # an equal run goes on where this one has stopped
        feed.resume(state, replay=True)
        (later,) = [batch.x for batch in feed.run(4)]
    with Feed(pipeline.open_source(seed=1)) as feed:
        assert np.array_equal([batch.x for batch in feed.run(4)][3], later)


def first_values(pipeline: Pipeline, start: int) -> tuple[list[Element], dict[str, object]]:
    with Feed(pipeline.open_source(seed=1)) as feed:
        feed.seek(0, start)
        values = [batch.x for batch in feed.run(3)]
        return values, json.loads(json.dumps(feed.state(within=True)))


@pytest.mark.parametrize("name", ["in order", "shuffle", "shard", "split", "repeat", "interleave", "window"])
def test_a_run_goes_on_in_the_middle_of_many(name: str) -> None:
    pipeline = PIPELINES[name]().batch(32)
    middle = len(pipeline) // 2
    begin = time.process_time()
    values, state = first_values(pipeline, middle)
    assert time.process_time() - begin < 1
    assert len(json.dumps(state)) <= 1000
    assert all(len(value) == 32 for value in values)
    assert np.array_equal(first_values(pipeline, middle + 1)[0][0], values[1])


def test_a_state_at_the_end_of_many_batches_is_small() -> None:
    """The last batches of a pass of 10^9 samples, with receipts of all epochs before."""
    pipeline = numbers(10**9).shuffle().map(halved).batch(32)
    with Feed(pipeline.open_source(seed=2**62)) as feed:
        feed.seek(1000, len(pipeline) - 3)
        assert sum(1 for _ in feed.run(3)) == 3
        assert len(json.dumps(feed.state(within=True))) <= 1000
