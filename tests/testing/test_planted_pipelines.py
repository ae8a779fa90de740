"""Each mistake that was planted is found, with a sentence that names its cause; right pipelines have none."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from oracles import pipelines

from streamfit.testing import Battery, run_checks

pytestmark = pytest.mark.timeout(60)

COLLECTED = Path(__file__).resolve().parents[3] / "shared" / "pipelines" / "faulty.py"
STARTS_PROCESSES = {"hash_seed", "same_on_processes", "hooks"}  # a few pipelines show that these hold
OF_61 = {"kind": "generator", "source": range(61)}

PLANTED = [
    (pipelines.HalfOfTheIndex, "batches_differ", "warn", r"batches 0 and 1, 2 and 3, .* the very same data"),
    (pipelines.LastBatchMovedBack, "no_repeats", "warn", "the last batch, 7, repeats 4 samples"),
    (pipelines.WithReplacement, "no_repeats", "warn", "28 of the 64 rows of self.x do not come at all"),
    (pipelines.FirstBatchSkipped, "none_lost", "warn", "rows 0, 1, 2, .* never come"),
    (pipelines.WindowsLeaveTheEndOut, "none_lost", "warn", "index 8 would give 6 more samples"),
    (pipelines.UnreadableAreSkipped, "batch_sizes", "warn", "6, 7, 7, 7, 7, 7, 6, 7 samples"),
    (pipelines.TwoShuffles, "labels_stay", "fail", "54 samples have another label"),
    (pipelines.OrderOfOneOnly, "labels_stay", "fail", "shuffle x and y by one order"),
    (pipelines.OrderOfOneOnly, "first_epoch", "warn", "self.order is in order in the first epoch"),
    (pipelines.BatchesChangePlaces, "groups_change", "warn", "batch 0 comes again as batch 7"),
    (pipelines.ConstantColumn, "finite", "warn", r"all of x\[:, 1\] of batch 0 is NaN"),
    (pipelines.LogOfZero, "load_warnings", "warn", r"divide by zero encountered in log \(pipelines.py:\d+"),
    (pipelines.LogOfZero, "finite", "warn", "of batch 0 is infinite; 12 of its 24 values"),
    (pipelines.WeightsOfRareClasses, "finite", "warn", r"sample_weight\[4\] of batch 0 is infinite"),
    (pipelines.DividedBy255, "input_dtype", "warn", "x is float64 in batch 0: twice the memory"),
    (pipelines.AugmentsByHelper, "repeatable", "fail", "self.augment.state is a numpy.random.RandomState"),
    (pipelines.AugmentsByHelper, "worker_draws", "fail", "every worker draws the same numbers"),
    (pipelines.PlainRandom, "repeatable", "fail", "self.coin is a random.Random, which every load advances"),
    (pipelines.SeedsTheGlobals, "global_use", "warn", "constructor seeds .* and on_epoch_end seeds"),
    (pipelines.ShufflesItsView, "own_data", "fail", "loading batch 0 changed the array self.x"),
    (pipelines.SplitByHash, "hash_seed", "fail", "depends on Python's hash seed"),
    (pipelines.PopsItsQueue, "repeatable", "fail", "Loading has changed self.queue"),
    (pipelines.SortsWhatItHolds, "own_data", "fail", r"loading batch 0 changed self.words\[0\]"),
    (
        pipelines.NextOfAFile,
        "repeatable",
        "fail",
        "self.file is an open file, whose position every load moves",
    ),
    (pipelines.SeeksInOneFile, "thread_safe", "fail", r"while batch 7 .* stood at pipelines.py:\d+"),
    (pipelines.CountsItsEpoch, "repeatable", "fail", "Loading has changed self.epoch"),
    (pipelines.LastWasMine, "own_data", "fail", "loading batch 0 changed the array self.scratch"),
    (pipelines.Timed, "steady", "fail", "does a load look at the clock"),
    (pipelines.Deprecated, "load_warnings", "warn", "DeprecationWarning: use read_rows"),
    (pipelines.KeepsEverything, "memory", "fail", "memory grows by about .* KiB with every load"),
    (pipelines.OneDigit, "content", "fail", r"one sample for an index \(x of shape \(1, 8, 8\)"),
    (pipelines.OneRecord, "content", "fail", r"x\['age'\] a single value, .* kind='samples'"),
    (pipelines.GrayImages, "form", "fail", r"in batch 5 x has samples of shape \(4, 4\)"),
    (pipelines.one_too_many_taken, "inputs_used", "fail", "took 63 items .* items 7, 15, 23"),
    (pipelines.last_rows_forgotten, "inputs_used", "warn", "the last 5 of 61 items"),
]


@pytest.mark.parametrize(
    ("thing", "check", "status", "text"), PLANTED, ids=[f"{case[0].__name__}-{case[1]}" for case in PLANTED]
)
def test_mistake_is_found_with_its_cause(thing: Any, check: str, status: str, text: str) -> None:
    options: Any = OF_61 if thing is pipelines.last_rows_forgotten else {}
    (result,) = run_checks(thing, only=check, workers=1, **options)
    assert result.status == status, result.message
    assert result.message.startswith(f"{thing.__name__}: ")
    assert re.search(text, result.message), result.message
    assert 1 <= len(result.hint.splitlines()) <= 3


@pytest.mark.parametrize("thing", [*pipelines.CLEAN, pipelines.all_rows], ids=lambda thing: thing.__name__)
def test_right_pipelines_are_left_alone(thing: Any) -> None:
    options: Any = OF_61 if thing is pipelines.all_rows else {}
    battery = Battery(thing, workers=1, **options)
    spared = set() if thing in (pipelines.Curriculum, pipelines.ShortLast) else STARTS_PROCESSES
    results = battery.results([name for name in battery.names() if name not in spared])
    assert {result.name: result.message for result in results if result.status in ("fail", "warn")} == {}


# -- pipelines as they were collected ------------------------------------------------------------------------

COLLECTED_CASES = [
    ("IndexIgnored", "batches_differ", "fail", "all 12 batches .* the index is ignored"),
    (
        "TailOfGarbage",
        "none_lost",
        "warn",
        "index 6 would give 2 more samples, which are never used",
    ),
    ("WrapsAround", "no_repeats", "warn", "the last batch, 5, repeats 3 samples of the first one"),
    ("WipesTheSeed", "global_use", "warn", "the constructor .* and on_epoch_end .* seed that the user set"),
    ("ChangesWhatItHolds", "own_data", "fail", r"loading batch 0 changed self.rows\[0\]"),
    ("RacyDraws", "repeatable", "fail", "self.draws is a running generator"),
    ("RacyDraws", "crashes", "fail", "generator already executing"),
    ("LabelsLeftBehind", "labels_stay", "fail", "48 samples have another label in the next epoch"),
    ("SameGroups", "groups_change", "warn", "batches change places"),
    ("SameGroups", "first_epoch", "warn", "self.groups is in order in the first epoch"),
    ("ShortInTheMiddle", "batch_sizes", "warn", "8, 3, 8, 1, 8, 8"),
    ("NotANumber", "finite", "warn", r"x\[2, 1\] of batch 3 is NaN"),
    ("HeldGenerator", "worker_draws", "fail", "every worker draws the same numbers: self.noise"),
    ("TorchStyle", "content", "fail", "one sample for an index .* not a batch.* kind='samples'"),
    ("every_ninth_vanishes", "inputs_used", "fail", "items 8, 17, 26"),
    ("PadsEachBatch", "form", "pass", "pass ragged=True if that is meant"),
    ("ShuffledByItsMaker", "made_alike", "fail", r"two objects that ShuffledByItsMaker\(\) makes differ"),
    ("ShuffledByItsMaker", "any_order", "pass", ""),
    ("ClosesItsFile", "any_order", "pass", ""),
]


@pytest.fixture(scope="module")
def collected() -> Any:
    """Import the collected pipelines, which are not part of the project."""
    if not COLLECTED.exists():
        pytest.skip("the collected pipelines (../shared/pipelines/faulty.py) are not there")
    spec = importlib.util.spec_from_file_location("collected_pipelines", COLLECTED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("name", "check", "status", "text"),
    COLLECTED_CASES,
    ids=[f"{case[0]}-{case[1]}" for case in COLLECTED_CASES],
)
def test_collected_pipelines_are_judged_as_they_should(
    collected: Any, capfd: Any, name: str, check: str, status: str, text: str
) -> None:
    (result,) = run_checks(getattr(collected, name), only=check, workers=1)
    assert result.status == status, result.message
    assert re.search(text, result.message), result.message
    assert "Traceback" not in capfd.readouterr().err


# -- slow pipelines ------------------------------------------------------------------------------------------


def test_slow_pipelines_are_loaded_32_times_a_question_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = 0

    class Slow(pipelines.ShuffledIndices):
        """Each load takes a fifth of a second, by the clock that the checks read."""

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> Any:
            nonlocal loads
            loads += 1
            return super().__getitem__(index % 8)

    for name in ("monotonic", "perf_counter"):
        clock = getattr(time, name)
        monkeypatch.setattr(time, name, lambda clock=clock: clock() + 0.2 * loads)
    battery, counts = Battery(Slow, workers=1), {}
    for name in [name for name in battery.names() if name not in STARTS_PROCESSES]:
        for need in battery.checks[name].needs:
            if need in battery.checks:
                battery.result(need)
        before = loads
        result = battery.result(name)
        counts[name] = loads - before
        assert result.status in ("pass", "skip", "warn"), result.message
    battery.close()
    assert {name: count for name, count in counts.items() if count > 32} == {}
    assert sum(counts.values()) > 100  # they were counted
