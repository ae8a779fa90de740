"""Mistakes of everyday pipelines that raise nothing: a check finds each, and correct pipelines pass."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections import UserDict, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from streamfit import Sequence
from streamfit.testing import check_generator, check_sequence, nothing_left_behind, run_checks

pytestmark = [pytest.mark.timeout(90), pytest.mark.filterwarnings("ignore")]


def failures(thing: Any, kind: Any = None, **options: Any) -> dict[str, str]:
    results = run_checks(thing, kind, workers=1, **options)
    return {result.name: result.message for result in results if result.status == "fail"}


class Numbers(Sequence):
    """Batches of numbers, made again for each load."""

    count = 8

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return np.arange(6.0).reshape(2, 3) + 10 * index, np.full(2, index)


# -- buffers that are returned again ------------------------------------------------------------------------


class Ring(Numbers):
    """Reuses each of ten buffers after ten loads, the default length of the queue."""

    count = 24

    def __init__(self) -> None:
        super().__init__()
        self.ring = deque(np.zeros((2, 3)) for _ in range(10))

    def __getitem__(self, index: int) -> Any:
        self.ring.rotate(-1)
        self.ring[0][...] = index
        return self.ring[0], np.full(2, index)


class Staging(Numbers):
    """Returns a transposed view of a part of one larger buffer, inside a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.staging = np.zeros((3, 100))

    def __getitem__(self, index: int) -> Any:
        self.staging[:, :2] = index
        return {"plain": np.ones((2, 1)), "staged": self.staging[:, :2].T}, np.full(2, index)


class OnePerThread(Numbers):
    """Has a buffer for each thread, which does not help: a thread loads ahead, too."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: Any) -> None:
        self.local = threading.local()

    def __getitem__(self, index: int) -> Any:
        if not hasattr(self.local, "buffer"):
            self.local.buffer = np.zeros((2, 3), "float32")
        np.copyto(self.local.buffer, index)
        return self.local.buffer, np.full(2, index)


class Copied(Ring):
    """The same with a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"ring": self.ring}

    def __setstate__(self, state: Any) -> None:
        self.__init__()  # type: ignore[misc]

    def __getitem__(self, index: int) -> Any:
        with self.guard:
            x, y = super().__getitem__(index)
            return x.copy(), y


class Constant(Numbers):
    """Returns the same weights with every batch, and views of its own arrays: nobody writes to them."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.ones = np.arange(48.0).reshape(16, 3), np.ones(2)

    def __getitem__(self, index: int) -> Any:
        return self.x[2 * index : 2 * index + 2], np.full(2, index), self.ones


@pytest.mark.parametrize("cls", [Ring, Staging, OnePerThread])
def test_buffers_of_a_sequence(cls: Any) -> None:
    found = failures(cls, only="own_arrays")
    assert "batch 0 was overwritten by a later load" in found["own_arrays"]
    assert "buffer.copy()" in found["own_arrays"]


@pytest.mark.parametrize("cls", [Copied, Constant])
def test_sequences_without_such_buffers_pass(cls: Any) -> None:
    assert failures(cls) == {}


def one_buffer() -> Iterator[Any]:
    """Yield one buffer after changing it."""
    buffer = np.zeros((2, 3))
    for index in range(6):
        buffer += index
        yield buffer, np.full(2, index)


def two_buffers_in_turns() -> Iterator[Any]:
    """Yield two buffers in turns, as mappings."""
    buffers = [UserDict(x=np.zeros((2, 3))) for _ in range(2)]
    for index in range(8):
        buffers[index % 2]["x"][...] = index + 1
        yield buffers[index % 2], np.full(2, index)


def filled_by_a_thread() -> Iterator[Any]:
    """Let a helper thread write the next batch while the last one is in use."""
    buffer = np.zeros((2, 3))
    with ThreadPoolExecutor(1) as helper:
        for index in range(6):
            helper.submit(buffer.fill, index).result()
            yield buffer[:], np.full(2, index)


def fresh_arrays() -> Iterator[Any]:
    """Yield copies of a buffer; the targets are the same object each time, and never change."""
    buffer, targets = np.zeros((2, 3)), np.ones(2)
    for index in range(6):
        buffer += index
        yield buffer.copy(), targets


@pytest.mark.parametrize("make", [one_buffer, two_buffers_in_turns, filled_by_a_thread])
def test_buffers_of_a_generator(make: Any) -> None:
    found = failures(make, "generator", only="own_batches")
    assert "was overwritten by a later one" in found["own_batches"]


def test_a_generator_of_fresh_arrays_passes() -> None:
    with nothing_left_behind():
        check_generator(fresh_arrays, workers=1)


# -- rng on other threads -----------------------------------------------------------------------------------


class Pooled(Numbers):
    """Augments each sample on a small pool of its own."""

    def __getitem__(self, index: int) -> Any:
        with ThreadPoolExecutor(2) as pool:
            noise = list(pool.map(lambda row: self.rng(index).normal(size=3) + row, range(2)))
        return np.stack(noise), np.zeros(2)


class Inner(Sequence):
    """A source of noise inside another sequence."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        return self.rng(index).normal(size=(2, 3))


