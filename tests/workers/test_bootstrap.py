"""The package in a worker: put in place without being run, and whole for whoever asks for it."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import streamfit
from streamfit.workers import bootstrap

pytestmark = pytest.mark.timeout(60)

# As the interpreter of the nursery does it, which runs the file and has not imported the package.
IN_PLACE = f"""
import importlib, runpy, sys
runpy.run_path({bootstrap.__file__!r})["defer"]("streamfit")
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_PLACE + code], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PARTS = [module.name for module in pkgutil.iter_modules(streamfit.__path__) if module.name != "__main__"]


@pytest.mark.parametrize("name", PARTS)
def test_user_code_may_import_any_part_first(name: str) -> None:
    assert run(f"""
importlib.import_module("streamfit.{name}")
from streamfit import Sequential, {name}
print(Sequential.__name__, {name} is sys.modules["streamfit.{name}"])
""").split() == ["Sequential", "True"]


def test_what_loads_batches_needs_no_layers() -> None:
    assert (
        run("""
from streamfit import streams, workers
print(sorted({"streamfit.layers", "streamfit.models", "numba"} & set(sys.modules)))
""").strip()
        == "[]"
    )
