"""Copy test files out of the Keras package, and run them in processes of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent
LIMIT = 3600.0
RESULTS = "STREAMFIT_KERAS_TESTS_RESULTS"
"""The variable that names the file of results."""


def keras_package() -> Path:
    """Return the folder of the installed Keras, without importing it."""
    spec = importlib.util.find_spec("keras")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("Keras is not installed here; run this with make keras-tests")
    return Path(next(iter(spec.submodule_search_locations)))


@dataclass(frozen=True)
class Result:
    """What became of one test.

    Attributes:
        test: ``file::Class::test``; for a file that cannot be imported ``file``.
        outcome: ``passed``, ``failed`` or ``skipped``.
        message: Why it failed.
        other_words: How many errors were of the right class, but with a message of our own.
    """

    test: str
    outcome: str
    message: str = ""
    other_words: int = 0

    @property
    def file(self) -> str:
        """Return the file, as `files.GROUPS` names it."""
        return self.test.partition("::")[0]


def copy_tests(package: Path, files: Sequence[str], folder: Path) -> None:
    """Copy test files, with the data beside them, out of the package."""
    for file in files:
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / "src" / file, place)
        data = package / "src" / Path(file).parent / "test_data"
        if data.is_dir():
            shutil.copytree(data, place.parent / "test_data", dirs_exist_ok=True)


def run_files(folder: Path, files: Sequence[str], processes: int, chosen: str = "") -> list[Result]:
    """Run copied files with pytest, a share of them in each process, and return what became of each test."""
    shares = [files[number::processes] for number in range(processes)]
    started = [
        (share, *_start(folder, share, number, chosen)) for number, share in enumerate(shares) if share
    ]
    results: list[Result] = []
    for share, process, lines in started:
        process.wait(LIMIT)
        found = list(_read(lines))
        results += found
        if process.returncode not in (0, 1, 2, 5):
            results.append(Result(share[-1], "failed", f"pytest ended with status {process.returncode}"))
    return results


def _start(
    folder: Path, share: Sequence[str], number: int, chosen: str
) -> tuple[subprocess.Popen[bytes], Path]:
    lines = folder / f"results{number}.jsonl"
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(TOOLS), str(TOOLS.parent)])
    variables = {"PYTHONPATH": path, RESULTS: str(lines), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTEST_ADDOPTS": ""}
    options = ["-p", "keras_tests.plugin", "-p", "no:cacheprovider", "-p", "no:streamfit", "-q", "--tb=short"]
    options += ["--import-mode=importlib", "--rootdir", str(folder), "-c", os.devnull]
    options += ["-k", chosen] if chosen else []
    with (folder / f"output{number}.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *share],
            cwd=folder,
            env=os.environ | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return process, lines


def _read(lines: Path) -> list[Result]:
    if not lines.exists():
        return []
    found: dict[str, Result] = {}
    for line in lines.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        test = str(entry["test"])
        if found.get(test, Result(test, "passed")).outcome != "failed":
            found[test] = Result(test, entry["outcome"], entry["message"], entry["other words"])
    return list(found.values())
