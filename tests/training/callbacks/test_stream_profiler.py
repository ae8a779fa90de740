"""`StreamProfiler`: planted bottlenecks are named, and a run that is measured is the run that is not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind
from oracles.planted import (
    BATCHES,
    SECONDS,
    SIZE,
    WIDTH,
    Broken,
    EndsOnce,
    Samples,
    Wide,
    batches,
    quick,
    slow,
    slow_batch,
    wait,
)

from streamfit import Sequential, layers, source
from streamfit.callbacks import Callback, StreamProfiler
from streamfit.streams.profiling.profile import Profile
from streamfit.streams.profiling.recorder import StreamRecorder
from streamfit.training.model_call import ModelCall

pytestmark = pytest.mark.timeout(60)

INLINE: dict[str, Any] = {"workers": 0}
THREADS: dict[str, Any] = {"workers": 2}
PROCESSES: dict[str, Any] = {"workers": 2, "use_multiprocessing": True}
SLOW = 0.012  # seconds of what limits the loop itself
KINDS = [INLINE, THREADS, PROCESSES]


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a process, a descriptor, a thread or a shared-memory name."""
    with nothing_left_behind():
        yield


def small_model() -> Sequential:
    model = Sequential(
        [
            layers.Dense(2, input_shape=(WIDTH,), kernel_initializer="ones"),
            layers.Dense(1, kernel_initializer="ones"),
        ]
    )
    model.compile("sgd", "mse")
    return model


def profiled(data: Any, model: Sequential | None = None, **options: Any) -> Profile:
    profiler = StreamProfiler()
    (model or small_model()).fit(data, verbose=0, callbacks=[profiler], **options)
    return profiler.result


# -- what limits is named ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", KINDS, ids=["inline", "threads", "processes"])
def test_a_slow_source_is_named(options: dict[str, Any]) -> None:
    found = profiled(source(Samples(SECONDS / SIZE)).map(quick).batch(SIZE), **options)
    assert found.limit == found.stages[0] == "source('data', samples of a Samples)"
    assert found.verdict.startswith(f"{found.limit} limits: ")
    assert "worker" in found.verdict
    assert found.seconds[0] >= (found.elements - 12) * SECONDS * 0.9


@pytest.mark.parametrize("options", KINDS, ids=["inline", "threads", "processes"])
def test_a_slow_transform_is_named(options: dict[str, Any]) -> None:
    found = profiled(source(Samples()).map(quick).map(slow).batch(SIZE).map(quick), **options)
    assert found.limit == "map(slow)"
    assert found.stages[found.busiest] == "map(slow)"
    row = found.rows[found.busiest]
    assert row.share > 0.5
    # What stands before it waits for output, what stands behind it waits for input.
    before, behind = found.rows[1], found.rows[4]
    assert before.output > before.input
    assert behind.input > behind.output
    assert found.waiting > found.step


def test_a_slow_transport_is_named() -> None:
    model = Sequential([layers.Lambda(lambda x: x[:, :1]), layers.Dense(1)])
    model.compile("sgd", "mse")
    found = profiled(Wide(), model, **PROCESSES)
    assert found.limit == "transport"
    assert "16.8 MB" in found.verdict
    assert "use_multiprocessing=False" in found.verdict
    row = next(row for row in found.rows if row.role == "transport")
    assert row.nbytes == pytest.approx(found.nbytes, rel=0.01)
    assert row.bytes_a_second > 1e8


