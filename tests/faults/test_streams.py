"""Faults of the data, seen from `fit`: rows 25 to 30 of the fault matrix."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.data_sets import Listed, batch_of
from oracles.leaks import nothing_left_behind
from oracles.scripts import complaints, run
from soak_data import SCALE, SIZE, Drawn
from soak_fits import bits_of, make_model

from streamfit import Sequential
from streamfit._base.errors import DataError
from streamfit.streams import Feed, Sequence, open_source
from streamfit.workers import make_pool

pytestmark = [pytest.mark.jit, pytest.mark.timeout(60)]
HOW: dict[str, dict[str, Any]] = {
    "inline": {"workers": 0},
    "threads": {"workers": 3},
    "processes": {"workers": 2, "use_multiprocessing": True},
}


def generated(batches: list[Any]) -> Iterator[Any]:
    for batch in batches:
        yield tuple(batch() if callable(batch) else batch)


class Single:
    """An iterator that notes the threads that pull it, and whether two pull it at once."""

    def __init__(self, count: int) -> None:
        self.count, self.at = count, 0
        self.pullers: set[int] = set()
        self.busy, self.clashes = threading.Lock(), 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self.busy.acquire(blocking=False):
            self.clashes += 1
            raise AssertionError("pulled by two")
        try:
            self.pullers.add(threading.get_ident())
            if self.at == self.count:
                raise StopIteration
            self.at += 1
            return tuple(batch_of(self.at - 1))
        finally:
            self.busy.release()


def test_25_one_generator_and_many_threads() -> None:
    data = Single(1000)
    model, seen = make_model()
    model.fit(data, epochs=1, verbose=0, workers=8)
    assert seen.numbers[::SIZE] == list(range(1000))
    assert len(data.pullers) == 1
    assert data.clashes == 0


def test_25_a_hundred_thousand_items_and_eight_threads() -> None:
    count, data = 0, Single(100_000)
    with make_pool("threads", 8) as pool, Feed(open_source(data), pool) as feed:
        for count, batch in enumerate(feed.run(100_000), 1):
            assert batch.y[0, 0] * SCALE == count - 1
    assert count == 100_000
    assert (len(data.pullers), data.clashes) == (1, 0)


class OwnError(Exception):
    """Not one of ours."""


def fail() -> Any:
    raise OwnError("at this place")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", [generated, Listed])
@pytest.mark.parametrize("at", [0, 1, 2, 9])
def test_26_an_exception_comes_out_at_its_place(kind: Any, at: int, how: str) -> None:
    batches: list[Any] = [batch_of(number) for number in range(10)]
    batches[at] = fail
    model, seen = make_model()
    with nothing_left_behind(), pytest.raises(OwnError, match="at this place"):
        model.fit(kind(batches), verbose=0, shuffle=False, **HOW[how])
    assert seen.numbers[::SIZE] == list(range(at)), (
        "everything before it was trained on, and nothing after it"
    )


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", [generated, Listed])
def test_26_an_exception_of_validation_data_comes_out(kind: Any, how: str) -> None:
    batches: list[Any] = [batch_of(0), batch_of(1), fail]
    model, _ = make_model()
    with nothing_left_behind(), pytest.raises(OwnError, match="at this place"):
        model.fit(
            Listed([batch_of(5)] * 4),
            validation_data=kind(batches),
            validation_steps=3,
            verbose=0,
            **HOW[how],
        )


FAULTS = {
    "x has another shape": lambda x, y: (x[:, :3], y),
    "x has another kind of dtype": lambda x, y: (x.astype(np.int64), y),
    "y is shorter": lambda x, y: (x, y[:-1]),
    "y is missing": lambda x, y: (x,),
    "nothing is in it": lambda x, y: (x[:0], y[:0]),
    "x is text": lambda x, y: (x.astype(str), y),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", [generated, Listed])
@pytest.mark.parametrize("fault", FAULTS)
def test_27_a_batch_unlike_the_others_is_named_and_not_trained_on(kind: Any, fault: str, how: str) -> None:
    batches: list[Any] = [batch_of(number) for number in range(6)]
    batches[4] = FAULTS[fault](*batches[4])
    model, seen = make_model()
    with pytest.raises((DataError, ValueError), match="batch 4"):
        model.fit(kind(batches), verbose=0, shuffle=False, **HOW[how])
    assert seen.numbers[::SIZE] == [0, 1, 2, 3]
    assert model.optimizer.iterations == 4


def test_27_arrays_of_different_length_are_refused_before_anything_is_trained() -> None:
    model, _ = make_model()
    with pytest.raises(ValueError, match="samples"):
        model.fit(np.zeros((30, 4)), np.zeros((29, 1)), verbose=0)
    assert model.optimizer.iterations == 0


class Counting(Sequence):
    """Its batches say which pass they are from."""

    passes = 0

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> Any:
        return batch_of(10 * self.passes + index)

    def on_epoch_end(self) -> None:
        self.passes += 1


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize(
    "how", [*HOW.values(), {"workers": 1}, {"workers": 4, "use_multiprocessing": True, "max_queue_size": 20}]
)
@pytest.mark.parametrize("wrap", [False, True], ids=["fit", "fit_generator"])
def test_28_no_batch_of_one_pass_comes_in_another(how: dict[str, Any], wrap: bool) -> None:
    model, seen = make_model()
    method = model.fit_generator if wrap else model.fit
    method(Counting(), steps_per_epoch=3, epochs=7 if wrap else 9, verbose=0, shuffle=False, **how)
    assert seen.numbers[::SIZE] == [10 * done + index for done in range(3) for index in range(7)]


def test_28_workers_may_change_from_fit_to_fit() -> None:
    found = []
    for turns in (["inline"] * 3, ["processes", "inline", "threads"], ["threads", "processes", "processes"]):
        model, _ = make_model()
        histories = [
            model.fit(Drawn(9), epochs=number + 1, initial_epoch=number, seed=7, verbose=0, **HOW[how])
            for number, how in enumerate(turns)
        ]
        found.append([bits_of(model, history) for history in histories])
    assert found[0] == found[1] == found[2]


def merge(how: list[str]) -> list[Any]:
    """Fit one model for each entry, all at once in threads of this process; return their bits."""
    made = [make_model() for _ in how]
    bits: list[Any] = [None] * len(how)

    def fit(number: int, model: Sequential) -> None:
        data, valid = Drawn(60), Drawn(5)
        kind = HOW[how[number]]
        history = model.fit(data, epochs=3, seed=number, validation_data=valid, verbose=0, **kind)
        bits[number] = bits_of(model, history)

    threads = [threading.Thread(target=fit, args=(n, model)) for n, (model, _) in enumerate(made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return bits


def test_29_fits_at_once_in_one_process_do_not_touch_each_other() -> None:
    with nothing_left_behind():
        alone = [merge(["inline"] * number + ["inline"])[-1] for number in range(1)]
        found = merge(["inline", "processes", "threads", "processes"])
        again = merge(["processes", "threads", "inline", "inline"])
    assert None not in found
    assert found == again
    assert found[0] == alone[0]
    assert len({repr(bits) for bits in found}) == 4


TRUNCATED = """
import os, sys, threading
import numpy as np
sys.path[:0] = {path!r}
from soak_fits import make_model
from streamfit import DataError
from streamfit.callbacks import Callback
from streamfit.testing.leaks import wait_until

