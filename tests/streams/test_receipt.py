from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.errors import StreamfitError
from streamfit.streams.batch import Batch
from streamfit.streams.feed import Feed
from streamfit.streams.receipt import MOST_WAITING, Digest, Receipt, Tally
from streamfit.streams.source import Source
from streamfit.streams.ticket import Ticket


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


class Named(Source):
    """Batches with ids of any kind."""

    def __init__(self, ids: list[object]) -> None:
        self.name = "named"
        self.ids = ids

    def batches(self, data_epoch: int) -> int:
        return len(self.ids)

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        for number in range(start, len(self.ids)):
            yield Ticket(data_epoch, number, self.ids[number])

    def load(self, ticket: Ticket) -> tuple[object, None, None]:
        return np.zeros((1, 1)), None, None


a_number = st.integers(-(2**65), 2**65) | st.integers(0, 9)
a_name = (
    a_number | st.text(max_size=2) | st.none() | st.booleans() | a_number.map(lambda n: np.array([n % 7]))
)


@given(
    st.lists(a_name, min_size=1, max_size=9).flatmap(
        lambda names: st.lists(st.sampled_from(names), min_size=1, max_size=3 * MOST_WAITING)
    ),
    st.sets(st.integers(1, 3 * MOST_WAITING)),
)
def test_the_digest_is_that_of_all_ids_in_order_whenever_it_is_asked_for(
    ids: list[object], asked: set[int]
) -> None:
    naive = Digest()
    naive.mark(0, 0)
    with Feed(Named(ids)) as feed:
        for count, batch in enumerate(feed.run(), 1):
            assert isinstance(batch, Batch)
            naive.add(ids[count - 1])
            if count in asked:
                assert feed.receipt().digest == naive.text()
                assert feed.state(within=True)["within"]["digest"] == naive.value
        assert feed.receipt().digest == naive.text()
        assert feed.receipt().delivered == len(ids)


@pytest.mark.parametrize("large", [7, 2**70, -(2**64)])
def test_ids_are_mixed_in_piece_by_piece_as_one_after_the_other(large: int) -> None:
    ids = [*range(-MOST_WAITING, 2 * MOST_WAITING), large, 3]
    naive = Digest()
    naive.mark(0, 0)
    for number in ids:
        naive.add(number)
    with Feed(Named(list(ids))) as feed:
        delivered = sum(1 for _ in feed.run())
    assert (delivered, feed.done, feed.receipt().digest) == (len(ids), len(ids), naive.text())
