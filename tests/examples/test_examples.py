"""Every example runs to its end like a user's program, and its own assertions hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NEEDS = {"bigger_than_memory": "pyarrow"}
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.extras] if path.stem in NEEDS else [])
        for path in EXAMPLES
    ],
)
def test_example(path: Path, tmp_path: Path) -> None:
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem], reason="an example of an optional format")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert list(tmp_path.iterdir()) == [], "an example must leave nothing behind"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 9
