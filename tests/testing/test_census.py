"""The census finds repeated, lost, misplaced and unequal samples, and nothing where all is right."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import faulty, pipelines

import streamfit
from streamfit import Sequence
from streamfit.testing import Battery, Result, run_checks
from streamfit.testing.census import census_of, chance_of_equality

NAMES = (
    "finite",
    "input_dtype",
    "batches_differ",
    "batch_sizes",
    "groups_change",
    "first_epoch",
    "no_repeats",
    "none_lost",
    "labels_stay",
)


def found(thing: Any, **options: Any) -> dict[str, str]:
    """Return what the checks of the census find, by their names."""
    battery = Battery(thing, **options)
    results = battery.results([name for name in NAMES if name in battery.checks])
    return {result.name: result.message for result in results if result.status in ("warn", "fail")}


def result(thing: Any, name: str, **options: Any) -> Result:
    (one,) = run_checks(thing, only=name, **options)
    return one


class Rows(Sequence):
    """50 rows of floats with classes, in batches of 8; the last one is short."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(50, 5)).astype("float32")
        self.y = rng.integers(0, 3, 50)
        self.order, self.shuffler = np.arange(50), np.random.default_rng(1)

    def __len__(self) -> int:
        return 7

    def rows(self, index: int) -> Any:
        return self.order[8 * index : 8 * index + 8]

    def __getitem__(self, index: int) -> Any:
        return self.x[self.rows(index)], self.y[self.rows(index)]


