"""The pytest plugin in a separate pytest, loaded as in a user's test run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from oracles.scripts import environment

pytestmark = pytest.mark.timeout(60)

MARKED = """
import pytest
from oracles import faulty

@pytest.mark.streamfit(make=faulty.{cls}, workers=1{options})
def test_pipeline(streamfit_check):
    streamfit_check()
"""


def run(text: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_mine.py").write_text(text)
    plugin = ["-p", "streamfit_plugins.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", "-rA"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *arguments, "test_mine.py"],
        cwd=folder,
        env=environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_each_check_is_a_test_with_its_name(tmp_path: Path) -> None:
    done = run(MARKED.format(cls="Clean", options=""), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "PASSED test_mine.py::test_pipeline[same_on_processes]" in done.stdout
    assert re.search(r"\d\d passed, \d+ skipped", done.stdout)
    assert "it has no on_epoch_end of its own" in done.stdout


def test_mistake_fails_one_test_and_is_told_without_our_code(tmp_path: Path) -> None:
    done = run(MARKED.format(cls="Counting", options=", kind='sequence'"), tmp_path)
    assert done.returncode == 1
    assert "1 failed, " in done.stdout
    assert "FAILED test_mine.py::test_pipeline[repeatable]" in done.stdout
    assert "CheckFailure: Counting: batch 0 changes when it is loaded twice" in done.stdout
    assert "rng = self.rng(index)" in done.stdout
    assert "contents.py" not in done.stdout


def test_cause_in_user_code_is_shown(tmp_path: Path) -> None:
    done = run(MARKED.format(cls="OneTooMany", options=", only='length'"), tmp_path)
    assert "faulty.py" in done.stdout
    assert "IndexError: list index out of range" in done.stdout


def test_expected_failure_is_an_expected_failure(tmp_path: Path) -> None:
    options = ", expected_failures={'repeatable': 'it counts'}, only=['repeatable', 'form']"
    done = run(MARKED.format(cls="Counting", options=options), tmp_path)
    assert done.returncode == 0
    assert "1 passed, 1 xfailed" in done.stdout


WARNS = """
import numpy as np
import pytest
from oracles import faulty
from streamfit.testing.checks import contents
from streamfit.testing.failure import warn

contents.check_form.__code__ = (lambda checked: _found(checked)).__code__
contents._found = lambda checked: warn(f"{checked.name}: x is float64", hint="x = x.astype('float32')")

@pytest.mark.streamfit(make=faulty.Clean, only="form", workers=1{options})
def test_pipeline(streamfit_check):
    streamfit_check()
"""


def test_likely_mistake_is_a_warning_of_pytest_and_fails_when_strict(tmp_path: Path) -> None:
    done = run(WARNS.format(options=""), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 warning" in done.stdout
    assert "CheckFindingWarning: Clean: x is float64" in done.stdout
    assert "x = x.astype('float32')" in done.stdout
    done = run(WARNS.format(options=""), tmp_path, "--streamfit-strict")
    assert "1 failed" in done.stdout
    assert "CheckFailure: Clean: x is float64" in done.stdout
    (tmp_path / "pytest.ini").write_text("[pytest]\nstreamfit_strict = true\n")
    assert run(WARNS.format(options=""), tmp_path).returncode == 1
    assert run(WARNS.format(options=", strict=False"), tmp_path).returncode == 0


def test_pipeline_must_be_named(tmp_path: Path) -> None:
    done = run("def test_pipeline(streamfit_check):\n    streamfit_check()\n", tmp_path)
    assert done.returncode != 0
    assert "write @pytest.mark.streamfit(make=MySequence) above it" in done.stdout + done.stderr


def test_leak_is_found(tmp_path: Path) -> None:
    text = """
import tempfile
kept = []
def test_leaking(no_leaks):
    kept.append(tempfile.TemporaryFile())
def test_clean(no_leaks):
    tempfile.TemporaryFile().close()
"""
    done = run(text, tmp_path)
    assert "1 error" in done.stdout
    assert "left behind: descriptor" in done.stdout
    assert "PASSED test_mine.py::test_clean" in done.stdout


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
