"""`word_dropout`: keyed by seed, pass and sample; what it leaves and what it never touches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import source, stream
from streamfit._base.errors import DataError
from streamfit._base.keys import generator
from streamfit.preprocessing.text import word_dropout

IDS = st.lists(st.integers(0, 9), max_size=30)
RATES = st.sampled_from([0.0, 0.3, 0.5, 1.0])


@given(IDS, RATES, st.integers(0, 2**32), st.sampled_from(["int32", "int64", "uint8"]))
def test_ids_are_dropped_by_the_draws_of_the_sample(
    ids: list[int], rate: float, key: int, dtype: str
) -> None:
    x = np.array(ids, dtype)
    gone = (generator(key).random(len(x)) < rate) & (x != 0)
    replaced = word_dropout(rate, replace=1)(x, generator(key))
    np.testing.assert_array_equal(replaced, np.where(gone, 1, x).astype(dtype), strict=True)
    np.testing.assert_array_equal(word_dropout(rate)(x, generator(key)), x[~gone], strict=True)
    np.testing.assert_array_equal(x, np.array(ids, dtype))
    kept = word_dropout(1.0, keep=(0, 3))(x, generator(key))
    assert set(kept.tolist()) == {0, 3} & set(ids)


@given(st.text("ab \n\t", max_size=20), RATES, st.integers(0, 2**32))
def test_words_of_a_text_are_dropped(text: str, rate: float, key: int) -> None:
    words = text.split()
    gone = generator(key).random(len(words)) < rate
    found = word_dropout(rate, replace="?")(text, generator(key))
    assert found.split() == ["?" if each else word for word, each in zip(words, gone, strict=True)]
    assert "".join(each for each in found if each.isspace()) == "".join(
        each for each in text if each.isspace()
    )
    left = word_dropout(rate)(text, generator(key))
    assert left.split() == [word for word, each in zip(words, gone, strict=True) if not each]
    if not gone.any():
        assert left == found == text


def test_rate_is_the_share_that_is_dropped() -> None:
    x = np.full(20_000, 7)
    assert abs((word_dropout(0.2, replace=1)(x, generator(0)) == 1).mean() - 0.2) < 0.02


@pytest.mark.parametrize("behind_batch", [False, True])
def test_draws_belong_to_seed_pass_and_sample_whatever_the_workers(behind_batch: bool) -> None:
    x = np.arange(1, 241).reshape(24, 10) % 50 + 2
    function = word_dropout(0.5, replace=1)
    plain = source(x, np.arange(24)).shuffle()
    data: Any = (
        plain.batch(5).map(function, per="sample", on="x") if behind_batch else plain.map(function, on="x")
    )
    data = data if behind_batch else data.batch(5)
    found = []
    for how in ({"workers": 0}, {"workers": 2}, {"workers": 2, "use_multiprocessing": not behind_batch}):
        passes = []
        with stream(data, seed=4, **how) as batches:
            for _ in range(2):
                rows = {}
                for ids, names in batches:
                    rows |= dict(zip(names.tolist(), ids.tolist(), strict=True))
                passes.append(rows)
        found.append(passes)
    assert found[0] == found[1] == found[2]
    first, second = found[0]
    assert sorted(first) == list(range(24))
    assert first != second
    assert all(set(first[name]) <= {1, *x[name].tolist()} for name in first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: word_dropout(1.5), "rate=1.5"),
        (lambda: word_dropout(-0.1), "at least 0"),
        (lambda: word_dropout(0.5, replace=-1), "replace must be at least 0"),
        (lambda: word_dropout(0.5)(np.ones((2, 3), int), generator(0)), r"shape \(2, 3\).*per='sample'"),
        (lambda: word_dropout(0.5)(np.ones(3), generator(0)), "dtype float64"),
        (lambda: word_dropout(0.5, replace=1)("a", generator(0)), "replace=1 is an id"),
        (lambda: word_dropout(0.5, replace="?")(np.ones(3, int), generator(0)), "is a word, but the sample"),
        (lambda: word_dropout(0.5, replace=300)(np.ones(3, "uint8"), generator(0)), "too small for 300"),
    ],
)
def test_wrong_arguments_and_samples_are_named(call: Any, message: str) -> None:
    with pytest.raises((ValueError, DataError), match=message):
        call()
