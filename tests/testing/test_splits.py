"""`check_split` finds what is on both sides, and calls no proper split wrong."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import Sequence
from streamfit.testing import CheckFailure, Result, check_split

pytestmark = pytest.mark.timeout(30)

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(600, 5)), RNG.integers(0, 4, 600)
PATIENT = np.repeat(np.arange(60), 10)


def found(train: Any, validation: Any, **options: Any) -> dict[str, Result]:
    return {result.name: result for result in check_split(train, validation, **options)}


def noted(train: Any, validation: Any, **options: Any) -> dict[str, str]:
    """Return the warnings."""
    results = found(train, validation, **options)
    return {name: result.message for name, result in results.items() if result.status == "warn"}


def at(rows: Any, y: Any = Y) -> tuple[Any, Any]:
    return X[rows], y[rows]


class Batches(Sequence):
    """Rows in batches of 8, with a length that may be rounded down."""

    def __init__(self, x: Any, y: Any, down: bool = False) -> None:
        super().__init__()
        self.x, self.y, self.down = x, y, down

    def __len__(self) -> int:
        return len(self.x) // 8 if self.down else -(-len(self.x) // 8)

    def __getitem__(self, index: int) -> Any:
        return self.x[8 * index : 8 * index + 8], self.y[8 * index : 8 * index + 8]


def test_samples_in_both_are_named_with_their_places() -> None:
    with pytest.raises(CheckFailure, match="20 of 120 samples of validation are in train too") as failure:
        check_split(at(slice(0, 500)), at(slice(480, 600)))
    assert "(batch 0, row 0) is sample 480 of train (batch 1, row 224)" in str(failure.value)


def test_one_sample_in_both_is_enough_and_dtypes_do_not_hide_it() -> None:
    whole = np.arange(300)[:, None]
    with pytest.raises(CheckFailure, match=r"\[overlap\] split: 1 of 101"):
        check_split(whole[:200], whole[199:].astype("float64").astype("int32"))


def test_a_random_draw_of_each_side_overlaps() -> None:
    rng = np.random.default_rng(0)
    both = noted(at(rng.choice(600, 480)), at(rng.choice(600, 120)))
    assert "or is drawn with replacement" in both["overlap"]


def proper_splits() -> list[Any]:
    rows = np.random.default_rng(3).permutation(600)
    folds = np.array_split(rows, 5)
    stratified = np.concatenate([np.flatnonzero(label == Y)[:20] for label in range(4)])
    groups = np.isin(PATIENT, np.random.default_rng(1).permutation(60)[:12])
    return [
        (rows[:480], rows[480:]),
        *((np.concatenate(folds[:k] + folds[k + 1 :]), folds[k]) for k in range(2)),
        (np.setdiff1d(np.arange(600), stratified), stratified),
        (np.flatnonzero(~groups), np.flatnonzero(groups)),
        (np.arange(480), np.arange(480, 600)),
    ]


@pytest.mark.parametrize(
    "rows", proper_splits(), ids=["drawn", "fold 0", "fold 1", "classes", "groups", "time"]
)
def test_proper_splits_pass(rows: Any) -> None:
    assert noted(at(rows[0]), at(rows[1])) == {}


def test_split_in_time_of_a_signal_passes() -> None:
    signal = np.cumsum(np.random.default_rng(0).normal(size=2000))
    windows = np.lib.stride_tricks.sliding_window_view(signal, 16)
    assert noted((windows[:1500], signal[15:1515]), (windows[1516:], signal[1531:])) == {}


def test_groups_on_both_sides_are_named() -> None:
    with pytest.raises(CheckFailure, match=r"1 of 13 groups of validation are in train too: 47 \(5 in train"):
        check_split(at(slice(0, 475), PATIENT), at(slice(475, 600), PATIENT), group=lambda x, y: int(y))
    results = found(at(slice(0, 480), PATIENT), at(slice(480, 600), PATIENT), group=lambda x, y: int(y))
    assert results["groups"].message == "48 groups in train, 12 in validation"


def test_few_distinct_rows_are_equal_by_chance() -> None:
    coins = np.random.default_rng(0).integers(0, 3, (600, 2))
    results = found(coins[:480], coins[480:])
    assert results["overlap"].status == "pass"
    assert "120 of 120 samples of validation equal one of train, and 480 of 480" in results["overlap"].message


def test_a_train_set_that_repeats_its_samples_hides_no_overlap() -> None:
    repeated = np.repeat(X[:480], 3, axis=0)
    assert noted(repeated, X[480:]) == {}
    with pytest.raises(CheckFailure, match="20 of 140 samples"):
        check_split(repeated, X[460:])


def test_data_with_a_few_twins_is_a_warning() -> None:
    x = np.concatenate([np.arange(1000.0), np.arange(20.0)])
    x = x[np.random.default_rng(0).permutation(1020)][:, None]
    assert "the data holds samples twice" in noted(x[:700], x[700:])["overlap"]


def test_an_empty_side_fails_alone() -> None:
    with pytest.raises(CheckFailure, match=r"1 of 9 checks:\n\[samples\] split: validation cannot be read"):
        check_split(at(slice(0, 500)), at(slice(0, 0)))
    with pytest.raises(CheckFailure, match=r"1 of 9 checks"):
        check_split(Batches(X, Y), Batches(X[:0], Y[:0]))


@pytest.mark.parametrize(
    ("train", "validation", "name", "text"),
    [
        ((X[:500] / 255, Y[:500]), at(slice(500, 600)), "ranges", "not scaled as the other"),
        ((X[:500] + 9, Y[:500]), at(slice(500, 600)), "ranges", r"between 5\.\d+ and"),
        (
            at(slice(0, 500)),
            (X[500:].astype("f4"), Y[500:]),
            "forms",
            "x has dtype float64 in train, but float32",
        ),
        (at(slice(0, 500)), (X[500:, :4], Y[500:]), "forms", r"samples of shape \(5,\) in train, but \(4,\)"),
        (at(slice(0, 500)), X[500:], "forms", "train holds x, y, but validation holds x"),
        (
            at(slice(0, 520), np.sort(Y)),
            at(slice(520, 600), np.sort(Y)),
            "classes",
            "0, 1, 2 are in train only",
        ),
        (at(slice(0, 500)), (X[:3], (Y[:3] + 1) % 4), "same_inputs", "and another y: sample 0 of validation"),
        (
            Batches(X[:500], Y[:500]),
            Batches(X[500:], Y[500:], down=True),
            "validation_whole",
            "last 4 samples",
        ),
    ],
)
def test_what_may_be_meant_is_a_warning(train: Any, validation: Any, name: str, text: str) -> None:
    (only,) = noted(train, validation).items()
    assert only[0] == name
    assert re.search(text, only[1])


def test_a_class_that_was_never_trained_on() -> None:
    y = np.where(np.arange(600) >= 550, 9, Y)
    assert (
        "class 9 is in validation only, and never trained on"
        in noted(at(slice(0, 500), y), at(slice(500, 600), y))["classes"]
    )


def noisy(x: Any, y: Any, rng: Any) -> Any:
    return x + rng.normal(size=x.shape), y


def test_pipelines_that_draw_are_compared_by_key() -> None:
    numbers = np.arange(600)
    train = streamfit.source(X[:500], numbers[:500], seed=1).map(noisy).shuffle().batch(32)
    leaking = streamfit.source(X[490:], numbers[490:]).batch(32)
    assert "pass key=" in found(train, leaking)["overlap"].message
    with pytest.raises(CheckFailure, match="10 of 110 samples"):
        check_split(train, leaking, key=lambda x, y: int(y))
    clean = streamfit.source(X[500:], numbers[500:], seed=1).shuffle().batch(32)
    assert noted(train, clean, key=lambda x, y: int(y)) == {}
    assert (
        "augmented"
        in noted(clean, streamfit.source(X[:500], Y[:500]).map(noisy).batch(32))["validation_repeats"]
    )


def test_it_says_how_much_it_has_looked_at() -> None:
    text = found(at(slice(0, 500)), at(slice(500, 600)), samples=256)["samples"].message
    assert text == "looked at the first 256 samples of train and all 100 samples of validation"


def test_generators_strict_and_expected_failures() -> None:
    def batches() -> Any:
        for start in range(0, 480, 8):
            yield at(slice(start, start + 8))

    leak = at(slice(470, 600))
    results = found(batches, leak, expected_failures={"overlap": "the same ten on purpose"})
    assert results["overlap"].status == "expected"
    with pytest.raises(CheckFailure, match="ranges"):
        check_split(batches, (X[480:] * 99, Y[480:]), strict=True)
    with pytest.raises(ValueError, match="'overlop' is no check here"):
        check_split(batches, leak, expected_failures={"overlop": ""})
    with pytest.raises(ValueError, match="samples must be at least 1"):
        check_split(batches, leak, samples=0)
