"""The measure of kernel lines: what counts as a kernel, what counts as run, and when a run fails."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import coverage
import kernel_lines
import pytest

SOURCE = '''\
from marks import kernel, inlined


@kernel
def half(x, out):
    """Say what it does."""
    if x > 0:
        out.append(x)
    else:
        out.append(0)


@inlined
def never(x):
    return x


def ordinary(x):
    return x


@kernel
def compiled_only(x):  # pragma: no cover
    return x
'''
MARKS = "def kernel(f): return f\ndef inlined(f): return f\n"


def test_only_bodies_of_kernels_count() -> None:
    found = kernel_lines.kernel_lines(SOURCE)
    assert {7, 8, 9, 10, 15} <= found
    assert not found & {1, 4, 5, 13, 14, 18, 19}


def load_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (folder / "marks.py").write_text(MARKS, encoding="utf-8")
    (folder / "halves.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("halves", folder / "halves.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lines_that_did_not_run_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cover = coverage.Coverage(data_file=None, include=[f"{tmp_path}/*"], config_file=False)
    with cover.collect():
        load_source(tmp_path, monkeypatch).half(1, [])
    (lines,) = kernel_lines.measure(cover, tmp_path)
    assert lines.wanted == {7, 8, 10, 15}
    assert lines.missing == {10, 15}
    assert lines.percent == 50
    assert kernel_lines.total_percent([lines]) == 50


def test_a_line_has_run_if_it_has_in_any_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_lines, "PACKAGE", tmp_path)
    half = load_source(tmp_path, monkeypatch).half
    workers: list[Any] = [SimpleNamespace(workeroutput={}) for _ in range(2)]
    for number, worker in zip((1, -1), workers, strict=True):
        run = kernel_lines.KernelLines(worker, least=100)
        half(number, [])
        run.pytest_sessionfinish(SimpleNamespace(exitstatus=0), pytest.ExitCode.OK)
    judge, session = kernel_lines.KernelLines(SimpleNamespace(), least=80), SimpleNamespace(exitstatus=0)
    crashed = SimpleNamespace()
    for node in (*workers, crashed):
        judge.pytest_testnodedown(node)
    judge.pytest_sessionfinish(session, pytest.ExitCode.OK)
    assert [each.missing for each in judge.measured] == [{15}]
    assert judge.percent == 75
    assert session.exitstatus == pytest.ExitCode.TESTS_FAILED


def test_nothing_to_measure_is_not_enough() -> None:
    assert kernel_lines.total_percent([]) == 0


def test_plugin_refuses_to_measure_machine_code(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "kernel_lines", str(tmp_path)],
        env=environment | {"PYTHONPATH": str(Path(kernel_lines.__file__).parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "NUMBA_DISABLE_JIT=1" in done.stderr