def idle():
    frames = sys._current_frames()
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("streamfit-worker")]
    return all(frames[thread.ident].f_code.co_name == "_work" for thread in threads)

class Cut(Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 40:
            assert wait_until(idle)  # nobody can be warned in the middle of a read
            os.truncate("x.npy", 4096)

x = np.lib.format.open_memmap("x.npy", "w+", np.float64, (8000, 4))
x[:] = 1
x.flush()
model, _ = make_model()
try:
    x = np.load("x.npy", mmap_mode="r")
    model.fit(x, np.zeros((8000, 1)), batch_size=80, verbose=0, callbacks=[Cut()], {how})
except DataError as error:
    print("refused:", error)
print("alive after", model.optimizer.iterations, "steps")
"""


@pytest.mark.parametrize("how", HOW)
def test_30_a_file_cut_short_under_a_memory_map_is_an_error(how: str, tmp_path: Path) -> None:
    tools = str(Path(__file__).resolve().parents[2] / "tools")
    settings = ", ".join(f"{name}={value!r}" for name, value in HOW[how].items())
    code, out, err = run(TRUNCATED.format(path=[tools], how=settings), "script", tmp_path, 45)
    told_of_deaths = how == "processes" and "was killed by SIGBUS (often: a mapped file was cut short)" in err
    assert (code, complaints(err) == "" or told_of_deaths) == (0, True), err
    text, alive = out.splitlines()
    text = text.replace(",", "")  # a worker finds it when it reads; one that is late, when it maps the file
    assert "was 256128 bytes long" in text or "size changed (256128 bytes then" in text
    assert "4096 now" in text
    assert 40 <= int(alive.split()[2]) <= 60
