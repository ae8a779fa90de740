"""Models on several threads: stopped and interrupted steps, other callers, copies, and the end of Python."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from oracles.drawn_models import LARGE_TABLE, Batches, DrawnModel, bits, bits_of, differing
from oracles.kernel_threads import blocks_of_helpers, small_blocks, threads
from oracles.scripts import complaints, run

from streamfit import Model, NonFiniteError
from streamfit.callbacks import Callback, TerminateOnNaN
from streamfit.optimizers import tables

pytestmark = [pytest.mark.jit, pytest.mark.timeout(100)]
ROWS, BATCHES = 32, 4
LIMIT = 60.0
PICTURES = DrawnModel(("picture", "features"), ("shared", "dropout"), ("classes",), "adamw", "float32")
TABLES = DrawnModel(
    ("features", "many ids"), ("batch normalization", "dropout", "constraint"), ("values", "chance"), "adam",
    "float32",
)  # fmt: skip
PLAIN = DrawnModel(("features",), ("dense", "batch normalization"), ("values",), "momentum", "float64")


@pytest.fixture(scope="module", autouse=True)
def all_is_cut_and_tables_are_small() -> Iterator[None]:
    """Cut every batch into blocks, and update tables by rows that are large only here."""
    with pytest.MonkeyPatch.context() as patch, small_blocks():
        patch.setattr(tables, "SMALLEST", LARGE_TABLE)
        yield


def fit(model: Model, x: Any, y: Any, *callbacks: Callback, epochs: int = 1) -> dict[str, Any]:
    history = model.fit(
        Batches(x, y, ROWS), epochs=epochs, shuffle=False, seed=3, verbose=0, workers=0,
        callbacks=list(callbacks),
    )  # fmt: skip
    return bits(model, history)


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("row", [0, 13, ROWS - 1])
@pytest.mark.parametrize("drawn", [TABLES, PLAIN, PICTURES], ids=["tables", "in pieces", "pictures"])
def test_a_step_that_one_row_makes_useless_changes_nothing(drawn: DrawnModel, row: int, number: int) -> None:
    guard = TerminateOnNaN(raise_error=True, before_update=True)
    x, y = drawn.data(ROWS * BATCHES)
    (features,) = [array for array in (x if isinstance(x, tuple) else (x,)) if array.shape[1:] == (5,)]
    with threads(number):
        wanted, found = drawn.make(), drawn.make()
        fit(wanted, *Batches(x, y, 2 * ROWS)[0])
        kept = features[2 * ROWS + row, 1]
        features[2 * ROWS + row, 1] = np.nan
        with pytest.raises(NonFiniteError) as caught:
            fit(found, x, y, guard)
        assert caught.value.batch == 2
        features[2 * ROWS + row, 1] = kept
        assert differing(bits_of(wanted), bits_of(found)) == []
        assert differing(fit(wanted, x, y, guard), fit(found, x, y, guard)) == []


class AfterEach(Callback):
    """Write down what a function returns before the first step and after each."""

    def __init__(self, look: Callable[[], bytes]) -> None:
        super().__init__()
        self.look, self.seen = look, list[bytes]()

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen.append(self.look())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(self.look())


@pytest.mark.parametrize("drawn", [TABLES, PICTURES], ids=["tables", "pictures"])
def test_predictions_beside_a_training_are_those_of_one_step(drawn: DrawnModel) -> None:
    x, y = drawn.data(ROWS * BATCHES)
    probe = Batches(x, y, ROWS)[1][0]

    def answer(model: Model) -> bytes:
        found = model.predict(probe, batch_size=ROWS, verbose=0)
        return b"".join(array.tobytes() for array in (found if isinstance(found, list) else [found]))

    with threads(2):
        alone = drawn.make()
        after = AfterEach(lambda: answer(alone))
        wanted = fit(alone, x, y, after, epochs=8)
        served, end = drawn.make(), threading.Event()
        answers, errors = set[bytes](), list[BaseException]()

        def ask() -> None:
            try:
                while not end.is_set():
                    answers.add(answer(served))
            except BaseException as error:
                errors.append(error)

        callers = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
        for caller in callers:
            caller.start()
        found = fit(served, x, y, epochs=8)
        end.set()
        for caller in callers:
            caller.join(LIMIT)
    assert not any(caller.is_alive() for caller in callers)
    assert errors == []
    assert answers
    assert answers <= set(after.seen)
    assert differing(wanted, found) == []


def test_models_that_train_at_the_same_time_do_not_disturb_each_other() -> None:
    kinds = [TABLES, PICTURES, PLAIN]
    data = [drawn.data(ROWS * BATCHES) for drawn in kinds]
    models = [drawn.make() for drawn in kinds]
    found: dict[int, dict[str, Any]] = {}
    before = blocks_of_helpers()
    with threads(2):
        wanted = [fit(drawn.make(), *own, epochs=10) for drawn, own in zip(kinds, data, strict=True)]

        def train(number: int) -> None:
            found[number] = fit(models[number], *data[number], epochs=10)

        callers = [threading.Thread(target=train, args=(n,), daemon=True) for n in range(len(kinds))]
        for caller in callers:
            caller.start()
        until = time.monotonic() + LIMIT
        for caller in callers:
            caller.join(max(0.0, until - time.monotonic()))
        assert not any(caller.is_alive() for caller in callers)
    assert [differing(one, found[n]) for n, one in enumerate(wanted)] == [[], [], []]
    assert blocks_of_helpers() > before


@pytest.mark.parametrize("way", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("drawn", [TABLES, PICTURES], ids=["tables", "pictures"])
def test_a_copy_of_a_model_that_ran_on_threads_goes_on_alike(drawn: DrawnModel, way: Any) -> None:
    x, y = drawn.data(ROWS * BATCHES)
    copies = []

    class CopyInTheMiddle(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                copies.append((way(self.model), bits_of(self.model)))

    with threads(2):
        model = drawn.make()
        fit(model, x, y, CopyInTheMiddle())
        copies.append((way(model), bits_of(model)))
        for made, state in copies:
            assert differing(state, bits_of(made)) == []
        last = copies[-1][0]
        assert differing(fit(model, x, y), fit(last, x, y)) == []


HEAD = """
import os, signal, sys, threading, time
import numpy as np
import streamfit as sf
from streamfit import layers
from oracles.kernel_threads import blocks_of_helpers, threads
rng = np.random.default_rng(0)
x, y = rng.normal(size=(4096, 40)).astype("float32"), rng.normal(size=(4096, 1)).astype("float32")

