"""The loggers of the main process handle log records of loads in worker processes."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from oracles.leaks import nothing_left_behind
from oracles.loads import Logs, Odd
from oracles.scripts import complaints, run

import streamfit
from streamfit import Sequential, layers

pytestmark = pytest.mark.timeout(60)
PROCESSES: dict[str, Any] = {"workers": 2, "use_multiprocessing": True}


class Heard(logging.Handler):
    """Keeps its records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    with nothing_left_behind():
        yield


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Return a handler of a logger that does not propagate its records."""
    handler, logger = Heard(), logging.getLogger("promises.loads")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate, logger.disabled = True, False


def load(data: Any, **options: Any) -> None:
    with streamfit.stream(data, **(PROCESSES | options)) as batches:
        assert len(list(batches)) == len(data)


def test_records_come_with_their_arguments_and_their_process(heard: Heard) -> None:
    load(Logs())
    assert sorted(record.getMessage() for record in heard.records) == [f"load {n}" for n in range(6)]
    assert {record.msg for record in heard.records} == {"load %d"}
    assert all(record.process != os.getpid() for record in heard.records)
    assert {record.processName for record in heard.records} == {
        f"streamfit-worker-{record.process}" for record in heard.records
    }
    assert {record.funcName for record in heard.records} == {"__getitem__"}


def test_fit_evaluate_and_predict_alike(heard: Heard) -> None:
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    model.fit(Logs(), verbose=0, validation_data=Logs(length=2), **PROCESSES)
    assert len(heard.records) == 8
    model.evaluate(Logs(), verbose=0, **PROCESSES)
    model.predict(Logs(), **PROCESSES)
    assert len(heard.records) == 20


def test_they_come_in_order(heard: Heard) -> None:
    def many(logger: logging.Logger, index: int) -> None:
        for number in range(2000):
            logger.info("%d %d", index, number)

    load(Logs(many, length=3), workers=1)
    assert [record.args for record in heard.records] == [(i, n) for i in range(3) for n in range(2000)]


def test_what_cannot_travel_comes_as_text(heard: Heard) -> None:
    def odd(logger: logging.Logger, index: int) -> None:
        try:
            raise KeyError("inside")
        except KeyError:
            logger.exception("load of %s", Odd(), extra={"place": Odd(), "number": index})

    load(Logs(odd, length=1))
    (record,) = heard.records
    assert record.getMessage() == "load of odd"
    assert "KeyError: 'inside'" in (record.exc_text or "")
    assert (record.__dict__["place"], record.__dict__["number"]) == ("odd", 0)


def test_filters_levels_and_disabling_are_those_of_this_process(heard: Heard) -> None:
    logger = logging.getLogger("promises.loads")
    only_even = lambda record: record.args[0] % 2 == 0  # noqa: E731
    logger.addFilter(only_even)
    load(Logs())
    assert sorted(record.args[0] for record in heard.records) == [0, 2, 4]  # type: ignore[index, misc]
    logger.removeFilter(only_even)
    logger.setLevel(logging.WARNING)
    load(Logs())
    logger.setLevel(logging.INFO)
    logger.disabled = True
    load(Logs())
    assert len(heard.records) == 3


def test_a_level_that_is_set_between_two_passes_holds(heard: Heard) -> None:
    with streamfit.stream(Logs(), **PROCESSES) as batches:
        list(batches)
        logging.getLogger("promises.loads").setLevel(logging.DEBUG)
        list(batches)
        logging.disable(logging.CRITICAL)
        try:
            list(batches)
        finally:
            logging.disable(logging.NOTSET)
    assert len(heard.records) == 6 + 12


def test_records_of_parents_of_the_logger_and_of_the_root(caplog: pytest.LogCaptureFixture) -> None:
    def root(logger: logging.Logger, index: int) -> None:
        logging.getLogger("promises.loads.child").warning("child %d", index)
        logging.warning("root %d", index)

    load(Logs(root, length=2))
    assert sorted(caplog.messages) == ["child 0", "child 1", "root 0", "root 1"]


def test_warnings_that_are_logged_here_are_logged_there(caplog: pytest.LogCaptureFixture) -> None:
    def warn(logger: logging.Logger, index: int) -> None:
        warnings.warn(f"strange {index}", UserWarning, stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        try:
            load(Logs(warn, length=2))
        finally:
            logging.captureWarnings(False)
    assert {record.name for record in caplog.records} == {"py.warnings"}
    assert sum("strange" in text for text in caplog.messages) == 2


def test_a_handler_that_fails_ends_nothing(heard: Heard, capfd: pytest.CaptureFixture[str]) -> None:
    def emit(record: logging.LogRecord) -> None:
        raise OSError("disk full")

    heard.emit = emit  # type: ignore[method-assign]
    load(Logs())
    assert "disk full" in capfd.readouterr().err


def test_the_last_lines_of_a_worker_that_dies_are_heard(heard: Heard) -> None:
    def dies(logger: logging.Logger, index: int) -> None:
        logger.info("about to load %d", index)
        if index == 1:
            os._exit(3)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(streamfit.WorkerDiedError):
            load(Logs(dies, length=2), workers=1)
    assert sum(record.getMessage() == "about to load 1" for record in heard.records) >= 3


def test_lines_of_other_threads_and_of_a_signal_handler_break_nothing(heard: Heard) -> None:
    def busy(logger: logging.Logger, index: int) -> None:
        import signal

        signal.signal(signal.SIGALRM, lambda *_: logger.info("alarm"))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        threads = [
            threading.Thread(target=lambda: [logger.info("x" * 3000) for _ in range(50)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            logger.info("y" * 3000)
        for thread in threads:
            thread.join()
        signal.setitimer(signal.ITIMER_REAL, 0)

    load(Logs(busy, length=4))
    messages = [record.getMessage() for record in heard.records]
    assert sum(text == "x" * 3000 for text in messages) == 4 * 4 * 50
    assert "alarm" in messages


def test_lines_of_processes_that_loads_fork_are_printed(
    heard: Heard, capfd: pytest.CaptureFixture[str]
) -> None:
    def forks(logger: logging.Logger, index: int) -> None:
        pid = os.fork()
        if pid == 0:
            logger.info("forked %d", index)
            os._exit(0)
        os.waitpid(pid, 0)
        logger.info("load %d", index)

    load(Logs(forks, length=2))
    assert len(heard.records) == 2
    assert sorted(capfd.readouterr().err.split("\n")) == ["", "forked 0", "forked 1"]


def test_a_consumer_that_does_not_listen_for_a_while_gets_all(heard: Heard) -> None:
    def long(logger: logging.Logger, index: int) -> None:
        logger.info("%s", "z" * 500_000)

    with streamfit.stream(Logs(long), **PROCESSES) as batches:
        found = iter(batches)
        next(found)
        time.sleep(0.2)  # workers wait with full sockets
        assert len(list(found)) == 5
    assert len(heard.records) == 6
    assert all(len(record.getMessage()) < 300_000 for record in heard.records)
    assert all("more characters were left out" in record.getMessage() for record in heard.records)


PROGRAM = """
import logging
import numpy as np
import streamfit
{setup}
class Reporter(streamfit.Sequence):
    def __len__(self):
        return 2
    def __getitem__(self, index):
        {first}
        logging.getLogger("mine").info("info %d", index)
        logging.getLogger("mine").warning("warning %d", index)
        return np.zeros((2, 2))

with streamfit.stream(Reporter(), workers=1, use_multiprocessing=True) as batches:
    list(batches)
"""


@pytest.mark.parametrize(
    ("setup", "first", "expected"),
    [
        ("", "pass", ["warning 0", "warning 1"]),
        (
            "logging.basicConfig(level=20, format='%(levelname)s:%(message)s')",
            "logging.basicConfig(level=10)",
            ["INFO:info 0", "WARNING:warning 0", "INFO:info 1", "WARNING:warning 1"],
        ),
        (
            "logging.addLevelName(30, 'LOUD'); logging.basicConfig(format='%(levelname)s:%(message)s')",
            "pass",
            ["LOUD:warning 0", "LOUD:warning 1"],
        ),
    ],
)
def test_a_program_prints_each_line_once(setup: str, first: str, expected: list[str]) -> None:
    code, _, err = run(PROGRAM.format(setup=setup, first=first))
    assert (code, complaints(err).split("\n")[:-1]) == (0, expected)
