from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from streamfit._base.errors import DataError
from streamfit.streams.buffer_reuse import ReuseWatch, check


def note(watch: ReuseWatch, ids: int, array: Any, since: int, thread: bool = False) -> Any:
    """Note one load, in another thread if asked for."""
    if not thread:
        return watch.note(ids, since, [(array, array.copy())])
    found: list[Any] = []
    other = threading.Thread(target=lambda: found.append(note(watch, ids, array, since)))
    other.start()
    other.join()
    return found[0]


def test_two_loads_at_once_that_get_one_buffer_are_found_by_the_third_at_the_latest() -> None:
    watch, buffer, since = ReuseWatch(), np.zeros(100), time.monotonic_ns()
    assert note(watch, 0, buffer, since) is None
    assert note(watch, 1, buffer, since, thread=True) is None  # both copies are of the second load
    buffer[3] = 1.0
    assert note(watch, 2, buffer, since) == 1


def test_what_never_changes_may_be_given_out_at_once() -> None:
    watch, ones, since = ReuseWatch(), np.ones(100), time.monotonic_ns()
    assert [note(watch, ids, ones, since, thread=ids % 2 == 1) for ids in range(6)] == [None] * 6


def test_one_load_after_the_other_may_use_one_buffer() -> None:
    watch, buffer = ReuseWatch(), np.zeros(1 << 17)
    for ids in range(6):
        since = time.monotonic_ns()
        buffer[:] = ids
        assert note(watch, ids, buffer, since, thread=ids % 2 == 1) is None


def test_the_same_batch_may_change() -> None:
    watch, rows, since = ReuseWatch(), np.zeros(10), time.monotonic_ns()
    assert note(watch, 5, rows, since) is None
    rows[:] = 1
    assert note(watch, 5, rows, since, thread=True) is None


def test_memory_that_was_freed_meanwhile_is_other_memory() -> None:
    watch, since, addresses = ReuseWatch(), time.monotonic_ns(), set()
    for ids in range(50):
        array = np.full(1000, float(ids))
        addresses.add(array.__array_interface__["data"][0])
        assert note(watch, ids, array, since, thread=ids % 2 == 1) is None
        del array
    assert len(addresses) < 50


def test_loads_that_began_before_it_do_not_count() -> None:
    buffer, since = np.zeros(10), time.monotonic_ns()
    watch = ReuseWatch()
    for ids in range(3):
        buffer[:] = ids
        assert note(watch, ids, buffer, since, thread=ids % 2 == 1) is None


def test_views_of_one_block_are_told_apart_by_where_they_begin() -> None:
    watch, block, since = ReuseWatch(), np.arange(100.0), time.monotonic_ns()
    for ids in range(10):
        assert note(watch, ids, block[10 * ids : 10 * ids + 10], since, thread=ids % 2 == 1) is None


def test_the_error_names_the_object_and_both_batches() -> None:
    class Reader:
        pass

    reader, buffer = Reader(), np.zeros(10)
    check(reader, 0, time.monotonic_ns(), [])
    since = time.monotonic_ns()

    def load(ids: int) -> None:
        buffer[:] = ids
        check(reader, ids, since, [(buffer, buffer.copy())])

    load(3)
    failed: list[Exception] = []

    def other() -> None:
        with pytest.raises(
            DataError, match="Reader returned the same memory for index 3 and index 4"
        ) as caught:
            load(4)
        failed.append(caught.value)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "buffer.copy()" in str(failed[0])
