"""When a call returns, no thread of the library runs the user's generator, and no item of it is lost."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
import pytest

import streamfit
from streamfit import Sequential, layers, optimizers
from streamfit.callbacks import Callback

pytestmark = pytest.mark.timeout(60)


def batch(number: int) -> Any:
    return np.full((2, 1), number, "float32"), np.full((2, 1), number, "float32")


class Counted:
    """An endless iterator whose items a test can await, and that can be made to raise."""

    def __init__(self, fails_at: int = -1) -> None:
        self.made, self._fails_at, self._change = 0, fails_at, threading.Condition()

    def __iter__(self) -> Counted:
        return self

    def __next__(self) -> Any:
        with self._change:
            self.made += 1
            self._change.notify_all()
        if self.made - 1 == self._fails_at:
            raise OSError("disk")
        return batch(self.made - 1)

    def wait(self, count: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: self.made >= count, timeout=20)


class StopAhead(Callback):
    """Stops after some batches, when `ahead` more have been pulled."""

    def __init__(self, counted: Counted, batches: int, ahead: int = 3, raises: bool = False) -> None:
        super().__init__()
        self._counted, self._last, self._ahead, self._raises = counted, batches - 1, ahead, raises

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        if step == self._last:
            self._counted.wait(step + 1 + self._ahead)
            if self._raises:
                raise RuntimeError("planned")
            self.model.stop_training = True


def model() -> Any:
    made = Sequential([layers.Dense(1, input_shape=(1,), kernel_initializer="zeros")])
    made.compile(optimizers.SGD(0.0), "mae")
    return made


def pullers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "pull" in thread.name]


def wrapped(counted: Counted) -> Iterator[Any]:
    yield from counted


SHAPES: list[Callable[[Counted], Any]] = [
    lambda counted: counted,
    wrapped,
    lambda counted: map(tuple, counted),  # without weak references
    lambda counted: ((x, y) for x, y in counted),
]


@pytest.mark.parametrize("shape", SHAPES, ids=["object", "generator", "map", "expression"])
def test_what_was_pulled_ahead_comes_first_in_whatever_comes_next(shape: Any) -> None:
    counted, fitted = Counted(), model()
    items = shape(counted)
    fitted.fit(items, steps_per_epoch=20, verbose=0, callbacks=[StopAhead(counted, 4)])
    assert pullers() == []
    assert counted.made > 4
    assert fitted.evaluate(items, steps=2, verbose=0) == 4.5
    fitted.fit(items, steps_per_epoch=1, epochs=2, verbose=0)
    assert fitted.history.history["loss"] == [6, 7]
    assert fitted.predict(items, steps=2).shape == (4, 1)
    with streamfit.stream(items, workers=1) as stream:
        got = [int(x[0, 0]) for x, _ in (next(iter(stream)),)]
    assert got == [10]
    assert fitted.fit(items, steps_per_epoch=1, verbose=0, workers=0).history["loss"] == [11]


def test_what_was_left_over_can_be_left_over_again() -> None:
    counted, fitted = Counted(), model()
    for _ in range(3):
        fitted.fit(counted, steps_per_epoch=20, verbose=0, callbacks=[StopAhead(counted, 2, ahead=6)])
    assert fitted.fit(counted, steps_per_epoch=8, verbose=0).history["loss"] == [np.mean(range(6, 14))]


def test_an_exception_that_was_pulled_ahead_comes_at_its_place() -> None:
    counted, fitted = Counted(fails_at=5), model()
    fitted.fit(counted, steps_per_epoch=20, verbose=0, callbacks=[StopAhead(counted, 3, ahead=3)])
    assert fitted.fit(counted, steps_per_epoch=2, verbose=0).history["loss"] == [3.5]
    with pytest.raises(OSError, match="disk"):
        fitted.fit(counted, steps_per_epoch=2, verbose=0)
    assert counted.made == 6


def test_no_thread_is_left_when_fit_raises() -> None:
    counted, fitted = Counted(), model()
    with pytest.raises(RuntimeError, match="planned"):
        fitted.fit(counted, steps_per_epoch=20, verbose=0, callbacks=[StopAhead(counted, 3, raises=True)])
    assert pullers() == []
    assert fitted.fit(counted, steps_per_epoch=1, verbose=0).history["loss"] == [3]


def test_nothing_is_pulled_beyond_the_epoch() -> None:
    made_at_end: list[int] = []
    counted = Counted()

    class Look(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            made_at_end.append(counted.made)
            self.model.stop_training = epoch == 1

    model().fit(counted, steps_per_epoch=5, epochs=9, verbose=0, callbacks=[Look()])
    assert made_at_end == [5, 10]
    assert int(next(counted)[0][0, 0]) == 10


def test_a_pull_that_is_under_way_is_waited_for() -> None:
    inside, release, ended = threading.Event(), threading.Event(), threading.Event()

    def items() -> Iterator[Any]:
        for number in range(100):
            if number == 3:
                inside.set()
                assert release.wait(20)
                ended.set()
            yield batch(number)

    class Stop(Callback):
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            self.model.stop_training = inside.wait(20) if step == 2 else False

        def on_train_end(self, logs: Any = None) -> None:
            threading.Timer(0.1, release.set).start()

    generator = items()
    model().fit(generator, steps_per_epoch=20, verbose=0, callbacks=[Stop()])
    assert ended.is_set()
    assert pullers() == []
    assert model().fit(generator, steps_per_epoch=2, verbose=0).history["loss"] == [3.5]


def test_a_long_wait_is_told_and_ctrl_c_ends_it() -> None:
    inside, release = threading.Event(), threading.Event()
    warned: list[str] = []

    def items() -> Iterator[Any]:
        for number in range(100):
            if number == 2:
                inside.set()
                assert release.wait(30)
            yield batch(number)

    class Stop(Callback):
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            self.model.stop_training = inside.wait(20) if step == 1 else False

    def show(message: Any, *_: Any, **__: Any) -> None:
        warned.append(str(message))
        os.kill(os.getpid(), signal.SIGINT)

    generator = items()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        with pytest.raises(KeyboardInterrupt):
            model().fit(generator, steps_per_epoch=20, verbose=0, callbacks=[Stop()])
    assert "waiting for its generator" in warned[0]
    assert "Ctrl-C" in warned[0]
    threading.Timer(0.1, release.set).start()
    # The next reader waits for the item that the thread is still making, and loses none.
    assert model().fit(generator, steps_per_epoch=2, verbose=0).history["loss"] == [2.5]
    assert pullers() == []


# -- generators bound to a thread ---------------------------------------------------------------------------


def rows_of_a_database(until: ExitStack) -> Iterator[Any]:
    connection = until.enter_context(closing(sqlite3.connect(":memory:")))
    connection.execute("create table t (x real)")

    def rows() -> Iterator[Any]:
        while True:
            connection.execute("select x from t").fetchall()
            yield batch(1)

    return rows()


def items_of_an_event_loop(until: ExitStack) -> Iterator[Any]:
    def items() -> Iterator[Any]:
        while True:
            asyncio.get_event_loop_policy().get_event_loop()
            yield batch(1)

    return items()


def items_of_a_window(until: ExitStack) -> Iterator[Any]:
    state = threading.local()
    state.window = 1

    def items() -> Iterator[Any]:
        while True:
            yield batch(state.window)

    return items()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", [rows_of_a_database, items_of_an_event_loop, items_of_a_window])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_error_of_what_is_bound_to_a_thread_says_what_to_write(make: Any, method: str) -> None:
    steps = {"steps_per_epoch": 2} if method == "fit" else {"steps": 2}
    with ExitStack() as until, pytest.raises(Exception, match=r".") as caught:
        getattr(model(), method)(make(until), verbose=0, **steps)
    assert not isinstance(caught.value, streamfit.StreamfitError)
    assert "workers=0" in "".join(caught.value.__notes__)


def test_a_generator_sees_what_its_caller_has_set() -> None:
    level = contextvars.ContextVar("level", default=0)
    level.set(7)

    def items() -> Iterator[Any]:
        while True:
            assert np.geterr()["over"] == "raise"
            yield batch(level.get())

    with np.errstate(over="raise"):
        assert model().fit(items(), steps_per_epoch=2, verbose=0).history["loss"] == [7]
