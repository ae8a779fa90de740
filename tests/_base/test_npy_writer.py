"""`NpyWriter`: a valid file after each call, rows of any shape, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit._base.npy_writer import NpyWriter

DTYPES = ["bool", "int8", "uint16", "int64", ">i4", "float16", "float32", "float64", "complex64"]


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(0, 5), max_size=5),
    row=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    dtype=st.sampled_from(DTYPES),
)
def test_the_file_holds_the_rows_so_far_after_each_call(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], row: tuple[int, ...], dtype: str
) -> None:
    path = tmp_path_factory.mktemp("npy") / "rows.npy"
    rng, total = np.random.default_rng(len(counts)), 0
    written = b""
    with NpyWriter(path, row, np.dtype(dtype)) as writer:
        for count in counts:
            rows = rng.integers(0, 100, (count, *row)).astype(dtype)
            writer.append(rows)
            written, total = written + rows.tobytes(), total + count
            so_far = np.load(path)
            assert (so_far.dtype, so_far.shape) == (np.dtype(dtype), (total, *row))
            assert so_far.tobytes() == written
    assert np.load(path).shape == (sum(counts), *row)
    assert path.stat().st_size == 128 + len(written)  # a header has 64 or 128 bytes


def test_rows_that_are_not_contiguous(tmp_path: Path) -> None:
    rows = np.arange(24).reshape(4, 6)
    with NpyWriter(tmp_path / "a.npy", (3,), rows.dtype) as writer:
        writer.append(rows[:, ::2])
        writer.append(rows[::-1, 3:])
    assert (np.load(tmp_path / "a.npy") == np.concatenate([rows[:, ::2], rows[::-1, 3:]])).all()


def test_other_rows_are_refused_and_the_file_keeps_its_own(tmp_path: Path) -> None:
    with NpyWriter(tmp_path / "a.npy", (2,), np.dtype("float32")) as writer:
        writer.append(np.ones((3, 2), "float32"))
        for wrong in (np.ones((1, 3), "float32"), np.ones((1, 2)), np.ones((1, 2), ">f4")):
            with pytest.raises(ValueError, match="do not fit a file of rows of shape"):
                writer.append(wrong)
    assert np.load(tmp_path / "a.npy").tolist() == [[1, 1]] * 3


def test_no_file_is_overwritten_and_no_pickle_written(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        NpyWriter(tmp_path / "a.npy", (), np.dtype("int64"))
    assert (tmp_path / "a.npy").read_bytes() == b"mine"
    for dtype in (np.dtype(object), np.dtype("U3"), np.dtypes.StringDType()):
        with pytest.raises(TypeError, match="would need pickle"):
            NpyWriter(tmp_path / "b.npy", (), dtype)
    assert not (tmp_path / "b.npy").exists()


def test_a_write_that_fails_half_way_leaves_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A disk that is full after some bytes."""

        def __init__(self, file: object, room: int) -> None:
            self.file, self.room = file, room

        def write(self, data: memoryview) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            count = self.file.write(data[: min(self.room, 7)])  # type: ignore[attr-defined]
            self.room -= count
            return int(count)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def __enter__(self) -> object:
            return self.file.__enter__()  # type: ignore[attr-defined]

        def __exit__(self, *error: object) -> None:
            self.file.__exit__(*error)  # type: ignore[attr-defined]

    writer = NpyWriter(tmp_path / "a.npy", (4,), np.dtype("int64"))
    writer.append(np.arange(8).reshape(2, 4))
    monkeypatch.setattr(writer, "_file", Full(writer._file, 45))
    with pytest.raises(OSError, match="No space left"):
        writer.append(np.arange(8).reshape(2, 4))
    writer.close()
    writer.close()
    assert np.load(tmp_path / "a.npy").tolist() == np.arange(8).reshape(2, 4).tolist()
    assert os.path.getsize(tmp_path / "a.npy") == 128 + 64
