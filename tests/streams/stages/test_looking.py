"""`summary`, `peek`, `element_spec`, `len`, `repr`: to look at a pipeline takes nothing from it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from oracles.stages import in_order, listed, never, noisy, numbers

import streamfit
from streamfit import mix, source
from streamfit._base.specs import Spec


def test_a_peek_takes_nothing_from_an_iterator() -> None:
    for size in (1, 4):
        pulled = source(iter(np.arange(40)), kind="samples").map(noisy).map(np.negative).batch(size)
        first = np.asarray(pulled.peek()).tolist()
        assert np.asarray(pulled.peek()).tolist() == first
        assert isinstance(pulled.element_spec, Spec)
        found = listed(pulled)
        assert found[0] == first
        assert sum(map(len, found)) == 40


def test_a_peek_is_at_the_next_pass() -> None:
    shuffled = numbers(50).shuffle()
    for _ in range(2):
        first = np.asarray(shuffled.peek()).tolist()
        assert listed(shuffled)[0] == first


def test_specs() -> None:
    pairs = source({"a": np.zeros((5, 2), np.float32)}, np.zeros(5, np.int8))
    assert pairs.element_spec == ({"a": Spec((2,), np.dtype("f4"))}, Spec((), np.dtype("i1")))
    assert pairs.batch(2).element_spec == (
        {"a": Spec((None, 2), np.dtype("f4"))},
        Spec((None,), np.dtype("i1")),
    )
    with pytest.raises(ValueError, match="has no element"):
        print(numbers(3).filter(never).element_spec)


def test_lengths() -> None:
    assert len(numbers(5).batch(2)) == 3
    with pytest.raises(TypeError, match="does not know its number of elements"):
        len(in_order(5))
    with pytest.raises(TypeError, match="does not know its number of elements"):
        len(numbers(5).repeat())


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    numbers(4).zip(in_order(4)).batch(3).repeat().summary()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [
        "Stage",
        *["source('data',", "source('data',", "filter(kept)", "zip(...)", "batch(3)", "repeat()"],
    ]
    assert ["?" in line for line in lines] == [False, False, False, True, True, True, False]
    assert "endless" in lines[-1]


def test_texts_are_what_one_writes() -> None:
    shown = repr(mix([numbers(2), numbers(3)], weights=[1, 2]).prefetch(-1).take(3))
    assert shown == "mix([source('data', 2 samples), source('data', 3 samples)], weights=[1.0, 2.0]).take(3)"


def test_public_names() -> None:
    assert {"source", "Pipeline", "mix", "interleave"} <= set(streamfit.__all__)
    assert listed(itertools.islice(streamfit.interleave([numbers(2), numbers(2, 5)]), 3)) == [0, 5, 1]


def test_prefetch_checks_its_argument() -> None:
    with pytest.raises(ValueError, match="buffer_size must be at least -1"):
        numbers(3).prefetch(-2)