class Delegating(Numbers):
    """Has a part load on a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def __getitem__(self, index: int) -> Any:
        box: list[Any] = []
        thread = threading.Thread(target=lambda: box.append(self.inner[index]), name="augmenter")
        thread.start()
        thread.join()
        return box.pop() if box else np.zeros((2, 3)), np.zeros(2)


class HandedOver(Numbers):
    """Calls rng on the loading thread and passes the draws to its threads; a sequence inside draws, too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def __getitem__(self, index: int) -> Any:
        seeds = self.rng(index).integers(1 << 62, size=2)
        with ThreadPoolExecutor(2) as pool:
            rows = list(pool.map(lambda seed: np.random.default_rng(seed).normal(size=3), seeds))
        return np.stack(rows) + self.inner[index], np.zeros(2)


@pytest.mark.parametrize(("cls", "thread"), [(Pooled, "ThreadPoolExecutor"), (Delegating, "augmenter")])
def test_rng_on_other_threads(cls: Any, thread: str) -> None:
    found = failures(cls)
    assert list(found) == ["rng_threads"]
    assert f"calls self.rng on the thread '{thread}" in found["rng_threads"]
    assert "hand the generator" in found["rng_threads"]


def test_rng_where_it_is_loaded_passes() -> None:
    assert failures(HandedOver) == {}


# -- data that change in the middle of a pass ---------------------------------------------------------------


class Curriculum(Numbers):
    """Gets harder after forty loads."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0

    def __getitem__(self, index: int) -> Any:
        self.loads += 1
        x, y = super().__getitem__(index)
        return x * (2 if self.loads > 40 else 1), y


class ShufflesItself(Numbers):
    """Makes a new order when its last batch is loaded, instead of in on_epoch_end."""

    count = 50

    def __init__(self) -> None:
        super().__init__()
        self.order = list(range(self.count))

    def __getitem__(self, index: int) -> Any:
        batch = super().__getitem__(self.order[index])
        if index == self.count - 1:
            self.order = self.order[1:] + self.order[:1]
        return batch


class Growing(Numbers):
    """Finds more data while it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.files = list(range(8))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        if index == 5:
            self.files.append(len(self.files))
        return super().__getitem__(index)


class Refreshed(Numbers):
    """Has a thread that adds new measurements."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0.0
        self.stop = threading.Semaphore(0)  # `Event.set` is what the check of hash seeds takes for a set
        self.thread = threading.Thread(target=self.refresh, daemon=True)
        self.thread.start()

    def refresh(self) -> None:
        while not self.stop.acquire(timeout=0.05):
            self.offset += 1

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        return x + self.offset, y


class Busy(Numbers):
    """Changes many attributes and no batch: a cache, a counter, a part that is made late."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[int, Any] = {}
        self.calls, self.table = 0, None

    def __getitem__(self, index: int) -> Any:
        self.calls += 1
        if self.table is None:
            self.table = np.arange(8.0) ** 2
        if index not in self.cache:
            x, y = super().__getitem__(index)
            self.cache[index] = x + self.table[index], y
        return self.cache[index]


class Reordered(Numbers):
    """Changes between passes, where it may."""

    def __init__(self) -> None:
        super().__init__()
        self.order = list(range(self.count))

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(self.order[index])

    def on_epoch_end(self) -> None:
        self.order = self.order[1:] + self.order[:1]


def test_data_that_change_with_the_number_of_loads() -> None:
    found = failures(Curriculum)
    assert list(found) == ["unchanged"]
    assert (
        "batch 7 changes in the middle of an epoch: x[0, 0] is 70.0 at first and 140.0" in found["unchanged"]
    )
    assert "Loading has changed self.loads." in found["unchanged"]
    assert "on_epoch_end" in found["unchanged"]


def test_data_that_change_when_the_last_batch_is_loaded() -> None:
    found = failures(ShufflesItself, only=["unchanged"])
    assert "Loading has changed self.order" in found["unchanged"]


