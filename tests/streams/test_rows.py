from __future__ import annotations

import mmap
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit._base.errors import DataError
from streamfit.streams import ArraySource
from streamfit.streams.rows import Buffers, MappedRows, MemoryRows, mapping_below, rows_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.arange(600.0, dtype="float32").reshape(100, 6))
    return tmp_path / "x.npy"


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_a_mapped_file_gives_the_same_batches_as_memory(path: Path, mode: Any, shuffle: Any) -> None:
    mapped, memory = np.load(path, mmap_mode=mode), np.load(path)
    one = ArraySource(mapped, batch_size=7, shuffle=shuffle, seed=1)
    two = ArraySource(memory, batch_size=7, shuffle=shuffle, seed=1)
    assert one.traits.in_workers
    assert not two.traits.in_workers
    for left, right in zip(one.make_reader().read(3), two.make_reader().read(3), strict=True):
        assert type(left.x) is np.ndarray
        assert not np.shares_memory(left.x, mapped)
        assert np.array_equal(left.ids, right.ids)
        assert np.array_equal(left.x, right.x)


def test_views_of_mapped_files_are_seen_through(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r")
    for view in (mapped[10:], np.asarray(mapped), mapped.T, mapped.view(np.ndarray)[::2]):
        assert isinstance(rows_of(view, "x"), MappedRows)
        assert mapping_below(view) is not None
    assert isinstance(rows_of(np.array(mapped), "x"), MemoryRows)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        array = np.frombuffer(raw, np.uint8)
        assert mapping_below(array) is raw
        assert rows_of(array, "x").pick(np.array([0]))[0] == 0x93
        del array


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_file_that_was_shortened_is_an_error_and_not_a_dead_process(path: Path, shuffle: bool) -> None:
    source = ArraySource(np.load(path, mmap_mode="r"), batch_size=10, shuffle=shuffle, name="rows")
    batches = source.make_reader().read(0)
    next(batches)
    with path.open("r+b") as file:
        file.truncate(200)
    with pytest.raises(
        DataError, match="the file behind x was 2528 bytes long when it was mapped and has 200"
    ):
        list(batches)


def test_private_changes_to_a_map_are_never_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.streams.rows._RESIDENT", 100)
    mapped = np.load(path, mmap_mode="c")
    mapped[:] = -1
    for batch in ArraySource(mapped, batch_size=10).make_reader().read(0):
        assert (batch.x == -1).all()


def test_pages_of_a_shared_map_are_given_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.streams.rows._RESIDENT", 100)
    reader = rows_of(np.load(path, mmap_mode="r+"), "x")
    dropped = []

    class Spy:
        def __init__(self, mapping: mmap.mmap) -> None:
            self.size = mapping.size

        def madvise(self, option: int) -> None:
            dropped.append(option)

    assert isinstance(reader, MappedRows)
    reader._mapping = Spy(reader._mapping)  # type: ignore[assignment]
    reader.span(0, 4)
    assert dropped == []
    reader.span(4, 8)
    reader.pick(np.array([50, 3]))
    assert dropped == [mmap.MADV_DONTNEED] * 2


MEASURE = """
    import sys
    import numpy as np
    from streamfit.streams import ArraySource

    def resident():
        with open("/proc/self/smaps_rollup") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) >> 10

    x = np.load(sys.argv[1], mmap_mode="r")
    source = ArraySource(x, batch_size=256, shuffle=sys.argv[2] == "True")
    for batch in ArraySource(x[:512], batch_size=256).make_reader().read(0):
        pass
    before, most, total = resident(), 0, 0.0
    for batch in source.make_reader().read(0):
        total += float(batch.x[0, 0])
        if batch.number % 16 == 0:
            most = max(most, resident())
    print(most - before)
"""


@pytest.mark.timeout(60)
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads the kernel's own account")
@pytest.mark.parametrize("shuffle", [True, False])
def test_memory_stays_bounded_when_a_large_file_is_read(tmp_path: Path, shuffle: bool) -> None:
    path = tmp_path / "large.npy"
    large = np.lib.format.open_memmap(path, "w+", "float32", (100_000, 1024))  # 400 MB, mostly a hole
    del large
    script = textwrap.dedent(MEASURE)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(shuffle)], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 110  # MiB: what may be resident, and a few batches


def test_a_buffer_is_leased_again_only_when_nobody_holds_it() -> None:
    buffers = Buffers(np.zeros((8, 40_000), "float32"), 8)
    first = buffers.lend(8)
    second = buffers.lend(8)
    assert first is not second
    address = first.ctypes.data
    view = first[2:, 1]
    del first
    assert buffers.lend(8).ctypes.data != address
    del view
    held = {buffers.lend(8).ctypes.data for _ in range(4)}
    assert address in held


def test_odd_sizes_and_small_batches_get_fresh_arrays() -> None:
    large = Buffers(np.zeros((8, 40_000), "float32"), 8)
    assert large.lend(3).shape == (3, 40_000)
    small = Buffers(np.zeros((8, 4), "int16"), 8)
    assert small.lend(8).dtype == np.int16
    assert not small.reuses
