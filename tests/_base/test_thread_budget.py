"""The number of threads: what was set, what the environment says, what the machine has; and what is taken."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamfit._base import thread_budget
from streamfit._base.thread_budget import (
    VARIABLE,
    free_threads,
    num_threads,
    quotas,
    set_num_threads,
    taken_threads,
    usable_processors,
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test begin and end without settings."""
    monkeypatch.delenv(VARIABLE, raising=False)
    set_num_threads(None)
    yield
    set_num_threads(None)


def test_what_is_set_comes_before_the_environment_and_that_before_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert num_threads() == usable_processors()
    monkeypatch.setenv(VARIABLE, " 7 ")
    assert num_threads() == 7
    set_num_threads(3)
    assert num_threads() == 3
    set_num_threads(None)
    assert num_threads() == 7
    monkeypatch.setenv(VARIABLE, "")
    assert num_threads() == usable_processors()


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_variable_that_is_no_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=f"{VARIABLE} must be a whole number from 1 on, got '{text}'"):
        num_threads()


def test_what_is_no_number_of_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        set_num_threads(0)
    with pytest.raises(TypeError, match="number of threads"):
        set_num_threads("2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 0, got -1"), taken_threads(-1):
        pass


def test_what_is_taken_is_not_free_and_one_always_is() -> None:
    set_num_threads(4)
    with taken_threads(1):
        assert free_threads() == 3
        with taken_threads(2):
            assert free_threads() == 1
        assert free_threads() == 3
        with pytest.raises(KeyError), taken_threads(2):
            raise KeyError
        assert free_threads() == 3
    assert free_threads() == 4
    assert num_threads() == 4


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinities")
def test_the_affinity_counts() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_processors() == 1
    finally:
        os.sched_setaffinity(0, before)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_quotas_of_the_second_version_count_with_those_of_parents(tmp_path: Path) -> None:
    write(tmp_path / "jobs" / "mine", cpu__max="150000 100000\n")
    write(tmp_path / "jobs", cpu__max="200000 50000\n")
    write(tmp_path, cpu__max="max 100000\n")
    assert quotas("0::/jobs/mine\n", tmp_path) == [1.5, 4.0]
    assert quotas("0::/elsewhere\n", tmp_path) == []


def test_quotas_of_the_first_version_count(tmp_path: Path) -> None:
    write(tmp_path / "cpu,cpuacct" / "mine", cpu__cfs_quota_us="300000\n", cpu__cfs_period_us="100000\n")
    write(tmp_path / "cpu,cpuacct", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert quotas("4:memory:/mine\n3:cpu,cpuacct:/mine\n", tmp_path) == [3.0, 3.0]


@pytest.mark.parametrize("text", ["", "nonsense", "1:2", "0::/"])
def test_what_cannot_be_read_is_no_quota(text: str, tmp_path: Path) -> None:
    write(tmp_path, cpu__max="ten of them")
    assert quotas(text, tmp_path) == []


def test_a_quota_limits_the_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_budget, "quotas", lambda groups, root: [0.5, 9.0])
    assert usable_processors() == 1


def test_quotas_are_not_read_for_each_question_of_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[None] = []

    def six() -> int:
        read.append(None)
        return 6

    monkeypatch.setattr(thread_budget, "usable_processors", six)
    monkeypatch.setattr(thread_budget._budget, "processors", 1)
    monkeypatch.setattr(thread_budget._budget, "known_until", -math.inf)
    before = time.monotonic()
    assert [free_threads() for _ in range(5)] == [6] * 5
    known = time.monotonic() - before < 1
    assert len(read) == 1 or not known
    monkeypatch.setattr(thread_budget._budget, "known_until", time.monotonic())
    assert free_threads() == 6
    assert len(read) == 2 or not known
    set_num_threads(2)
    assert free_threads() == 2
