"""The index of many files: used while they are as they were, and never trusted otherwise."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from streamfit import DataError, files
from streamfit.streams.stores import file_index, text_store
from streamfit.streams.stores.file_index import FileIndex
from streamfit.streams.stores.paths import FileMark


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of indexes, empty at first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STREAMFIT_FILE_INDEX", raising=False)
    return tmp_path / "cache" / "streamfit" / "files"


@pytest.fixture
def folder(tmp_path):
    """Twenty files of lines."""
    made = tmp_path / "data"
    made.mkdir()
    for number in range(20):
        (made / f"{number}.txt").write_text("".join(f"{number} {row}\n" for row in range(number + 1)))
    return made


@pytest.fixture
def scans(monkeypatch):
    """The files that were looked at."""
    looked = []
    real = text_store._pieces

    def pieces(path, *rest):
        looked.append(Path(path).name)
        return real(path, *rest)

    monkeypatch.setattr(text_store, "_pieces", pieces)
    return looked


def lines(folder: Path) -> list[str]:
    return list(itertools.chain(*(batch.tolist() for batch in files.text_lines(folder).batch(7))))


def test_files_are_looked_at_once(cache, folder, scans):
    first = lines(folder)
    assert len(scans) == 20
    assert len(list(cache.glob("*.npz"))) == 1
    assert lines(folder) == first
    assert len(scans) == 20


def test_a_changed_file_is_looked_at_again(cache, folder, scans):
    lines(folder)
    (folder / "3.txt").write_text("other\n")
    assert "other" in lines(folder)
    assert len(scans) == 40
    (folder / "20.txt").write_text("more\n")
    assert "more" in lines(folder)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04nothing", None])
def test_a_damaged_index_is_not_used(cache, folder, scans, damage):
    first = lines(folder)
    (path,) = cache.glob("*.npz")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage is None else damage)
    assert lines(folder) == first
    assert len(scans) == 40


def test_an_index_that_lies_leads_to_an_error(cache, folder):
    lines(folder)
    (path,) = cache.glob("*.npz")
    with np.load(path) as found:
        arrays = dict(found)
    arrays["columns"][3] += 1  # one record more in each block
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="had"):
        lines(folder)


def test_no_index_where_none_is_wanted(cache, folder, scans, monkeypatch):
    monkeypatch.setenv("STREAMFIT_FILE_INDEX", "0")
    assert lines(folder) == lines(folder)
    assert len(scans) == 40
    assert not cache.exists()


def test_where_nothing_can_be_written_all_works(cache, folder, scans):
    cache.parent.parent.write_text("a file where a folder should be")
    assert lines(folder) == lines(folder)
    assert len(scans) == 40


def test_few_files_have_no_index(cache, folder):
    files.text_lines(folder / "1.txt")
    assert not cache.exists()


def test_old_indexes_are_removed(cache, folder, monkeypatch):
    monkeypatch.setattr(file_index, "_KEPT", 3)
    paths = sorted(map(str, folder.iterdir()))
    marks = [FileMark.of(path) for path in paths]
    for number in range(5):
        FileIndex(paths, marks, f"settings {number}").save({"a": np.arange(3)})
        for place, path in enumerate(sorted(cache.glob("*.npz"))):
            os.utime(path, (place, place))
    assert len(list(cache.glob("*"))) == 3
