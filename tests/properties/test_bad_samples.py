"""Samples that cannot be loaded and may be left out: the same bits and receipts with any workers."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.interruptions import Stop, StopError
from oracles.leaks import nothing_left_behind
from oracles.rows import Rows, TornError

from streamfit import DataError, Sequential, layers, set_random_seed, stream
from streamfit.callbacks import BackupAndRestore, Callback
from streamfit.streams import (
    ArraySource,
    Feed,
    LoadPolicy,
    Receipt,
    Sequence,
    SequenceSource,
    SourceTraits,
    Stream,
)

EPOCHS = 3
KINDS: list[tuple[int, bool]] = [(0, False), (1, False), (3, False), (1, True), (3, True)]


class Torn(Sequence):
    """Six batches of which some raise."""

    def __init__(self, bad: tuple[int, ...] = (), kept: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> None:
        super().__init__()
        self.bad, self.kept = bad, kept

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Any:
        index = self.kept[index]
        if index in self.bad:
            raise TornError(f"batch {index} is torn")
        return Rows().load(next(Rows().tickets(index)))[:2]


def torn_source(bad: tuple[int, ...]) -> SequenceSource:
    return SequenceSource(Torn(bad))


def make_model() -> Sequential:
    set_random_seed(1)
    model = Sequential(
        [layers.Dense(6, "relu", input_shape=(4,)), layers.Dropout(0.3), layers.Dense(2, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def run(x: Any, most: int | None = None, method: str = "fit", **how: Any) -> Any:
    """Fit and return the bits and the history; `most` samples may be left out."""
    model = make_model()
    how = {"epochs": EPOCHS, "verbose": 0, "shuffle": False, "seed": 5, **how}
    if most is not None:
        how |= {"on_bad_sample": "skip", "max_bad_samples": most}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "left out", RuntimeWarning)
        history = getattr(model, method)(x, **how)
    bits = [array.tobytes() for array in [*model.get_weights(), *model.optimizer.state.values()]]
    return (bits, model.optimizer.iterations, history.history), history


def receipts(history: Any) -> list[Any]:
    return [(r.planned, r.delivered, r.left_out, r.skipped, r.digest) for r in history.receipts]


def skipped(source: Rows) -> list[list[int]]:
    """Return the samples that each epoch leaves out, in their order."""
    batches = [source.plan(epoch) for epoch in range(EPOCHS)]
    return [[int(n) for ids in plan for n in ids if int(n) in source.bad] for plan in batches]


@settings(max_examples=15)
@given(st.sets(st.integers(0, 23), min_size=1, max_size=6), st.sampled_from([0, 2]))
def test_the_same_bits_as_without_these_samples(bad: set[int], threads: int) -> None:
    source = Rows(samples=24, size=6, bad=dict.fromkeys(bad, "raise"))
    expected, calm = run(Rows(samples=24, size=6, without=bad), workers=0)
    found, history = run(source, len(bad) * EPOCHS, workers=threads)
    assert found == expected
    assert [r.skipped for r in history.receipts] == skipped(source)
    assert [r.delivered for r in history.receipts] == [r.delivered for r in calm.receipts]
    if not any(r.left_out for r in history.receipts):
        assert [r.digest for r in history.receipts] == [r.digest for r in calm.receipts]


@pytest.mark.jit
@pytest.mark.timeout(60)
def test_the_same_bits_and_receipts_whoever_loads() -> None:
    bad = {int(n): "raise" for n in [*Rows().plan(0)[1], Rows().plan(0)[4][2]]}  # a whole batch and one more
    expected: Any = None
    with nothing_left_behind():
        for workers, processes in KINDS:
            found, history = run(
                Rows(bad=bad), len(bad) * EPOCHS, workers=workers, use_multiprocessing=processes
            )
            expected = expected or (found, receipts(history))
            assert (found, receipts(history)) == expected
    assert expected[1][0][:3] == (5, 4, 1)
    assert [sorted(r.skipped) for r in history.receipts] == [sorted(bad)] * EPOCHS


@pytest.mark.jit
@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["exit 9", "segfault"])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bits_where_samples_kill(how: str, workers: int) -> None:
    bad = {3: how, 17: how}
    expected, calm = run(Rows(bad=dict.fromkeys(bad, "raise")), 4, workers=0, epochs=2)
    with nothing_left_behind():
        found, history = run(Rows(bad=bad), 4, workers=workers, use_multiprocessing=True, epochs=2)
    assert found == expected
    assert receipts(history) == receipts(calm)
    assert sum(r.restarts for r in history.receipts) >= 4


@pytest.mark.jit
@pytest.mark.timeout(30)
def test_a_sample_that_hangs_is_left_out() -> None:
    bad = int(Rows().plan(0)[2][7])
    expected, _ = run(Rows(without=[bad]), workers=0, epochs=1)
    with nothing_left_behind():
        found, history = run(
            Rows(bad={bad: "sleep_for_ever"}),
            *(1, "fit"),
            **{"workers": 2, "use_multiprocessing": True, "load_timeout": 0.4, "epochs": 1},
        )
    assert found == expected
    assert history.receipts[0].skipped == [bad]


@pytest.mark.parametrize("at", [(0,), (5,), (2,), (0, 1, 5), (1, 2, 3, 4)])
@pytest.mark.parametrize("workers", [0, 2])
def test_whole_batches_of_a_sequence(at: tuple[int, ...], workers: int) -> None:
    kept = tuple(index for index in range(6) if index not in at)
    expected, _ = run(Torn(kept=kept), workers=0)
    for how in (
        {},
        {"steps_per_epoch": 6},
    ):  # with a number of steps, and no warning
        found, history = run(Torn(at), len(at) * EPOCHS, workers=workers, **how)
        assert found == expected
        assert [r[:4] for r in receipts(history)] == [(6, 6 - len(at), len(at), list(at))] * EPOCHS


@pytest.mark.parametrize("workers", [0, 2])
def test_passes_that_follow_one_another_inside_an_epoch(workers: int) -> None:
    """Epochs of 4 batches, passes of 6, batches 1 and 5 are bad: 12 batches are two passes."""
    found, history = run(Torn((1, 5)), 4, "fit_generator", steps_per_epoch=4, workers=workers)
    assert [r[:4] for r in receipts(history)] == [(4, 3, 1, [1]), (4, 2, 2, [5, 1]), (4, 3, 1, [5])]
    assert found[1] == 8
    with pytest.raises(TornError, match="batch 5 is torn"):
        run(Torn((1, 5)), 3, "fit_generator", steps_per_epoch=4, workers=workers)


@pytest.mark.parametrize("how", [{}, {"steps_per_epoch": 6}, {"steps_per_epoch": 1}])
def test_an_epoch_of_which_nothing_is_left_is_an_error(how: dict[str, int]) -> None:
    count = how.get("steps_per_epoch", 6)
    with pytest.raises(
        DataError, match=f"nothing is left of epoch 0: all of its {count} batches.*\\(0"
    ) as reported:
        run(Torn((0, 1, 2, 3, 4, 5)), 9, **how)
    assert "training data" in str(reported.value)


def notes_of_failure(source: Rows, most: int, who: dict[str, Any]) -> str:
    """Return the notes of the error; drop its traceback, which holds a batch."""
    with pytest.raises(TornError, match="is torn") as caught:
        run(source, most, **who)
    return "\n".join(caught.value.__notes__)


@pytest.mark.parametrize(("workers", "processes"), [(0, False), (2, False), (2, True)])
@pytest.mark.jit
@pytest.mark.timeout(60)
def test_the_number_counts_for_all_epochs_together(workers: int, processes: bool) -> None:
    source, who = Rows(bad={4: "raise", 33: "raise"}), {"workers": workers, "use_multiprocessing": processes}
    _, history = run(source, 6, **who)
    assert [len(r.skipped) for r in history.receipts] == [2, 2, 2]
    last = skipped(source)[-1][-1]
    with nothing_left_behind():
        notes = notes_of_failure(source, 5, who)
    assert "(what cannot be loaded: source 'rows', pass 2, batch" in notes
    assert f"samples [{last}]" in notes
    assert "No more than 0 could still be left out (max_bad_samples)." in notes
    with pytest.raises(TornError):
        run(source, **who)


def test_the_first_epoch_may_use_up_what_there_is() -> None:
    source = Rows(bad={4: "raise"})
    with pytest.raises(TornError) as caught:
        run(source, 1, workers=0)
    assert "pass 1, batch" in "".join(caught.value.__notes__)
    assert "No more than 0 could" in "".join(caught.value.__notes__)


def test_what_is_left_out_is_told() -> None:
    model = make_model()
    source, skip = Rows(bad={4: "raise", 5: "raise"}), {"on_bad_sample": "skip", "max_bad_samples": 2}
    with pytest.warns(RuntimeWarning) as reported:
        history = model.fit(source, verbose=0, workers=0, seed=5, **skip)
    texts = [str(warning.message) for warning in reported]
    assert all(text.startswith("left out: source 'rows', pass 0, batch ") for text in texts)
    assert all(f"samples [{sample}]" in "".join(texts) for sample in (4, 5))
    assert "its load raised TornError: sample" in texts[0]
    assert "left out: " in str(history.receipts[0])


class Counting(Callback):
    """Count the steps; a callback on batches also keeps them apart."""

    steps = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        assert batch == self.steps
        self.steps += 1


def test_steps_are_counted_by_what_was_trained_on() -> None:
    counting = Counting()
    run(Torn((0, 3)), 2, epochs=1, callbacks=[counting])
    assert counting.steps == 4


@settings(max_examples=12)
@given(st.integers(1, 12), st.sampled_from([1, 2, "epoch"]), st.booleans())
def test_resumed_in_the_middle(
    tmp_path_factory: pytest.TempPathFactory, stop: int, every: Any, whole: bool
) -> None:
    def make() -> Any:
        return Torn((0, 4)) if whole else Rows(bad={4: "raise", 33: "raise"})

    folder, how = tmp_path_factory.mktemp("backup"), {"workers": 0}
    expected, calm = run(make(), 6, **how)
    for most in (6, 5):
        with pytest.raises(StopError):
            run(
                make(),
                6,
                callbacks=[BackupAndRestore(folder, every), Stop(min(stop, expected[1] - 1))],
                **how,
            )
        seed = 99 if list(folder.iterdir()) else 5  # the seed is the backup's, where there was time for one
        again = {**how, "seed": seed, "callbacks": [BackupAndRestore(folder, every)]}
        if most == 5:  # what was left out before the stop still counts
            with pytest.raises(TornError):
                run(make(), most, **again)
            return
        found, history = run(make(), most, **again)
        assert found == expected
        assert [dataclasses.replace(r, seed=5) for r in history.receipts] == [
            dataclasses.replace(r, seed=5) for r in calm.receipts
        ]


def test_a_resumed_run_that_allows_less_than_was_left_out_before() -> None:
    feed = Feed(torn_source((1, 2)), tolerance=5)
    with pytest.warns(RuntimeWarning, match="left out"):
        taken = [batch.number for batch in feed.run()]
    assert taken == [0, 3, 4, 5]
    other = Feed(torn_source((1, 2)), tolerance=1)
    other.resume(feed.state(within=False))
    with pytest.raises(TornError) as caught:
        list(other.run())
    assert "No more than 0 could" in "".join(caught.value.__notes__)


def test_receipts_are_values_for_json() -> None:
    _, history = run(Rows(bad={4: "raise"}), 3)
    for receipt in history.receipts:
        there = json.loads(json.dumps(dataclasses.asdict(receipt)))
        assert Receipt(**there) == receipt
        assert there["skipped"] == [4]
    _, history = run(Torn((3,)), 3)
    assert Receipt(**json.loads(json.dumps(dataclasses.asdict(history.receipts[2])))) == history.receipts[2]


# -- validation, evaluation, prediction, streams ------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluate(workers: int) -> None:
    model, skip = make_model(), {"on_bad_sample": "skip", "max_bad_samples": 2}
    expected = model.evaluate(Rows(without=[4, 9]), verbose=0)
    with pytest.warns(RuntimeWarning, match="left out"):
        found = model.evaluate(Rows(bad={4: "raise", 9: "raise"}), verbose=0, workers=workers, **skip)
    assert found == expected
    with pytest.warns(RuntimeWarning, match="left out"):  # steps were wanted, and nothing ran out
        model.evaluate(Torn((2,)), steps=6, verbose=0, workers=workers, **skip)
    with pytest.warns(RuntimeWarning, match="left out"), pytest.raises(TornError):
        model.evaluate(Rows(bad=dict.fromkeys([4, 9, 10], "raise")), verbose=0, workers=workers, **skip)


def test_validation_has_a_number_of_its_own() -> None:
    def check(most: int) -> Any:
        return run(
            Rows(bad={1: "raise"}),
            most,
            validation_data=Rows(bad={2: "raise"}),
            validation_steps=5,
            workers=0,
        )

    assert len(check(EPOCHS)[1].history["val_loss"]) == EPOCHS
    with pytest.raises(TornError, match="sample 1"):
        check(EPOCHS - 1)


def test_predict_leaves_nothing_out() -> None:
    model = make_model()
    with pytest.raises(TypeError, match="on_bad_sample"):
        model.predict(Rows(), on_bad_sample="skip", max_bad_samples=3)  # type: ignore[call-arg]
    with pytest.raises(TornError):
        model.predict(Torn((3,)))


@pytest.mark.parametrize("workers", [0, 2])
def test_streams_count_over_all_passes(workers: int) -> None:
    skip = {"on_bad_sample": "skip", "max_bad_samples": 3, "workers": workers}
    with stream(Torn((1, 4)), **skip) as batches:
        with pytest.warns(RuntimeWarning, match="left out"):
            assert len(list(batches)) == 4
        with pytest.warns(RuntimeWarning, match="left out"), pytest.raises(TornError, match="batch 4"):
            list(batches)
        with pytest.raises(TornError, match="batch 1"):
            list(batches)


def test_a_source_that_workers_cannot_load_may_skip_too() -> None:
    class Local(Rows):
        traits = SourceTraits()

    expected, _ = run(Rows(without=[4]))
    assert run(Local(bad={4: "raise"}), EPOCHS)[0] == expected
    assert run(Local(bad={4: "raise"}), EPOCHS, workers=2)[0] == expected


def test_arrays_in_memory_cannot_fail() -> None:
    x = np.zeros((9, 4))
    with stream(x, batch_size=4, on_bad_sample="skip", max_bad_samples=1) as batches:
        assert [len(batch) for batch in batches] == [4, 4, 1]


def test_a_mapped_file_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(4096 * 8.0).reshape(-1, 8))
    source = ArraySource(np.load(path, mmap_mode="r"), batch_size=512, shuffle=False)
    with open(path, "r+b") as file:
        file.truncate(file.seek(0, 2) - 3 * 64)
    with pytest.raises(
        DataError, match="do not shorten a file that is mapped"
    ):  # none of its samples is known to be good
        list(Feed(source, tolerance=3).run())


# -- refused arguments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"on_bad_sample": "skip"}, ValueError, "on_bad_sample='skip' needs max_bad_samples"),
        ({"max_bad_samples": 3}, ValueError, "max_bad_samples=3 has no effect with on_bad_sample='raise'"),
        ({"on_bad_sample": "ignore"}, ValueError, "must be 'raise' or 'skip', got 'ignore'"),
        ({"on_bad_sample": "skip", "max_bad_samples": 0}, ValueError, "at least 1, got 0"),
        ({"on_bad_sample": "skip", "max_bad_samples": -1}, ValueError, "at least 1, got -1"),
        ({"on_bad_sample": "skip", "max_bad_samples": 1.5}, TypeError, "whole number"),
        ({"load_timeout": 0}, ValueError, "load_timeout=0: write a positive number of seconds"),
        ({"load_timeout": -2.0}, ValueError, "load_timeout=-2.0: write a positive"),
        ({"load_timeout": float("nan")}, ValueError, "load_timeout=nan: write a positive"),
        ({"load_timeout": "5"}, TypeError, "load_timeout must be a number of seconds or None, got '5'"),
        ({"load_timeout": 5}, ValueError, "source 'training data' is not loaded by processes"),
        ({"load_timeout": 5, "workers": 2}, ValueError, "nothing else can be stopped"),
        (
            {"load_timeout": 5, "workers": 0, "use_multiprocessing": True},
            ValueError,
            "not loaded by processes",
        ),
    ],
)
def test_rules_that_make_no_sense_are_refused(how: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make_model().fit(Torn(), verbose=0, **how)
    assert message in str(caught.value)
    with pytest.raises(error):
        stream(Torn(), **how)
    with pytest.raises(error):
        make_model().fit_generator(Torn(), verbose=0, **how)


def batches_of_ones() -> Iterator[Any]:
    while True:
        yield np.ones((2, 4)), np.ones(2)


class Stateful:
    """An iterator with a state."""

    def __iter__(self) -> Stateful:
        return self

    def __next__(self) -> Any:
        return np.ones((2, 4)), np.ones(2)

    def state_dict(self) -> dict[str, int]:
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        pass


@pytest.mark.parametrize("make", [batches_of_ones, Stateful])
def test_generators_cannot_skip_and_arrays_cannot_be_stopped(make: Any) -> None:
    skip = {"on_bad_sample": "skip", "max_bad_samples": 3}
    with pytest.raises(ValueError, match=r"is a generator, and what it has not yielded cannot be left out"):
        make_model().fit(make(), steps_per_epoch=2, verbose=0, **skip)
    with pytest.raises(ValueError, match=r"is a generator"):
        stream(make(), **skip)
    for data in (make(), np.ones((4, 4))):
        with pytest.raises(ValueError, match="is not loaded by processes"):
            stream(data, workers=2, use_multiprocessing=True, load_timeout=3.0)


def test_a_policy_is_checked_when_a_stream_is_made() -> None:
    with pytest.raises(ValueError, match="not loaded by processes"):
        Stream(Rows(), 2, policy=LoadPolicy(load_timeout=3))
