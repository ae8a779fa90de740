"""`profile`: time is counted for the stage that works, once, and what is read is what others read."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.planted import SECONDS, SIZE, Samples, always
from oracles.planted import slow as sleeping

from streamfit import MissingExtraError, source
from streamfit.streams.profiling.load_report import LoadReport, Span, Spent
from streamfit.streams.profiling.profile import Profile
from streamfit.streams.profiling.stage_times import StageTimes
from streamfit.streams.profiling.stopwatch import NOBODY, Stopwatch, measured, nbytes_of, stopwatch
from streamfit.streams.profiling.verdict import verdict
from streamfit.streams.profiling.watching import watched_stage
from streamfit.streams.stages import Pass


def slow(x: Any) -> Any:
    until = time.perf_counter() + 0.002
    while time.perf_counter() < until:
        pass
    return x


def hold(x: Any, y: Any) -> Any:
    total = 0.0
    for _ in range(20_000):
        total += 1.0
    return x, y


def quick(x: Any) -> Any:
    return x


@pytest.mark.parametrize("in_order", [False, True])
def test_the_stage_that_works_longest_is_found(in_order: bool) -> None:
    data = source(np.arange(40.0))
    if in_order:
        data = data.filter(lambda x: x >= 0)
    pipeline = data.map(quick).map(slow).batch(5).map(quick)
    found = pipeline.profile(4)
    assert found.elements == 4
    assert found.stages[found.busiest] == "map(slow)"
    assert sum(found.seconds) <= found.waiting
    # At least two milliseconds for each of the twenty samples, and nearly all of the time is theirs.
    assert found.seconds[found.busiest] >= 0.04
    assert "map(slow) limits" in str(found)
    assert next(batch.tolist() for batch in pipeline) == [0.0, 1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="elements"):
        pipeline.profile(0)


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.timeout(30)
def test_workers_share_the_work(in_order: bool, processes: bool) -> None:
    data = source(Samples(count=640))
    if in_order:  # in jobs of 32 samples
        data = data.filter(always)
    pipeline = data.map(sleeping).batch(32)
    found = pipeline.profile(14, workers=2, use_multiprocessing=processes)
    assert found.elements == 14
    assert found.limit == "map(slow)"
    row = found.rows[found.busiest]
    assert (row.workers, row.where) == (2, "2 processes" if processes else "2 threads")
    assert row.whole == pytest.approx(2 * found.wall, rel=0.05)
    assert found.rows[0].where == row.where
    batch = found.rows[found.stages.index("batch(32)")]
    assert batch.where == ("this thread" if in_order else row.where)
    assert ("transport" in found.stages) == processes
    with pytest.raises(ValueError, match="workers"):
        pipeline.profile(workers=-1)


@pytest.mark.parametrize(("processor", "limit"), [(7.0, "map(f)"), (1.0, "batch(8)")])
def test_python_code_that_threads_wait_for_is_named(processor: float, limit: str) -> None:
    # Whatever releases the lock of Python waits for it, while `f` runs in the other thread.
    mapped = StageTimes("map(f)", "stage", "2 threads", 2, 8.0, 6.0, 6.0, 1, processor=processor)
    batched = StageTimes("batch(8)", "stage", "2 threads", 2, 11.0, 8.0, 1.0, 1, processor=0.5)
    found = verdict([mapped, batched], wait=10.0, step=0, other=0, batches=9, nbytes=9, processors=4)
    assert found.limit == limit


def test_the_processor_time_of_a_stage_is_that_of_its_work() -> None:
    found = source(Samples()).map(sleeping).batch(SIZE).map(hold).profile(8)
    times = {row.name: row for row in found.rows}
    assert times["map(slow)"].processor < 0.5 * 8 * SECONDS
    assert 0 < times["map(hold)"].processor <= times["map(hold)"].busy + 0.001


def test_a_slow_iterator_read_in_order_is_what_workers_wait_for() -> None:
    def items() -> Any:
        for index in range(640):
            time.sleep(SECONDS / SIZE)
            yield np.zeros(3), np.full(1, index)

    found = source(items(), kind="samples").map(quick_pair).batch(32).profile(14, workers=2)
    assert found.limit == found.stages[0]
    assert found.rows[0].where == "this thread"
    assert found.rows[1].input > found.rows[1].busy + found.rows[1].output


def quick_pair(x: Any, y: Any) -> Any:
    return x, y


def test_what_a_cache_holds_is_there_when_it_is_measured() -> None:
    calls: list[float] = []

    def counted(x: Any) -> Any:
        calls.append(float(x))
        return x

    pipeline = source(np.arange(20.0)).map(counted).batch(5).cache()
    first = list(pipeline)
    found = pipeline.profile()
    assert len(calls) == 20
    assert found.nbytes == sum(batch.nbytes for batch in first)


@given(
    st.dictionaries(st.integers(0, 9), st.integers(0, 2**62), max_size=5),
    st.dictionaries(st.integers(0, 9), st.integers(0, 2**62), max_size=5),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**62), st.integers(0, 2**62)), max_size=5),
)
def test_reports_travel_unchanged(times: Any, sizes: Any, segments: Any) -> None:
    spans = [Span(*each) for each in segments]
    report = LoadReport(2**62, 2**62 + 5, 7, 8, Spent(times, sizes, spans, sizes | times))
    assert LoadReport.decode(report.encode()) == report


def test_time_counts_once_for_the_innermost_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr("streamfit.streams.profiling.stopwatch.clock", lambda: now)
    watch = Stopwatch()
    for step, number in ((0, 0), (10, 1), (30, NOBODY), (5, None), (7, None), (100, None), (1000, 2)):
        now += 1000 * step
        if number is None:
            watch.leave()
        else:
            watch.enter(number)
    # Stage 0 worked for 10 before it called 1 and for 100 after that; 5 counted for nobody.
    assert watch.total == 1000 * (10 + 30 + 7 + 100)
    spent = watch.take()
    assert spent.nanoseconds == {0: 110_000, 1: 37_000}
    assert spent.segments[0] == (0, 0, 10_000)
    assert watch.take().nanoseconds == {}


def test_a_load_inside_another_has_a_watch_of_its_own() -> None:
    outer = stopwatch()
    outer.take()
    outer.enter(3)

    def load() -> int:
        stopwatch().enter(4)
        stopwatch().leave()
        return 1

    _, report = measured(load)
    outer.leave()
    assert set(report.spent.nanoseconds) == {4}
    assert set(outer.take().nanoseconds) == {3}
    with pytest.raises(ZeroDivisionError):
        measured(lambda: 1 // 0)
    assert stopwatch() is outer


def test_bytes_of_long_lists_are_estimated() -> None:
    assert nbytes_of([np.zeros(4)] * 1000) == 32_000
    assert nbytes_of((np.zeros(3, "int8"), None, {"a": [1, b"four"]}, [])) == 15


def rows(source_busy: float, map_busy: float, transport_busy: float, model: float, wall: float) -> Any:
    def row(name: str, role: Any, where: str, units: int, busy: float) -> StageTimes:
        return StageTimes(name, role, where, units, busy, units * wall - busy, 0.0, 10**6)

    return [
        row("source('data')", "stage", "2 processes", 2, source_busy),
        row("map(f)", "stage", "2 processes", 2, map_busy),
        row("transport", "transport", "2 processes", 2, transport_busy),
        row("model", "model", "this thread", 1, model),
    ]


@pytest.mark.parametrize(
    ("times", "wait", "limit", "says"),
    [
        ((18.0, 1.0, 0.5, 1.0), 9.0, "source('data')", "2 processes work on it 90 % of the time"),
        ((1.0, 18.0, 0.5, 1.0), 9.0, "map(f)", "the model waits 90 % of it"),
        ((1.0, 2.0, 14.0, 2.0), 8.0, "transport", "batches of 1 MB are copied between processes"),
        ((1.0, 2.0, 1.0, 9.5), 0.5, "model", "its steps take 95 % of the time and it waits 5 ms for a batch"),
        ((1.0, 2.0, 1.0, 2.0), 0.5, "callbacks", "they take 75 % of the time"),
    ],
)
def test_verdicts(times: tuple[float, float, float, float], wait: float, limit: str, says: str) -> None:
    other = 10.0 - wait - times[3]
    found = verdict(
        rows(*times, 10.0), wait=wait, step=times[3], other=other, batches=100, nbytes=10**8, processors=4
    )
    assert found.limit == limit
    assert says in found.sentence
    assert found.sentence.endswith(".")
    assert "\n" not in found.sentence


def test_the_advice_fits_who_reads() -> None:
    slow_map = StageTimes("map(f)", "stage", "this thread", 1, 9.0, 0.5, 0.5, 10)

    def advice(row: StageTimes, in_order: bool) -> str:
        return verdict(
            [row], wait=10.0, step=0, other=0, batches=1, nbytes=1, processors=2, in_order=in_order
        ).sentence

    assert "workers=2 or more" in advice(slow_map, False)
    assert "it is read in order, by one thread" in advice(slow_map, True)
    assert "more workers (2 processors" in advice(replace(slow_map, where="2 processes", workers=2), False)
    assert "use_multiprocessing=True" in advice(replace(slow_map, where="2 threads", workers=2), False)
    assert "only one thread can pull" in advice(replace(slow_map, where="a thread"), False)
    reading = replace(slow_map, where="2 threads", workers=2, role="reading")
    assert "behind batch()" in advice(reading, False)


def test_a_copy_of_a_watched_stage_reads_its_own_inputs() -> None:
    tens, hundreds = (source(np.array([10.0, 20.0]) * factor).stage for factor in (1, 10))
    names: list[str] = []
    stage = watched_stage(source(np.zeros(2)).map(quick).stage, names)
    p, ids = Pass(0, 0), np.arange(2)
    stopwatch().take()
    for inputs, expected in ((tens, [10.0, 20.0]), (hundreds, [100.0, 200.0])):
        copy = stage.with_inputs((inputs,), stage.salt)
        assert [float(np.asarray(element)) for element in copy.fetch(p, ids)] == expected
    assert set(stopwatch().take().nanoseconds) == {1}
    assert names == ["source('data', 2 samples)", "map(quick)"]


def test_nothing_is_said_of_nothing() -> None:
    found = verdict([], wait=0.0, step=0.0, other=0.0, batches=0, nbytes=0, processors=1)
    assert found.limit == "nothing"
    assert "no batch was measured" in found.sentence
    pipeline = source(np.arange(4.0)).filter(never)
    assert pipeline.profile().elements == 0
    assert "no batch was measured" in str(pipeline.profile())


def never(x: Any) -> bool:
    return False


def test_the_picture_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    path = tmp_path / "picture.png"
    found: Profile = source(Samples()).map(sleeping).batch(SIZE).profile(4)
    found.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"streamfit\[plot\]"):
        found.plot(path)
