"""Exceptions on their way: type, text and traceback, whatever the class does."""

from __future__ import annotations

import pickle

import pytest
from oracles.loaders import Misprints, TwoArguments, Unpicklable

from streamfit._base.errors import WorkerDiedError, WorkerError
from streamfit.workers.recovery import exceptions
from streamfit.workers.recovery.crash_report import WorkerExit


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def notes(error: BaseException) -> str:
    return "\n".join(error.__notes__)


@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyError("k"), OSError(2, "gone", "file"), TwoArguments("a", 3)]
)
def test_type_arguments_and_attributes_travel(error: Exception) -> None:
    got = exceptions.unpack(exceptions.pack(raised(error)))
    assert type(got) is type(error)
    assert got.args == error.args
    assert vars(got).items() >= {k: v for k, v in vars(error).items() if k != "__notes__"}.items()
    assert "in raised" in notes(got)


def test_notes_of_the_user_travel() -> None:
    error = ValueError("bad")
    error.add_note("row 7")
    assert got_notes(error)[0] == "row 7"


def got_notes(error: Exception) -> list[str]:
    return exceptions.unpack(exceptions.pack(raised(error))).__notes__


def test_exception_that_cannot_travel_is_told() -> None:
    got = exceptions.unpack(exceptions.pack(raised(Unpicklable())))
    assert type(got) is WorkerError
    assert "oracles.loaders.Unpicklable: held by a lock" in str(got)
    assert "in raised" in notes(got)


def test_exception_that_cannot_be_printed_is_told() -> None:
    got = exceptions.unpack(exceptions.pack(raised(Misprints())))
    assert type(got) is Misprints


@pytest.mark.parametrize(
    "kind", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit, StopAsyncIteration]
)
def test_control_signals_become_errors(kind: type[BaseException]) -> None:
    assert type(exceptions.unpack(exceptions.pack(raised(kind("x"))))) is WorkerError
    got = exceptions.ordinary(kind("x"))
    assert type(got) is WorkerError
    assert kind.__name__ in str(got)
    assert isinstance(got.__cause__, kind)


def test_ordinary_exception_stays_itself() -> None:
    error = ValueError()
    assert exceptions.ordinary(error) is error


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (9, "killed by SIGKILL.*memory"),
        (11, "killed by SIGSEGV"),
        (11 | 0x80, "killed by SIGSEGV"),
        (0, "exited with code 0"),
        (3 << 8, "exited with code 3"),
        (50, "killed by (SIG|signal)"),
        (None, "was lost"),
    ],
)
def test_ends_are_named(status: int | None, text: str) -> None:
    error = exceptions.death("batch 5", WorkerExit(status), 3)
    assert type(error) is WorkerDiedError
    with pytest.raises(WorkerDiedError, match=f"(?s)batch 5.*{text}"):
        raise error


def test_packed_bytes_need_no_class_of_the_user() -> None:
    body, name, text, trace = pickle.loads(exceptions.pack(raised(ValueError("bad"))))
    assert isinstance(body, bytes)
    assert (name, text) == ("ValueError", "bad")
    assert "raise error" in trace
