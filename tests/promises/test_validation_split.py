"""validation_split cuts at floor(n * (1 - split)), computed in exact decimals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import Sequential, layers

MODEL = Sequential([layers.Dense(1, input_shape=(1,))])
MODEL.compile("sgd", "mse")


def trained(n: int, split: Any) -> int:
    x = np.zeros((n, 1))
    history = MODEL.fit(x, x, batch_size=1, validation_split=split, verbose=0)
    delivered: int = history.receipts[0].delivered
    return delivered


@given(
    n=st.integers(2, 60), hundredths=st.integers(1, 99), kind=st.sampled_from([float, np.float32, np.float64])
)
@settings(max_examples=40, deadline=None)
def test_hundredths_mean_what_is_written(n: int, hundredths: int, kind: Any) -> None:
    wanted = n * (100 - hundredths) // 100
    if 0 < wanted < n:
        assert trained(n, kind(hundredths / 100)) == wanted


@pytest.mark.parametrize(
    ("n", "split", "wanted"),
    [
        (50, 0.8, 10),
        (10, 0.3, 7),
        (10, 0.25, 7),
        (30, 0.1, 27),
        (1000, 0.001, 999),
        (20, Decimal("0.35"), 13),
        (9, Fraction(1, 3), 6),
        (9, 1 / 3, 6),
        (20, np.float16(0.2), 16),
    ],
)
def test_examples(n: int, split: Any, wanted: int) -> None:
    assert trained(n, split) == wanted


def test_weights_and_several_arrays_are_cut_at_the_same_place() -> None:
    x = np.arange(40.0)[:, None]
    history = MODEL.fit(x, x, 1, validation_split=0.9, sample_weight=np.ones(40), verbose=0)
    assert history.receipts[0].delivered == 4
