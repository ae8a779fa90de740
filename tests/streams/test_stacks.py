"""Stacks of rows that follow one another, of every kind of rows, against slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import files
from streamfit.streams.arrays import ArraySource
from streamfit.streams.rows import MappedRows, MemoryRows, SlicedRows
from streamfit.streams.sharded_rows import ShardedRows

STARTS = np.array([0, 17, 3, 3, 12, 5], np.int64)
SERIES: Any = np.random.default_rng(0).normal(size=(20, 2, 2)).astype("float32")


class Sliceable:
    """Rows that can only be sliced; it counts how many it has read."""

    def __init__(self) -> None:
        self.shape, self.dtype, self.read = SERIES.shape, SERIES.dtype, 0

    def __len__(self) -> int:
        return len(SERIES)

    def __getitem__(self, rows: slice) -> Any:
        assert isinstance(rows, slice)
        self.read += len(SERIES[rows])
        return SERIES[rows]


def check(rows: Any, series: Any = SERIES) -> None:
    for length in (1, 3):
        made = rows.stacks(STARTS, length)
        wanted = np.stack([series[start : start + length] for start in STARTS])
        np.testing.assert_array_equal(made, wanted, strict=True)
        assert made.flags.c_contiguous
        if not isinstance(rows, SlicedRows):  # of which no batch is empty
            assert rows.stacks(STARTS[:0], length).shape == (0, length, *series.shape[1:])


@pytest.mark.parametrize(
    "array",
    [
        SERIES,
        SERIES[:, 0, 0].copy(),
        np.asfortranarray(SERIES),
        np.repeat(SERIES, 2, axis=0)[::2],
        SERIES[:, :0],
        np.array([f"word {number}" for number in range(20)], object),
    ],
    ids=["contiguous", "flat", "fortran", "strided", "empty", "text"],
)
def test_rows_in_memory(array: Any) -> None:
    check(MemoryRows(array, "x"), array)


def test_rows_of_a_map(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SERIES)
    source = ArraySource(np.load(tmp_path / "a.npy", mmap_mode="r"))
    rows = source.row_parts[0]
    assert isinstance(rows, MappedRows)
    check(rows)


@pytest.mark.parametrize("cuts", [[], [4, 13], [1, 2, 3, 18]])
@pytest.mark.parametrize("least", [1 << 20, 40])
def test_rows_in_files(tmp_path: Path, cuts: list[int], least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.streams.sharded_rows._LARGE_ROW", least)
    for number, part in enumerate(np.split(SERIES, cuts)):
        np.save(tmp_path / f"{number}.npy", part)
    stage: Any = files.npy(tmp_path).stage
    rows = stage.source.row_parts[0]
    assert isinstance(rows, ShardedRows)
    check(rows)


def test_a_file_that_became_shorter(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SERIES)
    stage: Any = files.npy(tmp_path / "a.npy").stage
    rows = stage.source.row_parts[0]
    check(rows)
    with open(tmp_path / "a.npy", "r+b") as file:
        file.truncate(200)
    with pytest.raises(ValueError, match=r"a\.npy"):
        rows.stacks(STARTS, 2)


def test_rows_that_are_sliced_are_read_once() -> None:
    given = Sliceable()
    source = ArraySource(given)
    rows = source.row_parts[0]
    assert isinstance(rows, SlicedRows)
    check(rows)
    given.read = 0
    rows.stacks(np.arange(10), 5)
    assert given.read == 14
