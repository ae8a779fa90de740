"""The check of targets: the first wrong target is found, and nothing is checked after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.kernels import Call, CallList, KernelStoppedError, run
from streamfit.losses.meaning import CHANCES, DISTRIBUTIONS, SIGNS, Meaning
from streamfit.training.label_guard import check_counted_labels, check_labels
from streamfit.training.target_checks import TargetCheck

NAN = float("nan")


def look(meaning: Meaning, target: Any, weights: Any = None, found: Any = None) -> list[float]:
    target = np.asarray(target)
    weights = np.ones(len(target)) if weights is None else np.asarray(weights, float)
    found = np.zeros(2) if found is None else found
    check = TargetCheck(meaning, meaning.rows and target.ndim > 1)
    assert check.infer() == ()
    run(check.forward([target, weights, found], [], []))
    return [float(number) for number in found]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_the_first_value_outside_is_kept(dtype: str) -> None:
    target = np.array([[0, 1], [1, -2], [5, 0]]).astype(dtype)
    assert look(CHANCES, target) == [1.0, -2.0]
    assert look(CHANCES, target, [1, 0, 1]) == [1.0, 5.0]
    assert look(CHANCES, target, [1, 0, 0]) == [0.0, 0.0]


def test_nan_is_no_matter_of_range() -> None:
    for meaning in (CHANCES, SIGNS, DISTRIBUTIONS):
        assert look(meaning, np.array([[1.0, 0.0], [NAN, 0.0]])) == [0.0, 0.0]


def test_rows_and_signs() -> None:
    assert look(DISTRIBUTIONS, np.array([[0.5, 0.5], [1.0, 1.0]])) == [2.0, 2.0]
    assert look(DISTRIBUTIONS, np.array([[0.5, 0.5], [1.0, 1.0]]), [1, 0]) == [0.0, 0.0]
    assert look(SIGNS, np.array([-1.0, 0.0, 1.0])) == [0.0, 0.0]
    assert look(SIGNS, np.array([-1.0, 0.0, 0.5])) == [1.0, 0.5]


def test_what_was_found_stays() -> None:
    found = np.array([1.0, 7.0])
    assert look(CHANCES, np.array([9.0]), None, found) == [1.0, 7.0]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0, NAN]), min_size=1, max_size=70))
def test_vector_code_finds_what_a_loop_finds(values: list[float]) -> None:
    wrong = [value for value in values if value < 0 or value > 1]
    assert look(CHANCES, np.array(values, "float32")) == ([1.0, wrong[0]] if wrong else [0.0, 0.0])


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_labels_are_whole_numbers_below_the_number_of_classes_or_the_ignored_one(dtype: str) -> None:
    def stops(labels: list[float], weights: list[int] | None = None) -> bool:
        given = np.array(labels).astype(dtype)
        call: Call = (check_labels, (given, 3, -1))
        if weights is not None:
            call = (check_counted_labels, (given, 3, -1, np.array(weights, "float32"), 2))
        try:
            CallList([call]).run()
        except KernelStoppedError:
            return True
        return False

    wrong = [3.0, -2.0] + ([0.5, NAN] if dtype != "int64" else [])
    assert not stops([0, 1, 2, -1])
    for label in wrong:
        assert stops([0, 1, 2, label])
        assert stops([0, 1, 2, label], [0, 1])
        assert not stops([0, 1, 2, label], [1, 0])
