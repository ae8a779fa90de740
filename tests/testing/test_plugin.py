"""The pytest plugin in a separate pytest, loaded as in a user's test run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from oracles import faulty
from oracles.scripts import environment

from streamfit.testing import Battery

pytestmark = pytest.mark.timeout(60)

PLUGIN = ["-p", "streamfit_plugins.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", "-rA"]
SETTINGS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}

MARKED = """
import functools, tempfile
import pytest
import streamfit.testing
from oracles import faulty

streamfit.testing.nothing_left_behind = functools.partial(streamfit.testing.nothing_left_behind, seconds=0.2)
kept = []

@pytest.mark.streamfit(make=faulty.Clean, workers=1)
def test_clean(streamfit_check):
    streamfit_check()

@pytest.mark.streamfit(make=faulty.Counting, workers=1, kind='sequence')
def test_counting(streamfit_check):
    streamfit_check()

@pytest.mark.streamfit(make=faulty.OneTooMany, workers=1, only='length')
def test_too_many(streamfit_check):
    streamfit_check()

EXPECTED = {'repeatable': 'it counts'}

@pytest.mark.streamfit(
    make=faulty.Counting, workers=1, expected_failures=EXPECTED, only=['repeatable', 'form']
)
def test_expected(streamfit_check):
    streamfit_check()

def test_leaking(no_leaks):
    kept.append(tempfile.TemporaryFile())

def test_closing(no_leaks):
    tempfile.TemporaryFile().close()
"""


def python(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment() | SETTINGS,
        capture_output=True,
        text=True,
        timeout=50,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Run the tests of `MARKED`, once for all that is asked about them."""
    folder = tmp_path_factory.mktemp("marked")
    (folder / "test_mine.py").write_text(MARKED)
    return python(["-m", "pytest", *PLUGIN, "test_mine.py"], folder)


def outcomes(done: subprocess.CompletedProcess[str], test: str) -> dict[str, str]:
    """Return how each check of one test ended; skipped ones are listed by their reasons only."""
    found = re.findall(rf"^(\w+) test_mine.py::{test}(?:\[(\w+)\])?", done.stdout, re.MULTILINE)
    return {name: outcome for outcome, name in found}


def told(done: subprocess.CompletedProcess[str], test: str) -> str:
    """Return what is told of a test that failed."""
    text = done.stdout.partition(" short test summary")[0]
    parts = re.split(r"^_{5,} (.+?) _{5,}$", text, flags=re.MULTILINE)
    return "".join(text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name == test)


def test_each_check_is_a_test_with_its_name(done: subprocess.CompletedProcess[str]) -> None:
    found = outcomes(done, "test_clean")
    assert found["same_on_processes"] == "PASSED"
    assert set(found.values()) == {"PASSED"}
    names = Battery(faulty.Clean).names()
    assert list(found) == [name for name in names if name in found]
    assert "it has no on_epoch_end of its own" in done.stdout
    counted = [int(number) for number in re.findall(r"(\d+) (?:passed|failed|skipped|xfailed)", done.stdout)]
    assert sum(counted) == 2 * len(names) + 1 + 2 + 2, "the last line counts each check"


