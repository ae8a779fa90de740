"""Replay: a batch of a receipt is the batch that the step saw, or an error says why it is not at hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from streamfit import Receipt, Sequence
from streamfit._base.errors import DataError, StreamfitError
from streamfit.streams import open_source
from streamfit.streams.feed import Feed
from streamfit.streams.pipeline import source

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20)


class Noisy(Sequence):
    """Adds noise that is keyed by the batch."""

    def __len__(self) -> int:
        """Return the number of batches."""
        return 5

    def __getitem__(self, index: int) -> Any:
        """Return one batch."""
        return X[index * 4 : index * 4 + 4] + self.rng(index).normal(size=(4, 3)), Y[
            index * 4 : index * 4 + 4
        ]


def noisy(x: Any, y: Any, rng: np.random.Generator) -> Any:
    return x + rng.normal(), y


def even(x: Any, y: Any) -> bool:
    return bool(y % 2 == 0)


def _mapped() -> Any:
    with tempfile.NamedTemporaryFile() as file:  # the mapping outlives its name
        np.save(file, X)
        file.flush()
        return np.load(file.name, mmap_mode="r")


DATA = {
    "arrays": lambda: open_source(X, Y, batch_size=6, shuffle=True, seed=3),
    "memory map": lambda: open_source(_mapped(), Y, batch_size=6, shuffle=True, seed=3),
    "sequence": lambda: open_source(Noisy(), shuffle=True, seed=3),
    "map": lambda: open_source(source(X, Y).map(noisy).shuffle().batch(6), seed=3),
    "filter": lambda: open_source(source(X, Y).filter(even).map(noisy).batch(3), seed=3),
    "iterable": lambda: open_source(_Twice(), seed=3),
}


class _Twice:
    def __iter__(self) -> Iterator[Any]:
        return iter([(X[:4], Y[:4]), (X[4:9], Y[4:9])])


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("audit", [False, True])
def test_a_replayed_batch_is_the_one_that_was_delivered(kind: str, audit: bool) -> None:
    with Feed(DATA[kind](), wrap=True, audit=audit) as feed:
        for _ in range(2):  # epochs of 4 batches, so that one begins within a pass
            seen = [(batch.ids, np.copy(batch.x), np.copy(batch.y)) for batch in feed.run(4)]
            receipt = feed.receipt()
            for number, (ids, x, y) in enumerate(seen):
                again = receipt.batch(number)
                assert np.array_equal(again.ids, ids)
                assert again.x.tobytes() == x.tobytes()
                assert again.y.tobytes() == y.tobytes()


def test_changed_data_are_refused_with_an_audit() -> None:
    x = X.copy()
    with Feed(open_source(x, Y, batch_size=6, seed=3), audit=True) as feed:
        list(feed.run())
    receipt = feed.receipt()
    assert receipt.batch(0).x.tobytes() == x[:6].tobytes()
    x[7] += 1
    assert receipt.batch(0).size == 6  # another batch is still what it was
    with pytest.raises(DataError, match="batch 1: the data have changed"):
        receipt.batch(1)


def test_generator_says_why_it_cannot() -> None:
    with Feed(open_source((X[k : k + 2], Y[k : k + 2]) for k in range(3)), alike="nothing") as feed:
        list(feed.run())
        with pytest.raises(DataError, match="a generator cannot be read again"):
            feed.receipt().batch(0)


def test_number_that_the_epoch_does_not_have() -> None:
    with Feed(DATA["arrays"]()) as feed:
        list(feed.run())
        with pytest.raises(IndexError, match="epoch 0 has"):
            feed.receipt().batch(4)


def test_receipt_without_data_says_so() -> None:
    receipt = Receipt(0, 1, 1, 0, 0, "00", 1, passes=[[0, 0, 0]])
    with pytest.raises(StreamfitError, match="does not know its data"):
        receipt.batch(0)


def test_resumed_run_replays_its_whole_epoch() -> None:
    with Feed(DATA["map"]()) as first:
        batches = first.run()
        seen = [np.copy(next(batches).x)]
        state = first.state(within=True)
    with Feed(DATA["map"]()) as second:
        second.resume(state)
        seen += [np.copy(batch.x) for batch in second.run()]
    receipt = second.receipt()
    assert [receipt.batch(number).x.tobytes() for number in range(4)] == [x.tobytes() for x in seen]
