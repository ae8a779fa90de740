"""Drawn chains of stages: the same batches for all workers, resumable at each one, shards of the whole."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oracles.leaks import nothing_left_behind
from oracles.stages import added, batch_value, delivered, even, in_place, negative, noisy, plain, resumed
from oracles.stores import Plain

from streamfit._base.errors import DataError
from streamfit.streams import Feed, Pipeline, Sequence, interleave, mix, source, stages
from streamfit.streams.stages.elements import Element, map_leaves, named_leaves
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.workers import Pool, make_pool
from streamfit.workers.contract import inside_worker

pytestmark = pytest.mark.timeout(60)


class Numbers(Sequence):
    """Three batches of three samples and one of two."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        x = np.arange(3 * index, min(11, 3 * index + 3))
        return x + self.rng(index).integers(0, 2), x.astype(np.float32)


class Samples:
    """Eleven samples by number."""

    def __len__(self) -> int:
        return 11

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(index), np.asarray(index, np.float32)


class Pulled:
    """Eleven samples in order, as often as they are asked for."""

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (Samples()[index] for index in range(11))


def arrays() -> Pipeline:
    return source(np.arange(11), np.arange(11, dtype=np.float32))


def stored() -> Pipeline:
    """Eleven samples in five blocks, one of them empty."""
    return Pipeline(StoreRows(Plain([3, 0, 1, 5, 2])))


BASES: dict[type, Callable[[], Pipeline]] = {
    StoreRows: stored,
    stages.ArrayRows: arrays,
    stages.Batches: lambda: source(Numbers()),
    stages.IndexedSamples: lambda: source(Samples(), kind="samples"),
    stages.Items: lambda: source(Pulled(), kind="samples"),
}


def batched(p: Pipeline) -> bool:
    return p.stage.traits.batched


def drawable(p: Pipeline) -> bool:
    """Whether elements can be drawn: single ones with numbers that stay."""
    traits = p.stage.traits
    return traits.seekable and traits.fixed_order and not traits.batched and len(p) > 0


class Keyed:
    """A transform of whole batches whose numbers depend on the key of each sample alone."""

    def transform_batch(self, x: object, y: object, keys: np.ndarray) -> tuple[object, object]:
        moved = [int(key) % 7 for key in keys]
        return map_leaves(x, lambda leaf: added_to(np.asarray(leaf), moved)), y


def keyed_x(x: object, keys: np.ndarray) -> object:
    """Return x of a batch, changed by the key of each sample alone."""
    return Keyed().transform_batch(x, None, keys)[0]


def added_to(rows: np.ndarray, numbers: list[int]) -> np.ndarray:
    return np.stack([row + number for row, number in zip(rows, numbers, strict=True)])


# For each stage: how a chain goes on with it. A stage that does not fit leaves the chain as it is.
STAGES: dict[type, Callable[[Pipeline, int], Pipeline]] = {
    stages.Augmented: lambda p, n: p.map(Keyed()),
    stages.Balanced: lambda p, n: (
        p.balance(np.arange(len(p)) % 3 == 0, how="undersample" if n % 2 and len(p) > 2 else "oversample")
        if drawable(p)
        else p
    ),
    stages.BatchStage: lambda p, n: p if batched(p) else p.batch(1 + n % 4, drop_remainder=n % 5 == 0),
    stages.Cache: lambda p, n: p.cache() if n % 3 else p.cache(max_bytes=100),
    stages.Concatenated: lambda p, n: p.concatenate(p.map(noisy)),
    stages.Filter: lambda p, n: p.filter(even),
    stages.Interleave: lambda p, n: interleave([p, p.map(negative)], block_length=1 + n % 3),
    stages.KeyedMap: lambda p, n: (
        Pipeline(stages.KeyedMap(p.stage, keyed_x), p.name, p.seed) if batched(p) else p
    ),
    stages.Map: lambda p, n: p.map(
        [noisy, negative, in_place][n % 3], per="sample" if n % 2 and batched(p) else None
    ),
    stages.Mix: lambda p, n: mix([p, p.map(negative), p.map(noisy)], weights=[1 + n, 2, 1]),
    stages.PaddedBatch: lambda p, n: p if batched(p) else p.padded_batch(1 + n % 4),
    stages.Repeat: lambda p, n: p.repeat(1 + n % 2),
    stages.Sampled: lambda p, n: (
        p.sample(np.arange(len(p)) + 1, 1 + 2 * n, independent=n % 2 == 1) if drawable(p) else p
    ),
    stages.Seeded: lambda p, n: p.concatenate(Pipeline(p.shuffle().stage, seed=n)),
    stages.Shard: lambda p, n: p.shard(2, n % 2),
    stages.Shuffle: lambda p, n: p.shuffle(1 + n, reshuffle_each_iteration=n % 2 == 0),
    stages.SkipStage: lambda p, n: p.skip(n % 3),
    stages.Split: lambda p, n: (
        p.split(0.5, seed=n)[n % 2] if p.stage.traits.seekable and p.stage.traits.fixed_ids else p
    ),
    stages.TakeStage: lambda p, n: p.take(2 + n),
    stages.Unbatch: lambda p, n: p.unbatch() if batched(p) else p,
    stages.Window: lambda p, n: (
        p if batched(p) or p.stage.traits.has_gaps else p.window(1 + n % 3, shift=1 + n % 2, stride=1 + n % 2)
    ),
    stages.Zip: lambda p, n: p.zip(p.map(noisy)).map(added, new_form=True),
}


def test_each_exported_stage_has_a_case() -> None:
    exported = {getattr(stages, name) for name in stages.__all__}
    found = {each for each in exported if issubclass(each, stages.Stage)} - {stages.Stage}
    assert found == (set(BASES) | set(STAGES)) - {StoreRows}


