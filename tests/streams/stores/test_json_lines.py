"""JSON lines: objects that Python's json module wrote, in every order; types over all files; broken lines."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.text_files import check_damage, check_orders, columns_of, rows, write

from streamfit import files, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.streams.stores import json_lines as module
from streamfit.streams.stores import text_store, text_table

pytest.importorskip("pyarrow", reason="JSON lines are read by pyarrow")
pytestmark = pytest.mark.extras

ROWS = [{"i": i, "v": i / 4, "t": f'n{i} "q", \n{"ä∑" * (i % 3)}'} for i in range(23)]
WANTED = [tuple(row.values()) for row in ROWS]


@pytest.fixture
def small(monkeypatch):
    """Blocks of a few lines."""
    monkeypatch.setattr(text_store, "BLOCK_BYTES", 128)


def written(table, end="\n", **form):
    return "".join(json.dumps(row, **form) + end for row in table)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n \t\n"])
def test_rows_in_every_order(small, tmp_path, end):
    write(tmp_path / "a.jsonl", "\ufeff" + written(ROWS[:9], end, ensure_ascii=False))
    write(tmp_path / "b.ndjson", "")
    write(tmp_path / "c.jsonl", written(ROWS[9:], end).rstrip())
    made = files.json_lines([tmp_path / "a.jsonl", tmp_path / "b.ndjson", tmp_path / "c.jsonl"])
    assert len(made.stage.store.lengths) > 3
    check_orders(made, WANTED)


def test_processes_read_the_same(small, tmp_path):
    made = files.json_lines(write(tmp_path / "a.jsonl", written(ROWS))).shuffle(5).batch(4)
    assert rows(made, workers=2, use_multiprocessing=True) == rows(made)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    table=st.lists(
        st.fixed_dictionaries({"n": NUMBER, "t": TEXT}, optional={"m": st.none() | NUMBER}),
        min_size=1,
        max_size=12,
    ),
    ascii=st.booleans(),
    size=st.integers(1, 99),
)
def test_values_are_those_of_the_json_module(tmp_path_factory, table, ascii, size):
    path = write(tmp_path_factory.getbasetemp() / "drawn.jsonl", written(table, ensure_ascii=ascii))
    before, text_store.BLOCK_BYTES = text_store.BLOCK_BYTES, size
    try:
        found = columns_of(files.json_lines(path, ["n", "t"]))
        missing = [row.get("m") for row in table]
        if any(isinstance(value, float) for value in missing):
            assert np.array_equal(
                columns_of(files.json_lines(path, ["m"]))["m"], np.array(missing, "f8"), equal_nan=True
            )
    finally:
        text_store.BLOCK_BYTES = before
    assert found["n"].tolist() == [row["n"] for row in table]
    assert found["t"].tolist() == [row["t"] for row in table]


@pytest.mark.parametrize(
    ("first", "second", "dtype", "values"),
    [
        ("1", "2", "i8", [1, 2]),
        ("1", "2.5", "f8", [1.0, 2.5]),
        ("1", "2.0", "f8", [1.0, 2.0]),
        ("0.5", "null", "f8", [0.5, np.nan]),
        ("true", "false", bool, [True, False]),
        ('"a"', '"2020-01-01 00:00:00"', object, ["a", "2020-01-01 00:00:00"]),
    ],
)
def test_types_hold_all_values_of_all_files(tmp_path, first, second, dtype, values):
    apart = [
        write(tmp_path / "a.jsonl", f'{{"v": {first}}}'),
        write(tmp_path / "b.jsonl", f'{{"v": {second}}}'),
    ]
    together = write(tmp_path / "c.jsonl", f'{{"v": {first}}}\n{{"v": {second}}}\n')
    for paths in (apart, together, apart[::-1]):
        found = columns_of(files.json_lines(paths))["v"]
        wanted = values[::-1] if paths == apart[::-1] else values
        assert found.dtype == dtype
        assert np.array_equal(found, np.array(wanted, dtype), equal_nan=dtype == "f8")


@pytest.mark.parametrize(
    ("first", "second"), [("1", '"x"'), ("true", "1"), ("1", "[1]"), ("{}", "1"), ("[1]", '["x"]')]
)
def test_values_without_a_type_in_common_are_refused(tmp_path, first, second):
    apart = [
        write(tmp_path / "a.jsonl", f'{{"v": {first}}}'),
        write(tmp_path / "b.jsonl", f'{{"v": {second}}}'),
    ]
    together = write(tmp_path / "c.jsonl", f'{{"v": {first}}}\n{{"v": {second}}}\n')
    for paths in (apart, together):
        with pytest.raises(DataError, match=r"column 'v' holds values of the type .*types=\{'v': "):
            files.json_lines(paths)


def test_whole_numbers_are_never_rounded_unasked(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"id": 9007199254740993}\n{"id": 0.5}\n')
    other = write(tmp_path / "b.jsonl", '{"id": 9007199254740993}\n')
    names = write(tmp_path / "c.jsonl", '{"id": 12345678901234567890}\n')
    for paths in (path, [other, write(tmp_path / "d.jsonl", '{"id": 0.5}')], names):
        with pytest.raises(DataError, match=r"'id' holds whole numbers beyond 2\*\*53"):
            files.json_lines(paths)
    assert columns_of(files.json_lines(other))["id"].tolist() == [9007199254740993]
    floats = write(tmp_path / "e.jsonl", '{"id": 1e300, "n": 9007199254740993}\n{"id": 1}\n')
    assert columns_of(files.json_lines(floats, ["id"]))["id"].tolist() == [1e300, 1]
    assert columns_of(files.json_lines(path, types={"id": "float64"}))["id"].tolist() == [
        9007199254740992.0,
        0.5,
    ]


def test_lists_and_missing_keys(tmp_path):
    path = write(
        tmp_path / "a.jsonl", '{"l": [1, 2], "t": "x"}\n{"l": []}\n{"l": [3.5], "t": null, "y": 1}\n'
    )
    made = files.json_lines(path, ["l", "t"], pad={"l": 3}, nulls={"t": "?"})
    assert columns_of(made)["l"].tolist() == [[1, 2, 0], [0, 0, 0], [3.5, 0, 0]]
    assert columns_of(made)["t"].tolist() == ["x", "?", "?"]
    assert [part.tolist() for part in columns_of(files.json_lines(path, ["l"]))["l"]] == [[1, 2], [], [3.5]]
    named = files.json_lines(path, ["l"], types={"l": "list<float32>"})
    assert [part.dtype for part in columns_of(named)["l"]] == ["f4"] * 3
    with pytest.raises(DataError, match=r"column 'y' has 2 missing values.*nulls=\{'y': 0\}"):
        columns_of(files.json_lines(path, ["y"]))


def test_objects_in_objects_are_refused_where_they_are_used(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"a": {"x": 1}, "b": 1}\n{"a": {"y": [1]}, "b": 2}\n')
    with pytest.raises(DataError, match=r"column 'a'.*columns of their own"):
        files.json_lines(path)
    assert rows(files.json_lines(path, "b").batch(2)) == [1, 2]


BROKEN = '{"a": 1}\n\n{"a": 2\n{"a": 3} {"a": 4}\n[5]\n7\n{"a": 8, "a": 9}\n{"a": 10}\nnull\n{"a": 11}x\n'


def test_broken_lines_are_named(small, tmp_path):
    made = files.json_lines(write(tmp_path / "a.jsonl", BROKEN))
    store = made.stage.store
    found = {int(store.where(0, row).rpartition(" ")[2]): reason for row, reason in store.read(0).bad.items()}
    assert list(found) == [3, 4, 5, 6, 7, 9, 10]
    assert found[4] == "it holds 2 records"
    assert "specified twice" in found[7]
    with pytest.raises(SampleError, match=r"a\.jsonl', line 3 .*no JSON object"):
        rows(made.batch(3))
    with (
        pytest.warns(RuntimeWarning, match="left out"),
        stream(made.batch(9), on_bad_sample="skip", max_bad_samples=7) as batches,
    ):
        assert [x["a"].tolist() for x in batches] == [[1, 10]]


@pytest.mark.parametrize(
    "line", ["null", "[1]", "1", '"x"', "true", "null null", "{}null", "}{", "{", "x", ","]
)
@pytest.mark.parametrize("good", ["", '{"a": 1}\n'])
def test_a_value_that_is_no_object(tmp_path, line, good):
    path = write(tmp_path / "a.jsonl", good + line + '\n{"a": 2}\n')
    found = files.json_lines(path).stage.store.read(0)
    assert list(found.bad) == [len(good) // 9]
    assert found.rows["a"][-1] == 2


def test_a_value_over_several_lines_shifts_no_rows(tmp_path):
    data = '{"a": 0}\n{"a":\n1}\n{"a": 2} {"a": 3}\n{"a": 4, "b": [{}\n{}]}\n{"a": 5}'
    found = files.json_lines(write(tmp_path / "a.jsonl", data), ["a"]).stage.store.read(0)
    assert list(found.bad) == [1, 2, 3, 4, 5]
    assert found.rows["a"][[0, 6]].tolist() == [0, 5]


def test_values_that_do_not_fit_a_given_type(tmp_path):
    path = write(
        tmp_path / "a.jsonl", '{"a": 1}\n{"a": "x"}\n{"a": 2.5}\n{"a": 300}\n{"a": 4, "b": "\\ud800"}\n'
    )
    found = files.json_lines(path, ["a"], types={"a": "int8"}).stage.store.read(0)
    assert list(found.bad) == [1, 2, 3, 4]
    assert found.rows["a"][0] == 1


def test_text_that_is_no_utf8(tmp_path):
    made = files.json_lines(write(tmp_path / "a.jsonl", b'{"a": "x"}\n{"a": "\xff"}\n'))
    assert list(made.stage.store.read(0).bad) == [1]


def test_with_all_types_only_lines_are_counted(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jsonl", written(ROWS))
    monkeypatch.setattr(module.JsonStore, "_examine", None)
    made = files.json_lines(path, ["i"], "v", types={"i": "int32", "v": "float32"})
    x, y = made.stage.store.read(0).rows
    assert x["i"].tolist() == [row["i"] for row in ROWS]
    assert x["i"].dtype == "i4"
    assert y.dtype == "f4"


def test_hostile_files(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        deep = opened * 100_000 + "1" + closed * 100_000
        made = files.json_lines(write(path, f'{{"a": 1}}\n{{"a": 2, "b": {deep}}}\n'))
        assert rows(made.batch(2)) == [(1,), (2,)]
        with pytest.raises(DataError, match="no record of 1 in this block"):
            files.json_lines(write(path, deep), ["a"], types={"a": "int64"}).stage.store.read(0)
    with pytest.raises(DataError, match=r"no line of '.*a\.jsonl', \.\.\. is a JSON object with keys"):
        files.json_lines(write(path, '{"a": ' + "[" * 100 + "]" * 100 + "}"))
    many = written({f"k{row}": 1} for row in range(20_000))
    with pytest.raises(DataError, match=r"more than 10,000 keys.*columns="):
        files.json_lines(write(path, many))
    wide = json.dumps({f"k{key}": 1 for key in range(20_000)})
    assert rows(files.json_lines(write(path, '{"k1": 0}\n' + wide)).batch(2)) == [(0,), (1,)]
    monkeypatch.setattr(text_store, "MOST_BYTES", 1 << 16)
    monkeypatch.setattr(text_store, "BLOCK_BYTES", 1 << 10)
    with pytest.raises(DataError, match="begins at byte 9 does not end within 65,536 bytes"):
        files.json_lines(write(path, '{"a": 1}\n{"a": "' + "x" * 100_000))


def test_many_broken_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(text_table, "MOST_BAD", 5)
    made = files.json_lines(write(tmp_path / "a.jsonl", '{"a": 1}\n' + "x\n" * 9))
    with pytest.raises(DataError, match=r"line 2: .*more than 5 records of 10"):
        made.stage.store.read(0)
    with pytest.raises(DataError, match="no records in 1 files"):
        files.json_lines(write(tmp_path / "a.jsonl", "\n \n"))
    with pytest.raises(DataError, match="is a JSON object with keys"):
        files.json_lines(write(tmp_path / "a.jsonl", "{}\n1\n"))


def test_wrong_arguments(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"a": 1}\n')
    for wrong, match in (
        ({"target": "c"}, "no column 'c'"),
        ({"columns": ["c"]}, "no column 'c'"),
        ({"types": {"a": "whole"}}, "no type of Arrow has that name"),
        ({"pad": {"c": 0}}, "pad names the column 'c'"),
    ):
        with pytest.raises(ValueError, match=match):
            files.json_lines(path, **wrong)


@pytest.mark.parametrize("how", ["replaced", "changed"])
def test_a_file_that_changes_while_it_is_read(small, tmp_path, how):
    path = write(tmp_path / "a.jsonl", written(ROWS))
    made = files.json_lines(path)
    made.stage.store.read(0)
    if how == "replaced":
        os.replace(write(tmp_path / "new", written(ROWS)), path)
    else:
        write(path, written(ROWS[:-1]))
    with pytest.raises(DataError, match=rf"a\.jsonl' was {how} after it was opened"):
        made.stage.store.read(1)


@pytest.mark.parametrize("types", [None, {"i": "int64", "v": "float64", "t": "string"}])
def test_damaged_files(small, tmp_path, types):
    path = tmp_path / "a.jsonl"
    nulls = {"i": 0, "v": 0.0, "t": ""}
    check_damage(
        lambda data: write(path, data),
        lambda: files.json_lines(path, ["i", "v", "t"], types=types, nulls=nulls),
        written(ROWS).encode(),
    )


def test_a_store_travels(tmp_path):
    made = files.json_lines(write(tmp_path / "a.jsonl", '{"a": 1}'), name="mine")
    again = pickle.loads(pickle.dumps(made.stage.store))
    assert again.read(0).rows["a"].tolist() == [1]
    assert again.identity()["columns"] == {"a": "int64"}
    assert repr(made) == "json_lines('mine', 1 file, 1 rows)"
