"""Parquet: columns, rules, filters, partitions, and files that are broken or want to do harm."""

from __future__ import annotations

import datetime
import decimal
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.mutations import mutated

from streamfit import DataError, files, layers, models, stream
from streamfit.streams.stores import parquet as module

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: make test-extras")
pq = pytest.importorskip("pyarrow.parquet")
pytestmark = [pytest.mark.extras, pytest.mark.timeout(60)]


def write(path: Path, rows: int = 10, **columns: object) -> Path:
    """Write a file; without columns one of numbers and words."""
    ids = np.arange(rows)
    found = columns or {"a": ids.astype("float32"), "b": ids, "w": [f"w{i % 3}" for i in ids], "y": ids % 2}
    pq.write_table(pa.table(found), path, row_group_size=3)
    return path


def whole(pipeline: object) -> object:
    return next(iter(pipeline.batch(len(pipeline))))


# -- columns ----------------------------------------------------------------------------------------


def test_columns_target_and_weight(tmp_path):
    path = write(tmp_path / "t.parquet")
    x, y = whole(files.parquet(path, target="y"))
    assert list(x) == ["a", "b", "w"]
    assert (x["a"].dtype, x["b"].dtype, x["w"].dtype) == (np.float32, np.int64, object)
    assert y.tolist() == [0, 1] * 5
    assert whole(files.parquet(path, "b")).tolist() == list(range(10))
    x, y, weight = whole(files.parquet(path, {"one": ["b", "y"], "two": "a"}, ["b", "y"], weight="a"))
    assert x["one"].tolist() == [[i, i % 2] for i in range(10)]
    assert x["two"].dtype == np.float32
    assert y.tolist() == x["one"].tolist()
    assert weight.tolist() == list(range(10))
    _, y = whole(files.parquet(path, ["a"], target={"p": "b", "q": "y"}))
    assert list(y) == ["p", "q"]


def test_wrong_columns_are_refused(tmp_path):
    path = write(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"no column 'aa'.*Did you mean 'a'"):
        files.parquet(path, ["aa"])
    with pytest.raises(ValueError, match=r"nulls names the column 'z'"):
        files.parquet(path, nulls={"z": 0})
    with pytest.raises(ValueError, match=r"no column for x"):
        files.parquet(path, [], target="y")
    with pytest.raises(DataError, match=r"'a' .float32.*'b' .int64.*make no matrix"):
        whole(files.parquet(path, {"m": ["a", "b"]}))


def test_only_the_columns_that_are_used_are_read(tmp_path, monkeypatch):
    path = write(tmp_path / "t.parquet")
    asked = []
    real = pq.ParquetFile.read_row_group

    def read(self, group, columns=None, **settings):
        asked.append(columns)
        return real(self, group, columns=columns, **settings)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read)
    whole(files.parquet(path, ["b"], target="y"))
    assert asked
    assert all(columns == ["b", "y"] for columns in asked)


# -- rules ------------------------------------------------------------------------------------------


def test_missing_values_by_a_stated_rule(tmp_path):
    path = write(
        tmp_path / "t.parquet",
        f=pa.array([1.5, None, 2.5]),
        i=pa.array([1, None, 3]),
        w=pa.array(["a", None, "b"]),
        t=pa.array([True, None, False]),
    )
    assert np.array_equal(whole(files.parquet(path, "f")), [1.5, math.nan, 2.5], equal_nan=True)
    for column, example in (("i", "0"), ("w", "''"), ("t", "False")):
        with pytest.raises(DataError, match=rf"row group 0.*{column!r} has 1 missing.*nulls=.*{example}"):
            whole(files.parquet(path, column))
    assert whole(files.parquet(path, "i", nulls={"i": -1})).tolist() == [1, -1, 3]
    assert whole(files.parquet(path, "w", nulls={"w": ""})).tolist() == ["a", "", "b"]
    assert whole(files.parquet(path, "t", nulls={"t": False})).tolist() == [True, False, False]
    found = whole(files.parquet(path, "i", nulls={"i": math.nan}))
    assert found.dtype == np.float64
    assert np.array_equal(found, [1, math.nan, 3], equal_nan=True)
    with pytest.raises(DataError, match=r"nulls=.*'i': 'none'"):
        whole(files.parquet(path, "i", nulls={"i": "none"}))


