"""The abilities of a stream: terminals, notebooks, files, encodings, no stream at all."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from oracles.fake_training import TerminalStream

from streamfit.training.callbacks.terminal import Terminal


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_terminal_redraws_in_colour() -> None:
    terminal = Terminal(TerminalStream())
    assert (terminal.redraws, terminal.colours, terminal.least_interval) == (True, True, 0.0)


def test_file_gets_plain_lines() -> None:
    terminal = Terminal(io.StringIO())
    assert (terminal.redraws, terminal.colours, terminal.columns) == (False, False, None)


def test_users_wishes_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert (Terminal(TerminalStream()).redraws, Terminal(TerminalStream()).colours) == (True, False)
    monkeypatch.setenv("TERM", "dumb")
    assert not Terminal(TerminalStream()).redraws


def test_notebook_redraws_at_its_own_pace() -> None:
    out_stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    terminal = Terminal(out_stream)
    assert terminal.redraws
    assert terminal.colours
    assert terminal.least_interval > 0.1
    assert terminal.columns is None


def test_standard_output_of_the_moment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    Terminal().write("text")
    assert stream.getvalue() == "text"


def test_program_without_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    terminal = Terminal()
    terminal.write("lost")
    assert not terminal.redraws
    assert terminal.encodes("━")


@pytest.mark.parametrize(
    ("encoding", "can"),
    [("utf-8", True), ("ascii", False), ("latin-1", False), ("cp1252", False), ("no-such-codec", False)],
)
def test_encoding(encoding: str, can: bool) -> None:
    stream: Any = io.StringIO()
    named = type("Named", (io.StringIO,), {"encoding": encoding})()
    assert Terminal(named).encodes("━") is can
    assert Terminal(stream).encodes("━")  # text in memory has no encoding and takes everything


def test_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not Terminal(stream).redraws
