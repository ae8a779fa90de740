"""Output never ends a run: whatever the streams do, training gives the same bits."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.scripts import environment
from oracles.scripts import run as run_program

import streamfit as sf
from streamfit.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
NAME = "größe_Δ_測"


class Broken(io.StringIO):
    """A stream that raises at every write, or at every flush."""

    def __init__(self, error: BaseException, where: str) -> None:
        super().__init__()
        self.error, self.where = error, where

    def write(self, text: str) -> int:
        if self.where == "write":
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        if self.where == "flush":
            raise self.error


class Bare:
    """An object that is hardly a stream."""

    def write(self, text: str) -> None:
        raise RuntimeError("the window is gone")


class Odd(Bare):
    """Raises at every use."""

    def isatty(self) -> bool:
        raise RuntimeError("no")

    @property
    def encoding(self) -> Any:
        return 7

    def fileno(self) -> Any:
        return "none"


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def text_in(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")


STREAMS: dict[str, Any] = {
    "closed": closed,
    "none": lambda: None,
    "ascii": lambda: text_in("ascii"),
    "latin": lambda: text_in("cp1252"),
    "japanese": lambda: text_in("shift_jis"),
    "broken pipe": lambda: Broken(BrokenPipeError(32, "Broken pipe"), "write"),
    "broken pipe at flush": lambda: Broken(BrokenPipeError(32, "Broken pipe"), "flush"),
    "full": lambda: Broken(OSError(28, "No space left on device"), "flush"),
    "not ready": lambda: Broken(BlockingIOError(11, "Resource temporarily unavailable"), "write"),
    "detached": lambda: Broken(ValueError("underlying buffer has been detached"), "write"),
    "bare": Bare,
    "odd": Odd,
}


def model_with(metric: str = NAME) -> sf.Sequential:
    sf.set_random_seed(1)
    model = sf.Sequential([sf.layers.Dense(1, input_shape=(3,), name="schicht_ä_Δ")], name="modell_Δ")
    model.compile("sgd", "mse", metrics=[sf.metrics.MeanAbsoluteError(name=metric)])
    return model


def everything(folder: Path) -> list[Any]:
    return [
        ModelCheckpoint(folder / "wärme_Δ.safetensors", save_weights_only=True, verbose=1),
        ReduceLROnPlateau(NAME, patience=0, min_delta=1e9, verbose=1, mode="min"),
        LearningRateScheduler(lambda epoch, rate: rate, verbose=1),
        EarlyStopping(NAME, patience=2, restore_best_weights=True, verbose=1, mode="min", min_delta=1e9),
        TerminateOnNaN(),
        BackupAndRestore(folder / "backup"),
    ]


def train(folder: Path, verbose: int) -> Any:
    model = model_with()
    history = model.fit(
        X, Y, epochs=5, seed=3, verbose=verbose, callbacks=everything(folder), validation_data=(X, Y)
    )
    model.evaluate(X, Y, verbose=verbose)
    model.predict(X, verbose=verbose)
    model.summary()
    return history.history, [weight.tobytes() for weight in model.get_weights()]


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("kind", STREAMS)
def test_every_text_on_every_stream(
    kind: str, verbose: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "reported").mkdir()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    expected = train(tmp_path / "calm", verbose)
    stream = STREAMS[kind]()
    monkeypatch.setattr(sys, "stdout", stream)
    assert train(tmp_path / "reported", verbose) == expected
    if isinstance(stream, io.TextIOWrapper):
        stream.flush()
        text = stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined]
        assert "gr??e" in text or "größe" in text or "gr?" in text
        assert "early stopping" in text
        assert "schicht_" in text


@pytest.mark.parametrize("kind", ["closed", "broken pipe", "none", "latin", "full"])
def test_a_stream_that_goes_away_in_the_middle(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leave(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                monkeypatch.setattr(sys, "stdout", STREAMS[kind]())

    class Close(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            sys.stdout.close()

    for callback in (Leave(), Close()):
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        assert len(model_with().fit(X, Y, 4, epochs=2, verbose=1, callbacks=[callback]).epoch) == 2


WARNING = """
import importlib.util, io, sys
spec = importlib.util.spec_from_file_location("telling", {file!r})
telling = importlib.util.module_from_spec(spec)
spec.loader.exec_module(telling)
real = sys.stderr
telling.warnings.simplefilter("always")
for kind, make in telling.STREAMS.items():
    model = telling.model_with()
    stream = sys.stderr = make()
    watching = telling.EarlyStopping("val_" + telling.NAME, mode="min")
    history = model.fit(telling.X, telling.Y, epochs=2, verbose=0, callbacks=[watching])
    reported = None
    if isinstance(stream, io.TextIOWrapper):
        stream.flush()
        reported = b"no validation" in stream.buffer.getvalue()
    sys.stderr = real
    print(kind, len(history.epoch), reported, sep=":")
