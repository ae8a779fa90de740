"""Workers end as Python processes do, in bounded time, and release all resources."""

from __future__ import annotations

import gc
import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracles.endings import Busy, Left, Opens, Plain, alive, pids
from oracles.leaks import wait_until
from oracles.scripts import complaints, run

import streamfit
from streamfit.callbacks import LambdaCallback
from streamfit.testing import nothing_left_behind

pytestmark = pytest.mark.timeout(60)
HOW: Any = {"workers": 2, "use_multiprocessing": True}


def read_all(data: Any) -> None:
    with streamfit.stream(data, **HOW) as batches:
        assert sum(1 for _ in batches) == 12


def break_off(data: Any) -> None:
    with streamfit.stream(data, **HOW) as batches:
        for number, _ in enumerate(batches):
            if number == 8:
                break


def forget(data: Any) -> None:
    assert sum(1 for _ in streamfit.stream(data, **HOW)) == 12
    gc.collect()


def model() -> Any:
    made = streamfit.Sequential([streamfit.layers.Dense(1, input_shape=(3,))])
    made.compile("sgd", "mse")
    return made


def fit(data: Any) -> None:
    model().fit(data, verbose=0, epochs=2, **HOW)


def evaluate(data: Any) -> None:
    model().evaluate(data, verbose=0, **HOW)


def fit_that_fails(data: Any) -> None:
    def fail(batch: int, logs: Any) -> None:
        if batch == 9:
            raise RuntimeError("of a callback")

    with pytest.raises(RuntimeError, match="of a callback"):
        model().fit(data, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=fail)], **HOW)


@pytest.mark.parametrize("way", [read_all, break_off, forget, fit, evaluate, fit_that_fails])
def test_what_loads_have_opened_is_closed(way: Callable[[Any], None], tmp_path: Path) -> None:
    with nothing_left_behind():
        way(Opens(tmp_path))
        workers = pids(tmp_path, "worker")
        assert workers
        for name in ("log", "thread", "finalized", "atexit"):
            assert pids(tmp_path, name) == workers, name
    for pid in workers:
        assert (tmp_path / f"log-{pid}").read_text() == "buffered\n"
        assert gzip.decompress((tmp_path / f"zip-{pid}.gz").read_bytes()) == b"compressed\n"
    assert not list(tmp_path.glob("scratch-*"))
    assert len(pids(tmp_path, "decoder")) == len(workers)
    assert not any(map(alive, pids(tmp_path, "decoder")))


def test_programs_of_a_killed_worker_are_ended(tmp_path: Path) -> None:
    with nothing_left_behind():
        read_all(Left(tmp_path))
        (decoder,) = pids(tmp_path, "decoder")
        assert not alive(decoder)


@pytest.mark.parametrize("native", [False, True], ids=["python", "native"])
def test_loads_that_nobody_waits_for_are_ended(native: bool, tmp_path: Path) -> None:
    with nothing_left_behind():
        with streamfit.stream(Busy(tmp_path, native), **HOW) as batches:
            assert int(next(iter(batches))[0, 0]) == 0
            assert wait_until(lambda: len(pids(tmp_path, "busy")) == 2)
            began = time.monotonic()
        assert time.monotonic() - began < (8 if native else 2.5)
    assert pids(tmp_path, "unwound") == ([] if native else pids(tmp_path, "busy"))


def test_idle_workers_end_at_once() -> None:
    taken = []
    for _ in range(5):
        with streamfit.stream(Plain(), **HOW) as batches:
            assert sum(1 for _ in batches) == 12
            began = time.monotonic()
        taken.append(time.monotonic() - began)
    assert min(taken) < 0.5, taken


DAEMON = """
import threading
import numpy as np
import streamfit

begun = threading.Event()

class Data(streamfit.Sequence):
    def __len__(self):
        return 100_000
    def __getitem__(self, index):
        return np.ones((8, 3), "float32"), np.ones((8, 1), "float32")

model = streamfit.Sequential([streamfit.layers.Dense(1, input_shape=(3,))])
model.compile("sgd", "mse")
note = streamfit.callbacks.LambdaCallback(
    on_train_batch_end=lambda batch, logs: begun.set(), on_predict_batch_end=lambda batch, logs: begun.set()
)
how = dict(workers=2, use_multiprocessing=KIND)

def fit():
    model.fit(Data(), verbose=0, callbacks=[note], **how)

def predict():
    model.predict(Data(), verbose=0, callbacks=[note], **how)

def read():
    for _ in streamfit.stream(Data(), **how):
        begun.set()

threading.Thread(target=WHAT, daemon=True).start()
assert begun.wait(20)
"""


@pytest.mark.jit
@pytest.mark.parametrize("what", ["fit", "predict", "read"])
@pytest.mark.parametrize("kind", [True, False], ids=["processes", "threads"])
def test_a_program_ends_quietly_under_a_daemon_thread(what: str, kind: bool, tmp_path: Path) -> None:
    with nothing_left_behind():
        code, _, err = run(DAEMON.replace("KIND", str(kind)).replace("WHAT", what), "script", tmp_path)
    assert (code, complaints(err)) == (0, "")
