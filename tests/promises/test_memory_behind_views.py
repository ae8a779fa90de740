"""Workers share the memory behind data sets once; batches in flight take only the memory they need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.views import Counts, Cuts, Holds, Touches, Uneven, used

import streamfit
from streamfit.testing import nothing_left_behind

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc to measure memory"),
]
HOW: Any = {"workers": 2, "use_multiprocessing": True}
MB = 2**20


def seen(data: Any, **how: Any) -> list[str]:
    with nothing_left_behind(), streamfit.stream(data, **how) as batches:
        return [batch.tobytes().decode().strip() for batch in batches]


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


BASE = np.random.default_rng(0).random((300, 400))
RECORDS = np.zeros(3000, [("a", "f8"), ("b", "i2"), ("c", "U7")])
RECORDS["a"] = np.arange(3000)


@pytest.mark.parametrize(
    "arrays",
    [
        [BASE, BASE],
        [BASE[10:], BASE[:-10], BASE[::-1], BASE.T, BASE[:, ::7], BASE[5:6, 3]],
        [np.lib.stride_tricks.sliding_window_view(BASE[0], 32), BASE[0]],
        [np.lib.stride_tricks.sliding_window_view(BASE[:60, :60], (9, 9))[::-2, :, ::3]],
        [np.broadcast_to(BASE[0], (1000, 400)), np.broadcast_to(np.float32(3), (500, 500))],
        [np.asfortranarray(BASE), BASE.swapaxes(0, 1)[::-1], BASE.reshape(20, 15, 20, 20)[:, ::-2]],
        [RECORDS, RECORDS["a"], RECORDS["c"][::-1], RECORDS[::5]],
        [frozen(BASE.copy()), frozen(np.arange(5)), frozen(BASE.copy())[::2]],
        [np.zeros(0), np.zeros((3, 0, 4)), np.array(4.0), BASE.astype("M8[s]"), BASE > 0.5],
        [BASE.view("u1")[:, 3:90], BASE.reshape(-1)[1:].view("i4")[50:]],
    ],
    ids=[
        "twice",
        "slices",
        "windows",
        "windows2d",
        "broadcast",
        "orders",
        "records",
        "frozen",
        "odd",
        "bits",
    ],
)
def test_views_arrive_as_they_are(arrays: list[np.ndarray]) -> None:
    expected = set(seen(Holds(arrays)))
    assert len(expected) == 1
    assert set(seen(Holds(arrays), **HOW)) == expected


def extra(make: Any, size: int) -> float:
    """Return the megabytes of all processes that a large data set takes beyond a small one."""
    found = []
    for count in (size // 50, size):
        data = make(count)
        before = used()
        with streamfit.stream(data, **HOW) as batches:
            found.append(max(used() for _ in batches) - before)
    return found[1] - found[0]


@pytest.mark.parametrize(
    ("make", "size", "megabytes", "most"),
    [
        (lambda n: Touches([np.ones(250) for _ in range(n)]), 15_000, 30, 2.0),
        (lambda n: Touches({str(k): np.ones((100, 125)) for k in range(n)}), 300, 30, 1.5),
        (
            lambda n: Touches([a for a in [np.ones((n, 125))] for a in (a, a.T, a[:, 2:], a[::2])]),
            30_000,
            30,
            1.5,
        ),
        (lambda n: Touches([np.broadcast_to(np.ones(100), (n, 100))]), 200_000, 30, 0.5),
    ],
    ids=["2 kB", "dict", "views", "broadcast"],
)
def test_data_are_shared_once(make: Any, size: int, megabytes: float, most: float) -> None:
    assert extra(make, size) < most * megabytes


def test_an_unchanged_data_set_is_sent_once_and_a_changed_one_again() -> None:
    data = Counts(np.random.default_rng(1).random((1000, 1000)))
    expected = data.table[:6, 0].copy()
    sent: list[set[int]] = []
    with streamfit.stream(data, **HOW) as batches:
        for epoch in range(5):
            if epoch == 3:
                data.extra = 100
            rows = [float(batch[0]) for batch in batches]
            np.testing.assert_array_equal(rows, expected + data.extra)
            found = set()
            for path in Path("/proc/self/fd").iterdir():
                if path.exists() and os.readlink(path).startswith(("/memfd:streamfit-data", "/dev/shm/")):
                    found.add(path.stat().st_ino)
            sent.append(found)
    assert sent[0]
    assert all(later == sent[0] for later in sent)


@pytest.mark.parametrize(
    ("sizes", "most"),
    [([8 * MB, *[8] * 5], 5), ([8 * MB, *[20_000] * 8], 4), ([8 * MB] * 3, 16)],
    ids=["one of six", "one of nine", "all"],
)
def test_memory_follows_what_is_in_flight(sizes: list[int], most: int) -> None:
    largest = 0
    with nothing_left_behind(), streamfit.stream(Uneven(sizes, 70), **HOW) as batches:
        for number, batch in enumerate(batches):
            assert len(batch) == sizes[number % len(sizes)]
            assert batch[0] == batch[-1] == number % 200
            if number > 25:
                largest = max(largest, shared())
        del batch
    assert largest <= most * 8 * MB


def shared() -> int:
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(path).startswith(("/memfd:", "/dev/shm/")):
                status = path.stat()
                found[status.st_ino] = 512 * status.st_blocks
        except OSError:
            continue
    return sum(found.values())


def test_memory_that_a_worker_cuts_short_harms_nobody() -> None:
    with nothing_left_behind(), streamfit.stream(Cuts(), **HOW) as batches:
        assert [int(batch[0, 0]) for batch in batches] == [2 * number for number in range(20)]