"""


@pytest.mark.timeout(60)
def test_warnings_on_every_stream() -> None:
    """In another process: under pytest no warning reaches a stream."""
    code, out, err = run_program(WARNING.format(file=__file__))
    assert code == 0, err
    words = {"ascii": "True", "latin": "True", "japanese": "True"}
    assert out.splitlines() == [f"{kind}:2:{words.get(kind)}" for kind in STREAMS]


def test_a_warning_that_shall_be_an_error_is_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="no validation"):
            model_with().fit(X, Y, verbose=0, callbacks=[EarlyStopping("val_loss")])


def test_nan_is_told_to_a_closed_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", closed())
    history = model_with().fit(X * np.nan, Y, epochs=3, verbose=0, callbacks=[TerminateOnNaN()])
    assert len(history.epoch) == 1


@pytest.mark.parametrize("error", [TimeoutError("time is up"), ValueError("enough"), KeyboardInterrupt()])
def test_what_a_signal_handler_raises_while_a_text_is_written_ends_the_run(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Signalling(io.StringIO):
        def write(self, text: str) -> int:
            os.kill(os.getpid(), signal.SIGUSR1)
            return super().write(text)

    def handler(number: int, frame: Any) -> None:
        raise error

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        monkeypatch.setattr(sys, "stdout", Signalling())
        with pytest.raises(type(error)):
            model_with().fit(X, Y, epochs=3, verbose=1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_whatever_a_callback_logs_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    class Log(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs.update(note=None, names=["a", "b"], thing=object(), word="text", odd="\udcff")

    assert len(model_with().fit(X, Y, epochs=2, verbose=2, callbacks=[Log()]).epoch) == 2
    assert "note: None" in capsys.readouterr().out


PROGRAM = """
import sys, numpy as np, streamfit as sf
x = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
model = sf.Sequential([sf.layers.Dense(1, input_shape=(3,))])
model.compile("sgd", "mse")
rate = sf.callbacks.LearningRateScheduler(lambda epoch: 0.01, verbose=1)
epochs = len(model.fit(x, x[:, :1], epochs=30, verbose={verbose}, callbacks=[rate]).epoch)
model.summary()
open({path!r}, "w").write(str(epochs))
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("kind", "verbose"), [("pipe", 1), ("pipe", 2), ("full", 1), ("closed", 2)])
def test_programs_whose_output_nobody_takes(kind: str, verbose: int, tmp_path: Path) -> None:
    path = tmp_path / "epochs"
    command = [sys.executable, "-c", PROGRAM.format(path=str(path), verbose=verbose)]
    how: dict[str, Any] = {"env": environment(), "timeout": 40, "stderr": subprocess.PIPE, "text": True}
    if kind == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, stdout=writer, check=False, **how)
        os.close(writer)
    elif kind == "full":
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, stdout=full, check=False, **how)
    else:
        closing = ["/bin/sh", "-c", 'exec "$0" "$@" >&-', *command]
        done = subprocess.run(closing, stdout=subprocess.DEVNULL, check=False, **how)
    assert path.exists(), done.stderr
    assert path.read_text() == "30"
