from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from streamfit.streams import Batch, Ticket


def test_it_travels_in_few_bytes() -> None:
    ticket = Ticket(3, 7, np.arange(32), 2**63)
    sent = pickle.dumps(ticket, protocol=5)
    assert len(sent) < 32 * 8 + 250
    back = pickle.loads(sent)
    assert (back.data_epoch, back.number, back.key, back.payload) == (3, 7, 2**63, None)
    assert np.array_equal(back.ids, ticket.ids)


def test_it_is_never_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Ticket(0, 0).number = 1  # type: ignore[misc]


def test_a_batch_gives_back_what_was_given() -> None:
    x, y, w = np.zeros(2), np.ones(2), np.ones(2)
    assert Batch(x).given() is x
    assert Batch(x, y).given() == (x, y)
    assert Batch(x, None, w).given() == (x, None, w)
    assert Batch(x, y, w).parts() == (x, y, w)