def test_a_column_has_one_dtype_in_all_blocks(tmp_path):
    values = [1, 2, 3, None, 5, 6]
    path = write(tmp_path / "t.parquet", i=pa.array(values))
    made = files.parquet(path, "i", nulls={"i": math.nan}).batch(3)
    assert [batch.dtype for batch in made] == [np.float64, np.float64]


def test_whole_numbers_that_would_be_rounded_are_refused(tmp_path):
    path = write(tmp_path / "t.parquet", i=pa.array([2**53 + 1, None]))
    with pytest.raises(DataError, match=r"above 2\*\*53"):
        whole(files.parquet(path, "i", nulls={"i": math.nan}))


@pytest.mark.parametrize("encoded", [False, True])
def test_categories_become_numbers(tmp_path, encoded):
    words = pa.array(["b", "a", "c", "a", None, "b", "c"])
    path = write(tmp_path / "t.parquet", w=words.dictionary_encode() if encoded else words)
    found = whole(files.parquet(path, "w", categories={"w": ["a", "b", "c"]}, nulls={"w": "c"}))
    assert found.dtype == np.int32
    assert found.tolist() == [1, 0, 2, 0, 2, 1, 2]
    with pytest.raises(DataError, match=r"missing value .row 1 of the block"):
        whole(files.parquet(path, "w", categories={"w": ["a", "b", "c"]}))
    with pytest.raises(DataError, match=r"holds 'b' .row 0 of the block.*none of its 2 categories"):
        whole(files.parquet(path, "w", categories={"w": ["a", "c"]}))
    with pytest.raises(ValueError, match=r"each category once"):
        files.parquet(path, "w", categories={"w": ["a", "a"]})


def test_categories_are_found_in_the_files(tmp_path):
    write(tmp_path / "a.parquet", w=["u", "v", "ä"], i=[1, 2, 3])
    write(tmp_path / "b.parquet", w=["t", "v"], i=[4, 5])
    found = files.categories(files.parquet(tmp_path, ["w", "i"]))
    assert found == {"w": ["t", "u", "v", "ä"]}
    assert whole(files.parquet(tmp_path, "w", categories=found)).tolist() == [1, 2, 3, 0, 2]
    with pytest.raises(DataError, match="dictionaries of columns"):
        files.categories(files.parquet(tmp_path, "w"))


def test_lists_are_ragged_padded_or_of_one_length(tmp_path):
    path = write(
        tmp_path / "t.parquet",
        r=pa.array([[1, 2], [], [3]]),
        f=pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
    )
    assert [row.tolist() for row in whole(files.parquet(path, "r"))] == [[1, 2], [], [3]]
    assert whole(files.parquet(path, "r", pad={"r": 3})).tolist() == [[1, 2, 0], [0, 0, 0], [3, 0, 0]]
    assert whole(files.parquet(path, "f")).tolist() == [[1, 2], [3, 4], [5, 6]]
    padded = next(iter(files.parquet(path, "r").padded_batch(3)))
    assert padded.tolist() == [[1, 2], [0, 0], [3, 0]]
    with pytest.raises(DataError, match=r"list of 2 values .row 0.*write a larger length"):
        whole(files.parquet(path, "r", pad={"r": 1}))


def test_types_that_make_no_array_say_what_to_write(tmp_path):
    path = write(
        tmp_path / "t.parquet",
        d=pa.array([decimal.Decimal("1.25")]),
        t=pa.array([datetime.datetime(2024, 1, 1)]),
        s=pa.array([{"a": 1}]),
    )
    with pytest.raises(DataError, match=r"'d' .*decimal.*casts=.*float64"):
        files.parquet(path, "d")
    with pytest.raises(DataError, match=r"'t' .*timestamp.*casts=.*int64"):
        files.parquet(path, "t")
    with pytest.raises(DataError, match=r"'s' .*struct.*leave the column out"):
        files.parquet(path, "s")
    assert whole(files.parquet(path, "d", casts={"d": "float64"})).tolist() == [1.25]
    assert whole(files.parquet(path, "t", casts={"t": "int64"})).dtype == np.int64
    with pytest.raises(ValueError, match=r"no type of Arrow"):
        files.parquet(path, "d", casts={"d": "number"})


