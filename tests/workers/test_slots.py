"""Anonymous memory: it grows, stays valid while used, has no name, and its end is an exception."""

from __future__ import annotations

import os
import resource

import numpy as np
import pytest

from streamfit._base.errors import WorkerError
from streamfit.workers.transport import slots


def test_slot_grows_and_keeps_what_is_in_it() -> None:
    slot = slots.Slot(slots.create("test"))
    slot.reserve(10)
    before = slot.bytes(10)
    before[:] = 7
    assert slot.reserve(3_000_000) >= 3_000_000
    after = slot.bytes(3_000_000)
    after[:10] += 1
    assert before.tolist() == [8] * 10
    slot.close()
    assert before.tolist() == [8] * 10


def test_second_view_sees_growth_only_when_told() -> None:
    writer = slots.Slot(slots.create("test"))
    reader = slots.Slot(os.dup(writer.fd))
    capacity = writer.reserve(100)
    writer.bytes(100)[:] = 3
    reader.attach(capacity)
    assert reader.bytes(100).sum() == 300
    with pytest.raises(WorkerError, match="not there"):
        reader.attach(capacity + (1 << 20))
    writer.close()
    reader.close()


def test_no_space_is_an_exception_that_says_what_to_do() -> None:
    fd = slots.create("test")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(WorkerError, match=r"no room for 2,097,152 bytes.*smaller batches"):
            slots.grow(fd, 2 << 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        os.close(fd)


def test_memory_without_memfd_is_an_unlinked_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path))
    slot = slots.Slot(slots.create("test"))
    assert os.listdir(tmp_path) == []
    slot.reserve(5000)
    slot.bytes(5000)[:] = np.arange(5000) % 251
    assert slot.bytes(5000)[4999] == 4999 % 251
    slot.close()


def test_failed_creation_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(WorkerError, match="No space left"):
        slots.create("test", 100)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 64), (64, 64), (65, 128)])
def test_buffers_begin_on_cache_lines(size: int, expected: int) -> None:
    assert slots.padded(size) == expected
