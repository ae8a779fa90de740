"""What every test gets: Hypothesis profiles, no windows, and no settings left over from another test."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

# A shell without job control has its background jobs ignore Ctrl-C, and so would what a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
_HERE = Path(__file__).resolve().parent
os.environ.setdefault("MPLBACKEND", "Agg")  # before anyone imports matplotlib
COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"

# The first call of a kernel compiles it, so no single example can be held to a deadline.
_SLOW_START = [HealthCheck.too_slow]
settings.register_profile("compiled", deadline=None, max_examples=60, suppress_health_check=_SLOW_START)
settings.register_profile("plain", deadline=None, max_examples=10, suppress_health_check=_SLOW_START)
settings.register_profile("soak", deadline=None, max_examples=2000, suppress_health_check=_SLOW_START)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "compiled" if COMPILED else "plain"))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for no examples in docstrings of this folder: there are none, and it imports helpers twice."""
    return [found for found in (yield) if type(found) is pytest.Module]


# Examples in docstrings that need a package which is not always there, by module.
_NEEDS = {
    "pyarrow": ("any_table", "arrow_ipc", "arrow_package", "arrow_store", "csv", "json_lines", "parquet"),
    "zarr": ("zarr_store",),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs machine code, or packages, that this run does not have."""
    missing = {
        f"streamfit.streams.stores.{module}": package
        for package, modules in _NEEDS.items()
        if importlib.util.find_spec(package) is None
        for module in modules
    }
    for item in items:
        package = missing.get(item.name.rpartition(".")[0]) if missing else None
        if package is not None:
            item.add_marker(pytest.mark.skip(reason=f"needs {package}: make test-extras"))
    if not COMPILED:
        for item in items:
            if item.get_closest_marker("jit"):
                item.add_marker(pytest.mark.skip(reason="NUMBA_DISABLE_JIT is set"))


def pytest_collection_finish() -> None:
    """Set aside the objects of the tests themselves; see `set_aside`."""
    set_aside()


@pytest.fixture(scope="module", autouse=True)
def nothing_to_collect_from_before() -> None:
    """Set aside what earlier modules have made for good; see `set_aside`."""
    set_aside()


@pytest.fixture(scope="module", autouse=True)
def no_other_file_of_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take the test files that this one does not import out of `sys.modules`, as if they were not collected.

    Each pass with worker processes looks at the settings in all modules of the program. That took up to 0.1 s
    where a program has hundreds of them, which ours have only here.
    """
    imported = {getattr(value, "__module__", None) for value in vars(request.module).values()}
    others = {name: module for name, module in sys.modules.items() if _is_test_file(module)}
    for name in others.keys() - imported - {request.module.__name__}:
        del sys.modules[name]
    yield
    sys.modules.update(others)


def _is_test_file(module: ModuleType) -> bool:
    file = Path(getattr(module, "__file__", None) or "")
    return file.name.startswith("test_") and _HERE in file.parents


def set_aside() -> None:
    """Collect garbage, then let later collections look only at what is made from now on.

    Every look for leaks collects garbage. Thousands of collected tests, and what Numba and Hypothesis keep,
    never become any, but to walk through them took longer than the tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """Give each test the default float type and no seed, whatever the test before it has set."""
    yield
    library = sys.modules.get("streamfit._base.config")  # not there when the test needs no library
    if library is not None:
        library.set_floatx("float32")
        library.forget_seed()
