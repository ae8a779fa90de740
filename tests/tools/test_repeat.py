"""The repeater: every ending is counted for what it is, and a hang is ended with all that it started."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from oracles.leaks import wait_until
from repeat import Outcome, main, repetition, summary

pytestmark = pytest.mark.timeout(60)
TESTS = """
import subprocess, sys, time, pathlib

def test_passes():
    pass

def test_fails():
    assert 1 == 2

def test_hangs():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    pathlib.Path(__file__).with_name("child").write_text(str(child.pid))
    time.sleep(60)
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    path = tmp_path / "test_of_all_kinds.py"
    path.write_text(TESTS)
    return path


def test_passing_and_failing_are_told_apart(tests: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    assert repetition(1, [f"{tests}::test_passes"], 50, logs).word == "passed"
    assert list(logs.iterdir()) == []
    failing = repetition(2, [f"{tests}::test_fails"], 50, logs)
    assert failing.word == "failed"
    (name,) = failing.failed
    assert name.endswith("test_of_all_kinds.py::test_fails")
    assert "assert 1 == 2" in (logs / "0002.log").read_text()


def test_a_hang_is_ended_with_all_that_it_started_and_tells_where_it_was(tests: Path, tmp_path: Path) -> None:
    child = tests.with_name("child")
    for limit in (3, 6, 12, 24):  # until the machine was fast enough to begin
        hung = repetition(1, [f"{tests}::test_hangs"], limit, tmp_path / "logs")
        if child.exists():
            break
    assert (hung.word, hung.code) == ("hung", None)
    assert hung.seconds < limit + 10
    assert child.exists(), "it had not begun"
    assert wait_until(lambda: not psutil.pid_exists(int(child.read_text())))
    assert "in test_hangs" in (tmp_path / "logs" / "0001.log").read_text()


def test_only_passing_all_the_time_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {1: Outcome(1, 0, 1.0), 2: Outcome(2, 0, 3.0), 3: Outcome(3, 1, 2.0, ("x.py::y",))}
    monkeypatch.setattr("repeat.repetition", lambda number, arguments, limit: words[number])
    assert main(["--times", "2", "tests/faults"]) == 0
    assert main(["--times", "3", "tests/faults"]) == 1
    words[3] = Outcome(3, None, 9.0)
    assert main(["--times", "3", "--together", "1", "tests/faults"]) == 1


def test_summary_counts_each_failing_test() -> None:
    text = summary([Outcome(n, 1, float(n), ("a", "b")[: n % 3]) for n in (1, 2, 3)])
    assert text.splitlines()[0].startswith("3 repetitions: 0 passed, 3 failed, 0 hung; 1.0 / 2.0 / 3.0 s")
    assert [line.split() for line in text.splitlines()[1:]] == [["2", "x", "a"], ["1", "x", "b"]]
