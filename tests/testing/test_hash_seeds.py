"""Batches that depend on the hash seed are found, and what only sorts its sets passes."""

from __future__ import annotations

import os
from typing import Any

import pytest
from oracles import reaching
from oracles.hashing import ClassesInASet, OverASet, SeededByName, Sorted, drawn_from_a_set

from streamfit.testing import nothing_left_behind, run_checks
from streamfit.testing.source_code import may_hash

pytestmark = pytest.mark.timeout(90)


def failures(thing: Any, kind: Any = None, **options: Any) -> dict[str, str]:
    results = run_checks(thing, kind, workers=1, **options)
    return {result.name: result.message for result in results if result.status == "fail"}


@pytest.mark.parametrize("thing", [OverASet, SeededByName, ClassesInASet, OverASet()])
def test_batches_that_depend_on_the_hash_seed(thing: Any) -> None:
    found = failures(thing)
    assert list(found) == ["hash_seed"]
    assert "depends on Python's hash seed" in found["hash_seed"]
    assert "sorted(names)" in found["hash_seed"]


def test_a_generator_that_depends_on_the_hash_seed() -> None:
    found = failures(drawn_from_a_set, "generator")
    assert list(found) == ["hash_seed"]


def test_sorted_sets_pass() -> None:
    assert failures(Sorted) == {}


def test_nothing_is_left_behind_and_the_environment_is_as_before() -> None:
    before = dict(os.environ)
    with nothing_left_behind():
        failures(OverASet, only="hash_seed")
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (reaching.ByFunction, True),
        (reaching.ByMethod, True),
        (reaching.ByTable, True),
        (reaching.ByText, True),
        (reaching.ByHelper, True),
        (reaching.Plain, False),
    ],
)
def test_code_that_is_reached_by_name_is_looked_at_and_no_other(cls: Any, expected: bool) -> None:
    assert may_hash(cls()) is expected