class Shuffled(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.order = self.shuffler.permutation(50)


# -- mistakes -----------------------------------------------------------------------------------------------


class IndexIgnored(Rows):
    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(0)


class OnlyTheLabelsChange(Rows):
    """x is that of the first batch."""

    def __getitem__(self, index: int) -> Any:
        return self.x[:8], np.full(8, index)


class EmptyRowsBehind(Rows):
    """Fills arrays that are made in advance; nothing is held as it is delivered."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        x = np.zeros((8, 5), "float32")
        for at, row in enumerate(self.rows(index)):
            x[at] = 2 * self.x[row] + 1
        return x, np.zeros(8)


class GarbageBehind(EmptyRowsBehind):
    def __getitem__(self, index: int) -> Any:
        x = np.empty((8, 5), "float32")
        for at, row in enumerate(self.rows(index)):
            x[at] = self.x[row]
        return x, np.zeros(8)


class ListLeftOver(EmptyRowsBehind):
    def __init__(self) -> None:
        super().__init__()
        self.records = [[float(row), float(row % 7)] for row in range(50)]

    def __getitem__(self, index: int) -> Any:
        rows = self.records[8 * index : 8 * index + 8]
        return np.array(rows, "float32").reshape(8, 2), np.zeros(8)


class WrapsAroundImages(Shuffled):
    def __init__(self) -> None:
        super().__init__()
        self.x = np.random.default_rng(4).integers(0, 256, (50, 4, 4, 3)).astype("uint8")

    def rows(self, index: int) -> Any:
        return self.order[np.arange(8 * index, 8 * index + 8) % 50]


class WrapsAroundDrawn(WrapsAroundImages):
    """Augments, so that samples are known by their labels, or by a key."""

    def __getitem__(self, index: int) -> Any:
        x, _ = super().__getitem__(index)
        return x + self.rng(index).random(x.shape).astype("float32"), self.rows(index)


class LosesInTheHook(Rows):
    def on_epoch_end(self) -> None:
        self.x = np.concatenate([self.x[:10], self.x[:10], self.x[20:]])


class LeavesLabelsBehind(Shuffled):
    def on_epoch_end(self) -> None:
        self.shuffler.shuffle(self.x)


class DrawsLabels(Rows):
    """Other labels are drawn in the next epoch."""

    def on_epoch_end(self) -> None:
        self.y = self.shuffler.integers(0, 3, 50)


class PairsWrongRows(Shuffled):
    """The order is that of x only, from the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.y = 100 + np.arange(50)

    def __getitem__(self, index: int) -> Any:
        return self.x[self.rows(index)], self.y[8 * index : 8 * index + 8]


class InfiniteLabels(Rows):
    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x, y + (np.float32("inf") if index == 2 else np.float32(0))


def short_in_the_middle() -> Iterator[Any]:
    for size in (8, 8, 5, 8):
        yield np.random.default_rng(size).normal(size=(size, 2)).astype("float32"), np.zeros(size)


FAULTY = [
    (IndexIgnored, {"batches_differ": "all 7 batches that were looked at hold the very same samples"}),
    (EmptyRowsBehind, {"none_lost": "index 6 would give 2 more samples"}),
    (GarbageBehind, {"none_lost": "index 6 would give 2 more samples, which are never used"}),
    (ListLeftOver, {"none_lost": "48 of 50 rows of self.records are delivered"}),
    (WrapsAroundImages, {"no_repeats": "the last batch, 6, repeats 6 samples of the first one: row 2 of"}),
    (WrapsAroundDrawn, {"no_repeats": "the last batch, 6, repeats 6 samples of the first one"}),
    (LosesInTheHook, {"none_lost": "10 samples of the first epoch do not come in the next one"}),
    (LeavesLabelsBehind, {"labels_stay": "All labels are there, but they were left behind"}),
    (DrawsLabels, {"labels_stay": "samples have another label in the next epoch"}),
    (PairsWrongRows, {"labels_stay": "pairs row 15 of self.x with row 0 of self.y"}),
    (InfiniteLabels, {"finite": "y[0] of batch 2 is infinite; all of its 8 values are not finite"}),
    (faulty.Twins, {"batches_differ": "batches 1 and 2 hold the very same data"}),
    (
        faulty.Views,
        {"none_lost": "index 5 would give 2 more samples, which are never used", "input_dtype": ""},
    ),
    (faulty.Shuffled, {"first_epoch": "self.order is in order in the first epoch", "input_dtype": ""}),
    (pipelines.HalfOfTheIndex, {"batches_differ": "batches 0 and 1, 2 and 3, 4 and 5, 6 and 7"}),
    (pipelines.LastBatchMovedBack, {"no_repeats": "the last batch, 7, repeats 4 samples: row 0 of batch 7"}),
    (pipelines.WithReplacement, {"no_repeats": "28 of the 64 rows of self.x do not come at all"}),
    (pipelines.FirstBatchSkipped, {"none_lost": "rows 0, 1, 2, ... never come"}),
    (pipelines.WindowsLeaveTheEndOut, {"none_lost": "index 8 would give 6 more samples"}),
    (pipelines.UnreadableAreSkipped, {"batch_sizes": "batches have 6, 7, 7, 7, 7, 7, 6, 7 samples: batch 0"}),
    (pipelines.TwoShuffles, {"labels_stay": "left behind"}),
    (
        pipelines.BatchesChangePlaces,
        {"groups_change": "always holds the same group", "first_epoch": ""},
    ),
    (pipelines.ConstantColumn, {"finite": "all of x[:, 1] of batch 0 is NaN"}),
    (pipelines.WeightsOfRareClasses, {"finite": "sample_weight[4] of batch 0 is infinite"}),
    (pipelines.DividedBy255, {"input_dtype": "x is float64 in batch 0"}),
    (short_in_the_middle, {"batch_sizes": "8, 8, 5, 8 samples: batch 2 has 5", "batches_differ": "0 and 1"}),
]


@pytest.mark.parametrize(("thing", "texts"), FAULTY, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_mistake_is_found_by_its_check_alone(thing: Any, texts: dict[str, str]) -> None:
    messages = found(thing)
    assert set(messages) == set(texts)
    for name, text in texts.items():
        assert messages[name].startswith(f"{thing.__name__}: ")
        assert text in messages[name]


def test_fault_is_a_failure_where_it_is_certain_and_a_warning_where_it_may_be_meant() -> None:
    assert result(IndexIgnored, "batches_differ").status == "fail"
    assert result(LeavesLabelsBehind, "labels_stay").status == "fail"
    assert result(PairsWrongRows, "labels_stay").status == "fail"
    assert result(DrawsLabels, "labels_stay").status == "warn"
    assert result(WrapsAroundImages, "no_repeats").status == "warn"
    assert result(faulty.Twins, "batches_differ").status == "warn"


def test_drawn_samples_are_known_by_their_labels_or_by_a_key() -> None:
    assert result(pipelines.NoiseOfItsIndex, "no_repeats").message.endswith("pass key=")
    key = result(WrapsAroundDrawn, "no_repeats", key=lambda x, y: int(y))
    assert (key.status, "repeats 6 samples" in key.message) == ("warn", True)
    assert result(LeavesLabelsBehind, "labels_stay", key=lambda x, y: x.tobytes()).status == "fail"


# -- pipelines that are right -------------------------------------------------------------------------------


class OneHot(Shuffled):
    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x, np.eye(3, dtype="float32")[y]


class Images(Shuffled):
    def __init__(self) -> None:
        super().__init__()
        self.x = np.random.default_rng(4).integers(0, 256, (50, 4, 4, 3)).astype("uint8")


class Dicts(Shuffled):
    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return {"all": x, "few": x[:, :2]}, [y, x.sum(1)], np.ones(len(y), "float32")


class Drawn(Shuffled):
    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + self.rng(index).normal(size=x.shape).astype("float32"), y


class Mixed(Shuffled):
    """Mixes samples with others; a few are left as they are."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        rng = self.rng(index)
        other, share = rng.permutation(len(x)), np.float32(rng.beta(0.2, 0.2))
        return share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]


class DropsOthers(Shuffled):
    def __len__(self) -> int:
        return 6


class FewNumbers(Rows):
    def __getitem__(self, index: int) -> Any:
        rng = np.random.default_rng(index)
        return rng.integers(0, 4, (8, 3)).astype("int8"), rng.integers(0, 2, 8)


class OneNumber(Rows):
    def __getitem__(self, index: int) -> Any:
        rng = np.random.default_rng(index)
        return rng.integers(0, 100, (8, 1)).astype("float32"), rng.integers(0, 2, 8)


class OneHotInputs(Rows):
    def __getitem__(self, index: int) -> Any:
        rng = np.random.default_rng(index)
        return np.eye(30, dtype="float32")[rng.integers(0, 30, 8)], rng.integers(0, 2, 8)


class Constant(Rows):
    def __getitem__(self, index: int) -> Any:
        return np.ones((8, 4), "float32"), np.zeros(8)


class NextValue(Rows):
    """Forecasts: the label of a row is the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.signal = np.arange(57, dtype="float32")

    def __getitem__(self, index: int) -> Any:
        return self.signal[8 * index : 8 * index + 8, None], self.signal[8 * index + 1 : 8 * index + 9]

    def __len__(self) -> int:
        return 7


class WithoutLabels(Shuffled):
    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(index)[0]


class FirstPart(Rows):
    """Trains on a part of what it holds."""

    def __len__(self) -> int:
        return 4


def again_and_again() -> Iterator[Any]:
    x = np.random.default_rng(0).normal(size=(24, 2)).astype("float32")
    while True:
        for at in range(0, 24, 8):
            yield x[at : at + 8], np.zeros(8)


def _source(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return streamfit.source(rng.normal(size=(50, 3)).astype("float32"), np.arange(50) % 3, seed=1)


def stages() -> list[Any]:
    return [
        lambda: _source().shuffle().batch(8),
        lambda: _source().shuffle().batch(8, drop_remainder=True),
        lambda: _source().batch(8, drop_remainder=True),
        lambda: _source().filter(lambda x, y: y > 0).batch(8),
        lambda: _source().take(20).batch(8),
        lambda: _source().repeat(2).batch(8),
        lambda: _source().sample(np.ones(50)).batch(8),
        lambda: _source().shuffle().batch(8).unbatch().batch(6),
    ]


RIGHT = [
    Rows,
    Shuffled,
    OneHot,
    Images,
    Dicts,
    Drawn,
    Mixed,
    DropsOthers,
    FewNumbers,
    OneNumber,
    OneHotInputs,
]
RIGHT += [Constant, NextValue, WithoutLabels, FirstPart]


@pytest.mark.parametrize("thing", [*RIGHT, *pipelines.CLEAN, *stages()], ids=lambda thing: thing.__name__)
def test_nothing_is_found_in_pipelines_that_are_right(thing: Any) -> None:
    assert found(thing) == {}


def test_endless_generator_may_begin_again() -> None:
    assert found(again_and_again) == {}


def test_notes_tell_what_is_left_out_in_turns() -> None:
    assert result(DropsOthers, "none_lost").message == "2 samples are left out, others in each epoch"
    assert result(lambda: _source().repeat(2).batch(8), "no_repeats").message == "each sample comes 2 times"


class Slow(Rows):
    loads = 0

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> Any:
        type(self).loads += 1
        time.sleep(0.0001)
        return np.random.default_rng(index).normal(size=(8, 2)).astype("float32"), np.zeros(8)


def test_slow_pipeline_is_asked_for_few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.testing.census._SECONDS", 0.0)
    monkeypatch.setattr(Slow, "loads", 0)
    census = census_of(Battery(Slow()).checked)
    assert [len(one.batches) for one in census.passes] == [16, 16]
    assert not census.whole
    assert Slow.loads <= 33


def test_chance_of_equality() -> None:
    rng = np.random.default_rng(0)
    assert chance_of_equality(rng.normal(size=(50, 3))) == 0
    assert chance_of_equality(np.repeat(np.arange(4.0), 25)[:, None]) == pytest.approx(0.24, abs=0.01)
    same = np.repeat(rng.integers(0, 10, 100).astype(float)[:, None], 5, axis=1)
    assert chance_of_equality(same) == pytest.approx(
        0.1, abs=0.03
    )  # not the fifth power: one column tells all


# -- a drawn fault in a drawn pipeline ----------------------------------------------------------------------


class Planted(Sequence):
    """A shuffled data set with one mistake, or none."""

    def __init__(self, samples: int, size: int, fault: str, count: int, seed: int, images: bool) -> None:
        self.shuffler = np.random.default_rng(seed)
        rows = self.shuffler.integers(0, 256, (samples, 12)).astype("uint8")
        self.x = rows if images else self.shuffler.normal(size=(samples, 3)).astype("float32")
        self.y = self.shuffler.permutation(samples)
        self.size, self.fault, self.count = size, fault, count
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.order = self.shuffler.permutation(len(self.x))
        self.labels = self.order.copy()
        if self.fault == "repeat":
            self.order[-self.count :] = self.labels[-self.count :] = self.order[: self.count]
        if self.fault == "swap":
            self.labels = np.roll(self.order, self.count)

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __getitem__(self, index: int) -> Any:
        rows = slice(self.size * index, self.size * index + self.size)
        x = self.x[self.order[rows]]
        return x * (1 if x.dtype == "uint8" else np.float32(2)), self.y[self.labels[rows]]


class PlantedLoss(Planted):
    """Never gives its last samples."""

    def __len__(self) -> int:
        return len(self.x) // self.size

    def on_epoch_end(self) -> None:
        self.order = self.labels = np.arange(len(self.x))


@given(
    samples=st.integers(30, 90),
    size=st.integers(4, 9),
    fault=st.sampled_from(["", "repeat", "swap", "lose"]),
    count=st.integers(2, 3),  # fewer than a batch has
    seed=st.integers(0, 2**16),
    images=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_planted_fault_is_found_and_nothing_without_it(
    samples: int, size: int, fault: str, count: int, seed: int, images: bool
) -> None:
    made = PlantedLoss if fault == "lose" else Planted
    thing = made(samples + (samples % size == 0), size, fault, count, seed, images)
    names = {"repeat": {"no_repeats"}, "swap": {"labels_stay"}, "lose": {"none_lost"}}
    assert set(found(thing)) == names.get(fault, set())


def rows_for_ever(rows: int = 42, odd: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give batches of eight rows, the last of each round shorter; the first `odd` lack a row."""
    for number in itertools.count():
        at = 8 * number % (-(-rows // 8) * 8)
        x = np.arange(at, min(at + 8, rows), dtype="float32")[number < odd :, None]
        yield x, x


def test_rounds_of_a_generator_that_goes_on_for_ever_may_end_short() -> None:
    (sizes,) = run_checks(rows_for_ever, only="batch_sizes")
    assert sizes.status == "pass"
    assert sizes.message == "one of 6 batches has 2 samples, as if the data began again after it"
    (sizes,) = run_checks(lambda: rows_for_ever(odd=1), only="batch_sizes")
    assert sizes.status == "warn"
    assert "batch 0 has 7 where most have 8" in sizes.message
