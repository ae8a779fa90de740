from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracles.sequences import Endless, Growing, Numbered

from streamfit._base import config
from streamfit.streams import ArraySource, GeneratorSource, SequenceSource, open_source
from streamfit.streams.adapt import check_batch_size, kind_of


class Loader:
    def __iter__(self) -> Any:
        return iter([(np.zeros(2), np.zeros(2))])


class Tensor:
    ndim, shape = 2, (3, 1)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.zeros((3, 1))

    def __getitem__(self, index: int) -> Any:
        return 0

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        return iter(())


def generate() -> Any:
    yield np.zeros(2), np.zeros(2)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (np.zeros(3), "arrays"),
        ([1.0, 2.0], "arrays"),
        ([np.zeros(3), np.zeros(3)], "arrays"),
        ((np.zeros(3),), "arrays"),
        ({"a": np.zeros(3)}, "arrays"),
        (Tensor(), "arrays"),
        (generate(), "iterator"),
        (iter([]), "iterator"),
        (zip([1], [2], strict=True), "iterator"),
        (Numbered(), "sequence"),
        (Growing(), "sequence"),
        (Endless(), "sequence"),
        (range(3), "sequence"),
        (Loader(), "iterable"),
        (ArraySource(np.zeros(3)), "source"),
    ],
)
def test_each_kind_of_thing_is_told_apart(x: Any, kind: str) -> None:
    assert kind_of(x) == kind


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, "None is not data"),
        ("data.csv", "'data.csv' is not data.*load the file"),
        (b"abc", "load the file"),
        ({1, 2}, "a set has no order"),
        (3, "3 is not data"),
        (np.float32(3), "not data"),
        (True, "not data"),
        (generate, "call it and pass what it returns"),
        (Numbered, "call it and pass what it returns"),
        (object(), "a object is not data"),
    ],
)
def test_what_holds_no_data_is_refused(x: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        open_source(x, name="validation data")
    assert "validation data" in str(caught.value)


@pytest.mark.parametrize("make", [generate, Numbered, Loader])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "y",
            "`y` argument is not supported when data is a generator or Sequence instance.",
        ),
        ("sample_weight", "`sample_weight` argument is not supported when data is a generator"),
        ("batch_size", "The `batch_size` argument must not be specified when using a generator or Sequence"),
    ],
)
def test_arguments_for_arrays_are_refused_for_the_rest(make: Any, argument: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        open_source(make(), **{argument: 4})
    assert message in str(caught.value)


@pytest.mark.parametrize("size", [1, 32, np.int64(7)])
def test_batch_sizes(size: Any) -> None:
    assert check_batch_size(size) == size
    assert type(check_batch_size(size)) is int
    assert open_source(np.zeros(50)).batch_size == 32  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("size", "error"),
    [
        (0, ValueError),
        (-4, ValueError),
        (2.0, TypeError),
        (math.nan, TypeError),
        (True, TypeError),
        ("32", TypeError),
        ([32], TypeError),
    ],
)
def test_wrong_batch_sizes_are_refused(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"batch_size must be .*; write for example batch_size=32"):
        open_source(np.zeros(3), batch_size=size)


def test_what_comes_out() -> None:
    source = ArraySource(np.zeros(3))
    assert open_source(source) is source
    one = open_source(np.zeros(9), np.zeros(9), np.ones(9), batch_size=4, shuffle="batch", seed=5, name="n")
    assert isinstance(one, ArraySource)
    assert (one.batch_size, one.shuffle, one.seed, one.name) == (4, "batch", 5, "n")
    two = open_source(Numbered(), shuffle=True, seed=5, name="n", targets=False)
    assert isinstance(two, SequenceSource)
    assert (two.shuffle, two.seed, two.name, two.targets) == (True, 5, "n", False)
    three = open_source(generate(), shuffle=True, seed=5, name="n")
    assert isinstance(three, GeneratorSource)
    assert (three.seed, three.name, three.traits.rewinds) == (5, "n", False)
    assert open_source(Loader()).traits.rewinds


def test_seeds_follow_the_one_that_was_set() -> None:
    assert open_source(np.zeros(3)).seed != open_source(np.zeros(3)).seed
    config.set_random_seed(3)
    first = [open_source(np.zeros(3)).seed for _ in range(2)]
    config.set_random_seed(3)
    assert [open_source(np.zeros(3)).seed for _ in range(2)] == first
    assert first[0] != first[1]
