"""Tables in memory and readers: every library's rows are those of its own dictionary of columns."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import DataError, Input, Model, Sequential, files, layers, source
from streamfit.streams.table_advice import table_advice

ROWS = {
    "id": list(range(12)),
    "x": [i / 2 for i in range(12)],
    "job": ["cook", "", "é日本"] * 4,
    "y": [i % 2 for i in range(12)],
}
LIBRARIES = ["pandas", "pyarrow.Table", "pyarrow.RecordBatch", "polars", "duckdb", "narwhals"]


def made(library: str, columns: dict[str, Any] = ROWS) -> Any:
    package, _, kind = library.partition(".")
    module: Any = pytest.importorskip(package, reason="its frames are what is read")
    if package == "pandas":
        return module.DataFrame(columns)
    pa: Any = pytest.importorskip("pyarrow", reason="tables come through its interface")
    if package == "pyarrow":
        return getattr(pa, kind or "Table").from_pydict(columns)
    polars: Any = pytest.importorskip("polars", reason="its frames are what is read")
    if package == "polars":
        return polars.DataFrame(columns)
    if package == "narwhals":
        return module.from_native(polars.DataFrame(columns))
    return module.from_arrow(pa.table(columns))


@pytest.mark.extras
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_of_any_library(library: str, check_store: Any) -> None:
    rows = files.table(made(library), target="y", name="people")
    assert repr(rows) == "source('people', 12 samples)"
    check_store(rows, 12)
    x, y = next(iter(rows.batch(12)))
    assert {name: values.tolist() for name, values in x.items()} == {
        name: ROWS[name] for name in ("id", "x", "job")
    }
    assert y.tolist() == ROWS["y"]
    x, y, weight = next(iter(files.table(made(library), ["x", "id"], "y", "x").batch(12)))
    assert list(x) == ["x", "id"]
    assert weight.tolist() == ROWS["x"]
    codes = files.table(made(library), "job", categories={"job": ["é日本", "cook", ""]})
    found = next(iter(codes.batch(12)))
    assert found.dtype == np.int32
    assert found.tolist() == [1, 2, 0] * 4
    with pytest.raises(DataError, match=r"'job' holds 'cook' \(row 0"):
        files.table(made(library), "job", categories={"job": ["é日本"]})


@pytest.mark.extras
@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_values(library: str) -> None:
    table = made(library, {"n": [1, None, 3], "f": [0.5, None, 2.0], "t": ["a", None, "c"]})
    found = files.table(table, ["f"])
    assert [str(float(x["f"])) for x in found] == ["0.5", "nan", "2.0"]
    with pytest.raises(DataError, match=r"column 't' .*1 missing value.*'t'"):
        files.table(table, ["t"])
    rows = files.table(table, nulls={"n": -1, "f": 9.5, "t": "?"})
    assert [(float(x["n"]), float(x["f"]), str(x["t"])) for x in rows] == [
        (1, 0.5, "a"),
        (-1, 9.5, "?"),
        (3, 2, "c"),
    ]
    codes = files.table(table, "t", nulls={"t": "?"}, categories={"t": ["?", "a", "c"]})
    assert [int(x) for x in codes] == [1, 0, 2]
    with pytest.raises(DataError, match="column 't' has a missing value"):
        files.table(table, "t", categories={"t": ["a", "c"]})


NAMES = st.sampled_from(["a", "b", "c", "é"])
VALUES = st.one_of(
    st.lists(st.integers(-(2**31), 2**31), min_size=5, max_size=5),
    st.lists(st.floats(), min_size=5, max_size=5),
    st.lists(st.text(max_size=5), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=5, max_size=5),
)


@pytest.mark.extras
@settings(max_examples=25)
@given(st.dictionaries(NAMES, VALUES, min_size=1), st.sampled_from(LIBRARIES))
def test_any_table_is_its_dictionary(columns: Any, library: str) -> None:
    x = next(iter(files.table(made(library, columns)).batch(5)))
    assert list(x) == list(columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(
            x[name], np.array(values, object if isinstance(values[0], str) else None)
        )


def test_pandas_without_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    pd: Any = pytest.importorskip("pandas", reason="its frames are what is read")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 2**60 + 1], dtype="Int64"),
            "c": pd.Categorical(["u", None, "v"]),
            "d": [1, 2, 3],
        }
    )
    rows = files.table(frame, nulls={"n": 5, "c": "w"}, target="d")
    assert [(int(x["n"]), str(x["c"]), int(y)) for x, y in rows] == [
        (1, "u", 1),
        (5, "w", 2),
        (2**60 + 1, "v", 3),
    ]
    with pytest.raises(DataError, match=r"above 2\*\*53"):
        files.table(frame, ["n"], nulls={"n": float("nan")})
    found = files.table(frame.iloc[:2], "n", nulls={"n": float("nan")})
    assert [str(float(x)) for x in found] == ["1.0", "nan"]
    with pytest.raises(DataError, match="1 missing value among values of dtype Int64"):
        files.table(frame, ["n"])
    with pytest.raises(ValueError, match=r"casts names the column 'n'.*frame.astype\(\{'n'"):
        files.table(frame, casts={"n": "float64"})
    with pytest.raises(ValueError, match="no column 'z'"):
        files.table(frame, target="z")
    with pytest.raises(DataError, match=r"column named 0.*frame.rename\(columns=str\)"):
        files.table(pd.DataFrame(np.zeros((2, 2))))
    with pytest.raises(DataError, match="two columns 'a'"):
        files.table(pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"]))
    with pytest.raises(DataError, match="no samples"):
        files.table(frame.iloc[:0], ["d"])


def test_what_is_no_table() -> None:
    for wrong in ({"a": [1]}, [1, 2], "a.parquet", None):
        with pytest.raises(TypeError, match=r"table\(\) needs a data frame"):
            files.table(wrong)


@pytest.mark.extras
def test_lists_dates_and_decimals() -> None:
    pa: Any = pytest.importorskip("pyarrow", reason="its types are what is read")
    table = pa.table({"l": [[1.0], [2.0, 3.0]], "d": [datetime.date(2024, 1, 2)] * 2, "y": [0, 1]})
    with pytest.raises(ValueError, match=r"lists of different lengths.*pad=\{'l'"):
        files.table(table, ["l"])
    rows = files.table(table, ["l"], "y", pad={"l": 3})
    assert [x["l"].tolist() for x, _ in rows] == [[1, 0, 0], [2, 3, 0]]
    with pytest.raises(DataError, match=r"'d' .*date32.*casts=\{'d': 'int32'\}"):
        files.table(table, ["d"])
    assert [int(x) for x in files.table(table, "d", casts={"d": "int32"})] == [19724, 19724]


@pytest.mark.extras
def test_a_reader_is_read_once_in_order() -> None:
    pa: Any = pytest.importorskip("pyarrow", reason="its readers are what is read")
    pulled = []

    def batches() -> Any:
        for number in range(5):
            pulled.append(number)
            yield pa.record_batch({"id": list(range(3 * number, 3 * number + 3)), "y": [number] * 3})

    reader = pa.RecordBatchReader.from_batches(pa.schema({"id": pa.int64(), "y": pa.int64()}), batches())
    rows = files.table(reader, "id", "y")
    assert pulled == []
    first = list(itertools.islice(rows.batch(4), 1))
    assert first[0][0].tolist() == [0, 1, 2, 3]
    assert pulled[:2] == [0, 1]
    assert len(pulled) < 5
    table = pa.table({"x": np.arange(10.0), "y": np.arange(10)})
    model = Sequential([Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    read = files.table(table.to_reader(3), {"x": ["x"]}, "y").map(lambda x, y: (x["x"], y), new_form=True)
    history = model.fit(read.shuffle(5).batch(4), verbose=0, seed=1)
    assert history.receipts[0].delivered == 3
    ids = [int(x) for x in files.table(table.to_reader(3), "y").shuffle(5)]
    assert sorted(ids) == list(range(10))
    with pytest.raises(DataError, match=r"record batch 1: column 'n' has 1 missing"):
        list(files.table(pa.table({"n": [1, 2, None]}).to_reader(2)))


@pytest.mark.extras
@pytest.mark.parametrize("library", ["pyarrow.Table", "pyarrow.RecordBatch"])
def test_tables_of_arrow_are_dictionaries_wherever_data_are_read(library: str) -> None:
    table = made(library, {"a": [0.5, 1.5, 2.5], "b": [1.0, 2.0, 3.0]})
    left, right = Input((1,), name="a"), Input((1,), name="b")
    model = Model([left, right], layers.Dense(1)(layers.Concatenate()([left, right])))
    model.compile("sgd", "mse")
    columns = {"a": np.array([0.5, 1.5, 2.5]), "b": np.array([1.0, 2.0, 3.0])}
    np.testing.assert_array_equal(model.predict(table), model.predict(columns))
    assert model.evaluate(table, np.ones(3), verbose=0) == model.evaluate(columns, np.ones(3), verbose=0)
    assert [float(x["a"]) for x in source(table)] == [0.5, 1.5, 2.5]
    with pytest.raises(DataError, match=r"needs targets.*files.table\(table, target='...'\)"):
        model.fit(table, verbose=0)


@pytest.mark.extras
def test_what_must_be_told_its_target_says_how(tmp_path: Any) -> None:
    pa: Any = pytest.importorskip("pyarrow", reason="its objects are what is passed")
    pq: Any = pytest.importorskip("pyarrow.parquet", reason="its files are what is passed")
    ds: Any = pytest.importorskip("pyarrow.dataset", reason="its datasets are what is passed")
    polars: Any = pytest.importorskip("polars", reason="its frames are what is passed")
    duckdb: Any = pytest.importorskip("duckdb", reason="its relations are what is passed")
    table = pa.table({"a": [1.0], "y": [0]})
    path = str(tmp_path / "t.parquet")
    pq.write_table(table, path)
    for given_, wanted in (
        (ds.dataset(path), f"files.parquet('{path}', columns=[...], target='...')"),
        (pq.ParquetFile(path), "files.parquet(path, columns=[...], target='...')"),
        (table.to_reader(), "files.table(reader, columns=[...], target='...')"),
        (duckdb.from_arrow(table), "files.table(relation, columns=[...], target='...')"),
        (polars.LazyFrame({"a": [1]}), "files.table(frame.collect(), target='...')"),
    ):
        assert wanted in str(table_advice(given_))
        with pytest.raises(TypeError, match="does not say what x and y are"):
            source(given_)
    with pytest.raises(TypeError, match=r"files.table\(frame.collect\(\), ...\)"):
        files.table(polars.LazyFrame({"a": [1]}))
    numbers = polars.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert [x.tolist() for x in source(numbers)] == [[1, 3], [2, 4]]  # one matrix, as that of pandas
    with pytest.raises(DataError, match=r"files.table\(frame, target='...'\)"):
        source(polars.DataFrame({"a": ["u"], "b": [1.0]}))
