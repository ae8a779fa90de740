"""A pytest plugin: which lines of the kernels ran.

Numba's machine code leaves no trace, so the tests of the kernels run a second time with the compiler
switched off, and this plugin measures that run. It looks at the bodies of functions that carry a
decorator of ``streamfit.kernels.decorator`` and at nothing else: the ordinary code around them is judged
by the ordinary tests. Where pytest-xdist spreads the tests over processes, a line has run if it has run
in any of them.

Use: ``NUMBA_DISABLE_JIT=1 PYTHONPATH=tools pytest -p kernel_lines --kernel-lines-under=95 tests/ops``
"""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import coverage
import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "streamfit"
DECORATORS = {"kernel", "inlined", "exact"}
_SENT = "kernel lines that did not run"


@dataclass(frozen=True)
class Lines:
    """Hold the kernel lines of one file that can run, and those that did not."""

    path: Path
    wanted: frozenset[int]
    missing: frozenset[int]

    @property
    def percent(self) -> float:
        """Return the share of lines that ran."""
        return 100.0 * (1 - len(self.missing) / len(self.wanted)) if self.wanted else 100.0


def kernel_lines(source: str) -> frozenset[int]:
    """Return the line numbers inside the bodies of the kernels in `source`."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any(
            _names(mark) & DECORATORS for mark in node.decorator_list
        ):
            found.update(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
    return frozenset(found)


def _names(mark: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(mark) if isinstance(node, ast.Name)}


def measure(cover: coverage.Coverage, package: Path = PACKAGE) -> list[Lines]:
    """Return what ran of each file that defines kernels."""
    measured = []
    for path in sorted(package.rglob("*.py")):
        inside = kernel_lines(path.read_text(encoding="utf-8"))
        if inside:
            _, statements, _, missing, _ = cover.analysis2(str(path))
            measured.append(Lines(path, inside & frozenset(statements), inside & frozenset(missing)))
    return measured


def total_percent(measured: list[Lines]) -> float:
    """Return the share of all kernel lines that ran."""
    wanted = sum(len(lines.wanted) for lines in measured)
    missing = sum(len(lines.missing) for lines in measured)
    return 100.0 * (1 - missing / wanted) if wanted else 0.0


def table(measured: list[Lines]) -> list[str]:
    """Return one line of text for each file, with the numbers of the lines that did not run."""
    rows = []
    for lines in measured:
        name = lines.path.relative_to(PACKAGE.parent).as_posix()
        missing = " ".join(map(str, sorted(lines.missing)))
        rows.append(f"{name:<48}{len(lines.wanted):>6} lines {lines.percent:>6.1f} %  {missing}".rstrip())
    return rows


class KernelLines:
    """Measure a pytest run; fail it when too few of the kernels' lines ran.

    Under pytest-xdist each process measures what it runs: the workers send which lines did not run; the
    process that started them, which runs no test, puts that together and judges it.
    """

    def __init__(self, config: pytest.Config, least: float) -> None:
        self.config, self.least = config, least
        self.sent: list[dict[str, list[int]]] = []  # by workers: the lines of each file that did not run
        self.measured: list[Lines] = []
        self.cover = coverage.Coverage(data_file=None, include=[f"{PACKAGE}/*"], config_file=False)
        self.cover.set_option("run:disable_warnings", ["no-data-collected"])  # see the class
        self.cover.start()

    @property
    def percent(self) -> float:
        """Return the share of all kernel lines that ran."""
        return total_percent(self.measured)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Take the measure and turn a passing run with too little of it into a failing one."""
        self.cover.stop()
        own = measure(self.cover, PACKAGE)
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[_SENT] = {str(each.path): sorted(each.missing) for each in own}
            return
        self.measured = [
            replace(each, missing=each.missing.intersection(*(run[str(each.path)] for run in self.sent)))
            for each in own
        ]
        if exitstatus == pytest.ExitCode.OK and self.percent < self.least:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker has measured; one that crashed has sent nothing."""
        if hasattr(node, "workeroutput"):
            self.sent.append(node.workeroutput[_SENT])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        verdict = "enough" if self.percent >= self.least else "TOO FEW"
        terminalreporter.section("lines of kernels that ran")
        for row in table(self.measured):
            terminalreporter.write_line(row)
        terminalreporter.write_line(
            f"in all {self.percent:.1f} % ran, {self.least:g} % are asked for: {verdict}"
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option that sets the limit."""
    parser.addoption(
        "--kernel-lines-under", type=float, default=0.0, metavar="PERCENT", help="least share of kernel lines"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start measuring before anything of the library is imported."""
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        raise pytest.UsageError("kernel lines can only be seen with NUMBA_DISABLE_JIT=1 in the environment")
    run = KernelLines(config, config.getoption("--kernel-lines-under"))
    config.pluginmanager.register(run, "kernel-lines-run")
