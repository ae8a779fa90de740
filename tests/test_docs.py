"""The documentation tells the truth: its code runs, and its links lead somewhere.

All Python blocks of a file form one script, which runs as a reader would run it: in an empty folder, as
a program of its own, with warnings as errors. Line numbers in a traceback are those of the document.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
SECONDS = 100


def runs(fence: str) -> bool:
    """Return whether a block is run: ``python``, or ``python needs=zarr`` where that is installed."""
    language, _, needs = fence.strip().removeprefix("```").partition(" needs=")
    return language == "python" and all(map(importlib.util.find_spec, filter(None, needs.split(","))))


def script_of(text: str) -> str:
    """Keep the Python blocks of a document at their line numbers and blank out everything else."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside and runs(line)
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines).rstrip() + "\n"


def run(script: Path) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=script.parent,
        env=os.environ | {"PYTHONPATH": search, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


WITH_CODE = [path for path in DOCUMENTS if script_of(path.read_text(encoding="utf-8")).strip()]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_of_the_document_runs(path: Path, tmp_path: Path) -> None:
    script = tmp_path / f"{path.stem}.py"
    script.write_text(script_of(path.read_text(encoding="utf-8")), encoding="utf-8")
    done = run(script)
    assert done.returncode == 0, f"{path.name} as a script:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_the_document_lead_somewhere(path: Path) -> None:
    targets = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    assert not [link for link in targets if not (path.parent / link).exists()]


def test_there_is_something_to_check() -> None:
    assert ROOT / "CHANGELOG.md" in DOCUMENTS
    assert ROOT / "README.md" in WITH_CODE


def test_script_keeps_line_numbers_and_drops_other_languages() -> None:
    text = "# Title\n```python\na = 1\n```\ntext\n```sh\nrm x\n```\n```python\nb = a\n```\n"
    assert script_of(text) == "\n\na = 1\n\n\n\n\n\n\nb = a\n"


def test_blocks_that_need_packages_run_where_these_are_installed() -> None:
    assert runs("```python needs=numpy,json")
    assert not runs("```python needs=numpy,no_such_package")
    assert not runs("```sh needs=numpy")


def test_code_that_fails_or_warns_is_found(tmp_path: Path) -> None:
    for number, code in enumerate(["assert 1 == 2", "import warnings; warnings.warn('old')"]):
        script = tmp_path / f"wrong{number}.py"
        script.write_text(script_of(f"Text.\n```python\n{code}\n```\n"), encoding="utf-8")
        done = run(script)
        assert done.returncode == 1
        assert f"{script.name}" in done.stderr
        assert "line 3" in done.stderr
