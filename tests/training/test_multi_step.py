"""One of several joined batches."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit.streams import Batch
from streamfit.training.multi_step import one_step, rows_of_step, where


def test_rows_ids_and_number_of_a_step() -> None:
    x, y = np.arange(12).reshape(6, 2), [np.arange(6), {"b": np.arange(6) * 2}]
    joined = Batch(x, y, None, ids=np.arange(10, 16), number=4, data_epoch=2, size=6, steps=3)
    assert [rows_of_step(joined, k) for k in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    third = one_step(joined, 2)
    assert third.x.tolist() == [[8, 9], [10, 11]]
    assert third.y[0].tolist() == [4, 5]
    assert third.y[1]["b"].tolist() == [8, 10]
    assert third.sample_weight is None
    assert (third.ids.tolist(), third.number, third.data_epoch, third.size, third.steps) == (
        [14, 15],
        6,
        2,
        2,
        1,
    )


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (None, "pass 1, batch 3"),
        (7, "pass 1, batch 3, sample ids 7"),
        (np.arange(3), "pass 1, batch 3, samples 0, 1, 2"),
        (np.arange(20), "pass 1, batch 3, samples 0, 1, 2, 3, 4, 5, 6, 7, ..."),
    ],
)
def test_the_name_of_a_batch(ids: object, text: str) -> None:
    assert where(Batch(np.zeros(3), ids=ids, number=3, data_epoch=1)) == text
