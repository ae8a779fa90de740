"""CSV: tables that Python's csv module wrote, in every order; types over all files; broken records."""

from __future__ import annotations

import csv as python_csv
import io
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.text_files import check_damage, check_orders, columns_of, rows, write

from streamfit import files, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.streams.stores import text_store, text_table

pytest.importorskip("pyarrow", reason="CSV is read by pyarrow")
pytestmark = pytest.mark.extras


@pytest.fixture
def small(monkeypatch):
    """Blocks of a few rows."""
    monkeypatch.setattr(text_store, "BLOCK_BYTES", 64)


def written(table, **form):
    file = io.StringIO(newline="")
    python_csv.writer(file, **form).writerows(table)
    return file.getvalue()


ROWS = [(i, i / 4, f'n{i} "q", \n{"ä∑" * (i % 3)}') for i in range(23)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_in_every_order(small, tmp_path, end):
    write(tmp_path / "a.csv", "\ufeff" + written([("i", "v", "t"), *ROWS[:9]], lineterminator=end))
    write(tmp_path / "b.csv", "i,v,t" + end)
    write(tmp_path / "c.csv", written([("i", "v", "t"), *ROWS[9:]], lineterminator=end).rstrip("\r\n"))
    write(tmp_path / "d.csv", "")
    made = files.csv(tmp_path)
    assert len(made.stage.store.lengths) > 3
    check_orders(made, ROWS)


def test_processes_read_the_same(small, tmp_path):
    made = files.csv(write(tmp_path / "a.csv", written([("i", "v", "t"), *ROWS]))).shuffle(5).batch(4)
    assert rows(made, workers=2, use_multiprocessing=True) == rows(made)


CELLS = st.text(st.sampled_from("ab ,\"\n\r;é∑'\\0"), max_size=6)


@given(
    table=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12),
    quoting=st.sampled_from([python_csv.QUOTE_MINIMAL, python_csv.QUOTE_ALL]),
    size=st.integers(1, 60),
)
def test_text_is_that_of_the_csv_module(tmp_path_factory, table, quoting, size):
    path = tmp_path_factory.getbasetemp() / "drawn.csv"
    write(path, written([("a", "b"), *table], quoting=quoting))
    before, text_store.BLOCK_BYTES = text_store.BLOCK_BYTES, size
    try:
        found = columns_of(files.csv(path, types={"a": "string", "b": "string"}))
    finally:
        text_store.BLOCK_BYTES = before
    assert list(zip(found["a"].tolist(), found["b"].tolist(), strict=True)) == table


@given(
    values=st.lists(
        st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.none(), min_size=1, max_size=12
    ),
    size=st.integers(1, 60),
)
def test_numbers_are_those_that_were_written(tmp_path_factory, values, size):
    path = tmp_path_factory.getbasetemp() / "drawn.csv"
    write(path, written([("a", "b"), *((value, "x") for value in values)]))
    before, text_store.BLOCK_BYTES = text_store.BLOCK_BYTES, size
    try:
        found = columns_of(files.csv(path, nulls={"a": 7}))["a"]
    finally:
        text_store.BLOCK_BYTES = before
    if all(value is None for value in values):
        assert found.tolist() == [""] * len(values)
    else:
        assert found.tolist() == [7 if value is None else value for value in values]
        assert found.dtype == ("f8" if any(isinstance(value, float) for value in values) else "i8")