def make():
    sf.set_random_seed(2)
    model = sf.Sequential([
        layers.Dense(64, "relu", input_shape=(40,)), layers.Dropout(0.1), layers.Dense(64, "relu"),
        layers.Dense(1)])
    model.compile("adam", "mse")
    return model

def fit(model, epochs=1, callbacks=()):
    model.fit(x, y, batch_size=512, epochs=epochs, seed=1, shuffle=False, verbose=0, callbacks=callbacks)

context = threads(2)
context.__enter__()
model = make()
fit(model)
until = time.monotonic() + 10
while not blocks_of_helpers() and time.monotonic() < until:
    fit(model)
assert blocks_of_helpers()
"""
INTERRUPTED = """
class Note(sf.callbacks.Callback):
    def __init__(self, kept):
        self.kept = kept
    def on_train_batch_end(self, batch, logs=None):
        self.kept[self.model.optimizer.iterations] = [w.tobytes() for w in self.model.get_weights()]

kept = {}
fit(make(), 3, [Note(kept)])
steps = len(kept)
begin = time.perf_counter()
fit(make(), 3)
whole = time.perf_counter() - begin
places = set()
for number in range(30):
    model = make()
    timer = threading.Timer(whole * (number + 1) / 40, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        fit(model, 3)
        timer.join()
        time.sleep(1)
    except KeyboardInterrupt:
        pass
    timer.join()
    done = model.optimizer.iterations
    if done:
        assert [w.tobytes() for w in model.get_weights()] == kept[done], done
        places.add(done)
    model.predict(x[:9], verbose=0)
    fit(model)
    assert model.optimizer.iterations == done + 8
print(steps, len(places - {steps}) >= 2)
"""


def test_an_interruption_leaves_whole_steps() -> None:
    code, out, err = run(HEAD + INTERRUPTED, seconds=LIMIT)
    assert (code, out.split(), complaints(err)) == (0, ["24", "True"], "")


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("threading.Thread(target=fit, args=(model, 10**6), daemon=True).start(); time.sleep(0.3)", 0),
        ("import atexit; atexit.register(fit, model)", 0),
    ],
)
def test_python_ends_after_and_in_a_training_on_threads(ending: str, code: int) -> None:
    found, out, err = run(HEAD + ending + "\nprint('the end')\n" * (code == 0), seconds=30)
    assert (found, out, complaints(err)) == (code, "the end\n" * (code == 0), "")
