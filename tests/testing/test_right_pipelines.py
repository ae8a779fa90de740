"""Nothing is found in pipelines that are right, though something in them looks like a mistake."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from streamfit.testing import run_checks
from tests.oracles import right_pipelines as right

_IN_THIS_PROCESS = [
    "content",
    "form",
    "global_randomness",
    "repeatable",
    "any_order",
    "own_data",
    "finite",
    "input_dtype",
    "unchanged",
    "no_repeats",
    "none_lost",
    "batches_differ",
    "batch_sizes",
    "groups_change",
    "first_epoch",
    "labels_stay",
    "made_alike",
]
_OF_GENERATORS = ["fresh", "equal", "content", "form", "no_repeats", "none_lost", "batches_differ"]


def found(thing: Any, only: Any = None) -> dict[str, str]:
    """Return what failures and warnings say."""
    names = only or (_OF_GENERATORS if thing is right.endless else _IN_THIS_PROCESS)
    return {one.name: one.message for one in run_checks(thing, only=names) if one.status in ("fail", "warn")}


@pytest.mark.parametrize("thing", right.RIGHT, ids=lambda thing: thing.__name__)
def test_nothing_is_found_in_what_is_right(thing: Any) -> None:
    assert found(thing) == {}


class TableWrapsAround(right.Validation):
    """The last batch is filled up with samples of the first one."""

    def data(self) -> Any:
        x, y = super().data()
        return x[:195], y[:195]

    def rows(self, index: int) -> Any:
        return np.arange(10 * index, 10 * index + 10) % 195


class OneHotsAreDrawn(right.OneHotColumns):
    """Draws rows with replacement, more often than they are there."""

    def on_epoch_end(self) -> None:
        self.order = self.generator.integers(0, 400, 400)


class PairsComeAgain(right.FirstWords):
    """The second half begins as the first one did."""

    def rows(self, index: int) -> Any:
        return np.arange(10 * index, 10 * index + 10) % 500


class AllClassesComeAgain(right.RareClassMadeUp):
    """All classes come several times."""

    def on_epoch_end(self) -> None:
        groups = [np.flatnonzero(self.y == label)[:20] for label in range(3)]
        self.groups = [np.resize(group, 90) for group in groups]


class FileIsMissing(right.Buckets):
    """A batch is short, and not the last one, in each epoch."""

    def on_epoch_end(self) -> None:
        self.batches = [np.arange(start, min(start + 10, 195)) for start in range(0, 195, 10)]
        self.batches[3] = self.batches[3][:4]


class PartIsLeftOut(right.PartByOrder):
    """Rows that the order names never come."""

    def __len__(self) -> int:
        return 19


@pytest.mark.parametrize(
    ("thing", "name", "text"),
    [
        (TableWrapsAround, "no_repeats", "the last batch, 19, repeats 5 samples"),
        (OneHotsAreDrawn, "no_repeats", "samples in an epoch are repeated"),
        (PairsComeAgain, "no_repeats", "samples in an epoch are repeated"),
        (AllClassesComeAgain, "no_repeats", "samples in an epoch are repeated"),
        (FileIsMissing, "batch_sizes", "batch 3 has 4"),
        (PartIsLeftOut, "none_lost", "index 19 would give 4 more samples"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_mistake_in_such_data_is_found_all_the_same(thing: Any, name: str, text: str) -> None:
    assert text in found(thing, name)[name]


def test_notes_say_why_samples_come_again() -> None:
    notes = {one.name: one.message for one in run_checks(right.RareClassMadeUp, only="no_repeats")}
    assert notes["no_repeats"].startswith("the samples of 1 rare classes are repeated")
    (sizes,) = run_checks(right.Buckets, only="batch_sizes")
    assert sizes.message == "one batch has 5 samples, in another place in each epoch"


@pytest.mark.parametrize("thing", [right.OneFile, right.SlowFile], ids=lambda thing: thing.__name__)
def test_loads_that_wait_for_a_lock_are_bounded(thing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.testing.checks.delivery._SECONDS", 0.2)
    began = time.perf_counter()
    (result,) = run_checks(thing, only="thread_safe")
    assert result.status == "pass"
    assert time.perf_counter() - began < 4  # about 0.5 s; 20 s where each of 240 lines waits for 0.1 s
