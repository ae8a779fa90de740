"""The cost benchmark is honest: all sides deliver all of the same batches, and the figures are right."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from oracles.benchmarks import BENCHMARKS, load

from streamfit.workers.processes.pool import ProcessPool


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The common module of the sides."""
    return load(BENCHMARKS / "peers" / "cost_common.py", monkeypatch)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "guarantees_cost.py", monkeypatch)


@pytest.mark.parametrize("loader", ["made", "augmented"])
def test_batches_have_the_size_they_are_called_by(common: ModuleType, loader: str) -> None:
    sizes = {"64 KB": 1 << 16, "1 MB": 1 << 20, "4 MB": 1 << 22, "16 MB": 1 << 24}
    for size, count in sizes.items():
        batch = common.LOADERS[loader](size, 7)
        assert (batch.nbytes, batch.dtype, batch[0, 0, 0]) == (count, np.float32, 7)


def test_augmentation_is_fresh_varied_and_repeatable(common: ModuleType) -> None:
    first, again, other = (common.augmented("1 MB", number) for number in (1, 1, 2))
    assert not np.shares_memory(first, again)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[1:], other[1:])
    base = common.images("1 MB")
    straight = np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, base, strict=True)])
    assert 0.2 < (straight[1:] > 0.5).mean() < 0.8  # the others are mirrored


def numbered(numbers: list[int]) -> Iterator[Any]:
    """Yield batches with these numbers."""
    return (np.full((1, 1, 1), number, np.float32) for number in numbers)


@pytest.mark.parametrize(
    ("numbers", "what"), [([0, 2, 1, 3], "is numbered"), ([0, 1, 2], "3 batches arrived")]
)
def test_consumer_refuses_what_is_missing_or_out_of_place(
    common: ModuleType, numbers: list[int], what: str
) -> None:
    assert set(common.consume(numbered([0, 1, 2, 3]), 2, 2, list)) == {"seconds", "consumer", "workers"}
    with pytest.raises(ValueError, match=what):
        common.consume(numbered(numbers), 2, 2, list)


@pytest.mark.timeout(30)
@pytest.mark.skipif(sys.platform != "linux", reason="reads the clocks of other processes")
def test_processor_time_of_another_process(common: ModuleType) -> None:
    pid = os.getpid()
    before = common.cpu_seconds([pid]), time.process_time()
    while time.process_time() < before[1] + 0.05:
        pass
    assert common.cpu_seconds([pid]) - before[0] == pytest.approx(0.05, abs=0.04)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
def test_every_side_delivers_and_tells_its_time(driver: ModuleType, workers: int) -> None:
    contest = driver.Contest("augmented", "64 KB", workers)
    contest._count = 20 * driver.FEWER
    try:
        assert contest.start() == {}
        for side in (driver.OURS, driver.BARE, driver.LIMIT, *driver.LIBRARY):
            assert contest.measure(side) > 0
            consumer, loaders = contest.cpu[side][0]
            assert consumer > 0
            assert loaders > 0
    finally:
        contest.close()


def test_throughput_is_compared_round_by_round(driver: ModuleType) -> None:
    values = {driver.OURS: [10.0, 20.0, 10.0], driver.BARE: [8.0, 16.0, 8.0], driver.LIMIT: [9.0, 5.0, 9.0]}
    assert driver.rate_kept(values, driver.BARE).median == pytest.approx(0.8)
    assert driver.rate_kept(values, driver.LIMIT).median == pytest.approx(0.9)
    assert driver.rate_kept({driver.OURS: [1.0]}, driver.BARE) is None
    assert driver.rate_kept({driver.BARE: [1.0]}, driver.BARE) is None
    assert driver.bounds({driver.OURS: [1.0]}, 1) == []


