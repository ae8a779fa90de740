"""Fetches what other people have published, once for an environment; imports it beside stand-ins."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent
CACHE = Path(sys.prefix) / "published"
PINNED = {
    line.partition("==")[0]: line
    for line in (HERE / "packages.txt").read_text().splitlines()
    if line and not line.startswith("#")
}


def unpacked(package: str) -> Path:
    """Return the folder of a package; fetch it if it is not there, skip the test if it cannot be had."""
    line = PINNED[package]
    folder = CACHE / line.partition(" ")[0]
    if folder.exists():
        return folder
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        _fetch(line, Path(scratch))
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(Path(scratch) / "unpacked")
        try:
            os.rename(Path(scratch) / "unpacked", folder)
        except OSError:  # another test process was faster
            if not folder.exists():
                raise
    return folder


def _fetch(line: str, folder: Path) -> None:
    wanted = folder / "wanted.txt"
    wanted.write_text(line)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
    options += ["--ignore-requires-python", "--require-hashes", "--retries", "1", "--timeout", "20"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "-r", str(wanted)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100)
    if "DO NOT MATCH" in ran.stderr:
        pytest.fail(f"{line.partition(' ')[0]} is another file than the one that was read: {ran.stderr}")
    if ran.returncode:
        pytest.skip(f"{line.partition(' ')[0]} cannot be fetched: {ran.stderr.strip().splitlines()[-1:]}")


Import = Callable[..., ModuleType]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Import]:
    """Import a module of a published package: ``published("n2v", "n2v.internals.N2V_DataWrapper")``.

    `only`: the files that are wanted; then nothing else of the package is there, also no `__init__.py` that
    imports all of it. `hollow`: files that they import and whose names need not do anything.
    """
    known = set(sys.modules)
    monkeypatch.syspath_prepend(HERE / "stand_ins")

    def bring(
        package: str, module: str = "", *, only: tuple[str, ...] = (), hollow: tuple[str, ...] = ()
    ) -> ModuleType:
        folder = unpacked(package)
        if only:
            part = tmp_path / package
            for name in only:
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(folder / name, part / name)
            for name in hollow:
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_text("from any_name import __getattr__\n")
            folder = part
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module(module or package.replace("-", "_"))

    yield bring
    for name in [name for name in set(sys.modules) - known if _lies_in(sys.modules[name], tmp_path)]:
        del sys.modules[name]


def _lies_in(module: ModuleType, scratch: Path) -> bool:
    """Return whether a module is one of the published ones, or a stand-in."""
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(Path(place).is_relative_to(root) for place in places for root in (CACHE, HERE, scratch))