Plan = tuple[Any, list[tuple[type, int]]]
PLANS = st.tuples(
    st.sampled_from(list(BASES)),
    st.lists(st.tuples(st.sampled_from(list(STAGES)), st.integers(0, 9)), max_size=5),
)
FEW = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def build(plan: Plan) -> Pipeline:
    """Make the pipeline of a plan; its elements are batches."""
    pipeline = BASES.get(plan[0], plan[0])()
    for stage, number in plan[1]:
        pipeline = STAGES[stage](pipeline, number)
    return pipeline if batched(pipeline) else pipeline.batch(3)


def whole(plan: Plan) -> tuple[Pipeline, list[list[object]]]:
    """Return a pipeline and what it delivers in two passes, where it delivers anything."""
    pipeline = build(plan)
    try:
        found = delivered(pipeline, passes=2)
    except DataError as error:
        assume(not any(words in str(error) for words in ("no batches", "other samples", "same shape")))
        raise
    assume(len(found[0]) <= 60)
    return pipeline, found


@pytest.fixture(scope="module")
def threads() -> Iterator[Pool]:
    with make_pool("threads", 2, 4) as pool:
        yield pool


@pytest.fixture(scope="module")
def processes() -> Iterator[Pool]:
    with make_pool("processes", 2, 4) as pool:
        yield pool


@FEW
@given(plan=PLANS)
def test_threads_deliver_the_same(plan: Plan, threads: Pool) -> None:
    pipeline, expected = whole(plan)
    assert delivered(build(plan), threads, passes=2) == expected
    assert delivered(pipeline, threads, passes=2) == expected, "a pipeline that was read before"


@settings(FEW, max_examples=8)
@given(plan=PLANS)
def test_processes_deliver_the_same(plan: Plan, processes: Pool) -> None:
    pipeline, expected = whole(plan)
    assert delivered(pipeline, processes, passes=2) == expected


@FEW
@given(plan=PLANS)
def test_a_feed_and_a_loop_read_the_same(plan: Plan) -> None:
    pipeline, expected = whole(plan)
    seeded = Pipeline(pipeline.stage, seed=7)
    for number, values in enumerate(expected):
        elements = [plain(each if isinstance(each, tuple) else (each,)) for each in seeded.elements(number)]
        assert elements == values
    size = pipeline.stage.size(stages.Pass(7, 0))
    assert size in (None, len(expected[0]))


@FEW
@given(plan=PLANS)
def test_each_batch_is_a_place_to_resume_at(plan: Plan, threads: Pool) -> None:
    whole(plan)
    expected, *others = resumed(build(plan), threads, lambda: build(plan))
    assert all(other == expected for other in others)


@FEW
@given(plan=PLANS, count=st.integers(1, 4))
def test_shards_make_up_the_whole(plan: Plan, count: int) -> None:
    pipeline, _ = whole(plan)
    everything = list(map(plain, pipeline.elements()))
    for index in range(count):
        part = list(map(plain, pipeline.shard(count, index).elements()))
        assert part == everything[index::count]


@FEW
@given(plan=PLANS)
def test_to_look_changes_nothing(plan: Plan) -> None:
    pipeline, expected = whole(plan)
    first = plain(pipeline.peek())
    assert first == plain(next(iter(pipeline.elements())))
    assert plain(pipeline.peek()) == first
    assert str(pipeline.element_spec)
    assert delivered(pipeline, passes=2) == expected


ALL_SEEKABLE: Plan = (
    stages.IndexedSamples,
    [(stages.Map, 0), (stages.Cache, 1), (stages.Shuffle, 2), (stages.Mix, 1), (stages.BatchStage, 2)],
)
STORED: Plan = (StoreRows, [(stages.Shuffle, 4), (stages.BatchStage, 1), (stages.Map, 1)])
ALL_IN_ORDER: Plan = (
    stages.IndexedSamples,
    [(stages.Filter, 0), (stages.Map, 0), (stages.Interleave, 1), (stages.Repeat, 1), (stages.BatchStage, 1)],
)
ALL_DRAWN: Plan = (
    stages.IndexedSamples,
    [(stages.Balanced, 0), (stages.Map, 0), (stages.Shuffle, 0), (stages.BatchStage, 2)],
)


class KillsItsWorker:
    """A function for maps that kills the worker it runs in, once for each number in a list."""

    def __init__(self, folder: Path, numbers: list[int]) -> None:
        self.folder, self.numbers = folder, numbers

    def __call__(self, *parts: Element) -> Element:
        number = int(np.ravel(next(leaf for _, leaf in named_leaves(parts)))[0])
        flag = self.folder / str(number)
        if number in self.numbers and inside_worker() and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return parts


@pytest.mark.parametrize(
    "plan", [ALL_SEEKABLE, ALL_IN_ORDER, ALL_DRAWN], ids=["seekable", "in order", "drawn"]
)
def test_killed_workers_change_nothing(plan: Plan, tmp_path: Path) -> None:
    def start() -> Pipeline:
        return source(Samples(), kind="samples").map(KillsItsWorker(tmp_path, [4, 9]))

    pipeline = build((start, plan[1]))
    (expected,) = delivered(pipeline)
    chosen = pipeline.open_source(seed=7)
    with nothing_left_behind(), make_pool("processes", 2, 2) as pool, Feed(chosen, pool) as feed:
        found = [batch_value(batch) for batch in feed.run()]
        restarts = feed.receipt().restarts
    assert found == expected
    assert len(list(tmp_path.iterdir())) == 2
    assert restarts == 2