@pytest.mark.parametrize(("casts", "rounds"), [(20, 2), (10, 4)])
def test_bounds_are_of_casts_not_of_rounds(driver: ModuleType, casts: int, rounds: int) -> None:
    """Half of the processes are 10 % faster, half 10 % slower: the median may lie anywhere between."""
    rates = np.repeat([0.9, 1.1] * (casts // 2), rounds)
    values = {driver.OURS: [1.0] * len(rates), driver.BARE: rates.tolist()}
    assert driver.bounds(values, rounds) == pytest.approx([0.9, 1.1])
    steady = {driver.OURS: [2.0] * 6, driver.BARE: [1.9] * 6}
    assert driver.bounds(steady, 2) == pytest.approx([0.95, 0.95])


def test_more_casts_say_more(driver: ModuleType) -> None:
    rates = np.random.default_rng(7).normal(0.97, 0.05, 400)

    def width(casts: int) -> float:
        of = rates[: 2 * casts].tolist()
        lower, upper = driver.bounds({driver.OURS: [1.0] * len(of), driver.BARE: of}, 2)
        assert lower < np.median(of) < upper
        return float(upper - lower)

    assert width(200) < width(50) < width(12)


class Cast:
    """A contest of two sides without processes; every further start is slower, and the third one fails."""

    casts = 0

    def __init__(self, *_: object, library: bool) -> None:
        Cast.casts += 1
        self.cpu: dict[str, list[tuple[float, float]]] = {"streamfit": [], "limit": []}

    def start(self) -> dict[str, str]:
        """Let one side fail at the third start."""
        return {"limit": "it would not"} if Cast.casts == 3 else {}

    def measure(self, name: str) -> float:
        """Take as many microseconds as there were starts."""
        self.cpu[name].append((1.0, 2.0))
        return float(Cast.casts)

    def close(self) -> None:
        """Close nothing."""


def test_all_sides_are_started_anew(driver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "Contest", Cast)
    monkeypatch.setattr(Cast, "casts", 0)
    found, failures = driver.run("made", "1 MB", 1, rounds=3, casts=2)
    assert (found["rows"]["limit"].median, found["rows"]["limit"].rounds, failures) == (1.5, 6, {})
    assert (found["rate"], found["beside the limit"].median) == (None, 1.0)
    found, failures = driver.run("made", "1 MB", 1, rounds=3, casts=2)
    assert (list(found["rows"]), failures) == (["streamfit"], {"limit": "it would not"})


@pytest.mark.timeout(60)
def test_without_guarantees_a_batch_that_is_kept_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("common", "streamfit"):
        load(BENCHMARKS / "peers" / f"cost_{name}.py", monkeypatch)
    bare = load(BENCHMARKS / "peers" / "cost_without.py", monkeypatch)
    source = bare.SequenceSource(bare.Unmarked("1 MB", "made", 40))
    firsts = []
    for kind in (bare.BarePool, ProcessPool):
        with kind(1, 2) as pool, pool.open(source.make_reader(), source.tickets(0)) as run:
            first = next(run).value[0]
            numbers = [int(loaded.value[0][0, 0, 0]) for loaded in run]
            assert numbers == list(range(1, 40))
            firsts.append(int(first[0, 0, 0]))
            assert [handle.progress_page.begun() for handle in pool._worker_group.workers.values()] == [0]
    assert firsts[0] > 0
    assert firsts[1] == 0


def test_the_promise_is_for_a_megabyte_and_more(driver: ModuleType) -> None:
    rate = driver.summarize([0.96, 0.94])
    contests = {("made", size, 1): {"rate": rate} for size in driver.SIZES}
    found = driver.targets(contests | {("augmented", "1 MB", 1): {"rate": None}})
    assert [target.what for target in found] == [
        f"throughput kept (made, {size}, 1 worker)" for size in ("1 MB", "4 MB", "16 MB")
    ]
    assert all(target.met and target.at_least for target in found)


def test_a_failed_side_stays_in_the_table(driver: ModuleType) -> None:
    found = {
        "rows": {driver.OURS: driver.summarize([5.0])},
        "rate": None,
        "bounds": [],
        "beside the limit": None,
        "cpu": {driver.OURS: {"consumer": 1.0, "workers": 2.0}},
    }
    assert driver.line("1 MB", 2, found) == [
        "1 MB, 2 workers",
        "5.0",
        *["failed"] * 3,
        *[""] * 3,
        "1 + 2",
        *[""] * 2,
    ]
