"""Data frames: all columns of numbers are accepted, and an error names any other column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import Sequential, layers, optimizers

pd: Any = pytest.importorskip("pandas", reason="its data frames are what is passed")

N = 8
A = np.arange(float(N))


def model(width: int = 2) -> Any:
    made = Sequential([layers.Dense(1, input_shape=(width,), kernel_initializer="ones")])
    made.compile(optimizers.SGD(0.0), "mse")
    return made


def loss(x: Any, y: Any = None) -> float:
    found: float = model().fit(x, np.zeros(N) if y is None else y, verbose=0).history["loss"][0]
    return found


def frame(column: Any) -> Any:
    return pd.DataFrame({"age": A, "what": column})


NUMBERS = {
    "Int8": (pd.array([1, 2] * 4, dtype="Int8"), [1, 2] * 4),
    "UInt16": (pd.array([1, 2] * 4, dtype="UInt16"), [1, 2] * 4),
    "Float32": (pd.array([0.5, 2] * 4, dtype="Float32"), [0.5, 2] * 4),
    "boolean": (pd.array([True, False] * 4, dtype="boolean"), [1, 0] * 4),
    "bool": ([True, False] * 4, [1, 0] * 4),
    "sparse": (pd.arrays.SparseArray([0.0, 3.0] * 4), [0, 3] * 4),
    "uint8": (np.arange(N, dtype="uint8"), np.arange(N)),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_columns_of_numbers_of_every_kind(name: str) -> None:
    column, plain = NUMBERS[name]
    x = np.stack([A, np.asarray(plain, float)], axis=1)
    assert loss(frame(column)) == loss(x)
    assert loss(x, pd.Series(column)) == loss(x, np.asarray(plain, float))
    assert model().evaluate(frame(column), np.zeros(N), verbose=0) == model().evaluate(
        x, np.zeros(N), verbose=0
    )
    assert np.array_equal(model().predict(frame(column)), model().predict(x))
    assert model().train_on_batch(frame(column), np.zeros(N)) == model().train_on_batch(x, np.zeros(N))


def test_dtypes_of_frames() -> None:
    def dtype(columns: Any) -> Any:
        (batch,) = streamfit.stream(pd.DataFrame(columns))
        return batch.dtype

    assert dtype({"a": pd.array([1, 2], dtype="Int64"), "b": pd.array([3, 4], dtype="Int64")}) == "int64"
    assert dtype({"a": [True, False], "b": pd.array([True, True], dtype="boolean")}) == "bool"
    assert dtype({"a": np.ones(2, "float32"), "b": [True, False]}) == "float32"
    assert dtype({"a": np.ones(2, "float32"), "b": pd.array([1, 2], dtype="Float32")}) == "float32"
    assert dtype({"a": np.ones(2, "int32"), "b": np.ones(2, "int32")}) == "int32"


def test_a_missing_float_is_nan_as_in_the_frame() -> None:
    (batch,) = streamfit.stream(frame(pd.array([1.5, None] * 4, dtype="Float64")))
    assert np.isnan(batch[1::2, 1]).all()
    assert batch[::2, 1].tolist() == [1.5] * 4


REFUSED = {
    "Int64": (
        pd.array([1, None, 3, None] * 2, dtype="Int64"),
        "4 missing values among values of dtype Int64",
    ),
    "boolean": (
        pd.array([True] * 7 + [None], dtype="boolean"),
        "1 missing value among values of dtype boolean",
    ),
    "text": (["Rome", "Oslo"] * 4, r"'Rome'.*encode the text"),
    "string": (pd.array(["Rome", None] * 4, dtype="string"), r"'Rome'.*encode the text"),
    "categories": (pd.Categorical(["a", "b"] * 4), r"dtype category.*\.cat\.codes"),
    "dates": (pd.date_range("2020", periods=N), "turn the dates into numbers"),
    "zoned": (pd.date_range("2020", periods=N, tz="Asia/Tokyo"), "Tokyo.*turn the dates into numbers"),
    "spans": (pd.timedelta_range("1D", periods=N), "turn the times into numbers"),
    "complex": (A * 1j, "the real and the imaginary part"),
    "objects": (np.array([1, 2.5] * 4, object), r"\['what'\]\.astype\('float32'\)"),
    "arrays": (pd.Series([np.zeros(3)] * N), r"np\.stack\(x\['what'\]\)"),
    "lists": (pd.Series([[1, 2]] * 7 + [[1]]), r"such as \(2,\) and \(1,\): pad them"),
    "none": (np.array([1, None] * 4, object), "is None, so fill what is missing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_column_that_is_no_number_is_named(name: str) -> None:
    column, words = REFUSED[name]
    for call in (
        lambda: loss(frame(column)),
        lambda: model().predict(frame(column)),
        lambda: model().evaluate(frame(column), A, verbose=0),
        lambda: model().train_on_batch(frame(column), A),
        lambda: model().fit(iter([(frame(column), A)]), verbose=0),
        lambda: model().fit(frame(A), A, validation_data=(frame(column), A), verbose=0),
    ):
        with pytest.raises(ValueError, match=f"column 'what' of x.*{words}"):
            call()


def test_columns_as_targets_and_in_dicts_are_named() -> None:
    with pytest.raises(ValueError, match=r"y \(column 'city'\).*'Rome'"):
        loss(np.ones((N, 2)), pd.Series(["Rome"] * N, name="city"))
    with pytest.raises(ValueError, match=r"x\['a'\] \(column 'what'\)"):
        loss({"a": frame(["Rome"] * N)["what"]})
    with pytest.raises(ValueError, match="y has 1 missing value"):
        loss(np.ones((N, 2)), pd.Series(pd.array([None] + [1] * 7, dtype="Int64")))


def test_all_columns_that_are_none_are_named() -> None:
    bad = frame(["Rome"] * N).assign(when=pd.date_range("2020", periods=N), size=A)
    with pytest.raises(ValueError, match=r"column 'what' of x.*the same goes for columns \['when'\]"):
        loss(bad)
    with pytest.raises(ValueError, match="x is a data frame without columns"):
        loss(pd.DataFrame(index=range(N)))


def test_labels_of_every_kind() -> None:
    twice = pd.DataFrame(np.ones((N, 2)), columns=["a", "a"]).astype("Float64")
    assert loss(twice) == loss(np.ones((N, 2)))
    nested = pd.DataFrame({("p", "q"): A, ("p", "r"): ["Rome"] * N})
    with pytest.raises(ValueError, match=r"column \('p', 'r'\) of x"):
        loss(nested)


def test_indices_are_columns() -> None:
    x = np.ones((N, 2))
    assert loss(x, pd.RangeIndex(N)) == loss(x, np.arange(N))
    assert loss(x, pd.Index(A)) == loss(x, A)


def test_kept_by_arrow() -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; it can hold the columns of a frame")
    column = pd.array([1, 2] * 4, dtype="int64[pyarrow]")
    assert loss(frame(column)) == loss(np.stack([A, np.array([1, 2] * 4)], axis=1))


class Column:
    """A column of another library: no NaN, no `isna`, a dtype that is not NumPy's."""

    def __init__(self, values: list[Any], dtype: str) -> None:
        self.values, self.dtype = values, dtype

    def null_count(self) -> int:
        return self.values.count(None)

    def to_numpy(self) -> Any:
        return np.array([np.nan if value is None else value for value in self.values])

    def to_list(self) -> list[Any]:
        return self.values


class Table:
    """A table of another library: columns by name only."""

    def __init__(self, **columns: Column) -> None:
        self._columns = columns
        self.columns = list(columns)
        self.dtypes = [column.dtype for column in columns.values()]
        self.shape = (len(next(iter(columns.values())).values), len(columns))

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def to_numpy(self) -> Any:
        raise AssertionError("mixed columns make an array of objects")


def test_tables_of_other_libraries() -> None:
    table = Table(age=Column(A.tolist(), "Float64"), what=Column([1, 2] * 4, "Int64"))
    assert loss(table) == loss(np.stack([A, np.array([1.0, 2.0] * 4)], axis=1))
    with pytest.raises(
        ValueError, match="column 'what' of x has 4 missing values among values of dtype Int64"
    ):
        loss(Table(age=Column(A.tolist(), "Float64"), what=Column([1, None] * 4, "Int64")))
    assert np.isnan(loss(Table(age=Column(A.tolist(), "Float64"), what=Column([1, None] * 4, "Float64"))))
