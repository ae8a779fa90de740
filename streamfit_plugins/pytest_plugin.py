"""The pytest plugin: one test for each check of a pipeline, and a fixture that finds leaks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from streamfit.testing import Battery

MARKER = (
    "streamfit(make, kind=None, only=None, expected_failures=None, limit=32, workers=2, strict=False, "
    "ragged=False, key=None, source=None): the pipeline that the fixture streamfit_check checks, one test "
    "for each check"
)


class CheckFindingWarning(UserWarning):
    """Shown by pytest for a check that finds what is likely a mistake, and may be meant."""


class StreamfitCheck:
    """Run one check of the pipeline in the marker of the test.

    Attributes:
        name: Name of the check.
    """

    def __init__(self, battery: Battery, name: str) -> None:
        self._battery, self.name = battery, name

    def __call__(self) -> None:
        """Pass, fail, skip or fail as expected, like the check; what is likely a mistake is a warning."""
        __tracebackhide__ = True
        result = self._battery.result(self.name)
        self._battery.close()
        if result.status == "skip":
            pytest.skip(result.message)
        if result.status == "expected":
            pytest.xfail(result.message)
        from streamfit.testing.failure import CheckFailure, CheckWarning, text_with_hint

        text = text_with_hint(result.message, result.hint)
        if result.status == "warn":
            warnings.warn(CheckFindingWarning(text), stacklevel=2)
        if result.status == "fail":
            cause = None if result.error is None else result.error.__cause__ or result.error
            raise CheckFailure(text) from (None if isinstance(cause, CheckFailure | CheckWarning) else cause)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--streamfit-strict`` and the setting ``streamfit_strict``."""
    text = "let the warnings of streamfit_check fail its tests"
    parser.getgroup("streamfit").addoption("--streamfit-strict", action="store_true", help=text)
    parser.addini("streamfit_strict", text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each check that applies to the marked pipeline."""
    if "streamfit_check" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("streamfit")
    if marker is None:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid} uses streamfit_check and names no pipeline; write "
            "@pytest.mark.streamfit(make=MySequence) above it"
        )
    config = metafunc.config
    strict = bool(config.getoption("--streamfit-strict") or config.getini("streamfit_strict"))
    battery, names = _battery(marker, strict)
    checks = [StreamfitCheck(battery, name) for name in names]
    metafunc.parametrize("streamfit_check", checks, ids=names, indirect=True)


def _battery(marker: pytest.Mark, strict: bool) -> tuple[Battery, list[str]]:
    from streamfit.testing import Battery

    options = dict(marker.kwargs)
    make = marker.args[0] if marker.args else options.pop("make")
    only = options.pop("only", None)
    battery = Battery(make, **{"strict": strict, **options})
    return battery, battery.names(only)


@pytest.fixture
def streamfit_check(request: pytest.FixtureRequest) -> StreamfitCheck:
    """Return one check of the pipeline in the marker of the test; call it."""
    check: StreamfitCheck = request.param
    return check


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a process, shared memory, a file descriptor or a streamfit thread behind."""
    from streamfit.testing import nothing_left_behind

    with nothing_left_behind():
        yield