def test_data_that_grow() -> None:
    found = failures(Growing, only=["unchanged"])
    assert "its number of batches was 8 and is " in found["unchanged"]


def test_data_that_a_thread_changes() -> None:
    thing = Refreshed()
    try:
        # If the thread writes between two loads in a row, another check reports it first.
        found = failures(thing, only=["repeatable", "steady"])
    finally:
        thing.stop.release()
        thing.thread.join()
    (text,) = found.values()
    assert "changes while nobody loads it" in text or "changes when it is loaded twice" in text


def test_data_that_a_thread_changes_between_two_looks() -> None:
    class Stepped(Refreshed):
        """Changes once, a while after it was made."""

        def refresh(self) -> None:
            while not self.stop.acquire(timeout=0.001):
                if loading.acquire(timeout=0.001):
                    time.sleep(0.1)
                    self.offset = 1.0
                    return

        def __getitem__(self, index: int) -> Any:
            batch = super().__getitem__(index)
            if index == self.count - 1:
                loads.append(index)
                if len(loads) == 4:  # the loads of other checks are over
                    loading.release()
            return batch

    loading, loads = threading.Semaphore(0), list[int]()
    thing = Stepped()
    try:
        found = failures(thing, only="steady")
    finally:
        thing.stop.release()
        thing.thread.join()
    assert "changes while nobody loads it" in found["steady"]
    assert "Meanwhile self.offset changed." in found["steady"]


@pytest.mark.parametrize("cls", [Busy, Reordered])
def test_changes_that_reach_no_batch_of_the_pass_are_fine(cls: Any) -> None:
    assert failures(cls) == {}


# -- settings of modules ------------------------------------------------------------------------------------

SETTINGS = """
import enum
from typing import NamedTuple

import numpy as np

SCALE = 1.0
TABLE = np.arange(20_000.0)
UNUSED = []


def transform(x):
    return x


class Options:
    crop = 2


class Mode(enum.Enum):
    PLAIN = 1


class Size(NamedTuple):
    height: int = 3
"""
DATA = """
import numpy as np
import {settings} as settings
from streamfit import Sequence


class Scaled(Sequence):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        x = np.full((2, settings.Size().height), index + settings.Options.crop * settings.Mode.PLAIN.value)
        return settings.transform(x) * settings.SCALE + settings.TABLE[index], np.zeros(2)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the modules of a small project, which workers import by name."""
    made: list[ModuleType] = []
    names = [f"project_{tmp_path.name}_{role}" for role in ("settings", "data")]
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in zip(names, (SETTINGS, DATA.format(settings=names[0])), strict=True):
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        made.append(importlib.import_module(name))
    return made


def test_settings_as_they_were_imported_pass(modules: Any) -> None:
    results = check_sequence(modules[1].Scaled, workers=1)
    assert {result.name: result.message for result in results}["same_on_processes"] == ""


def test_a_setting_that_nobody_reads_is_no_mistake(modules: Any) -> None:
    modules[0].UNUSED.append(1)
    assert failures(modules[1].Scaled) == {}


def test_a_function_put_in_the_place_of_another_is_named(modules: Any) -> None:
    modules[0].transform = lambda x: x + 100
    (result,) = run_checks(modules[1].Scaled, only="same_on_processes", workers=1)
    assert f"{modules[0].__name__}.transform is a function here" in result.message


def test_a_large_array_that_was_replaced_is_named(modules: Any) -> None:
    modules[0].TABLE = np.ones(20_000)
    (result,) = run_checks(modules[1].Scaled(), only="same_on_processes", workers=1)
    assert f"{modules[0].__name__}.TABLE is an array of shape (20000,) here" in result.message


@pytest.mark.parametrize("name", ["SCALE", "Options.crop"])
def test_simple_settings_are_named_whether_workers_see_them_or_not(modules: Any, name: str) -> None:
    owner = modules[0].Options if "." in name else modules[0]
    setattr(owner, name.rpartition(".")[2], 7)
    (result,) = run_checks(modules[1].Scaled, only="same_on_processes", workers=1)
    assert f"{modules[0].__name__}.{name} is 7 here" in result.message


# -- all of them --------------------------------------------------------------------------------------------


def test_nothing_is_left_behind_and_the_environment_is_as_before() -> None:
    before = dict(os.environ)
    with nothing_left_behind():
        failures(Busy, only=["steady", "unchanged"])
        failures(Pooled, only="rng_threads")
    assert dict(os.environ) == before
    assert Sequence.rng.__qualname__ == "Sequence.rng"
