"""Drawn chains of stages, files and interruptions hold what they say; planted faults are found."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import streamfit
from streamfit import Sequential, layers, set_random_seed
from streamfit.streams import Pipeline, Source
from streamfit.streams.stages.take import SkipStage
from streamfit.testing import assert_same_bits, run_checks, strategies
from streamfit.testing.checked_reader import CheckedReader
from streamfit.testing.interruption import PlannedInterruption
from streamfit.testing.plain_pipeline import PlainPipeline

pytestmark = pytest.mark.timeout(60)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(QUICK, max_examples=20)
PHASES = [Phase.generate, Phase.shrink]
FINDING = settings(QUICK, max_examples=400, derandomize=True, database=None, phases=PHASES)


# -- chains of stages ---------------------------------------------------------------------------------------


@given(strategies.pipelines())
@QUICK
def test_chains_give_what_plain_lists_give_in_every_pass(drawn: Any) -> None:
    pipeline = drawn.make()
    for number in (0, 1):
        assert drawn.problem(pipeline.elements(number)) is None


@given(strategies.pipelines())
@FEW
def test_the_code_of_a_chain_makes_it(drawn: Any) -> None:
    made = eval(repr(drawn), {"np": np, "streamfit": streamfit, "strategies": strategies})
    assert repr(made) == repr(drawn.make())
    assert drawn.problem(made.elements(0)) is None


def read_by(drawn: Any, place: int) -> None:
    """Read a chain with workers, leave a loop early, and resume at two places."""
    reader = CheckedReader(drawn.make)
    try:
        reader.deliver(place)
        reader.resume()
        reader.change_workers("threads", 2, 3)
        reader.leave_early(2)
        reader.resume_from_state()
        reader.next_epoch()
        reader.resume()
        reader.deliver(1)
    finally:
        reader.close()


@given(strategies.pipelines(batched=True), st.integers(0, 6))
@FEW
def test_chains_keep_their_order_for_any_workers_and_resume_anywhere(drawn: Any, place: int) -> None:
    read_by(drawn, place)


@given(strategies.pipelines(most=3, batched=True))
@settings(QUICK, max_examples=3)
def test_chains_pass_the_checks(drawn: Any) -> None:
    results = run_checks(drawn.make, only=["content", "any_order", "resume"], ragged=True)
    assert [result for result in results if result.status == "fail"] == []


@pytest.mark.parametrize("name", ["sample", "mix", "zip"])
def test_rare_stages_are_drawn_alone(name: str) -> None:
    wanted = settings(FINDING, max_examples=4000)
    found = find(strategies.pipelines(), lambda drawn: drawn.steps[-1:] and has(drawn, name), settings=wanted)
    assert len(found.steps) <= 2, "a chain shrinks to the stages that matter"


def has(drawn: Any, name: str) -> bool:
    return any(step.name == name for step in drawn.steps)


def caught(wrong: Callable[[Any], object]) -> Callable[[Any], bool]:
    """Return whether a property raises."""

    def raises(drawn: Any) -> bool:
        try:
            wrong(drawn)
        except AssertionError:
            return True
        return False

    return raises


def forgets(self: Any, p: Any, place: Any, runner: Any) -> Iterator[Any]:
    """Skip again at a resume, as the place does not hold that it was done."""
    left, inner = self.count, None if place is None else place[1]
    for element, behind in self.input.iterate(p, inner, runner):
        if left:
            left -= 1
            continue
        yield element, (0, behind)


def test_a_stage_that_loses_samples_at_a_resume_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SkipStage, "choose", forgets)
    ordered = strategies.pipelines(most=3, bases=("in order",), batched=True)
    found = find(ordered, caught(lambda drawn: read_by(drawn, 1)), settings=FINDING)
    assert "skip(1)" in repr(found)
    assert len(found.steps) == 2, f"the skip and a batch: {found}"


def test_a_stage_that_loses_a_sample_in_each_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    size = SkipStage.size
    monkeypatch.setattr(SkipStage, "size", lambda self, p: max(0, (size(self, p) or 0) - 1))

    def content(drawn: Any) -> None:
        assert drawn.problem(drawn.make().elements(0)) is None

    found = find(strategies.pipelines(), caught(content), settings=FINDING)
    assert [step.name for step in found.steps] == ["skip"]


@pytest.mark.parametrize(
    ("elements", "text"),
    [
        ([[0, 1], [2, 3]], "4 samples and must have 5: 1 is lost"),
        ([[0, 1], [2, 2], [4]], "must not come, or not so often: .2,."),
        ([[0, 1], [3, 2], [4]], "sample 2 is .3,. and must be .2,."),
        ([[0], [1, 2], [3, 4]], r"batches have \[1, 2, 2\] samples"),
    ],
)
def test_a_plain_pipeline_names_what_is_wrong(elements: Any, text: str) -> None:
    plain = PlainPipeline.of(range(5)).batch(2)
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(plain.problem(map(np.array, elements)))
    # Of a drawn order only what comes is known.
    assert (plain.shuffle().problem(map(np.array, elements)) is None) == (text[:6] in ("sample", "batche"))


@given(st.from_type(Pipeline), st.from_type(Source))
@settings(QUICK, max_examples=5)
def test_pipelines_and_sources_are_drawn_by_type(pipeline: Any, source: Any) -> None:
    assert isinstance(pipeline, Pipeline)
    assert isinstance(source, Source)


# -- files --------------------------------------------------------------------------------------------------


@given(strategies.files(formats=["npy", "npz", "text_lines"]))
@FEW
def test_files_hold_their_rows(written: Any) -> None:
    assert_same_bits(list(written.open()), written.rows)


@pytest.mark.extras
@given(st.data())
@FEW
def test_files_of_tables_hold_their_rows(data: Any) -> None:
    pytest.importorskip("pyarrow")
    written = data.draw(strategies.files(formats=["csv", "json_lines", "parquet", "arrow"]))
    assert_same_bits(list(written.open()), written.rows)


@pytest.mark.extras
@given(st.data())
@settings(QUICK, max_examples=5)
def test_files_of_chunks_hold_their_rows(data: Any) -> None:
    pytest.importorskip("h5py")
    pytest.importorskip("zarr")
    written = data.draw(strategies.files(formats=["hdf5", "zarr"]))
    assert_same_bits(list(written.open()), written.rows)


def test_a_file_without_rows_is_drawn_and_temporary_files_are_removed(tmp_path: Path) -> None:
    def empty(written: Any) -> bool:
        return any(part.start == part.stop for part in written.layout.parts(len(written.rows)))

    once = settings(FINDING, phases=[Phase.generate])
    kept = find(strategies.files(tmp_path, formats=["text_lines"]), empty, settings=once)
    assert kept.path.parent == tmp_path
    assert_same_bits(list(kept.open()), kept.rows)
    removed = find(strategies.files(formats=["text_lines"]), lambda _: True, settings=once)
    path = removed.path
    assert path.exists()
    del removed
    gc.collect()
    assert not path.exists()


# -- interruptions ------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(11, 3))
Y = (X[:, 0] > 0).astype(np.int64)


def train(callbacks: Any, seed: int | None = 5) -> Any:
    set_random_seed(1)
    model = Sequential([layers.Dense(2, "softmax", input_shape=(3,)), layers.Dropout(0.3)])
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(X, Y, batch_size=4, epochs=2, seed=seed, verbose=0, callbacks=callbacks)
    return model.get_weights(), history


@given(strategies.interruptions(batches=6))
@settings(QUICK, max_examples=6)
def test_interrupted_training_ends_with_the_same_bits(plan: Any) -> None:
    assert_same_bits(strategies.with_interruptions(train, plan), train([]))


@pytest.mark.parametrize("how", ["error", "interrupt", "signal"])
@pytest.mark.parametrize("where", ["batch begins", "batch ends", "epoch ends"])
def test_each_interruption_happens(how: Any, where: Any) -> None:
    runs = []

    def counted(callbacks: Any) -> Any:
        runs.append(callbacks)
        return train(callbacks)

    strategies.with_interruptions(counted, [strategies.Interruption(2, how, where)])
    assert len(runs) == 2
    with pytest.raises(PlannedInterruption if how == "error" else KeyboardInterrupt):
        train(runs[0][:1])


def test_training_that_does_not_continue_where_it_was_is_found() -> None:
    calls = []

    def forgetful(callbacks: Any) -> Any:
        calls.append(callbacks)
        return train(callbacks[:1]) if len(calls) == 1 else train([])[1].history | {"runs": len(calls)}

    plan = strategies.Interruptions((strategies.Interruption(1),))
    with pytest.raises(AssertionError):
        assert_same_bits(strategies.with_interruptions(forgetful, plan), train([]))


def test_an_unknown_way_to_interrupt_is_refused() -> None:
    with pytest.raises(ValueError, match=r"how='eror' is none of error, interrupt, signal.*error"):
        strategies.Interruption(1, "eror")  # type: ignore[arg-type]