@pytest.mark.parametrize(
    ("first", "second", "dtype", "values"),
    [
        ("1", "2", "i8", [1, 2]),
        ("1", "2.5", "f8", [1.0, 2.5]),
        ("1", "NA", "f8", [1.0, np.nan]),
        ("1", "x", object, ["1", "x"]),
        ("0.5", "x", object, ["0.5", "x"]),
        ("true", "False", bool, [True, False]),
        ("true", "1", object, ["true", "1"]),
        ("NA", "NA", object, ["NA", "NA"]),
        ("2024-01-02", "2024-02-03", object, ["2024-01-02", "2024-02-03"]),
        ("12:30", "5", object, ["12:30", "5"]),
        ("9007199254740993", "1", "i8", [9007199254740993, 1]),
        ("1e300", "5", "f8", [1e300, 5.0]),
    ],
)
def test_types_hold_all_values_of_all_files(tmp_path, first, second, dtype, values):
    nulls = {"v": float("nan")} if "NA" in (first, second) and first != second else None
    apart = [write(tmp_path / "a.csv", f"v,w\n{first},0\n"), write(tmp_path / "b.csv", f"v,w\n{second},0\n")]
    together = write(tmp_path / "c.csv", f"v,w\n{first},0\n{second},0\n")
    for paths in (apart, together, apart[::-1]):
        found = columns_of(files.csv(paths, nulls=nulls))["v"]
        wanted = values[::-1] if paths == apart[::-1] else values
        assert found.dtype == dtype
        assert np.array_equal(found, np.array(wanted, dtype), equal_nan=dtype == "f8")


@pytest.mark.parametrize("values", [("12345678901234567890", "1"), ("9007199254740993", "0.5")])
def test_whole_numbers_are_never_rounded_unasked(tmp_path, values):
    apart = [write(tmp_path / f"{i}.csv", f"id\n{value}\n") for i, value in enumerate(values)]
    together = write(tmp_path / "c.csv", "id\n" + "\n".join(values))
    for paths in (apart, together):
        with pytest.raises(
            DataError, match=r"'id' holds whole numbers beyond 2\*\*53.*types=\{'id': 'string'\}"
        ):
            files.csv(paths)
        assert columns_of(files.csv(paths, types={"id": "string"}))["id"].tolist() == list(values)
        assert columns_of(files.csv(paths, types={"id": "float64"}))["id"].tolist() == [*map(float, values)]


def test_columns_target_and_weight(tmp_path):
    path = write(tmp_path / "a.csv", "a,b,c,d,e\n1,2,x,0,0.5\n3,4,y,1,1.5\n")
    made = files.csv(
        path, {"m": ["a", "b"], "c": "c"}, "d", "e", types={"e": "float32"}, categories={"c": ["y", "x"]}
    )
    x, y, weight = made.stage.store.read(0).rows
    assert x["m"].tolist() == [[1, 2], [3, 4]]
    assert x["c"].tolist() == [1, 0]
    assert y.tolist() == [0, 1]
    assert weight.tolist() == [0.5, 1.5]
    assert weight.dtype == "f4"
    specs = made.stage.specs()
    assert specs[0]["m"].shape == (2,)
    assert specs[2].dtype == "f4"


def test_dialects(tmp_path):
    path = write(tmp_path / "a.csv", "1,5;'it''s; é'\n-2;\"\n".encode("cp1252"))
    made = files.csv(path, column_names=["n", "t"], delimiter=";", quote="'", decimal=",", encoding="cp1252")
    assert rows(made.batch(2)) == [(1.5, "it's; é"), (-2.0, '"')]
    path = write(tmp_path / "b.csv", b'a\tb\n"x\\t\ty\n1\\\t2\tz\n')
    assert rows(files.csv(path, delimiter="\t", quote=None, escape="\\").batch(2)) == [
        ('"xt', "y"),
        ("1\t2", "z"),
    ]
    for wrong in (
        {"delimiter": ";;"},
        {"delimiter": "§"},
        {"quote": "\n"},
        {"delimiter": '"'},
        {"decimal": ","},
    ):
        with pytest.raises(ValueError, match=r"csv\(\): .*"):
            files.csv(path, **wrong)
    with pytest.raises(ValueError, match="encoding='utf-16'"):
        files.csv(path, encoding="utf-16")


