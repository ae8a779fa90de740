"""Data that cannot be used for training raise an error that names them and says what to write."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequence, Sequential, layers

Y = np.zeros(6)


def model(width: int = 2) -> Any:
    made = Sequential([layers.Dense(1, input_shape=(width,))])
    made.compile("sgd", "mse")
    return made


def objects(*items: Any) -> Any:
    array = np.empty(len(items), object)
    array[:] = list(items)
    return array


ROW = np.ones(2)
WRONG = [
    (objects(*[ROW] * 6), r"np\.stack\(x\)"),
    (objects(*[[1, 2]] * 6), r"np\.stack\(x\)"),
    (objects(*[ROW] * 5, np.ones(3)), r"such as \(2,\) and \(3,\): pad them to one shape"),
    (objects(*[1] * 5, "Rome"), r"x\[5\] is 'Rome', so encode the text"),
    (objects(*[1] * 5, None), r"x\[5\] is None, so fill what is missing"),
    (objects(*[1] * 6), r"x\.astype\('float32'\)"),
    (objects(*[Decimal("1.5")] * 6), r"x\.astype\('float32'\)"),
    (objects(*[{"a": 1}] * 6), "pass one dict of arrays"),
    ([{"a": 1, "b": 2}] * 6, "pass one dict of arrays"),
    ([{1, 2}] * 6, "a set has no order"),
    ([[1.0, None]] * 6, r"x\[0, 1\] is None"),
    ([[1, 2], [3]] * 3, r"its samples differ in shape, such as \(2,\) and \(1,\): pad them"),
    ([["a", "b"]] * 6, "encode the text as numbers first .*'a'"),
    (np.array([b"one", b"two"] * 3), "encode the text as numbers first .*b'one'"),
    (np.zeros((6, 2), complex), "the real and the imaginary part"),
    (np.zeros(6, [("left", "f4"), ("right", "f4")]), r"\{'left': x\['left'\], \.\.\.\}"),
    (np.arange("2020-01-01", "2020-01-07", dtype="datetime64[D]"), "turn the dates into numbers.*2020, 1, 1"),
]


@pytest.mark.parametrize(("x", "words"), WRONG)
def test_arrays_that_are_no_numbers(x: Any, words: str) -> None:
    made = model()
    for call in (
        lambda: made.fit(x, Y, verbose=0),
        lambda: made.evaluate(x, Y, verbose=0),
        lambda: made.predict(x),
        lambda: made.train_on_batch(x, Y),
        lambda: made.predict_on_batch(x),
        lambda: made.fit(iter([(x, Y)]), verbose=0),
    ):
        with pytest.raises(ValueError, match=f"(?s)x .*{words}"):
            call()


def test_the_advice_works() -> None:
    made = model()
    stacked = np.stack(objects(*[ROW] * 6))
    assert made.predict(stacked).shape == (6, 1)
    assert model(1).predict(objects(*[Decimal(1)] * 6).astype("float32")).shape == (6, 1)


@pytest.mark.parametrize("count", [2, 5, 6])
def test_a_list_of_samples_is_told_from_a_list_of_inputs(count: int) -> None:
    made, rows = model(), [ROW] * count
    for call in (
        lambda: made.predict(rows),
        lambda: made.fit(rows, np.zeros(count), verbose=0),
        lambda: made.evaluate(tuple(rows), np.zeros(count), verbose=0),
        lambda: made.train_on_batch(rows, np.zeros(count)),
        lambda: made.fit(iter([(rows, np.zeros(count))]), verbose=0),
    ):
        with pytest.raises(ValueError, match=rf"each of these {count} arrays is one sample.*np\.stack\(x\)"):
            call()


def test_lists_of_targets_and_of_ragged_samples() -> None:
    x = np.ones((6, 2))
    with pytest.raises(ValueError, match=r"each of these 6 arrays is one sample.*np\.stack\(y\)"):
        model().fit(x, [np.ones(3)] * 6, verbose=0)
    with pytest.raises(ValueError, match=r"np\.stack\(x\), once they have one shape .*\(2,\) and \(3,\)"):
        model().fit([ROW, np.ones(3)] * 3, Y, verbose=0)


def test_two_inputs_are_still_a_list() -> None:
    a, b = Input((2,), name="a"), Input((2,), name="b")
    made = Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    assert made.predict([np.ones((3, 2)), np.ones((3, 2))]).shape == (3, 1)
    with pytest.raises(ValueError, match=r"expected 2 \(a, b\), got a list of 3"):
        made.predict([np.ones((3, 2))] * 3)


def test_one_sample_without_an_axis_of_samples() -> None:
    with pytest.raises(ValueError, match=r"if it is one sample, give it the axis of the samples: x\[None\]"):
        model(5).predict(np.ones(5))
    assert model(5).predict(np.ones(5)[None]).shape == (1, 1)


class Texts(Sequence):
    """Yields data that cannot be used for training."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return {"a": objects(ROW, ROW)}, np.zeros(2)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("processes", [False, True])
def test_batches_of_workers_are_refused_in_the_same_words(processes: bool) -> None:
    with pytest.raises(ValueError, match=r"batch 0.*x\['a'\] has dtype object.*np\.stack\(x\['a'\]\)"):
        model().fit(Texts(), workers=1, use_multiprocessing=processes, verbose=0)


def test_weights_and_targets_are_named() -> None:
    x = np.ones((6, 2))
    with pytest.raises(ValueError, match="y has dtype <U1, which is no number"):
        model().fit(x, ["a"] * 6, verbose=0)
    with pytest.raises(ValueError, match=r"sample_weight has dtype object.*sample_weight\[0\] is None"):
        model().fit(x, Y, sample_weight=[None] * 6, verbose=0)
    with pytest.raises(ValueError, match=r"dict\(enumerate\(class_weight\)\)"):
        model().fit(x, Y, class_weight=np.ones(1), verbose=0)


def test_what_is_taken_for_a_sequence_is_named() -> None:
    with pytest.raises(ValueError, match=r"`y` argument is not supported.*x is a deque"):
        model().fit(deque([1.0] * 6), Y, verbose=0)
    with pytest.raises(TypeError, match="a set has no order"):
        model().fit({1, 2}, Y, verbose=0)
