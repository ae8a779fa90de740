from __future__ import annotations

import numpy as np
import pytest

from streamfit._base.errors import StreamfitError
from streamfit.streams.receipt import Digest, Receipt, Tally


def test_a_receipt_that_does_not_add_up_is_an_error() -> None:
    Receipt(0, 3, 3, 0, 0, "", 0).verify()
    with pytest.raises(StreamfitError, match=r"epoch 2 delivered 3 of 5 planned batches; batches 3\.\.4"):
        Receipt(2, 5, 3, 0, 0, "", 0).verify()
    with pytest.raises(StreamfitError):
        Receipt(2, 3, 5, 0, 0, "", 0).verify()


def test_it_is_one_line() -> None:
    text = str(Receipt(1, 4, 4, 2, 1, "ab", 9))
    assert text == "epoch 1: 4 of 4 batches delivered, 2 loaded again, 1 workers replaced, order ab, seed 9"


def digest(*ids: object) -> str:
    made = Digest()
    for entry in ids:
        made.add(entry)
    return made.text()


def test_digests_depend_on_ids_and_order() -> None:
    one, two = np.array([1, 2]), np.array([3])
    assert digest(one, two) == digest(one.copy(), two.copy())
    assert digest(np.array([1, 9, 2])[::2]) == digest(one)
    assert (
        len(
            {digest(one, two), digest(two, one), digest(one), digest(1), digest(2), digest("a"), digest(None)}
        )
        == 7
    )
    marked = Digest()
    marked.mark(0, 1)
    assert marked.text() != digest()


def test_a_tally_counts_from_where_it_began() -> None:
    tally = Tally(3, 8, None, (5, 2))
    tally.add(np.array([1]), 1)
    receipt = tally.receipt((7, 3))
    assert (receipt.epoch, receipt.planned, receipt.delivered, receipt.retried, receipt.restarts) == (
        3,
        1,
        1,
        2,
        1,
    )
    tally.planned = 4
    assert tally.receipt((7, 3)).planned == 4