def test_missing_values(tmp_path):
    path = write(tmp_path / "a.csv", 'n,t\n1,NA\n,""\nnull,\n-,x\n')
    with pytest.raises(DataError, match="no NaN"):
        columns_of(files.csv(path, null_values=["", "null", "-"]))
    found = columns_of(files.csv(path, null_values=["", "null", "-"], nulls={"n": float("nan")}))
    assert np.array_equal(found["n"], [1, np.nan, np.nan, np.nan], equal_nan=True)
    assert found["t"].tolist() == ["NA", "", "", "x"]
    asked = files.csv(
        path, types={"n": "string"}, null_values=["", "NA"], null_text=True, nulls={"t": "?", "n": "?"}
    )
    assert columns_of(asked)["t"].tolist() == ["?", "", "?", "x"]


def test_columns_of_other_files(tmp_path):
    first = write(tmp_path / "a.csv", "a,b\n1,x\n")
    other = write(tmp_path / "b.csv", "b,a\ny,2\n")
    assert rows(files.csv([first, other]).batch(2)) == [(1, "x"), (2, "y")]
    write(other, "b,c\ny,2\n")
    with pytest.raises(DataError, match=r"b\.csv' has no columns \['a'\], which '.*a\.csv' has"):
        files.csv([first, other])
    assert rows(files.csv([first, other], ["b"]).batch(2)) == [("x",), ("y",)]
    write(other, "b,a,z\ny,2,0\n")
    with pytest.raises(DataError, match=r"has the columns \['z'\].*columns="):
        files.csv([first, other])
    assert rows(files.csv([first, other], ["a", "b"]).batch(2)) == [(1, "x"), (2, "y")]


def test_wrong_arguments(tmp_path):
    path = write(tmp_path / "a.csv", "a,b\n1,x\n")
    for wrong, match in (
        ({"target": "c"}, "no column 'c'"),
        ({"types": {"c": "int64"}}, "types names the column 'c'"),
        ({"types": {"a": "whole"}}, "no type of Arrow has that name"),
        ({"nulls": {"c": 0}}, "nulls names the column 'c'"),
        ({"column_names": ["a", "a"]}, "more than once"),
    ):
        with pytest.raises(ValueError, match=match):
            files.csv(path, **wrong)
    with pytest.raises(DataError, match="more than once"):
        files.csv(write(path, "a,a\n1,2\n"))
    with pytest.raises(DataError, match="there is nothing in"):
        files.csv(write(path, ""))
    with pytest.raises(DataError, match="no records"):
        files.csv(write(path, "a,b\n"))
    with pytest.raises(DataError, match="opens a quote that is never closed"):
        files.csv(write(path, '"a,b\n1,2\n'))
    with pytest.raises(DataError, match="Parquet"):
        files.csv(write(path, b"PAR1...."))


BROKEN = 'a,b\n1,x\n2\n\n3,"y\nz"\n4,u,5\n6,v\n7,"w'


def test_broken_records_are_named_by_their_line(small, tmp_path):
    made = files.csv(write(tmp_path / "a.csv", BROKEN))
    store = made.stage.store
    found = {store.where(0, row).rpartition(" ")[2]: reason for row, reason in store.read(0).bad.items()}
    assert {line: reason.partition(":")[2] for line, reason in found.items() if line != "9"} == {
        "3": " Expected 2 columns, got 1: 2",
        "7": " Expected 2 columns, got 3: 4,u,5",
    }
    assert "never closed" in found["9"]
    with pytest.raises(SampleError, match=r"a\.csv', line 3 .*Expected 2 columns, got 1"):
        rows(made.batch(3))
    with (
        pytest.warns(RuntimeWarning, match="left out"),
        stream(made.batch(3), on_bad_sample="skip", max_bad_samples=3) as batches,
    ):
        kept = [(x["a"].tolist(), x["b"].tolist()) for x in batches]
    assert kept == [([1, 3], ["x", "y\nz"]), ([6], ["v"])]


def test_values_that_do_not_fit_a_given_type(tmp_path):
    data = "a,b\n" + "".join(f"{'x' if row in (70, 71, 999) else row},t\n" for row in range(2000))
    found = files.csv(write(tmp_path / "a.csv", data), types={"a": "int16"}).stage.store.read(0)
    assert sorted(found.bad) == [70, 71, 999]
    assert "invalid value 'x'" in found.bad[70]
    good = np.setdiff1d(np.arange(2000), [70, 71, 999])
    assert np.array_equal(found.rows["a"][good], good)