@given(
    st.lists(
        st.tuples(
            st.floats(width=32, allow_nan=False), st.integers(-(2**40), 2**40), st.text(), st.booleans()
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 7),
    st.integers(1, 9),
)
def test_any_table_comes_back_as_it_was_written(tmp_path_factory, rows, group, size):
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    columns = dict(zip("fiwb", map(list, zip(*rows, strict=True)), strict=True))
    columns["f"] = pa.array(columns["f"], pa.float32())
    pq.write_table(pa.table(columns), path, row_group_size=group)
    found = list(files.parquet(path).batch(size))
    for key in "fiwb":
        values = list(itertools.chain(*(batch[key].tolist() for batch in found)))
        assert values == [row["fiwb".index(key)] for row in rows]


# -- filters and partitions -------------------------------------------------------------------------


def test_filters_are_pushed_down(tmp_path):
    import pyarrow.compute as pc

    write(tmp_path / "t.parquet", rows=20)
    made = files.parquet(tmp_path, ["b"], filters=[("b", ">=", 4), ("w", "==", "w1")])
    assert whole(made)["b"].tolist() == [4, 7, 10, 13, 16, 19]
    assert len(made) == 6
    again = files.parquet(tmp_path, ["b"], filters=(pc.field("b") >= 4) & (pc.field("w") == "w1"))
    assert whole(again.shuffle(2))["b"].tolist() != whole(made)["b"].tolist()
    with stream(again.shuffle(2).batch(2), seed=1, workers=2, use_multiprocessing=True) as batches:
        assert sorted(itertools.chain(*(x["b"].tolist() for x in batches))) == [4, 7, 10, 13, 16, 19]
    with pytest.raises(DataError, match=r"no rows that the filters keep"):
        files.parquet(tmp_path, filters=[("b", ">", 99)])


def test_folders_are_columns(tmp_path):
    for year, place in itertools.product([2023, 2024], ["north", "süd west"]):
        folder = tmp_path / f"year={year}" / f"place={place.replace(' ', '%20')}"
        folder.mkdir(parents=True)
        write(folder / "a.parquet", rows=2)
    found = whole(files.parquet(tmp_path, ["year", "place", "b"]))
    assert found["year"].dtype == np.int64
    assert found["year"].tolist() == [2023] * 4 + [2024] * 4
    assert found["place"].tolist() == (["north"] * 2 + ["süd west"] * 2) * 2
    coded = files.parquet(tmp_path, "place", categories={"place": ["süd west", "north"]})
    assert whole(coded).tolist() == [1, 1, 0, 0] * 2
    assert "year" not in whole(files.parquet(tmp_path, partitions=False))
    write(tmp_path / "odd.parquet")
    with pytest.raises(DataError, match=r"partitions"):
        files.parquet(tmp_path)


def test_a_partition_may_be_filtered_and_trained_on(tmp_path):
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        write(tmp_path / f"year={year}" / "a.parquet", rows=8)
    train = files.parquet(tmp_path, {"n": ["a"], "w": "w"}, target="y", filters=[("year", "==", 2024)])
    assert len(train) == 8


# -- in fit -----------------------------------------------------------------------------------------


def test_fit_on_a_folder_is_one_line(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.parquet", rows=20)
    numbers, words = layers.Input((1,), name="a"), layers.Input((), dtype="string", name="w")
    lookup = layers.StringLookup(vocabulary=["w0", "w1", "w2"], output_mode="one_hot")
    both = layers.Concatenate()([numbers, lookup(words)])
    model = models.Model({"a": numbers, "w": words}, layers.Dense(1, activation="sigmoid")(both))
    model.compile("sgd", "binary_crossentropy")
    data = files.parquet(tmp_path, {"a": ["a"], "w": "w"}, target="y").shuffle()
    bits = []
    for settings in ({}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}):
        model.set_weights([np.zeros_like(each) for each in model.get_weights()])
        history = model.fit(data, epochs=2, batch_size=8, seed=3, verbose=0, **settings)
        assert history.receipts[0].delivered == 8
        bits.append(b"".join(each.tobytes() for each in model.get_weights()))
    assert len(set(bits)) == 1
    assert len(history.receipts[1].batch(2).ids) == 8


# -- broken and hostile files -----------------------------------------------------------------------


def test_broken_files_raise_an_error_that_names_them(tmp_path):
    good = write(tmp_path / "good.parquet").read_bytes()
    path = tmp_path / "broken.parquet"
    outcomes = set()
    for number, data in enumerate(mutated(good, 100)):
        path.write_bytes(data)
        try:
            batches = list(files.parquet(path).batch(4))
        except DataError as error:
            outcomes.add("refused" if "broken.parquet" in str(error) else f"{number}: {error}")
        else:
            outcomes.add("read")
            assert all(batch["a"].dtype == np.float32 for batch in batches)
    assert outcomes == {"refused", "read"}


def test_a_broken_row_group_may_be_left_out(tmp_path):
    path = write(tmp_path / "t.parquet", rows=9)
    footer = pq.read_metadata(path)
    data = bytearray(path.read_bytes())
    start = footer.row_group(1).column(0).data_page_offset
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    made = files.parquet(path, target="y").batch(3)
    with pytest.raises(DataError, match=r"row group 1 cannot be read"):
        list(stream(made))
    with pytest.warns(RuntimeWarning, match=r"left out.*row group 1"):
        kept = [x["b"].tolist() for x, _ in stream(made, on_bad_sample="skip", max_bad_samples=3)]
    assert kept == [[0, 1, 2], [6, 7, 8]]


def test_groups_that_say_they_are_too_large_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "t.parquet")
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    with pytest.raises(DataError, match=r"row group 0 says that it takes .* bytes.*smaller row groups"):
        list(files.parquet(path).batch(4))


