"""Large arrays: workers get the same arrays as the parent has, for every layout and memory."""

from __future__ import annotations

import mmap
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit._base.errors import DataError, PicklingError
from streamfit.workers.transport import shared_arrays
from streamfit.workers.transport.segments import Block, Gathering, Layout
from streamfit.workers.transport.shared_arrays import SharedArrayReceiver, file_array, file_place

BIG = 100_000  # float64: 800 kB


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedArrayReceiver]:
    """Be a worker."""
    made = SharedArrayReceiver()
    monkeypatch.setattr(shared_arrays, "RECEIVER", made)
    yield made
    made.keep_segments(set())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "data.npy", np.arange(BIG * 4.0).reshape(-1, 40))
    return tmp_path / "data.npy"


def mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r")


def shared(*arrays: np.ndarray, known: list[Block] | None = None) -> tuple[list[Block], list[Layout], Any]:
    """Gather arrays and place them: the blocks, the layouts and the places."""
    gathering = Gathering()
    layouts = [gathering.add(array)[1] for array in arrays]
    blocks, places = gathering.place(known or [])
    return blocks, layouts, np.array(places, np.int64)


def received(receiver: SharedArrayReceiver, found: tuple[list[Block], list[Layout], Any]) -> list[np.ndarray]:
    blocks, layouts, places = found
    for segment in {block.segment.key: block.segment for block in blocks}.values():
        receiver.add_segment(segment.key, os.dup(segment.fd))
    with receiver.placing(places):
        return [receiver.shared_array(number, layout) for number, layout in enumerate(layouts)]


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a,
        lambda a: np.asfortranarray(a),
        lambda a: a[::-1, ::2],
        lambda a: a[::-7, ::-3],
        lambda a: a.T[3:],
        lambda a: a.astype("<U12"),
        lambda a: a.astype("M8[s]"),
        lambda a: np.broadcast_to(a[3], (9, *a[3].shape)),
        lambda a: np.lib.stride_tricks.sliding_window_view(a[:, 0], 100),
        lambda a: np.lib.stride_tricks.sliding_window_view(a[::-1].reshape(-1), 7)[::2],
    ],
)
def test_shared_copy_equals_the_array(receiver: SharedArrayReceiver, make: Any) -> None:
    array = make(np.random.default_rng(1).random((500, 400)) * 1e6)
    (got,) = received(receiver, shared(array))
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype
    assert got.flags.writeable == array.flags.writeable


def test_overlapping_views_are_one_block_and_gaps_are_left_out(receiver: SharedArrayReceiver) -> None:
    base = np.random.default_rng(2).random((1000, 50))
    views = [base[:600], base[400:], base[::-1, 3:40], base.T[7:9]]
    found = shared(*views)
    assert sum(block.size for block in found[0]) == base.nbytes + 2 * 1000 * 8
    for got, view in zip(received(receiver, found), views, strict=True):
        np.testing.assert_array_equal(got, view)


def test_writes_of_a_worker_stay_its_own(receiver: SharedArrayReceiver) -> None:
    array = np.zeros(BIG)
    found = shared(array)
    one, other = *received(receiver, found), *received(SharedArrayReceiver(), found)
    one[:] = 9
    assert other.sum() == 0
    assert array.sum() == 0


def test_array_is_shared_once_and_again_only_when_its_bits_changed() -> None:
    array = np.zeros(BIG)
    first, _, _ = shared(array)
    assert shared(array, known=first)[0] == first
    array[BIG - 1] = -0.0  # equal as a number, not as bits
    second, _, _ = shared(array, known=first)
    assert second[0].segment is not first[0].segment


def test_segment_ends_with_the_last_of_its_blocks() -> None:
    blocks, _, _ = shared(np.zeros(BIG))
    fd = blocks[0].segment.fd
    del blocks
    with pytest.raises(OSError):
        os.fstat(fd)


@pytest.mark.parametrize(
    "cut",
    [
        lambda a: a,
        lambda a: a[100:200],
        lambda a: a[::-3, 1::2],
        lambda a: a[7],
        lambda a: a.T,
        lambda a: np.asarray(a)[5:],
        lambda a: a[3:4, :1],
        lambda a: a.reshape(-1)[17:90_017].view("i4"),
    ],
)
def test_memory_map_travels_by_reference(receiver: SharedArrayReceiver, path: Path, cut: Any) -> None:
    stored = mapped(path)
    array = cut(stored)
    place = file_place(array)
    assert place is not None
    place = pickle.loads(pickle.dumps(place))
    got = file_array(place)
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype
    assert not got.flags.writeable
    assert receiver.has_files()
    receiver.drop_pages()
    np.testing.assert_array_equal(got, array)


def test_bare_mapping_of_a_file_travels_by_reference(receiver: SharedArrayReceiver, path: Path) -> None:
    with open(path, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = np.frombuffer(memory, np.float64, count=BIG, offset=128)
    place = file_place(array)
    assert place is not None
    np.testing.assert_array_equal(file_array(place), array)


def test_one_map_serves_all_arrays_of_a_file(receiver: SharedArrayReceiver, path: Path) -> None:
    stored = mapped(path)
    arrays = [file_array(file_place(stored[row : row + 1])) for row in range(200)]
    before = len(os.listdir("/proc/self/fd"))
    arrays += [file_array(file_place(stored[row : row + 1])) for row in range(200)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert arrays[203][0, 1] == 3 * 40 + 1


@pytest.mark.parametrize(
    "array",
    [np.zeros(BIG), np.zeros((BIG, 2))[:, 0], np.zeros(0), np.zeros(3)[:2]],
    ids=lambda a: str(a.shape),
)
def test_ordinary_memory_is_no_file(array: np.ndarray) -> None:
    assert file_place(array) is None


def test_private_and_anonymous_mappings_are_no_files(path: Path) -> None:
    private = np.load(path, mmap_mode="c")
    private[0] = -1
    assert file_place(private) is None
    anonymous = mmap.mmap(-1, BIG * 8)
    assert file_place(np.frombuffer(anonymous, np.float64)) is None
    assert file_place(np.ndarray((BIG,), "f8", anonymous)) is None


def test_writable_map_travels_with_what_was_written(receiver: SharedArrayReceiver, path: Path) -> None:
    writable = np.load(path, mmap_mode="r+")
    writable[3, 3] = 12345.0
    assert file_array(file_place(writable))[3, 3] == 12345.0


def test_missing_file_is_named_in_the_parent(path: Path) -> None:
    stored = mapped(path)
    os.unlink(path)
    with pytest.raises(PicklingError, match=r"data\.npy.*No such file"):
        file_place(stored)


def test_replaced_file_is_named_in_the_parent(path: Path) -> None:
    stored = mapped(path)
    os.unlink(path)
    np.save(path, np.zeros((BIG // 10, 40)))
    with pytest.raises(PicklingError, match=r"data\.npy.*holds other data now"):
        file_place(stored)


@pytest.mark.parametrize("how", ["missing", "replaced", "cut short"])
def test_file_that_changed_on_the_way_is_named_in_the_worker(
    receiver: SharedArrayReceiver, path: Path, how: str
) -> None:
    stored = mapped(path)
    place = file_place(stored)
    assert place is not None
    if how == "cut short":
        os.truncate(path, 1000)
    else:
        os.rename(path, f"{path}.old")
    if how == "replaced":
        path.write_bytes(b"x" * place.size)
    with pytest.raises(DataError, match=r"data\.npy"):
        file_array(place)
