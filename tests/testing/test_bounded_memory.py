"""What takes memory for a while and gives it back is no leak, nor is what pytest keeps."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from oracles import faulty

from streamfit import Sequence
from streamfit.testing import run_checks


class Logs(Sequence):
    """Tells of each sample that cannot be read."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        logging.getLogger("reader").warning("sample %d cannot be read", index)
        return np.full((8, 1), float(index)), np.zeros(8)


class CleansUpNowAndThen(Sequence):
    """Keeps a few small objects of each load and drops them all at every five hundredth."""

    def __init__(self, most: int = 500) -> None:
        self.kept: list[bytes] = []
        self.most = most

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.kept += [bytes(100) for _ in range(3)]
        if len(self.kept) > self.most:
            self.kept.clear()
        return np.full((8, 1), float(index)), np.zeros(8)


def test_log_records_that_pytest_keeps_are_no_leak(caplog: pytest.LogCaptureFixture) -> None:
    (memory,) = run_checks(Logs, only="memory")
    assert memory.status == "pass"
    assert not logging.root.manager.disable
    logging.getLogger("reader").warning("still on")
    assert caplog.records[-1].message == "still on"


def test_what_is_cleaned_up_now_and_then_is_no_leak() -> None:
    (memory,) = run_checks(CleansUpNowAndThen, only="memory")
    assert memory.status == "pass"
    (memory,) = run_checks(lambda: CleansUpNowAndThen(10**9), only="memory")
    assert memory.status == "fail"
    assert "memory grows by about 0.4 KiB with every load" in memory.message
    (memory,) = run_checks(faulty.Leaking, only="memory")
    assert memory.status == "fail"