def test_files_without_rows_or_with_other_columns(tmp_path):
    write(tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", a=pa.array([1.0], pa.float32()), b=[1], w=["w0"])
    with pytest.raises(DataError, match=r"b.parquet.*no column 'y'"):
        files.parquet(tmp_path)
    assert len(files.parquet(tmp_path, ["a", "b"])) == 11
    path = write(tmp_path / "c.parquet", b=pa.array([None, None], pa.null()), a=[1.0, 2.0])
    with pytest.raises(DataError, match=r"c.parquet.*'a' is double, and float"):
        files.parquet(tmp_path, ["a", "b"])
    path.unlink()


def test_a_column_that_is_missing_throughout_a_file(tmp_path):
    write(tmp_path / "a.parquet", w=["u", "v"])
    pq.write_table(pa.table({"w": pa.array([None, None], pa.null())}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"w": pa.array([], pa.null())}), tmp_path / "c.parquet")
    made = files.parquet(tmp_path, "w", nulls={"w": "-"})
    assert whole(made).tolist() == ["u", "v", "-", "-"]
    with pytest.raises(DataError, match=r"missing"):
        whole(files.parquet(tmp_path, "w"))


def test_long_lists_in_filters_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STREAMFIT_FILE_INDEX", raising=False)
    (tmp_path / "data").mkdir()
    for number in range(20):  # so many files have an index of the rows that the filters keep
        write(tmp_path / "data" / f"{number}.parquet", id=np.arange(number * 20, number * 20 + 20))
    ends = [*range(20), *range(380, 400)]
    for wanted in (ends, sorted([*ends, *range(100, 200)])):
        rows = files.parquet(tmp_path / "data", "id", filters=[("id", "in", wanted)])
        assert list(itertools.chain(*(batch.tolist() for batch in rows.batch(7)))) == wanted
