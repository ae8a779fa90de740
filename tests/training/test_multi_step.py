"""One of several joined batches."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import Sequence, Sequential, layers
from streamfit.callbacks import TerminateOnNaN
from streamfit.streams import Batch
from streamfit.training.multi_step import earlier_steps, later_steps, one_step, rows_of_step, where


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


@pytest.mark.parametrize("done", [1, 2])
def test_joined_batches_are_cut_between_two_steps(done: int) -> None:
    x, y = np.arange(12).reshape(6, 2), {"b": np.arange(6) * 2}
    joined = Batch(x, y, np.ones(6), ids=np.arange(10, 16), number=4, data_epoch=2, size=6, steps=3)
    first, rest = earlier_steps(joined, done), later_steps(joined, done)
    assert (first.number, first.steps, first.size) == (4, done, 2 * done)
    assert (rest.number, rest.steps, rest.size) == (4 + done, 3 - done, 6 - 2 * done)
    assert first.data_epoch == rest.data_epoch == 2
    assert np.concatenate([first.x, rest.x]).tolist() == x.tolist()
    assert np.concatenate([first.y["b"], rest.y["b"]]).tolist() == y["b"].tolist()
    assert [*first.ids, *rest.ids] == list(range(10, 16))
    assert [len(part.sample_weight) for part in (first, rest)] == [2 * done, 6 - 2 * done]


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


def test_messages_name_epoch_and_pass_where_they_differ() -> None:
    model = Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile(loss="mse")
    x, y = np.zeros((8, 2)), np.zeros((8, 1))
    y[5] = np.nan
    callback = TerminateOnNaN(before_update=True)
    with pytest.warns(UserWarning, match=r"epoch 2, pass 1, batch 1"):
        # Epochs of two batches, passes of four: the third epoch begins with the second pass.
        model.fit(Late(x, y), epochs=4, steps_per_epoch=2, shuffle=False, verbose=0, callbacks=[callback])


class Late(Sequence):
    """Four batches in a pass; the second one of pass 1 has a target that is no number."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self.x, self.y, self.passes = x, y, 0

    def __len__(self) -> int:
        return 4

    def on_epoch_end(self) -> None:
        self.passes += 1

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(4, 6) if (self.passes, index) == (1, 1) else slice(0, 2)
        return self.x[rows], self.y[rows]
