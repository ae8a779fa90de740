"""Every planted mistake is found by the check that is named for it, and by that one first; good ones pass."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from oracles import faulty

import streamfit
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

pytestmark = pytest.mark.timeout(30)


def failed(obj: Any, kind: Any = None) -> dict[str, str]:
    return {result.name: result.message for result in run_checks(obj, kind) if result.status == "fail"}


SEQUENCES = [
    (faulty.OneTooMany, "length", "its length is 7, but batch 6, the last one, cannot be loaded: IndexError"),
    (faulty.Longer, "length", "its length was 6, and another number when asked again"),
    (faulty.Fraction, "length", "its number of batches cannot be had: TypeError: 'float' object"),
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
    (faulty.HoldsFile, "picklable", r"its \.sequence\.file is a .*BufferedRandom"),
    (faulty.HoldsLock, "picklable", r"its \.sequence\.settings\['guard'\] is a _thread\.lock"),
    (faulty.HoldsLambda, "picklable", r"its \.sequence\.enter \(its variable 'guard'\)"),
    (
        faulty.ProcessId,
        "same_on_processes",
        r"batch 0 is not the same: y\[0\] is \d+ in this process and \d+",
    ),
    (faulty.ModuleState, "hooks", r"batch 0 of epoch 1 is not the same: y\[0\] is 1 in this process and 0"),
    (faulty.ClassState, "hooks", "batch 0 of epoch 1 is not the same"),
    (faulty.RaisingHook, "hooks", "a hook raised RuntimeError: no next epoch"),
]


@pytest.fixture(autouse=True)
def module_state() -> Any:
    """Let no test see what the hooks of another one have changed."""
    yield
    faulty.OFFSET[0] = 0
    faulty.ClassState.offset = 0


ALSO = {"SharedGenerator": {"picklable"}, "PartOfBuffer": {"own_data"}}  # two mistakes in one


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
    (faulty.Unnumbered, "planned", "ticket 1 of epoch 0 says that it is number 0 of epoch 0"),
    (faulty.IgnoresStart, "resume", r"tickets\(epoch, start=1\) is not the tail"),
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
    (faulty.ShrinkingLoader(), "passes", "5 batches in the first pass and 4 in the second"),
    (faulty.LyingLoader(), "passes", "its length is 4, and it yields 5"),
]


@pytest.mark.parametrize(
    ("factory", "name", "text"), GENERATORS, ids=[f"{c[1]}-{n}" for n, c in enumerate(GENERATORS)]
)
def test_mistake_of_a_generator_is_found(factory: Any, name: str, text: str) -> None:
    found = failed(factory, "generator")
    assert name in found
    assert re.search(text, found[name]), found[name]
