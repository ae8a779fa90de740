"""`ProgressBar`: the text on the screen or in a file during fit, evaluate and predict."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from oracles.fake_training import Clock, FakeModel, TerminalStream, fit, screen

from streamfit.training.callbacks import CallbackList, LambdaCallback, ProgressBar

FULL = "━" * 20
LOGS = {"loss": 1.79581, "mae": 1.19638}
VALIDATED = {**LOGS, "val_loss": 0.5, "val_mae": 2e-4}
TRAINED = " - loss: 1.7958 - mae: 1.1964"
BOTH = f"{TRAINED} - val_loss: 0.5000 - val_mae: 2.0000e-04"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def shown(
    verbose: Any, epochs: list[dict[str, float]], stream: io.StringIO | None = None, **params: Any
) -> str:
    stream = io.StringIO() if stream is None else stream
    progress = ProgressBar(stream=stream, clock=lambda: 0.0)
    fit(FakeModel(), params.pop("callbacks", None), epochs, progress=progress, verbose=verbose, **params)
    return stream.getvalue()


@pytest.mark.parametrize("verbose", [1, True, "auto"])
def test_file_gets_one_plain_line_for_each_epoch(verbose: Any) -> None:
    assert shown(verbose, [LOGS, VALIDATED]) == (
        f"Epoch 1/2\n2/2 {FULL} 0s 0s/step{TRAINED}\nEpoch 2/2\n2/2 {FULL} 0s 0s/step{BOTH}\n"
    )


def test_one_line_an_epoch() -> None:
    assert shown(2, [LOGS, VALIDATED]) == (
        f"Epoch 1/2\n2/2 - 0s - 0s/step{TRAINED}\nEpoch 2/2\n2/2 - 0s - 0s/step{BOTH}\n"
    )


@pytest.mark.parametrize("stream", [io.StringIO, TerminalStream])
@pytest.mark.parametrize("verbose", [0, False])
def test_silence(verbose: Any, stream: type[io.StringIO]) -> None:
    assert shown(verbose, [LOGS, LOGS], stream()) == ""


def test_single_epoch_has_no_headline() -> None:
    assert shown(2, [LOGS]) == "2/2 - 0s - 0s/step - loss: 1.7958 - mae: 1.1964\n"


def test_headline_counts_from_one_to_the_final_epoch() -> None:
    stream = io.StringIO()
    run = CallbackList(None, params={"verbose": 2, "epochs": 4}, progress=ProgressBar(stream=stream))
    run.on_epoch_begin(2)
    assert stream.getvalue() == "Epoch 3/4\n"


def test_values_that_a_callback_adds_are_shown() -> None:
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(learning_rate=0.1, lr=0.1))
    assert shown(2, [LOGS], callbacks=add).endswith(" - mae: 1.1964 - learning_rate: 0.1000\n")


@pytest.mark.parametrize("verbose", [-1, "loud", None, 1.5])
def test_unknown_verbosity_is_refused(verbose: Any) -> None:
    with pytest.raises(ValueError, match=r"verbose must be 0, 1, 2 or 'auto', got"):
        shown(verbose, [LOGS])


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    fit(FakeModel(), None, [LOGS], progress=ProgressBar(), verbose=2)
    out = capsys.readouterr().out
    assert out.startswith("2/2 - 0s - ")
    assert out.endswith(" - loss: 1.7958 - mae: 1.1964\n")


def test_unknown_length_is_known_after_the_first_epoch() -> None:
    stream = TerminalStream()
    shown(1, [LOGS, LOGS], stream, steps=3, callbacks=None)
    known = screen(stream.getvalue())
    stream = TerminalStream()
    run = CallbackList(
        None,
        params={"verbose": 1, "epochs": 2, "steps": None},
        progress=ProgressBar(stream=stream, clock=lambda: 0.0),
    )
    run.watch(lambda: LOGS)
    run.on_train_begin()
    for epoch in range(2):
        run.on_epoch_begin(epoch)
        run.tick(1)
        first = "1/3 ━━━━━━━━━━━━━━━━━━━━" if epoch else "      1/Unknown"
        assert screen(stream.getvalue())[-1].startswith(first)
        run.tick(2)
        run.tick(3)
        run.on_epoch_end(epoch, LOGS)
    assert screen(stream.getvalue()) == known


def test_validation_shows_no_bar_and_leaves_the_count_of_the_epoch() -> None:
    stream, clock = TerminalStream(), Clock()
    run = CallbackList(
        None, params={"verbose": 1, "epochs": 1, "steps": 3}, progress=ProgressBar(stream=stream, clock=clock)
    )
    run.on_train_begin()
    run.on_epoch_begin(0)
    for done in (1, 2, 3):
        clock.now += 1
        run.tick(done)
    before = stream.getvalue()
    run.on_test_begin()
    for done in range(1, 50):
        clock.now += 1
        run.tick(done)
    run.on_test_end({"loss": 9.0})
    assert stream.getvalue() == before
    run.on_epoch_end(0, {"loss": 1.0, "val_loss": 9.0})
    run.on_train_end()
    assert screen(stream.getvalue())[0] == f"3/3 {FULL} 52s 1s/step - loss: 1.0000 - val_loss: 9.0000"


@pytest.mark.parametrize(("kind", "logs"), [("test", " - loss: 2.0000"), ("predict", "")])
@pytest.mark.parametrize(
    ("verbose", "line"), [(1, f"5/5 {FULL} 0s 0s/step"), (2, "5/5 - 0s - 0s/step"), (0, None)]
)
def test_evaluate_and_predict_have_a_bar_of_their_own(
    kind: str, logs: str, verbose: int, line: str | None
) -> None:
    stream = io.StringIO()
    run = CallbackList(
        None, params={"verbose": verbose, "steps": 5}, progress=ProgressBar(stream=stream, clock=lambda: 0.0)
    )
    getattr(run, f"on_{kind}_begin")()
    for done in range(1, 6):
        run.tick(done)
    getattr(run, f"on_{kind}_end")({"loss": 2.0} if kind == "test" else None)
    assert stream.getvalue() == ("" if line is None else f"{line}{logs}\n")


def test_evaluate_after_fit_with_the_same_bar_is_shown() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream=stream, clock=lambda: 0.0)
    fit(FakeModel(), None, [LOGS], progress=bar, verbose=0)
    run = CallbackList(None, params={"verbose": 2, "steps": 1}, progress=bar)
    run.on_test_begin()
    run.tick(1)
    run.on_test_end({"loss": 2.0})
    assert stream.getvalue() == "1/1 - 0s - 0s/step - loss: 2.0000\n"


# --- interruptions


def begun(stream: io.StringIO, verbose: int = 1) -> CallbackList:
    bar = ProgressBar(stream=stream, clock=lambda: 0.0)
    run = CallbackList(None, params={"verbose": verbose, "epochs": 1, "steps": 4}, progress=bar)
    run.watch(lambda: {"loss": 0.25})
    run.on_train_begin()
    run.on_epoch_begin(0)
    return run


def test_interrupted_line_on_a_terminal_is_ended() -> None:
    stream = TerminalStream()
    run = begun(stream)
    run.tick(1)
    run.tick(2)
    run.interrupt()
    stream.write("Traceback")
    assert screen(stream.getvalue()) == [f"2/4 {FULL} 0s 0s/step - loss: 0.2500", "Traceback"]


@pytest.mark.parametrize(
    ("verbose", "line"), [(1, "2/4 ━━━━━━━━━━────────── 0s 0s/step\n"), (2, "2/4 - 0s - 0s/step\n")]
)
def test_interrupted_run_leaves_a_line_in_a_file(verbose: int, line: str) -> None:
    stream = io.StringIO()
    run = begun(stream, verbose)
    run.tick(1)
    run.tick(2)
    run.interrupt()
    run.interrupt()
    assert stream.getvalue() == line


def test_interruption_in_validation_counts_the_steps_of_the_epoch() -> None:
    stream = io.StringIO()
    run = begun(stream)
    for done in (1, 2, 3, 4):
        run.tick(done)
    run.on_test_begin()
    run.tick(1)
    run.interrupt()
    assert stream.getvalue().startswith("4/4 ")


@pytest.mark.parametrize("stream", [io.StringIO, TerminalStream])
def test_interruption_outside_of_a_line_writes_nothing(stream: type[io.StringIO]) -> None:
    sink = stream()
    begun(sink).interrupt()  # before the first step
    assert sink.getvalue() == ""
    run = begun(sink)
    run.tick(1)
    run.on_epoch_end(0, LOGS)
    after = sink.getvalue()
    run.interrupt()
    assert sink.getvalue() == after


# --- real terminals


@contextlib.contextmanager
def terminal(columns: int) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Open a pseudo-terminal; return a stream into it and a function that reads its output so far."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.set_blocking(parent, False)

    def read() -> str:
        out = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(parent, 65536):
                out += chunk
        return out.decode()

    with os.fdopen(child, "w", encoding="utf-8") as stream:
        yield stream, read
    os.close(parent)


def on_terminal(stream: Any, logs: Mapping[str, float]) -> None:
    clock = Clock()
    run = CallbackList(
        None, params={"verbose": 1, "epochs": 2, "steps": 4}, progress=ProgressBar(stream=stream, clock=clock)
    )
    run.watch(lambda: logs)
    run.on_train_begin()
    run.on_epoch_begin(0)
    for done in range(1, 5):
        clock.now += 0.5
        run.tick(done)
    run.on_epoch_end(0, logs)


def test_exact_bytes_on_a_pseudo_terminal() -> None:
    with terminal(80) as (stream, read):
        on_terminal(stream, {"loss": 0.5})
        got = read()
    bold, green, grey, end = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"

    def line(done: int, time: str) -> str:
        rest = f"{grey}{'━' * (20 - 5 * done)}{end}" if done < 4 else ""
        bar = f"{green}{'━' * 5 * done}{end}{rest}"
        return f"\r{bold}{done}/4{end} {bar} {bold}{time}{end} 500ms/step - loss: 0.5000"

    lines = [line(1, "1s"), line(2, "1s"), line(3, "0s"), line(4, "0s"), line(4, "2s") + "\r\n"]
    assert got == "Epoch 1/2\r\n" + "".join(lines)


@pytest.mark.parametrize("columns", [20, 40, 79])
def test_moving_line_never_wraps_and_the_last_is_whole(columns: int) -> None:
    logs = {f"metric_{n}": 0.5 for n in range(8)}
    with terminal(columns) as (stream, read):
        on_terminal(stream, logs)
        got = read().replace("\r\n", "\n")
    rows = screen(got, columns)
    assert rows[0] == "Epoch 1/2"
    whole = f"4/4 {FULL} 2s 500ms/step" + "".join(f" - {name}: 0.5000" for name in logs)
    assert "".join(row.ljust(columns) for row in rows[1:]).rstrip() == whole


def test_terminal_of_unknown_width_gets_the_whole_line() -> None:
    with terminal(0) as (stream, read):
        on_terminal(stream, {"a_name_longer_than_most": 0.5})
        assert "a_name_longer_than_most: 0.5000" in read()


SCRIPT = """
    import itertools, time
    from streamfit.training.callbacks import CallbackList, ProgressBar
    run = CallbackList(None, params={"verbose": 1, "epochs": 1, "steps": None}, progress=ProgressBar())
    run.watch(lambda: {"loss": 0.5})
    try:
        run.on_train_begin()
        run.on_epoch_begin(0)
        for done in itertools.count(1):
            run.tick(done)
            time.sleep(0.001)
    except BaseException:
        run.interrupt()
        raise
"""


@pytest.mark.timeout(30)
def test_traceback_after_a_real_interrupt_starts_in_column_zero() -> None:
    with terminal(200) as (stream, read):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT)], stdout=stream, stderr=stream
        )
        try:
            text, deadline = "", time.monotonic() + 20
            while "loss: 0.5000" not in text and time.monotonic() < deadline:
                text += read()
                time.sleep(0.01)
            child.send_signal(signal.SIGINT)
            child.wait(10)
        finally:
            child.kill()
            child.wait()
        text += read()
    rows = screen(text.replace("\r\n", "\n"))
    traceback = rows.index("Traceback (most recent call last):")
    assert "/" in rows[traceback - 1]
    assert rows[traceback - 1].endswith("- loss: 0.5000")
    assert "KeyboardInterrupt" in rows[-2]