@pytest.mark.parametrize("options", KINDS, ids=["inline", "threads", "processes"])
def test_a_slow_model_is_named(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    train = ModelCall.train

    def slow_train(call: ModelCall, batch: Any) -> None:
        wait(SLOW)
        train(call, batch)

    monkeypatch.setattr(ModelCall, "train", slow_train)
    found = profiled(source(Samples()).map(quick).batch(SIZE), **options)
    assert found.limit == "model"
    assert found.verdict.startswith("the model limits: its steps take ")
    assert found.step >= found.elements * SLOW
    if options["workers"]:
        assert found.slots == 10
        assert found.ready > 4


def test_slow_callbacks_are_named() -> None:
    class Slow(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            wait(SLOW)

    profiler = StreamProfiler()
    data = source(Samples()).batch(SIZE)
    small_model().fit(data, workers=1, verbose=0, callbacks=[profiler, Slow()])
    assert profiler.result.limit == "callbacks"
    assert profiler.result.other >= (BATCHES - 1) * SLOW


@pytest.mark.parametrize("workers", [0, 1])
def test_a_slow_generator_is_named(workers: int) -> None:
    found = profiled(batches(SECONDS), workers=workers)
    assert found.limit == "source('training data')"
    assert found.rows[0].where == ("a thread" if workers else "this thread")
    assert found.ready < 1
    assert found.seconds[0] >= (found.elements - 1) * SECONDS


@pytest.mark.parametrize("options", KINDS, ids=["inline", "threads", "processes"])
def test_a_slow_stage_behind_a_generator_is_named(options: dict[str, Any]) -> None:
    pipeline = source(batches()).map(quick).map(slow_batch)
    assert profiled(pipeline, **options).limit == "map(slow_batch)"


def test_layers_that_run_where_batches_are_loaded_are_a_stage() -> None:
    model = Sequential(
        [
            layers.StringLookup(vocabulary=["a", "b"]),
            layers.Embedding(4, 2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    x, y = np.array([["a"], ["b"]] * 200, dtype=object), np.ones((400, 1), "float32")
    profiler = StreamProfiler()
    model.fit(x, y, batch_size=10, workers=1, verbose=0, callbacks=[profiler])
    assert profiler.result.stages == ["source('training data')", "layers of the model that load", "model"]
    assert profiler.result.seconds[1] > 0


# -- the times add up -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", KINDS, ids=["inline", "threads", "processes"])
def test_times_and_bytes_add_up(options: dict[str, Any]) -> None:
    found = profiled(source(Samples()).map(slow).batch(SIZE), **options)
    assert BATCHES - 11 <= found.elements < BATCHES
    assert found.wall == pytest.approx(found.waiting + found.step + found.other)
    for row in found.rows:
        assert row.workers == (1 if row.role == "model" else max(1, options["workers"]))
        assert row.whole == pytest.approx(row.workers * found.wall, rel=0.05)
        assert min(row.busy, row.input, row.output) >= 0
    each = SIZE * (WIDTH + 1) * 4
    assert found.nbytes == each * found.elements
    made = {row.name: row.nbytes for row in found.rows}
    # Workers may have loaded some batches before the first one was used.
    assert each * (found.elements - 12) <= made["map(slow)"] <= each * BATCHES
    assert 0 <= found.ready <= found.slots
    text = str(found)
    assert [line.split("  ")[0] for line in text.splitlines()[1:-2]] == [row.name for row in found.rows]
    assert text.splitlines()[-1] == found.verdict


def test_arrays_stay_joined_and_are_read_here() -> None:
    profiler = StreamProfiler()
    x, y = np.ones((6400, WIDTH), "float32"), np.ones((6400, 1), "float32")
    small_model().fit(x, y, batch_size=SIZE, verbose=0, epochs=2, callbacks=[profiler])
    assert profiler.result.stages == ["source('training data')", "model"]
    # The first go, which joins many batches, is set apart; all others count.
    assert 3200 - 64 <= profiler.result.elements < 3200
    assert profiler.result.rows[0].where == "this thread"


def test_only_wanted_epochs_are_measured() -> None:
    profiler = StreamProfiler(epochs=[1])
    small_model().fit(source(Samples()).batch(SIZE), workers=1, epochs=3, verbose=0, callbacks=[profiler])
    assert profiler.result.elements == BATCHES - 1  # one worker: one batch is set apart


def test_a_single_batch_is_measured() -> None:
    found = profiled(source(Samples()).take(SIZE).batch(SIZE), workers=0)
    assert found.elements == 1
    assert found.step > 0


# -- the run is the same ----------------------------------------------------------------------------


def _pipelines() -> list[Callable[[], Any]]:
    x, y = np.arange(300.0, dtype="float32").reshape(100, WIDTH) / 300, np.ones((100, 1), "float32")
    return [
        lambda: source(Samples()).map(quick).shuffle().batch(SIZE),
        lambda: source(x, y).filter(lambda x, y: x[0] > 0.1).shuffle(16).batch(SIZE),
        lambda: source(x, y).shuffle().batch(SIZE),
        lambda: batches(),
        lambda: source(Samples()).batch(SIZE).cache(),
    ]


_CASES = [(INLINE, 0), (INLINE, 2), (THREADS, 0), (THREADS, 1), (THREADS, 3), (THREADS, 4), (PROCESSES, 0)]


@pytest.mark.parametrize(("options", "number"), [*_CASES, (PROCESSES, 4)])
def test_weights_and_receipts_are_those_of_a_run_without_it(options: dict[str, Any], number: int) -> None:
    found = []
    for callbacks in ([], [StreamProfiler()]):
        model = small_model()
        history = model.fit(
            _pipelines()[number](),
            seed=3,
            epochs=2,
            steps_per_epoch=10,
            verbose=0,
            callbacks=callbacks,
            **options,
        )
        found.append((model.get_weights(), [receipt.digest for receipt in history.receipts], history.history))
    (weights, receipts, logs), (weights_2, receipts_2, logs_2) = found
    assert all(map(np.array_equal, weights, weights_2))
    assert receipts == receipts_2
    assert logs == logs_2


def test_nothing_is_measured_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a run without a profiler must not be measured")

    monkeypatch.setattr(StreamRecorder, "__init__", refuse)
    monkeypatch.setattr("streamfit.streams.profiling.stopwatch.clock", refuse)
    monkeypatch.setattr("streamfit.streams.profiling.watching.watched_stage", refuse)
    small_model().fit(source(Samples()).map(quick).batch(SIZE), workers=1, verbose=0)


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    profiler = StreamProfiler()
    data = source(EndsOnce(tmp_path / "note")).batch(SIZE)
    history = small_model().fit(data, verbose=0, callbacks=[profiler], **PROCESSES)
    receipt = history.receipts[0]
    assert (receipt.delivered, receipt.retried > 0, receipt.restarts) == (BATCHES, True, 1)
    assert profiler.result.elements >= BATCHES - 11


@pytest.mark.parametrize("options", KINDS, ids=["inline", "threads", "processes"])
def test_errors_of_loads_stay_as_they_are_and_leave_a_result(options: dict[str, Any]) -> None:
    profiler = StreamProfiler()
    with pytest.raises(OSError, match="sample 30 is broken") as caught:
        small_model().fit(source(Broken()).batch(SIZE), verbose=0, callbacks=[profiler], **options)
    assert any("samples 28..31" in note for note in caught.value.__notes__)
    assert 1 <= profiler.result.elements <= 7


@pytest.mark.parametrize("options", KINDS, ids=["inline", "threads", "processes"])
def test_bad_samples_are_left_out(options: dict[str, Any]) -> None:
    policy = {"on_bad_sample": "skip", "max_bad_samples": 1, **options}
    with pytest.warns(RuntimeWarning, match="left out"):
        history = small_model().fit(
            source(Broken()).batch(SIZE), verbose=0, callbacks=[StreamProfiler()], **policy
        )
    assert list(history.receipts[0].skipped) == [30]


# -- what it writes ---------------------------------------------------------------------------------


_TRACES = [(INLINE, "json.gz"), (THREADS, "json"), (PROCESSES, "json")]


@pytest.mark.parametrize(("options", "ending"), _TRACES, ids=["inline", "threads", "processes"])
def test_the_trace_is_in_the_format_that_perfetto_reads(
    options: dict[str, Any], ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"trace.{ending}"
    profiler = StreamProfiler(trace=path)
    small_model().fit(source(Samples()).map(slow).batch(SIZE), verbose=0, callbacks=[profiler], **options)
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if ending.endswith("gz") else data)
    assert content["displayTimeUnit"] == "ms"
    assert content["otherData"] == {"verdict": profiler.result.verdict}
    events = content["traceEvents"]
    assert {event["ph"] for event in events} <= {"X", "M", "C"}
    named = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    spans = [event for event in events if event["ph"] == "X"]
    for event in spans:
        assert type(event["pid"]) is type(event["tid"]) is int
        assert event["ts"] >= 0
        assert event["dur"] >= 0
        assert (event["pid"], event["tid"]) in named
        assert event["pid"] in processes
    assert all(set(event["args"]) == {event["name"]} for event in events if event["ph"] == "C")
    names = [event["name"] for event in spans]
    assert names.count("wait for a batch") == names.count("step of the model") == BATCHES
    assert names.count("load") == (BATCHES if options["workers"] else 0)
    assert sum(event["name"] == "map(slow)" for event in spans) >= BATCHES
    assert len({event["pid"] for event in spans}) <= 3
    _check_nesting(spans)


def _check_nesting(spans: list[dict[str, Any]]) -> None:
    """In one thread spans lie inside one another or apart: a viewer shows no others."""
    for place in {(span["pid"], span["tid"]) for span in spans}:
        inside: list[float] = []
        for span in (span for span in spans if (span["pid"], span["tid"]) == place):
            begin, end = span["ts"], span["ts"] + span["dur"]
            while inside and inside[-1] <= begin + 1e-3:
                inside.pop()
            assert not inside or end <= inside[-1] + 1e-3, span
            inside.append(end)


def test_wrong_uses_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured yet"):
        StreamProfiler().result  # noqa: B018
    with pytest.raises(TypeError, match="epochs must be a collection"):
        StreamProfiler(epochs=3)  # type: ignore[arg-type]
    several = [StreamProfiler(), [StreamProfiler()]]
    with pytest.raises(ValueError, match="more than one StreamProfiler"):
        small_model().fit(source(Samples()).batch(SIZE), verbose=0, callbacks=several)


def test_validation_on_the_same_workers_does_not_count() -> None:
    found = profiled(
        source(Samples()).batch(SIZE),
        validation_data=source(Samples(2 * SECONDS / SIZE)).batch(SIZE),
        epochs=3,
        **PROCESSES,
    )
    transport = next(row for row in found.rows if row.role == "transport")
    # Validation loads 48 batches before the last epoch: that is no packing of training batches.
    assert transport.busy < 48 * 2 * SECONDS
    assert found.elements <= 3 * BATCHES
