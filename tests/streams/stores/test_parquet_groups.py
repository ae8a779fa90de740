"""Parquet files: row groups as blocks; what `ArrowStore` shares with other formats, for this one."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, StreamfitError, files

pa: Any = pytest.importorskip("pyarrow", reason="its files are what is read")
pq: Any = pytest.importorskip("pyarrow.parquet", reason="its files are what is read")
pytestmark = pytest.mark.extras


def table(rows: int, start: int = 0) -> Any:
    ids = np.arange(start, start + rows)
    words = pa.array([f"w{i % 3}" for i in ids], pa.string())
    return pa.table({"id": ids, "word": words, "kind": words.dictionary_encode(), "y": ids / 2})


def write(path: Any, data: Any, group: int = 6) -> Any:
    pq.write_table(data, path, row_group_size=group, write_page_checksum=True)
    return path


def test_order_once_workers_resume_and_shards(tmp_path: Any, check_store: Any) -> None:
    for part, (start, rows) in enumerate([(0, 20), (20, 0), (20, 1), (21, 12)]):
        write(tmp_path / f"part-{part}.parquet", table(rows, start))
    rows = files.parquet(tmp_path, target="y", name="words")
    assert repr(rows) == "parquet('words', 4 files, 33 rows)"
    check_store(rows, 33)
    x, y = next(iter(rows.batch(33)))
    assert {**{name: each.tolist() for name, each in x.items()}, "y": y.tolist()} == table(33).to_pydict()


def test_filters_and_folders(tmp_path: Any, check_store: Any) -> None:
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        write(tmp_path / f"year={year}" / "a.parquet", table(10, 10 * (year - 2023)))
    rows = files.parquet(tmp_path)
    assert [int(x["year"]) for x in rows] == [2023] * 10 + [2024] * 10
    check_store(files.parquet(tmp_path, target="year"), 20)
    kept = files.parquet(tmp_path, "id", filters=[("id", ">", 7), ("word", "==", "w1")])
    assert [int(x) for x in kept] == [10, 13, 16, 19]
    later = files.parquet(tmp_path, "id", filters=[("year", "==", 2024), ("id", "<", 12)])
    assert [int(x) for x in later] == [10, 11]
    with pytest.raises(DataError, match="no rows that the filters keep"):
        files.parquet(tmp_path, filters=[("id", ">", 70)])


def test_files_that_differ_or_are_replaced(tmp_path: Any) -> None:
    path = write(tmp_path / "1.parquet", table(20))
    store = files.parquet(path).stage.store
    store.read(0)
    os.replace(write(tmp_path / "2.parquet", table(20)), path)
    with pytest.raises(DataError, match=r"1.parquet' was replaced after it was opened"):
        store.read(1)
    write(tmp_path / "2.parquet", table(20).set_column(0, "id", pa.array(["a"] * 20)))
    with pytest.raises(DataError, match=r"2.parquet': column 'id' is string, and int64 in .*1.parquet'"):
        files.parquet(tmp_path)
    (tmp_path / "3.parquet").write_bytes(b"PAR1" * 4)
    with pytest.raises(DataError, match=r"3.parquet' is no Parquet file"):
        files.parquet(tmp_path / "3.parquet")


def test_damaged_files_are_errors_or_data(tmp_path: Any, damaged: Any) -> None:
    whole = write(tmp_path / "a.parquet", table(40)).read_bytes()
    kinds = []
    for number, raw in enumerate(damaged(whole, 100)):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(raw)
        try:
            kinds.append(f"{len(next(iter(files.parquet(path).batch(40)))['id'])} rows")
        except StreamfitError as error:
            kinds.append(str(error))
    assert all(f"{at}.parquet" in kind or kind.endswith(" rows") for at, kind in enumerate(kinds))
    assert 10 < sum(".parquet" in kind for kind in kinds) < 100
