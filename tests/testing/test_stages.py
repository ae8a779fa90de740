"""A failure of a composed pipeline names the first stage that breaks the rule, also in branches."""

from __future__ import annotations

import random
import re
import threading
from typing import Any

import numpy as np
import pytest
from oracles import faulty

import streamfit
from streamfit.streams import Pipeline
from streamfit.testing import run_checks
from streamfit.testing.checks.stage_checks import check_stages
from streamfit.testing.failure import CheckSkipped
from streamfit.testing.kinds import checked_object
from streamfit.testing.settings import CheckSettings

pytestmark = pytest.mark.timeout(30)

X, Y = np.arange(240.0).reshape(120, 2), np.arange(120)


def samples(repeat: int = 1) -> Pipeline:
    return streamfit.source(X.repeat(repeat, 0), Y.repeat(repeat), seed=1)


def double(x: Any, y: Any) -> Any:
    return 2 * x, y


def global_noise(x: Any, y: Any) -> Any:
    return x + np.random.normal(size=x.shape), y


def refuses(x: Any, y: Any) -> Any:
    if y == 37:
        raise ValueError("no such image")
    return x, y


class HeldGenerator:
    """Draws from one generator for all."""

    def __init__(self) -> None:
        self.generator = random.Random(1)

    def __call__(self, x: Any, y: Any) -> Any:
        return x + self.generator.random(), y


class HoldsLock:
    """Cannot travel."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: Any) -> HoldsLock:
        return self

    def __call__(self, x: Any, y: Any) -> Any:
        return x, y


def found(pipeline: Any, name: str) -> str:
    (result,) = run_checks(pipeline, only=name)
    assert result.status == "fail", result
    return result.message


CHAINS = [
    (lambda: samples().map(double).map(global_noise).shuffle().batch(8), "global_randomness", "3 of 5", "gl"),
    (lambda: samples().map(refuses).map(double).shuffle().batch(8), "content", "2 of 5", "refuses"),
    (lambda: samples().shuffle().map(double).map(HeldGenerator()).batch(8), "repeatable", "4 of 5", "Held"),
    (lambda: samples().batch(8).map(global_noise), "global_randomness", "3 of 3", "global_noise"),
    (lambda: samples().map(double).map(HoldsLock()).batch(8), "picklable", "3 of 4", "HoldsLock"),
    (
        lambda: (
            samples().map(double).zip(samples().map(global_noise)).map(lambda a, b: (a[0], b[1])).batch(4)
        ),
        "global_randomness",
        "4 of 7",
        "global_noise",
    ),
]


@pytest.mark.parametrize(("make", "name", "number", "function"), CHAINS)
def test_failure_names_the_first_stage_that_breaks_the_rule(
    make: Any, name: str, number: str, function: str
) -> None:
    message = found(make(), name)
    assert re.search(
        rf"[^.?][.?] The first part that breaks this rule is stage {number}, map\({function}", message
    )
    assert " at test_stages.py:" in message


def test_one_mistake_of_a_stage_is_one_failure() -> None:
    pipeline = samples().map(double).map(global_noise).shuffle().batch(8)
    results = run_checks(pipeline, workers=1)
    assert [result.name for result in results if result.status == "fail"] == ["global_randomness"]
    stream = run_checks(lambda: streamfit.stream(pipeline), only=["global_randomness", "reread", "stages"])
    assert [result.status for result in stream] == ["fail", "skip", "skip"]
    assert "stage 3 of 5, map(global_noise) at test_stages.py" in stream[0].message


def test_sound_stages_have_no_finding() -> None:
    pipeline = samples().map(double).concatenate(samples().shuffle()).batch(8)
    (result,) = run_checks(pipeline, only="stages")
    assert (result.status, result.message) == ("pass", "")
    (result,) = run_checks(samples().map(double).batch(8), only="stages")
    assert (result.status, "one chain" in result.message) == ("skip", True)


@pytest.mark.parametrize(
    ("function", "rule"), [(global_noise, "global_randomness"), (refuses, "content")], ids=["noise", "raises"]
)
def test_branch_beyond_the_first_batches_is_looked_into(function: Any, rule: str) -> None:
    pipeline = samples(4).concatenate(samples().map(function)).batch(8)
    assert {result.status for result in run_checks(pipeline, only=["content", "global_randomness"])} == {
        "pass"
    }
    message = found(pipeline, "stages")
    assert f"map({function.__name__}) at test_stages.py" in message
    assert f"breaks the rule {rule!r} when it is read alone" in message


class Both(faulty.CleanSource):
    """Holds two sources and loads from one of them."""

    def __init__(self, used: int) -> None:
        super().__init__()
        self.used = used
        self.parts = [faulty.CleanSource(), samples().map(global_noise).batch(4).open_source(seed=1)]

    def load(self, ticket: Any) -> Any:
        source = self.parts[self.used]
        return source.load(next(iter(source.tickets(0, ticket.number))))


def test_sources_that_a_source_holds_are_looked_into() -> None:
    part = "stage 2 of 3 of self.parts[1], map(global_noise) at test_stages.py"
    assert part in found(Both(1), "global_randomness")
    assert run_checks(Both(0), only="global_randomness")[0].status == "pass"
    assert part in found(Both(0), "stages")


def test_pipeline_over_an_iterator_is_not_taken_apart() -> None:
    items = iter([(X, Y)] * 3)
    rest = (item for item in items)
    pipeline = streamfit.source(rest).concatenate(samples().batch(8))
    checked = checked_object(pipeline, None, CheckSettings())
    with pytest.raises(CheckSkipped, match="cannot be read again"):
        check_stages(checked)
    assert len(list(items)) == 3