def test_mistake_fails_one_test_and_is_told_without_our_code(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    found = outcomes(done, "test_counting")
    assert [name for name, outcome in found.items() if outcome == "FAILED"] == ["repeatable"]
    text = told(done, "test_counting[repeatable]")
    assert "CheckFailure: Counting: batch 0 changes when it is loaded twice" in text
    assert "rng = self.rng(index)" in text
    assert "contents.py" not in text


def test_cause_in_user_code_is_shown(done: subprocess.CompletedProcess[str]) -> None:
    text = told(done, "test_too_many[length]")
    assert "faulty.py" in text
    assert "IndexError: list index out of range" in text


def test_expected_failure_is_an_expected_failure(done: subprocess.CompletedProcess[str]) -> None:
    assert outcomes(done, "test_expected") == {"form": "PASSED", "repeatable": "XFAIL"}


def test_leak_is_found(done: subprocess.CompletedProcess[str]) -> None:
    assert " 1 error in " in done.stdout
    assert "left behind: descriptor" in told(done, "ERROR at teardown of test_leaking")
    assert outcomes(done, "test_closing") == {"": "PASSED"}


WARNS = """
import pytest
from oracles import faulty
from streamfit.testing import check_runner
from streamfit.testing.failure import warn
from streamfit.testing.table import Check

def check_dtype(checked):
    warn(f"{checked.name}: x is float64")

check_runner.CHECKS = (Check("dtype", "x is float32.", check_dtype, hint="x = x.astype('float32')"),)

@pytest.mark.streamfit(make=faulty.Clean)
def test_plain(streamfit_check):
    streamfit_check()

@pytest.mark.streamfit(make=faulty.Clean, strict=True)
def test_strict(streamfit_check):
    streamfit_check()

@pytest.mark.streamfit(make=faulty.Clean, strict=False)
def test_lenient(streamfit_check):
    streamfit_check()
"""
SEVERAL_RUNS = """
import sys, pytest
for options in [[], ["--streamfit-strict"], ["-o", "streamfit_strict=true"]]:
    print("-- run", flush=True)
    pytest.main([*sys.argv[1:], *options, "test_warns.py"])
    del sys.modules["test_warns"]
print("-- run", flush=True)
sys.exit(pytest.main([*sys.argv[1:], "test_unnamed.py"]))
"""


@pytest.fixture(scope="module")
def other_runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what pytest prints without and with two ways to be strict, and about an unnamed pipeline."""
    folder = tmp_path_factory.mktemp("warns")
    (folder / "test_warns.py").write_text(WARNS)
    (folder / "test_unnamed.py").write_text("def test_pipeline(streamfit_check):\n    streamfit_check()\n")
    done = python(["-c", SEVERAL_RUNS, *PLUGIN], folder)
    assert done.returncode != 0  # of the last run
    runs = (done.stdout + done.stderr).split("-- run\n")[1:]
    assert len(runs) == 4, done.stdout + done.stderr
    return runs


def test_likely_mistake_is_a_warning_of_pytest(other_runs: list[str]) -> None:
    text = other_runs[0]
    assert "1 failed, 2 passed, 2 warnings" in text
    assert "CheckFindingWarning: Clean: x is float64" in text
    assert "FAILED test_warns.py::test_strict[dtype]" in text
    assert "CheckFailure: Clean: x is float64" in text
    assert text.count("x = x.astype('float32')") >= 3


@pytest.mark.parametrize("run", [1, 2], ids=["option", "setting"])
def test_likely_mistake_fails_when_strict(run: int, other_runs: list[str]) -> None:
    assert "2 failed, 1 passed, 1 warning" in other_runs[run]


def test_pipeline_must_be_named(other_runs: list[str]) -> None:
    assert "write @pytest.mark.streamfit(make=MySequence) above it" in other_runs[3]


def test_plugin_loads_no_compiler_and_no_arrays() -> None:
    program = "import streamfit_plugins.pytest_plugin, streamfit_plugins.hypothesis_hook as hook, sys\n"
    program += "hook.register()\n"
    program += "print(sorted({'numba', 'numpy', 'streamfit'} & set(sys.modules)))\n"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=50)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("first", ["streamfit", "hypothesis", "streamfit.testing.strategies"])
def test_hook_works_whatever_is_imported_first(first: str, tmp_path: Path) -> None:
    installed = tmp_path / "hooked-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: hooked\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(
        "[hypothesis]\nhooked = streamfit_plugins.hypothesis_hook:register\n"
    )
    program = f"""
import importlib, sys
importlib.import_module("{first}")
if "{first}" == "hypothesis":
    assert "numba" not in sys.modules
import hypothesis, streamfit
known = "streamfit.testing.strategies" in sys.modules
import streamfit.testing.strategies
hypothesis.find(hypothesis.strategies.from_type(streamfit.Ticket), lambda ticket: True)
print(known)
"""
    search = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": search},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.stdout.strip(), done.stderr) == (str(first != "hypothesis"), "")
