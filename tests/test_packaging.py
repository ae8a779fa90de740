"""The wheel holds the library, its type marker and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PINNED = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_wheel_holds_every_module_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    packages = [ROOT / "streamfit", ROOT / "streamfit_plugins"]
    files = [path for package in packages for path in (*package.rglob("*.py"), package / "py.typed")]
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == {path.relative_to(ROOT).as_posix() for path in files}


def test_wheel_names_its_licence_and_its_command(wheel: zipfile.ZipFile) -> None:
    folder = next(name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "streamfit.__main__:main" in wheel.read(f"{folder}/entry_points.txt").decode()


def test_version_is_the_same_everywhere() -> None:
    import streamfit

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert streamfit.__version__ == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_requirements_are_pinned_and_name_no_host(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    wanted = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert wanted
    assert not [line for line in wanted if "==" not in line or "://" in line or "@" in line]
