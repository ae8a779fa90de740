"""The pytest plugin of the process that runs the copied files: stand-ins first, then a line for each test."""

from __future__ import annotations

import json
import os
import sys
import types
import warnings
from typing import Any

import pytest

import streamfit
from keras_tests import test_case
from keras_tests.importing import install
from keras_tests.missing import phase
from keras_tests.running import RESULTS, keras_package
from keras_tests.stand_ins import STAND_INS, flatten_layers, skip_if_backend


def pytest_configure(config: pytest.Config) -> None:
    """Put the stand-ins in Keras' place."""
    config.addinivalue_line("markers", "requires_trainable_backend: a mark of Keras, without a meaning here")
    install(keras_package(), STAND_INS)
    type.__setattr__(streamfit.layers.Layer, "_flatten_layers", flatten_layers)
    conftest = types.ModuleType("conftest")
    vars(conftest)["skip_if_backend"] = skip_if_backend
    sys.modules["conftest"] = conftest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drop the marks that skip a test or expect it to fail: left_out.toml says which tests count."""
    for item in items:
        for node in item.listchain():
            node.own_markers[:] = [mark for mark in node.own_markers if mark.name not in ("skipif", "xfail")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Note that a test runs."""
    phase.running = True
    test_case.other_words.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return (yield)
        finally:
            phase.running = False


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Write a line for a file that cannot be imported."""
    if report.failed:
        _write(report.nodeid, "failed", f"the file cannot be imported: {report.longreprtext}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write a line for a test that has ended."""
    if report.when == "call" or report.outcome != "passed":
        _write(report.nodeid, report.outcome, report.longreprtext if report.failed else "")


def _write(nodeid: str, outcome: str, message: str) -> None:
    line = {
        "test": nodeid,
        "outcome": outcome,
        "message": message,
        "other words": len(test_case.other_words),
    }
    with open(os.environ[RESULTS], "a", encoding="utf-8") as results:
        results.write(json.dumps(line) + "\n")
