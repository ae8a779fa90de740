"""Whole numbers reach a layer that looks them up exactly, from every kind of data and call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Model, Sequence, Sequential, layers, ops, source
from streamfit.streams import open_source

BIG = 2**62 + 1
IDS = np.array([[2**24 + 1], [BIG], [-(2**63)], [2**63 - 1]])


class Same(layers.Layer):
    """Compares ids with one that float64 cannot hold."""

    input_dtype = "int64"

    def call(self, x: Any) -> Any:
        """Return 1 where the number is exactly BIG, 2 where it is 2**24 + 1, else 0."""
        one = ops.cast(ops.equal(x, np.array(BIG)), "float32")
        two = ops.cast(ops.equal(x, np.array(2**24 + 1)), "float32")
        return one + two * 2.0


class Ids(Sequence):
    """The ids, in one batch."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return IDS, np.zeros((4, 1))


class Users(Model):
    """A model of the user's own class, that reads ids and floats."""

    def __init__(self) -> None:
        super().__init__()
        self.same = Same()

    def call(self, inputs: Any) -> Any:
        """Add both."""
        ids, floats = inputs
        return self.same(ids) + floats


def models() -> list[Any]:
    x = Input((1,), dtype="int64")
    return [
        Sequential([Same()]),
        Sequential([Sequential([Same()]), layers.Activation("linear")]),
        Sequential([Same(input_shape=(1,))]),
        Sequential([layers.InputLayer((1,), dtype="int64"), Same()]),
        Model(x, Same()(x)),
    ]


@pytest.mark.parametrize("place", range(5))
def test_every_model_and_call(place: int) -> None:
    wanted = [[2.0], [1.0], [0.0], [0.0]]
    for call in (
        lambda model: model.predict(IDS),
        lambda model: model.predict(IDS, batch_size=3),
        lambda model: model.predict_on_batch(IDS),
        lambda model: (model.predict(IDS[:1]), model(IDS))[1],
        lambda model: model.predict(Ids()),
        lambda model: model.predict(iter([IDS])),
        lambda model: model.predict(source(IDS).batch(2)),
        lambda model: model.predict(open_source(IDS, batch_size=4)),
    ):
        assert np.asarray(call(models()[place])).tolist() == wanted


def test_ids_beside_floats_in_a_class_of_the_users() -> None:
    model = Users()
    assert model.predict([IDS, np.full((4, 1), 0.5)]).tolist() == [[2.5], [1.5], [0.5], [0.5]]
    assert [tensor.dtype.name for tensor in model.inputs] == ["int64", "float32"]


def test_whole_numbers_still_feed_layers_of_floats() -> None:
    model = Sequential([layers.Dense(1, kernel_initializer="ones")])
    assert model.predict(np.array([[1, 2]])).tolist() == [[3.0]]
    assert model.predict(np.array([[0.5, 0.25]])).tolist() == [[0.75]]


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint16", "uint64", "float32", "float64", "bool"])
def test_other_dtypes_that_hold_the_same_numbers(dtype: str) -> None:
    x = Input((2,), dtype="int32")
    model = Model(x, ops.cast(x, "float32") * 1.0)
    assert model.predict(np.array([[0, 1], [1, 0]], dtype)).tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("value", "words"),
    [(2.5, "2.5"), (np.nan, "nan"), (1e300, "1e.300"), (2.0**63, "9.22"), (-np.inf, "-inf")],
)
def test_floats_that_are_no_whole_numbers_name_input_batch_sample_and_value(value: float, words: str) -> None:
    x = Input((2,), dtype="int64", name="ids")
    model = Model(x, layers.Dense(1)(ops.cast(x, "float32")))
    model.compile("sgd", "mse")
    given = np.ones((12, 2))
    given[7, 1] = value
    text = rf"input 'ids' takes whole numbers \(int64\), but row . holds {words}.*"
    text += r"\(sample 7, source '.*batch 1, samples"
    for run in (
        lambda: model.fit(given, np.ones(12), batch_size=5, shuffle=False, verbose=0),
        lambda: model.evaluate(given, np.ones(12), batch_size=5, verbose=0),
        lambda: model.predict(given, batch_size=5),
    ):
        with pytest.raises(DataError, match=text):
            run()
    with pytest.raises(DataError, match=f"input 'ids' takes whole numbers .* row 7 holds {words}"):
        model.train_on_batch(given, np.ones(12))
    with pytest.raises(DataError, match=f"input 'ids' takes whole numbers .* row 7 holds {words}"):
        model(given)


def test_unsigned_numbers_beyond_the_largest() -> None:
    model = Sequential([Same()])
    with pytest.raises(DataError, match="row 1 holds 9223372036854775808; they must lie in"):
        model.predict(np.array([[1], [2**63]], "uint64"))
    x = Input((1,), dtype="int32")
    narrow = Model(x, x * 1)
    with pytest.raises(DataError, match=r"\(int32\), but row 0 holds 2147483648"):
        narrow.predict(np.array([[2**31]]))
