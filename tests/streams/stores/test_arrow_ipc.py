"""Arrow IPC files and streams: rows as Arrow itself reads them, or an error that names file and place."""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import DataError, StreamfitError, files
from streamfit.streams.stores import arrow_ipc, arrow_store

pa: Any = pytest.importorskip("pyarrow", reason="its files are what is read")
ipc: Any = pytest.importorskip("pyarrow.ipc", reason="its files are what is read")
pytestmark = pytest.mark.extras

WORDS = ["", "a", "é", "日本", "🙂" * 3]


def table(rows: int, start: int = 0) -> Any:
    ids = np.arange(start, start + rows)
    return pa.table(
        {
            "id": ids,
            "x": ids.astype("f4") / 2,
            "job": pa.array([WORDS[i % 5] for i in ids], pa.string()),
            "kind": pa.array([f"k{i % 3}" for i in ids], pa.string()).dictionary_encode(),
            "flag": ids % 2 == 0,
            "y": (ids % 2).astype("i1"),
        }
    )


def write(path: Any, data: Any, size: int | None = None, stream: bool = False, **options: Any) -> Any:
    make = ipc.new_stream if stream else ipc.new_file
    with make(str(path), data.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(data, max_chunksize=size)
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows, so that record batches are taken together and cut."""
    monkeypatch.setattr(arrow_ipc, "SMALL_BYTES", 1 << 10)
    monkeypatch.setattr(arrow_ipc, "LARGE_BYTES", 3 << 10)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("size", [2, 5, 60])
@pytest.mark.usefixtures("small")
def test_order_once_workers_resume_and_shards(
    tmp_path: Any, check_store: Any, stream: bool, compression: Any, size: int
) -> None:
    ending = "arrows" if stream else "arrow"
    for part, (start, rows) in enumerate([(0, 60), (60, 0), (60, 1), (61, 23)]):
        write(tmp_path / f"part-{part}.{ending}", table(rows, start), size, stream, compression=compression)
    rows = files.arrow(tmp_path, target="y", name="people")
    assert repr(rows) == "arrow('people', 4 files, 84 rows)"
    check_store(rows, 84)
    wanted = table(84)
    (x, y) = next(iter(rows.batch(84)))
    for name, values in x.items():
        assert values.tolist() == wanted.column(name).to_pylist(), name
    assert y.tolist() == wanted.column("y").to_pylist()


@pytest.mark.usefixtures("small")
def test_processes_read_the_same(tmp_path: Any, read_ids: Any) -> None:
    rows = files.arrow(write(tmp_path / "a.arrow", table(80), 60), target="y").shuffle(9).batch(7)
    assert read_ids(rows, workers=2, use_multiprocessing=True) == read_ids(rows)


@pytest.mark.usefixtures("small")
def test_small_batches_are_taken_together_and_large_ones_cut(tmp_path: Any) -> None:
    write(tmp_path / "s.arrow", table(60).select(["id"]), 10)
    store = files.arrow(tmp_path / "s.arrow").stage.store
    assert store.lengths.tolist() == [60]  # 480 bytes
    write(tmp_path / "l.arrow", table(1000).select(["id"]))
    store = files.arrow(tmp_path / "l.arrow").stage.store
    assert store.lengths.tolist() == [384, 384, 232]
    assert [store.where(block) for block in range(2)] == [
        f"{os.fspath(tmp_path / 'l.arrow')!r}, record batch 0{end}" for end in ("", " from row 384 on")
    ]
    assert store.where(1, 3).endswith("record batch 0, row 387")
    assert store.read(2).rows["id"].tolist() == list(range(768, 1000))
    write(tmp_path / "p.arrow", table(1000).select(["id"]), compression="lz4")
    assert files.arrow(tmp_path / "p.arrow").stage.store.lengths.tolist() == [1000]


def test_a_part_of_a_large_batch_takes_no_memory_for_the_others(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(arrow_ipc, "LARGE_BYTES", 64 << 10)
    path = write(tmp_path / "a.arrow", pa.table({"a": np.arange(1 << 20), "b": np.arange(1 << 20)}))
    store, before = files.arrow(path, "a").stage.store, pa.total_allocated_bytes()
    seen: list[int] = []
    check = arrow_store.validate

    def checked(*arguments: Any) -> None:
        seen.append(pa.total_allocated_bytes() - before)
        check(*arguments)

    monkeypatch.setattr(arrow_store, "validate", checked)
    held = [store.read(block) for block in range(3)]
    assert [int(block.rows[0]) for block in held] == [0, 8192, 16384]
    assert len(seen) == 3
    assert max(seen) < 1 << 20  # the file has 16 MiB
    assert all(block.rows.flags.owndata for block in held)


def test_dictionaries_that_are_replaced_or_grow(tmp_path: Any, check_store: Any) -> None:
    words = [["a", "b"], ["a", "b", "c"], ["z", "b"], ["z", "b", "y"]]
    kind = pa.dictionary(pa.int32(), pa.string())
    for delta in (False, True):
        path = tmp_path / f"d{delta}.arrows"
        schema = pa.schema({"id": pa.int64(), "w": kind})
        options = ipc.IpcWriteOptions(emit_dictionary_deltas=delta)
        with ipc.new_stream(str(path), schema, options=options) as writer:
            for number, entries in enumerate(words):
                codes = pa.array([1, len(entries) - 1, 0], pa.int32())
                column = pa.DictionaryArray.from_arrays(codes, pa.array(entries))
                ids = pa.array([3 * number, 3 * number + 1, 3 * number + 2])
                writer.write_batch(pa.record_batch([ids, column], schema))
        rows = files.arrow(path)
        wanted = ["b", "b", "a", "b", "c", "a", "b", "b", "z", "b", "y", "z"]
        assert [str(x["w"]) for x in rows] == wanted == ipc.open_stream(str(path)).read_all()[1].to_pylist()
        check_store(rows, 12)
        codes = files.arrow(path, columns="w", categories={"w": ["z", "y", "c", "b", "a"]})
        assert next(iter(codes.batch(12))).tolist() == ["zycba".index(word) for word in wanted]


@pytest.mark.parametrize("cut", [False, True])
def test_files_of_other_programs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, cut: bool) -> None:
    """Polars writes views of texts, and no schema in front; each pair of categories is another dictionary."""
    polars: Any = pytest.importorskip("polars", reason="its files are what is read")
    pytest.importorskip("pandas", reason="its files are what is read")
    monkeypatch.setattr(arrow_ipc, "LARGE_BYTES", 3 << 10 if cut else 32 << 20)
    words = ["é" if i % 2 else f"a word that is longer than twelve bytes {i}" for i in range(120)]
    frame = polars.DataFrame(
        {"n": range(120), "w": words, "c": polars.Series(["v", "u"] * 60, dtype=polars.Categorical)}
    )
    frame.write_ipc(tmp_path / "1.arrow")
    frame.write_ipc(tmp_path / "2.arrow", compression="zstd")
    frame.write_ipc_stream(tmp_path / "3.arrows")
    frame.to_pandas().to_feather(tmp_path / "4.feather")
    for name in ("1.arrow", "2.arrow", "3.arrows", "4.feather"):
        rows = files.arrow(tmp_path / name, ["n", "w", "c"], categories={"c": ["u", "v"]})
        assert len(rows.stage.store.lengths) == (4 if cut and name == "1.arrow" else 1)
        x = next(iter(rows.batch(120)))
        assert (x["n"].tolist(), x["w"].tolist(), x["c"].tolist()) == (list(range(120)), words, [1, 0] * 60)
        assert [str(x["c"]) for x in files.arrow(tmp_path / name).take(2)] == ["v", "u"]
    assert len(files.arrow(tmp_path)) == 480  # alike for all files, though Arrow's types differ


NUMBERS = st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=30)


@settings(max_examples=20)
@given(NUMBERS, st.data(), st.booleans(), st.sampled_from([None, "lz4", "zstd"]))
def test_any_table_is_that_of_arrow(
    tmp_path_factory: Any, numbers: Any, data: Any, stream: bool, compression: Any
) -> None:
    n = len(numbers)
    lists = st.lists(st.lists(st.floats(width=32, allow_nan=False), max_size=4), min_size=n, max_size=n)
    made = pa.table(
        {
            "n": pa.array(numbers, pa.int64()),
            "f": pa.array(data.draw(st.lists(st.none() | st.floats(), min_size=n, max_size=n)), pa.float64()),
            "t": pa.array(data.draw(st.lists(st.none() | st.text(), min_size=n, max_size=n)), pa.string()),
            "b": pa.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), pa.bool_()),
            "l": pa.array(data.draw(lists), pa.list_(pa.float32())),
        }
    )
    path = tmp_path_factory.mktemp("t") / "t.arrow"
    write(path, made, data.draw(st.integers(1, 30)), stream, compression=compression)
    rows = files.arrow(path, nulls={"n": -5, "t": "?"}, pad={"l": 4})
    x = next(iter(rows.batch(n)))
    wanted = made.to_pydict()
    assert x["n"].tolist() == [-5 if value is None else value for value in wanted["n"]]
    assert x["t"].tolist() == ["?" if value is None else value for value in wanted["t"]]
    assert x["b"].tolist() == wanted["b"]
    np.testing.assert_array_equal(x["f"], np.array([np.nan if v is None else v for v in wanted["f"]]))
    padded = np.array([entry + [0.0] * (4 - len(entry)) for entry in wanted["l"]], "f4").reshape(n, 4)
    np.testing.assert_array_equal(x["l"], padded)


def test_missing_values_and_wrong_names(tmp_path: Any) -> None:
    path = write(tmp_path / "n.arrow", pa.table({"a": pa.array([1, None]), "y": [0, 1]}))
    with pytest.raises(
        DataError, match=r"n.arrow', record batch 0: column 'a' has 1 missing.*nulls=\{'a': 0\}"
    ):
        list(files.arrow(path))
    assert [x["a"].tolist() for x in files.arrow(path, ["a"], nulls={"a": 7}).batch(2)] == [[1, 7]]
    with pytest.raises(ValueError, match="no column 'z'"):
        files.arrow(path, target="z")
    with pytest.raises(ValueError, match=r"arrow\(\): nulls names the column 'q'"):
        files.arrow(path, nulls={"q": 0})


def test_files_with_other_columns(tmp_path: Any) -> None:
    write(tmp_path / "1.arrow", pa.table({"a": [1], "b": ["x"], "c": [0.5]}))
    write(tmp_path / "2.arrow", pa.table({"b": ["y"], "a": [2]}))
    rows = files.arrow(tmp_path, columns=["a", "b"])  # another order is no harm, an unused column neither
    assert [(int(x["a"]), str(x["b"])) for x in rows] == [(1, "x"), (2, "y")]
    with pytest.raises(DataError, match=r"2.arrow' has no column 'c', which .*1.arrow' has"):
        files.arrow(tmp_path)
    write(tmp_path / "2.arrow", pa.table({"a": [2.5], "b": ["y"]}))
    with pytest.raises(DataError, match=r"column 'a' is double, and int64 in .*1.arrow'"):
        files.arrow(tmp_path, columns=["a", "b"])


def test_empty_files_and_one_row(tmp_path: Any, check_store: Any) -> None:
    write(tmp_path / "0.arrow", table(0))
    with pytest.raises(DataError, match=r"arrow\(\): there are no rows in 1 files"):
        files.arrow(tmp_path / "0.arrow")
    write(tmp_path / "1.arrow", table(1))
    check_store(files.arrow(tmp_path), 1)
    for name, content in {"empty": b"", "text": b"a,b\n1,2\n" * 9, "feather1": b"FEA1" + bytes(40)}.items():
        (tmp_path / f"{name}.arrow").write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.arrow' is"):
            files.arrow(tmp_path / f"{name}.arrow")


def test_names_of_columns_that_are_no_text_or_the_same(tmp_path: Any) -> None:
    path = write(tmp_path / "a.arrow", pa.table({"aé": [1], "b": [2]}))
    assert next(iter(files.arrow(path)))["aé"] == 1
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match=r"a.arrow' has a column whose name is no UTF-8"):
        files.arrow(path)
    path = write(tmp_path / "b.arrow", pa.Table.from_arrays([[1], [2]], ["a", "a"]))
    with pytest.raises(DataError, match=r"b.arrow' has two columns 'a'; names must differ"):
        files.arrow(path)


def test_folders_are_columns(tmp_path: Any) -> None:
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        write(tmp_path / f"year={year}" / "a.arrow", pa.table({"a": [year % 100]}))
    assert [(int(x["a"]), int(x["year"])) for x in files.arrow(tmp_path)] == [(23, 2023), (24, 2024)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("size", [5, 1000])
@pytest.mark.usefixtures("small")
def test_a_file_that_is_cut_or_replaced_while_it_is_read(tmp_path: Any, stream: bool, size: int) -> None:
    path = write(tmp_path / "a.arrow", table(1000), size, stream)
    store = files.arrow(path).stage.store
    store.read(0)
    os.truncate(path, 2000)
    with pytest.raises(DataError, match=r"a.arrow' was changed after it was opened"):
        store.read(len(store.lengths) - 1)
    other = write(tmp_path / "b.arrow", table(1000, 5), size, stream)
    os.replace(other, path)
    with pytest.raises(DataError, match="was replaced after it was opened"):
        store.read(len(store.lengths) - 1)


def test_a_stream_that_is_cut_or_has_another_one_behind_it(tmp_path: Any) -> None:
    whole = write(tmp_path / "a.arrows", table(40), 10, True).read_bytes()
    (tmp_path / "cut.arrows").write_bytes(whole[:-40])
    with pytest.raises(DataError, match="it is cut off"):
        files.arrow(tmp_path / "cut.arrows")
    (tmp_path / "two.arrows").write_bytes(whole + whole)
    with pytest.raises(DataError, match="bytes come behind its end; streams that were joined"):
        files.arrow(tmp_path / "two.arrows")
    (tmp_path / "open.arrows").write_bytes(whole[:-8])  # a writer need not write the end
    assert len(files.arrow(tmp_path / "open.arrows")) == 40


def test_a_batch_that_says_it_is_huge_is_refused(tmp_path: Any) -> None:
    path = write(tmp_path / "a.arrow", pa.table({"a": np.zeros(4099)}), compression="lz4")
    raw = path.read_bytes()
    declared = struct.pack("<q", 8 * 4099)  # in front of the compressed buffer
    assert raw.count(declared) == 1
    path.write_bytes(raw.replace(declared, struct.pack("<q", 1 << 45)))
    with pytest.raises(DataError, match=r"record batch 0 says that it takes 35,184,372,088,832 bytes"):
        list(files.arrow(path))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_damaged_files_are_errors_or_data(
    tmp_path: Any, damaged: Any, stream: bool, compression: Any
) -> None:
    whole = write(tmp_path / "a.arrow", table(64), 16, stream, compression=compression).read_bytes()
    kinds = []
    for number, raw in enumerate(damaged(whole, 50)):
        path = tmp_path / f"{number}.arrow"
        path.write_bytes(raw)
        try:
            kinds.append(f"{len(next(iter(files.arrow(path).batch(64)))['id'])} rows")
        except StreamfitError as error:
            kinds.append(str(error))
    assert all(f"{at}.arrow" in kind or kind.endswith(" rows") for at, kind in enumerate(kinds))
    assert 10 < sum(".arrow" in kind for kind in kinds) < 50
