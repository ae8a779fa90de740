"""The package in a worker: registered without being run, and complete for code that imports from it."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from oracles.scripts import environment

import streamfit
from streamfit.workers.processes import bootstrap

pytestmark = pytest.mark.timeout(60)

# As the interpreter of the fork server does it, which runs the file and has not imported the package.
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


def test_a_module_of_the_user_that_imports_what_loads_batches_needs_no_layers() -> None:
    names = "Sequence, DataError, stream, source, set_random_seed"
    assert run(f"""
from streamfit import {names}
print(sorted({{"streamfit.layers", "streamfit.models", "numba"}} & set(sys.modules)))
early = {names}
import streamfit
print(streamfit.__version__ and "streamfit.layers" in sys.modules)
from streamfit import {names}
print(early == ({names}))
print(all(hasattr(streamfit, name) for name in streamfit.__all__), hasattr(streamfit, "Sequenc"))
""").splitlines() == ["[]", "True", "True", "True False"]


def test_names_are_those_of_the_package() -> None:
    assert (
        run("""
lazy = sys.modules.pop("streamfit")
taken = {name: getattr(lazy, name) for name in lazy._homes}
import streamfit
print(len(taken) > 20, [name for name, value in taken.items() if getattr(streamfit, name) is not value])
""").strip()
        == "True []"
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_program_without_standard_output_or_error_has_workers_that_end_quietly(
    tmp_path: Path, closed: str
) -> None:
    (tmp_path / "program.py").write_text("""
from pathlib import Path
from streamfit.workers import make_pool
class Squares:
    def load(self, ticket):
        return ticket ** 2
with make_pool("processes", 1) as pool:
    found = [loaded.value for loaded in pool.open(Squares(), range(4))]
Path("found").write_text(str(found))
""")
    command = ["sh", "-c", f'exec "$0" program.py {closed}', sys.executable]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "found").read_text() == "[0, 1, 4, 9]"
