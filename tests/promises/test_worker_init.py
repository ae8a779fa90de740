"""`worker_init`: called once in each worker before its first load; its errors end the run."""

from __future__ import annotations

import inspect
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import nothing_left_behind
from oracles.loads import Needs, Notes

import streamfit
from streamfit import Sequential, layers

pytestmark = pytest.mark.timeout(60)
PROCESSES: dict[str, Any] = {"workers": 2, "use_multiprocessing": True}
PLACEMENTS: list[dict[str, Any]] = [{"workers": 0}, {"workers": 1}, {"workers": 3}, PROCESSES]
placements = pytest.mark.parametrize("placement", PLACEMENTS, ids=str)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    with nothing_left_behind():
        yield


def compiled() -> Any:
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    return model


@placements
@pytest.mark.parametrize(
    "entrance", ["fit", "evaluate", "predict", "fit_generator", "evaluate_generator", "predict_generator"]
)
def test_every_entrance_calls_it(entrance: str, placement: dict[str, Any], tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    getattr(compiled(), entrance)(Needs(notes), verbose=0, worker_init=notes, **placement)
    assert 1 <= notes.count() <= max(1, placement["workers"])


@placements
def test_once_for_all_passes_of_a_stream(placement: dict[str, Any], tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    with streamfit.stream(Needs(notes), worker_init=notes, **placement) as batches:
        for _ in range(3):
            assert len(list(batches)) == 8
    assert 1 <= notes.count() <= max(1, placement["workers"])


def test_training_and_validation_share_workers_and_the_call(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    compiled().fit(
        Needs(notes), validation_data=Needs(notes), epochs=2, verbose=0, worker_init=notes, **PROCESSES
    )
    assert 1 <= notes.count() <= 2


def test_worker_that_takes_the_place_of_another_calls_it(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = compiled().fit(
            Needs(notes, kill=3), verbose=0, worker_init=notes, workers=1, use_multiprocessing=True
        )
    assert history.receipts[-1].delivered == 8
    assert notes.count() == 2


class BrokenError(Exception):
    """A user's error."""


@placements
@pytest.mark.parametrize("skips", [False, True])
def test_what_it_raises_ends_the_run(placement: dict[str, Any], skips: bool, tmp_path: Path) -> None:
    def broken() -> None:
        raise BrokenError("no such device")

    options = {"on_bad_sample": "skip", "max_bad_samples": 100} if skips else {}
    with pytest.raises(BrokenError, match="no such device") as caught:
        compiled().fit(
            Needs(Notes(tmp_path / "notes")), verbose=0, worker_init=broken, **placement, **options
        )
    assert placement["workers"] == 0 or "worker_init" in "".join(caught.value.__notes__)


def test_one_that_kills_its_worker_is_an_error_and_not_tried_for_ever(tmp_path: Path) -> None:
    data = Needs(Notes(tmp_path / "notes"))
    with pytest.raises(streamfit.WorkerError, match="in a row ended before they loaded anything"):
        compiled().fit(data, verbose=0, worker_init=os.abort, **PROCESSES)


def test_what_cannot_be_sent_is_named(tmp_path: Path) -> None:
    lock = threading.Lock()

    def locked() -> None:
        lock.acquire()

    data = Needs(Notes(tmp_path / "notes"))
    with pytest.raises(streamfit.PicklingError, match=r"worker_init.*'lock'"):
        compiled().fit(data, verbose=0, worker_init=locked, **PROCESSES)


@pytest.mark.parametrize("wrong", [3, "prepare", ["x"]])
def test_what_cannot_be_called_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"worker_init=.*function without arguments"):
        compiled().fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0, worker_init=wrong)
    with pytest.raises(TypeError, match="worker_init"):
        streamfit.stream(np.zeros(4), worker_init=wrong)


def test_what_it_sets_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_device.py").write_text("DEVICE = None\nSTEP = 0\n")
    (tmp_path / "my_loads.py").write_text(
        "import numpy as np, streamfit, my_device\n"
        "class Loads(streamfit.Sequence):\n"
        "    def __len__(self): return 2\n"
        "    def __getitem__(self, i):\n"
        "        with_errors = np.geterr()['divide'] == 'raise'\n"
        "        return np.array([[my_device.DEVICE == 'opened', my_device.STEP, with_errors]])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import my_device  # type: ignore[import-not-found]
    import my_loads  # type: ignore[import-not-found]

    def opens() -> None:
        import my_device

        my_device.DEVICE = "opened"
        np.seterr(divide="raise")

    with streamfit.stream(
        my_loads.Loads(), workers=1, use_multiprocessing=True, worker_init=opens
    ) as batches:
        assert [batch.tolist() for batch in batches] == [[[1, 0, 1]]] * 2
        my_device.STEP = 5  # what the main process sets meanwhile comes besides
        assert [batch.tolist() for batch in batches] == [[[1, 5, 1]]] * 2


def test_handlers_of_its_own_work(tmp_path: Path) -> None:
    file = str(tmp_path / "log")

    class Logs(streamfit.Sequence):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            logging.getLogger("promises.own").warning("line %d", index)
            return np.zeros((1, 1))

    def opens() -> None:
        logging.getLogger("promises.own").addHandler(logging.FileHandler(file))

    with streamfit.stream(Logs(), workers=1, use_multiprocessing=True, worker_init=opens) as batches:
        list(batches)
    assert Path(file).read_text().splitlines() == ["line 0", "line 1", "line 2"]


def test_a_generator_is_prepared_in_the_callers_thread() -> None:
    calls: list[int] = []

    def items() -> Iterator[Any]:
        for _ in range(3):
            assert calls
            yield np.ones((2, 3)), np.ones((2, 1))

    compiled().fit(items(), verbose=0, worker_init=lambda: calls.append(threading.get_ident()))
    assert calls == [threading.get_ident()]


def test_it_is_an_argument_wherever_workers_are() -> None:
    methods = [name for name in dir(Sequential) if name.split("_")[0] in ("fit", "evaluate", "predict")]
    whole = [getattr(Sequential, name) for name in methods if not name.endswith("on_batch")]
    for function in (streamfit.stream, *whole):
        assert "worker_init" in inspect.signature(function).parameters, function
