"""`shuffle_quality`: orders whose quality is known, beside permutations."""

from __future__ import annotations

import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from oracles.stages import in_order

import streamfit
from streamfit import Pipeline, ShuffleQuality, shuffle_quality, source
from streamfit._base.errors import DataError
from streamfit.kernels.decorator import JIT_ENABLED
from streamfit.streams import ArraySource
from streamfit.streams.order_measures import Looked, figures
from streamfit.streams.window_order import WindowOrder

compiled = pytest.mark.skipif(not JIT_ENABLED, reason="takes minutes where kernels are plain Python")

N = 8_000
FIGURES = ("displacement", "neighbours", "together", "gaps", "spread", "means", "landing")


def rows(n: int) -> Pipeline:
    """Return a pipeline of `n` samples that take no memory."""
    return source(np.broadcast_to(np.float32(0), (n,)))


def blocks(window: int) -> ShuffleQuality:
    return shuffle_quality(WindowOrder(np.full(200, 40), window, key=3).at(np.arange(N)))


def naive(ids: list[int], size: int) -> dict[str, float]:
    """Compute some figures of a whole pass, one sample at a time."""
    n = len(ids)
    batches = [ids[at : at + size] for at in range(0, n, size)]
    pairs = [(a, b) for batch in batches for a, b in pairwise(batch)]
    inside = [b - a for batch in batches for a, b in pairwise(sorted(batch))]
    usual = (n * n - 1) / 12
    return {
        "displacement": sum(abs(each - at) for at, each in enumerate(ids)) / n / (n / 3),
        "neighbours": sum(abs(a - b) == 1 for a, b in pairs) / len(pairs),
        "together": sum(gap == 1 for gap in inside) / len(inside),
        "gaps": float(np.prod(np.array(inside, float) ** (1 / len(inside)))) * (n / len(batches)) / n,
        "spread": sum(float(np.std(batch)) for batch in batches) / len(batches) / usual**0.5,
        "means": sum(len(b) * (float(np.mean(b)) - (n - 1) / 2) ** 2 for b in batches) / len(batches) / usual,
    }


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_a_naive_count(seed: int) -> None:
    ids = np.random.default_rng(seed).permutation(100)
    found = figures(Looked(100, np.arange(100.0), ids.astype(float), np.arange(0, 100, 7)))
    for name, value in naive(ids.tolist(), 7).items():
        assert found[name] == pytest.approx(value), name
    # Of each sixteenth of the store: the greatest distance of two distribution functions.
    distances = []
    for block in range(16):
        inside = [each * 16 // 100 == block for each in ids]
        share = np.cumsum(inside) / sum(inside)
        distances.append(max(np.abs(share - np.arange(1, 101) / 100).max(), 0))
    assert found["landing"] == pytest.approx(
        np.mean(distances), abs=0.011
    )  # one sample more, before or after


def test_true_permutations() -> None:
    for seed in range(5):
        rng = np.random.default_rng(100 + seed)
        found = shuffle_quality([rng.permutation(N), rng.permutation(N)], seed=seed)
        assert found.as_good, str(found)
        assert found.verdict == "as good as a true permutation"
        assert found.displacement.value == pytest.approx(1, abs=0.02)
        for figure, share in zip(found.distances, (0.1, 0.5, 0.9), strict=True):
            assert figure.value == pytest.approx(1 - (1 - share) ** 0.5, abs=0.01)


def test_data_as_they_lie() -> None:
    found = shuffle_quality(np.arange(N))
    assert (found.displacement.value, found.neighbours.value, found.together.value) == (0, 1, 1)
    assert not any(getattr(found, name).as_good for name in FIGURES)
    assert found.passes is None
    assert found.verdict.startswith("not shuffled: 100 % of the neighbours in a batch")
    assert "samples move 0 % of the data on average" in found.verdict
    assert shuffle_quality(np.roll(np.arange(N), 1)).verdict.startswith("not shuffled")
    backwards = shuffle_quality(np.arange(N)[::-1])
    assert backwards.displacement.value == pytest.approx(1.5, abs=0.001)
    assert backwards.verdict.startswith("not shuffled")


def test_wider_windows_are_better() -> None:
    found = [blocks(window) for window in (1, 4, 16, 64, 200)]
    assert [each.as_good for each in found] == [False] * 4 + [True]
    for name in ("together", "neighbours", "means"):
        values = [getattr(each, name).value for each in found[:4]]
        assert values == sorted(values, reverse=True), name
    for name in ("gaps", "spread"):
        values = [getattr(each, name).value for each in found]
        assert values == sorted(values), name
    assert all("raise shuffle(buffer_size=...)" in each.verdict for each in found[:4])


def test_a_small_buffer_moves_samples_little() -> None:
    rng = np.random.default_rng(1)
    found = shuffle_quality(np.concatenate([rng.permutation(500) + at for at in range(0, N, 500)]))
    assert found.displacement.value == pytest.approx(500 / N, abs=0.003)
    assert found.verdict.startswith("samples move 2.1 % of the data on average, a true permutation")
    assert found.verdict.endswith("raise shuffle(buffer_size=...)")


def test_clusters_that_hold_no_neighbours_are_found() -> None:
    """Two halves of the data that are each shuffled, one after the other, the second one first."""
    rng = np.random.default_rng(2)
    found = shuffle_quality(np.concatenate([rng.permutation(N // 2) + N // 2, rng.permutation(N // 2)]))
    assert found.together.as_good
    assert not found.means.as_good
    assert not found.landing.as_good
    assert not found.as_good


def test_batches_that_are_shuffled_whole() -> None:
    found = rows(N).batch(50).shuffle().shuffle_quality()
    assert found.neighbours.value == 1
    assert found.displacement.value == pytest.approx(1, abs=0.1)
    assert found.verdict.startswith("not shuffled: 100 % of the neighbours")


def test_passes_that_repeat_each_other() -> None:
    found = rows(N).shuffle(seed=1, reshuffle_each_iteration=False).shuffle_quality()
    assert found.passes is not None
    assert found.passes.value == pytest.approx(1)
    assert found.verdict.endswith("leave out reshuffle_each_iteration=False")
    assert rows(N).shuffle(seed=1).shuffle_quality(passes=3).as_good
    one = rows(N).shuffle(seed=1).shuffle_quality(passes=1)
    assert one.passes is None
    assert one.as_good


@compiled
@pytest.mark.parametrize("n", [10**6, 10**9, 10**12])
def test_large_data_take_little_time(n: int) -> None:
    pipeline = rows(n).shuffle().batch(256)
    pipeline.shuffle_quality(passes=1)  # compiles
    begin = time.process_time()
    found = pipeline.shuffle_quality()
    assert time.process_time() - begin < 1  # it takes 0.2 seconds
    assert found.as_good, str(found)
    assert (found.samples, found.looked_at) == (n, 16384)


@compiled
def test_large_data_take_little_memory() -> None:
    pipeline = rows(10**12).shuffle().batch(256)
    tracemalloc.start()
    try:
        pipeline.shuffle_quality(passes=1)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("pipeline", "good"),
    [
        (rows(N).shuffle().batch(64), True),
        (rows(4 * N).shard(4, 1).shuffle().batch(64), True),
        (rows(4 * N).split(0.3)[0].shuffle().batch(64), True),
        (rows(4 * N).shuffle().take(N), True),
        (rows(4 * N).shard(4, 1), False),
        (rows(100 * N).shard(4, 1).batch(10), False),
        (rows(100 * N).skip(7 * N).take(20 * N).batch(10), False),
        (rows(N).shuffle().batch(1), True),
        (rows(N).batch(1), False),
        (rows(N).map(np.sin).shuffle().batch(64).map(np.cos), True),
        (rows(N).concatenate(rows(N)).shuffle(), True),
        (rows(N).shuffle().concatenate(rows(N).shuffle()), False),
        (rows(N).shuffle().batch(3, drop_remainder=True), True),
    ],
    ids=str,
)
def test_pipelines(pipeline: Pipeline, good: bool) -> None:
    found = pipeline.shuffle_quality()
    assert found.as_good is good, str(found)


def test_sources_of_arrays() -> None:
    assert shuffle_quality(ArraySource(np.zeros(N), batch_size=20)).as_good
    assert not shuffle_quality(ArraySource(np.zeros(N), batch_size=20, shuffle="batch")).as_good
    assert shuffle_quality(ArraySource(np.zeros(N), batch_size=20, shuffle=False)).neighbours.value == 1


def test_the_seed_of_a_pipeline_is_used() -> None:
    one, same, other = (
        source(np.zeros(N), seed=seed).shuffle().shuffle_quality().displacement for seed in (1, 1, 2)
    )
    assert one == same != other


def test_it_prints_a_table() -> None:
    lines = str(rows(N).shuffle().batch(50).shuffle_quality()).splitlines()
    assert lines[0] == "8,000 samples, 8,000 looked at, batches of 50"
    assert lines[-1] == "as good as a true permutation"
    assert len(lines) == 2 + 8 + 3 + 1
    assert "  differs" in str(shuffle_quality(np.arange(N)))


def test_nothing_is_loaded() -> None:
    def broken(x: object) -> object:
        raise AssertionError("loaded")

    assert rows(N).map(broken).shuffle().batch(50).shuffle_quality().as_good


def test_few_samples() -> None:
    for n in (2, 3, 5, 33):
        for size in (1, 2, 32):
            assert shuffle_quality(np.arange(n)[::-1], batch_size=size).samples == n
    assert not shuffle_quality(np.arange(100)).as_good


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"is read in order, or without end. Measure the part before"):
        in_order(100).shuffle().shuffle_quality()
    with pytest.raises(ValueError, match="is read in order"):
        rows(10).repeat().shuffle_quality()
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        rows(1).shuffle_quality()
    with pytest.raises(ValueError, match=r"batch_size=3: .*batch\(2\) has batches; leave it out"):
        rows(10).batch(2).shuffle_quality(batch_size=3)
    with pytest.raises(ValueError, match="source 'data' has batches"):
        shuffle_quality(ArraySource(np.zeros(9)), batch_size=3)
    with pytest.raises(DataError, match="have no numbers"):
        source(Pieces()).shuffle_quality()
    with pytest.raises(TypeError, match=r"got a str; write source\(...\) around data"):
        shuffle_quality("abc")
    with pytest.raises(TypeError, match="whole numbers"):
        shuffle_quality(np.zeros(4))
    with pytest.raises(ValueError, match=r"passes of \[3, 4\] ids"):
        shuffle_quality([np.arange(3), np.arange(4)])
    with pytest.raises(ValueError, match="passes=2: ids of 1 were given"):
        shuffle_quality(np.arange(9), passes=2)


class Pieces(streamfit.Sequence):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((3, 2)), np.zeros(3)
