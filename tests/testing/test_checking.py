"""The check for each planted mistake finds it, and no other check does; good pipelines pass."""

from __future__ import annotations

import functools
import gc
import re
import tempfile
from typing import Any

import numpy as np
import pytest
from oracles import faulty
from oracles.sequences import Endless

import streamfit
from streamfit.preprocessing.image import ImageDataGenerator
from streamfit.streams import open_source
from streamfit.testing import (
    Battery,
    CheckFailure,
    check_generator,
    check_sequence,
    check_source,
    check_stream,
    nothing_left_behind,
    run_checks,
)
from streamfit.testing.checks.all_checks import CHECKS

pytestmark = pytest.mark.timeout(30)


def failed(obj: Any, kind: Any = None) -> dict[str, str]:
    return {
        result.name: result.message for result in run_checks(obj, kind, workers=1) if result.status == "fail"
    }


SEQUENCES = [
    (faulty.OneTooMany, "length", "its length is 7, but batch 6, the last one, cannot be loaded: IndexError"),
    (faulty.Longer, "length", "its length was 6, and another number when asked again"),
    (faulty.Fraction, "length", "its number of batches is not known: TypeError: 'float' object"),
    (faulty.EmptyLast, "content", "batch 5 is empty"),
    (faulty.Unequal, "content", "batch 2 has different numbers of samples: 4 in x, 3 in y"),
    (faulty.Texts, "content", "batch 0 cannot be loaded: DataError"),
    (faulty.DtypeChanges, "form", "in batch 4 x has dtype float64, but float32 in batch 0"),
    (faulty.ShapeChanges, "form", r"in batch 3 x has samples of shape \(2,\), but \(3,\) in batch 0"),
    (faulty.LosesTargets, "form", "batch 5 holds x, but batch 0 holds x, y"),
    (faulty.GlobalNumpy, "global_randomness", "batch 0 draws from the global random state of numpy.random"),
    (faulty.GlobalRandom, "global_randomness", "batch 0 draws from the global random state of random"),
    (faulty.GlobalCopied, "global_randomness", "batch 0 depends on the global random state"),
    (faulty.Counting, "repeatable", r"batch 0 changes when it is loaded twice: x\[0, 0\] is 1.0 at first"),
    (faulty.Clock, "repeatable", "batch 0 changes when it is loaded twice"),
    (faulty.OwnGenerator, "repeatable", "batch 0 changes when it is loaded twice"),
    (faulty.SharedGenerator, "repeatable", "batch 0 changes when it is loaded twice"),
    (faulty.InPlace, "own_data", "loading batch 0 changed the array self.x"),
    (faulty.OneBuffer, "own_arrays", r"batch 0 was overwritten by a later load: x\[0, 0\] is 0.0 when it"),
    (faulty.PartOfBuffer, "own_arrays", "batch 0 was overwritten by a later load"),
    (faulty.Running, "any_order", "batch 0 depends on which batches were loaded before it"),
    (
        faulty.Racing,
        "thread_safe",
        r"batch 0 is not the same when .* \(one stood at faulty.py:\d+\): x\[0, 0\]",
    ),
    (faulty.Leaking, "memory", "memory grows by about 16.. KiB with every load"),
    (faulty.HoldsFile, "picklable", r"self\.file is a .*BufferedRandom"),
    (faulty.HoldsLock, "picklable", r"self\.settings\['guard'\] is a _thread\.lock"),
    (faulty.HoldsLambda, "picklable", r"self\.enter \(its variable 'guard'\)"),
    (
        faulty.ProcessId,
        "same_on_processes",
        r"batch 0 is not the same: y\[0\] is \d+ in this process and \d+",
    ),
    (
        faulty.ModuleState,
        "hooks",
        r"y\[0\] is 0 at first and 2 .* changes oracles.faulty.OFFSET, which outlives",
    ),
    (faulty.ClassState, "hooks", "batch 0 is not the same"),
    (faulty.RaisingHook, "hooks", "a hook raised RuntimeError: no next epoch"),
]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait shorter for changes that a thread makes; no object here has a thread."""
    monkeypatch.setattr("streamfit.testing.checks.object_changes._WATCHED", 0.02)


@pytest.fixture(autouse=True)
def module_state() -> Any:
    """Undo the changes of hooks, so that no other test sees them."""
    yield
    faulty.OFFSET[0] = 0
    faulty.ClassState.offset = 0


ALSO = {
    "OwnGenerator": {"worker_draws"},
    "SharedGenerator": {"picklable", "crashes"},
    "PartOfBuffer": {"own_data"},
}  # two mistakes in one


@pytest.mark.parametrize(("cls", "name", "text"), SEQUENCES, ids=lambda value: getattr(value, "__name__", ""))
def test_mistake_of_a_sequence_is_found_by_its_check_alone(cls: Any, name: str, text: str) -> None:
    thing = cls()
    found = failed(thing)
    if isinstance(thing, faulty.HoldsFile):
        thing.close()
    assert set(found) == {name} | ALSO.get(cls.__name__, set())
    assert found[name].startswith(f"{cls.__name__}: ")
    assert re.search(text, found[name]), found[name]


SOURCES = [
    (faulty.TooFewTickets, "planned", r"batches\(0\) is 7, but tickets\(0\) gives 5 tickets"),
    (faulty.Unnumbered, "planned", "ticket 1 of pass 0 says that it is number 0 of pass 0"),
    (faulty.IgnoresStart, "resume", r"tickets\(data_epoch, start=1\) is not the tail"),
    (faulty.Doubling, "exactly_once", "sample 5 is in batch 5 and again in batch 6"),
    (faulty.Impure, "pure_tickets", r"tickets\(1\) changes when it is asked again"),
    (faulty.LosingShards, "shards", "with 2 shards, sample 6 is in none of them"),
    (faulty.DoublingShards, "shards", "with 2 shards, sample 0 is in more than one of them"),
]


@pytest.mark.parametrize(("cls", "name", "text"), SOURCES, ids=lambda value: getattr(value, "__name__", ""))
def test_mistake_of_a_source_is_found_by_its_check_alone(cls: Any, name: str, text: str) -> None:
    found = failed(cls)
    assert set(found) == {name}
    assert re.search(text, found[name]), found[name]


GENERATORS = [
    (faulty.one_for_all(), "fresh", "it returns the same generator at every call"),
    (
        faulty.one_behind_all(),
        "fresh",
        "read alone, a generator gives 8 batches; two that are read in turns give 0",
    ),
    (faulty.drawn_batches, "equal", r"batch 0 is not the same from two generators: x\[0, 0\] is"),
    (
        faulty.one_buffer_batches,
        "own_batches",
        "batch 0 was overwritten by a later one: .*after batch 1 came",
    ),
    (faulty.raising_batches, "fresh", "it raised OSError: the disk is gone after 1 batches"),
    (faulty.changing_batches, "form", "in batch 1 x has samples of shape"),
    (faulty.unequal_batches, "content", "batch 1 has different numbers of samples: 4 in x, 2 in y"),
    (faulty.stubborn_batches, "close", "RuntimeError: generator ignored GeneratorExit"),
    (faulty.Reviving, "end", "it ended after 3 batches and then gave another one"),
    (faulty.ShrinkingLoader, "passes", "5 batches in the first pass and 4 in the second"),
    (faulty.LyingLoader(), "passes", "its length is 4, and it yields 5"),
]


@pytest.mark.parametrize(
    ("factory", "name", "text"), GENERATORS, ids=[f"{c[1]}-{n}" for n, c in enumerate(GENERATORS)]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one refuses to be closed
def test_mistake_of_a_generator_is_found(factory: Any, name: str, text: str) -> None:
    found = failed(factory, "generator")
    gc.collect()  # else another test is told of the one that refuses to be closed
    assert name in found
    assert re.search(text, found[name]), found[name]


# -- correct pipelines pass ----------------------------------------------------------------------------------

CLEAN = [
    faulty.Clean,
    faulty.Views,
    faulty.Shuffled,
    faulty.Augmented,
    faulty.Cached,
    faulty.Locked,
    faulty.CleanSource,
    faulty.clean_batches,
    faulty.CleanLoader,
]


@pytest.mark.parametrize("thing", CLEAN, ids=lambda thing: thing.__name__)
def test_good_pipelines_pass_and_nothing_is_left_behind(thing: Any) -> None:
    with nothing_left_behind():
        assert failed(thing) == {}


@pytest.mark.parametrize("thing", [faulty.Clean, faulty.Clean(), faulty.CleanSource, faulty.clean_batches])
def test_what_uses_no_set_is_not_loaded_under_other_hash_seeds(thing: Any) -> None:
    (result,) = run_checks(thing, only="hash_seed")
    assert (result.status, result.message) == ("skip", "its code uses no set and no hash()")


def test_length_is_not_blamed_for_batches_that_load_after_another_one() -> None:
    class NeedsTheFirst(streamfit.Sequence):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            if index == 0:
                self.offset = 1
            return np.full((8, 2), index + self.offset), np.zeros(8)

    results = {
        result.name: result for result in run_checks(lambda: NeedsTheFirst(), only=["length", "any_order"])
    }
    assert results["length"].status == "pass"
    assert re.match(
        r"NeedsTheFirst: batch \d cannot be loaded before earlier ones: .*offset",
        results["any_order"].message,
    )


def test_object_is_as_it_was() -> None:
    thing = faulty.Shuffled()
    before = np.random.get_state()[1].tobytes(), thing.order.tobytes(), thing.x.tobytes()
    check_sequence(thing)
    assert (np.random.get_state()[1].tobytes(), thing.order.tobytes(), thing.x.tobytes()) == before


def test_notes_tell_what_is_no_mistake() -> None:
    notes = {result.name: result.message for result in check_sequence(faulty.Cached())}
    assert re.match(r"keeps about (19\.9|20\.0) KiB of each batch", notes["memory"])


def test_arrays_generators_and_streams_of_the_library_pass() -> None:
    x, y = np.arange(60.0, dtype="float32").reshape(30, 2), np.arange(30)
    check_source(open_source(x, y, batch_size=8, shuffle=True, seed=3))
    check_generator(faulty.clean_batches)
    check_stream(lambda: streamfit.stream(x, y, batch_size=8, workers=2))
    check_stream(lambda: streamfit.stream(faulty.Augmented(), shuffle=True, seed=2, workers=2))
    check_stream(lambda: streamfit.stream(faulty.clean_batches(), workers=1))


def test_stream_that_leaves_something_behind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = functools.partial(nothing_left_behind, seconds=0.2)
    monkeypatch.setattr("streamfit.testing.checks.streaming.nothing_left_behind", quick)
    kept: list[Any] = []

    def opened() -> Any:
        kept.append(tempfile.TemporaryFile())  # noqa: SIM115
        return streamfit.stream(np.arange(8), batch_size=2)

    with pytest.raises(CheckFailure, match="left behind: descriptor"):
        check_stream(opened, only="left_behind")
    for file in kept:
        file.close()


def test_pass_of_a_stream_that_changes_is_found() -> None:
    with pytest.raises(CheckFailure, match=r"pass 0 is not the same: .* at first and .* when read again"):
        check_stream(lambda: streamfit.stream(faulty.CountsPasses(), workers=1), only="reread")


# -- options of the checks ----------------------------------------------------------------------------------


def test_failure_is_one_assertion_that_lists_all() -> None:
    with pytest.raises(AssertionError) as caught:
        check_sequence(faulty.SharedGenerator())
    assert isinstance(caught.value, CheckFailure)
    lines = str(caught.value).splitlines()
    assert re.match(r"SharedGenerator fails 3 of \d+ checks:", lines[0])
    names = [line.split("]")[0] for line in lines[1:] if line.startswith("[")]
    assert names == ["[repeatable", "[picklable", "[crashes"]


def test_cause_of_a_failure_is_kept() -> None:
    with pytest.raises(CheckFailure) as caught:
        check_sequence(faulty.OneTooMany)
    first = caught.value.__cause__
    assert isinstance(first, CheckFailure)
    assert isinstance(first.__cause__, IndexError)


def test_checks_that_need_another_one_are_skipped() -> None:
    results = {result.name: result for result in run_checks(faulty.OneTooMany)}
    assert results["content"].message == "'length' has to hold first"
    assert results["any_order"].message == "'repeatable' has to hold first"
    assert results["same_on_threads"].status == "skip"
    assert results["picklable"].status == "pass"


def test_only_runs_what_is_named_and_what_that_needs() -> None:
    battery = Battery(faulty.Clean)
    assert [result.name for result in battery.results(["repeatable", "length"])] == ["length", "repeatable"]
    assert [result.name for result in run_checks(faulty.EmptyLast, only="form")] == ["form"]
    assert run_checks(faulty.EmptyLast, only="form")[0].message == "'content' has to hold first"


def test_expected_failure_is_no_failure_and_keeps_its_reason() -> None:
    reason = "the seed is the clock, and that is meant"
    results = {r.name: r for r in check_sequence(faulty.Clock, expected_failures={"repeatable": reason})}
    assert results["repeatable"].status == "expected"
    assert results["repeatable"].message.startswith(f"{reason}. Clock: batch 0 changes")
    assert results["any_order"].status == "skip"  # it fails too, and for the same reason
    assert results["same_on_processes"].status == "skip"


def test_what_needs_an_expected_failure_still_runs() -> None:
    results = run_checks(faulty.AdvancesOnly, expected_failures={"global_randomness": "draws, and drops it"})
    found = {result.name: result.status for result in results}
    assert (found["global_randomness"], found["repeatable"], found["any_order"]) == (
        "expected",
        "pass",
        "pass",
    )


def test_expected_failure_that_holds_is_told() -> None:
    (result,) = run_checks(faulty.Clean, only="form", expected_failures={"form": "old"})
    assert (result.status, result.message) == (
        "pass",
        "was expected to fail (old), and holds: take it off that list",
    )


def test_limit_bounds_what_is_looked_at() -> None:
    thing = faulty.Clean()
    thing.count = 10_000
    battery = Battery(thing, limit=5)
    assert {result.status for result in battery.results(["content", "any_order", "exactly_once"])} == {"pass"}
    assert len(battery.checked.expected()) == 5


def test_large_batches_are_not_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.testing.checked_object._KEPT_BYTES", 250)
    battery = Battery(faulty.Clean)
    assert {result.status for result in battery.results(["content", "any_order", "exactly_once"])} == {"pass"}
    assert len(battery.checked.expected()) == 4


def test_slow_batches_are_fewer_and_memory_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.testing.checked_object._SECONDS", 0.0)
    monkeypatch.setattr("streamfit.testing.checks.bounded_memory._SECONDS", 0.0)
    battery = Battery(faulty.Leaking)
    (result,) = battery.results("memory")
    assert len(battery.checked.expected()) == 4
    assert result.message == "only 1 loads in 0.0 s: too slow to tell"


def test_endless_sequence_passes() -> None:
    results = {result.name: result for result in check_sequence(Endless())}
    assert results["length"].message == "has no end, or does not know it"
    assert results["same_on_processes"].status == "pass"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: run_checks(3), TypeError, "3 gives no batches; pass a Sequence, a Source, or a function"),
        (lambda: run_checks(lambda: 3), TypeError, "3 gives no batches"),
        (
            lambda: run_checks(np.zeros(3)),
            TypeError,
            r"holds data and gives no batches; .*source\(\.\.\.\)",
        ),
        (
            lambda: run_checks(faulty.clean_batches()),
            TypeError,
            "a generator is used up by a check; pass the",
        ),
        (lambda: run_checks(faulty.OneTooMany, only="lenth"), ValueError, "Did you mean 'length'"),
        (
            lambda: run_checks(faulty.Clean, expected_failures={"shards": ""}),
            ValueError,
            "no check for a seq",
        ),
        (lambda: run_checks(faulty.Clean, "sequenc"), ValueError, "Did you mean 'sequence'"),
        (lambda: check_source(faulty.clean_batches, limit=1), ValueError, "limit must be at least 2"),
        (lambda: check_generator(faulty.Clean()), TypeError, "is a sequence, not a generator"),
        (lambda: run_checks(lambda a, b=1: a), TypeError, "<lambda> needs a; pass an object that is made"),
    ],
)
def test_wrong_arguments(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_kind_is_found_out() -> None:
    things = [faulty.Clean, faulty.Clean(), faulty.CleanSource, faulty.clean_batches, faulty.CleanLoader()]
    assert [Battery(thing).kind for thing in things] == ["sequence"] * 2 + ["source"] + ["generator"] * 2
    assert Battery(lambda: streamfit.stream(faulty.Clean())).kind == "stream"


def test_every_check_has_a_sentence_and_needs_what_exists() -> None:
    names = {check.name for check in CHECKS}
    assert len(names) == len(CHECKS)
    for check in CHECKS:
        assert check.sentence.endswith(".")
        assert set(check.needs) | {check.stands_in_for} <= names | {""}
        assert 1 <= len(check.hint.splitlines()) <= 3, check.name


@pytest.mark.parametrize("shuffled", [False, True])
def test_draws_are_compared_sample_by_sample_where_batches_are_shuffled(shuffled: bool) -> None:
    def outcome(transform: streamfit.augment.Transform) -> tuple[str, str]:
        pipeline = streamfit.source(np.arange(72, dtype=np.uint8).reshape(12, 2, 3, 1), np.arange(12))
        pipeline = (pipeline.shuffle() if shuffled else pipeline).map(transform).batch(4)
        (result,) = run_checks(pipeline, only="augmentation", workers=1)
        return result.status, result.message

    assert outcome(streamfit.augment.flip()) == ("pass", "")
    status, message = outcome(streamfit.augment.flip(p=1))
    assert status == "skip"
    assert "the same in every epoch" in message


def test_iterators_of_generators_are_checked_as_fit_reads_them() -> None:
    images = np.random.default_rng(0).random((20, 4, 5, 3), np.float32)
    flow = ImageDataGenerator(horizontal_flip=True, rotation_range=9).flow(images, np.arange(20), 4)
    results = {
        result.name: result.status
        for result in run_checks(flow, only=("augmentation", "exactly_once", "resume"), workers=1)
    }
    assert results["augmentation"] == results["exactly_once"] == results["resume"] == "pass"


def test_batches_without_ids_of_samples_are_not_compared_when_shuffled() -> None:
    class Shuffled(streamfit.Sequence):
        shuffle = True

        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> Any:
            return np.full((2, 1), float(index))

    (result,) = run_checks(streamfit.source(Shuffled()).shuffle(), only="augmentation", limit=2, workers=1)
    assert (result.status, "both epochs" in result.message) == ("skip", True)