def test_a_block_of_broken_records_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(text_table, "MOST_BAD", 5)
    path = write(tmp_path / "a.csv", "a,b\n1,2\n" + "1\n" * 9)
    with pytest.raises(DataError, match=r"line 3: .*more than 5 records of 10 in this block cannot be used"):
        files.csv(path).stage.store.read(0)
    with pytest.raises(DataError, match=r"line 2: .*no record of 3 in this block can be used"):
        files.csv(write(path, "a,b\n1\n2\n3\n")).stage.store.read(0)


def test_given_types(tmp_path):
    path = write(tmp_path / "a.csv", "a,b,c,d\n1,007,true,2024-01-02 00:00:00\n0,010,0,1970-01-01 00:01:00\n")
    types = {"a": "bool", "b": "string", "c": "bool", "d": "timestamp[s]"}
    found = columns_of(files.csv(path, types=types, casts={"d": "int64"}))
    assert found["a"].tolist() == [True, False]
    assert found["b"].tolist() == ["007", "010"]
    assert found["c"].tolist() == [True, False]
    assert found["d"].tolist() == [1704153600, 60]


def test_text_that_is_no_utf8(tmp_path):
    made = files.csv(write(tmp_path / "a.csv", b"a,b\n1,x\n2,\xff\n3,z\n"))
    assert list(made.stage.store.read(0).bad) == [1]
    assert "UTF8" in made.stage.store.read(0).bad[1]


def test_with_all_types_only_rows_are_counted(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", "a,b\n1,x\n2,y\n")
    types = {"a": "float32", "b": "string"}
    monkeypatch.setattr("streamfit.streams.stores.csv.CsvStore._examine", None)
    made = files.csv(path, types=types)
    assert rows(made.batch(2)) == [(1.0, "x"), (2.0, "y")]
    assert rows(files.csv(path, "a", types={"a": "int64"}).batch(2)) == [1, 2]


@pytest.mark.parametrize("how", ["replaced", "changed"])
def test_a_file_that_changes_while_it_is_read(small, tmp_path, how):
    data = written([("i", "v", "t"), *ROWS])
    path = write(tmp_path / "a.csv", data)
    made = files.csv(path)
    made.stage.store.read(0)
    if how == "replaced":
        os.replace(write(tmp_path / "new", data), path)
    else:
        write(path, data.replace("n", "m", 1) + " ")
    with pytest.raises(DataError, match=rf"a\.csv' was {how} after it was opened"):
        made.stage.store.read(1)


def test_a_quote_that_is_never_closed_is_refused_before_all_is_read(small, tmp_path, monkeypatch):
    monkeypatch.setattr(text_store, "MOST_BYTES", 1 << 16)
    path = write(tmp_path / "a.csv", b"a,b\n1,2\n" + b'3,"' + b"x,1\n" * 40_000)
    with pytest.raises(DataError, match=r"a\.csv': the record that begins at byte 8 .*is a quote open"):
        files.csv(path)


@pytest.mark.parametrize("types", [None, {"i": "int64", "v": "float64", "t": "string"}])
def test_damaged_files(small, tmp_path, types):
    path = tmp_path / "a.csv"
    check_damage(
        lambda data: write(path, data),
        lambda: files.csv(path, types=types, nulls={"i": 0}),
        written([("i", "v", "t"), *ROWS]).encode(),
    )


def test_a_store_travels(tmp_path):
    made = files.csv(write(tmp_path / "a.csv", "a\n1\n"), name="mine")
    again = pickle.loads(pickle.dumps(made.stage.store))
    assert again.read(0).rows["a"].tolist() == [1]
    assert (
        again.identity()
        == made.stage.store.identity()
        == {
            "files": ["a.csv"],
            "records": 1,
            "bytes": 2,
            "columns": {"a": "int64"},
        }
    )
    assert repr(made) == "csv('mine', 1 file, 1 rows)"
