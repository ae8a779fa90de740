"""Lines of text: those of Python's own reader, in every order, and files that are broken."""

from __future__ import annotations

import gzip
import os
import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.text_files import check_damage, check_orders, rows, write

from streamfit import files, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.streams.stores import text_store

LINES = ["first", "", "Zweite Zeile: äöü ∑", "  ", "x" * 50, *(f"line {i}" for i in range(20)), "last"]


@pytest.fixture
def small(monkeypatch):
    """Blocks of a few lines."""
    monkeypatch.setattr(text_store, "BLOCK_BYTES", 64)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("closed", [True, False])
def test_lines_in_every_order(small, tmp_path, end, closed):
    half = len(LINES) // 2
    write(tmp_path / "a.txt", "\ufeff" + end.join(LINES[:half]) + end * closed)
    write(tmp_path / "b.txt", "")
    write(tmp_path / "c.txt", end.join(LINES[half:]) + end * closed)
    made = files.text_lines(tmp_path)
    assert len(made.stage.store.lengths) > 3
    check_orders(made, LINES)
    check_orders(files.text_lines(tmp_path, skip_blank=True), [line for line in LINES if line.strip()])


def test_processes_read_the_same(small, tmp_path):
    made = files.text_lines(write(tmp_path / "a.txt", "\n".join(LINES))).shuffle(5).batch(4)
    assert rows(made, workers=2, use_multiprocessing=True) == rows(made)


@given(data=st.text(max_size=60).map(lambda text: text.replace("\r", "")), size=st.integers(1, 40))
def test_lines_are_those_of_python(tmp_path_factory, data, size):
    path = write(tmp_path_factory.getbasetemp() / "drawn.txt", data + "end")
    before, text_store.BLOCK_BYTES = text_store.BLOCK_BYTES, size
    try:
        made = files.text_lines(path)
        with open(path, encoding="utf-8") as file:
            wanted = [line.removesuffix("\n") for line in file]
    finally:
        text_store.BLOCK_BYTES = before
    wanted[0] = wanted[0].removeprefix("\ufeff")
    assert rows(made.batch(3)) == wanted


def test_encodings(tmp_path):
    path = write(tmp_path / "a.txt", "café\n€5".encode("cp1252"))
    assert rows(files.text_lines(path, encoding="cp1252").batch(2)) == ["café", "€5"]
    for encoding in ("utf-16", "gbk", "shift_jis", "no such", "utf-7", None):
        with pytest.raises(ValueError, match=r"encoding=.*write the files as UTF-8"):
            files.text_lines(path, encoding=encoding)


def test_a_line_that_is_no_text_is_a_bad_sample(small, tmp_path):
    path = write(tmp_path / "a.txt", b"one\n\ntwo\nthr\xffee\nfour\n" + b"more\n" * 40)
    for skip_blank in (False, True):
        made = files.text_lines(path, skip_blank=skip_blank).batch(5)
        with pytest.raises(SampleError, match=r"a\.txt', line 4 .*utf-8: byte 0xff at place 4"):
            rows(made)
        with (
            pytest.warns(RuntimeWarning, match="left out"),
            stream(made, on_bad_sample="skip", max_bad_samples=1) as found,
        ):
            kept = [line for x in found for line in x.tolist()]
        assert kept == [*(["one", "two"] if skip_blank else ["one", "", "two"]), "four", *["more"] * 40]


def test_a_line_without_end_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(text_store, "BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(text_store, "MOST_BYTES", 1 << 16)
    path = write(tmp_path / "a.txt", b"fine\n")
    with open(path, "ab") as file:
        file.truncate(10 << 30)  # 10 GB of zeros that take no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"a\.txt'.*begins at byte 5 does not end within 65,536 bytes"):
        files.text_lines(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert rows(files.text_lines(write(tmp_path / "b.txt", "x" * 60_000 + "\ny")).batch(2))[1] == "y"


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (gzip.compress(b"a\n", mtime=0), "gunzip"),
        (b"BZh91AY&SY", "bunzip2"),
        (b"\xfd7zXZ\x00", "unxz"),
        (b"\x28\xb5\x2f\xfd", "unzstd"),
        (b"PK\x03\x04", "ZIP"),
        (b"PAR1", r"files\.parquet"),
        ("a".encode("utf-16"), "UTF-16"),
    ],
)
def test_files_that_are_no_text_are_refused_with_advice(tmp_path, content, advice):
    with pytest.raises(DataError, match=rf"a\.txt' is .*{advice}"):
        files.text_lines(write(tmp_path / "a.txt", content))


def test_nothing_to_read(tmp_path):
    with pytest.raises(DataError, match="no records in 1 files"):
        files.text_lines(write(tmp_path / "a.txt", b""))
    with pytest.raises(DataError, match="no records"):
        files.text_lines(write(tmp_path / "a.txt", b" \n\n"), skip_blank=True)
    with pytest.raises(FileNotFoundError):
        files.text_lines(tmp_path / "b.txt")
    assert rows(files.text_lines(write(tmp_path / "a.txt", b"\n")).batch(1)) == [""]


@pytest.mark.parametrize("how", ["replaced", "changed", "removed"])
def test_a_file_that_changes_while_it_is_read(small, tmp_path, how):
    path = write(tmp_path / "a.txt", "\n".join(LINES))
    made = files.text_lines(path)
    made.stage.store.read(0)
    if how == "removed":
        path.unlink()
    elif how == "replaced":
        os.replace(write(tmp_path / "new", "\n".join(LINES)), path)
    else:
        write(path, "\n".join(LINES[:4]))
    with pytest.raises(DataError, match=f"a.txt' (was {how}|cannot be read any more)"):
        made.stage.store.read(1)
    assert "a.txt', " in made.stage.store.where(1, 0)


def test_damaged_files(small, tmp_path):
    path = tmp_path / "a.txt"
    check_damage(
        lambda data: write(path, data), lambda: files.text_lines(path), "\n".join(LINES * 3).encode()
    )


def test_what_is_known_of_a_sample(tmp_path):
    made = files.text_lines(write(tmp_path / "a.txt", "a\nb"), name="poems")
    assert repr(made) == "text_lines('poems', 1 file, 2 rows)"
    spec = made.stage.specs()
    assert spec.dtype == np.dtype(object)
    assert spec.shape == ()
