"""Pickled loaders: sent once per change, nothing large in the pickle, unpicklable parts are named."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import threading
import types
from typing import Any

import cloudpickle
import numpy as np
import pytest
from oracles.loaders import Calls, Holder, Numbers

from streamfit._base.errors import PicklingError
from streamfit.workers.transport import shared_arrays
from streamfit.workers.transport.loader_pickle import LoaderRegistry, PickledLoader
from streamfit.workers.transport.shared_arrays import SharedArrayReceiver

BIG = 100_000


def first(arrays: list[Any], ticket: int) -> Any:
    return arrays[0]


def unpack(pickled_loader: PickledLoader, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Unpickle a pickled loader as a worker does."""
    receiver = SharedArrayReceiver()
    monkeypatch.setattr(shared_arrays, "RECEIVER", receiver)
    for segment in pickled_loader.segments:
        receiver.add_segment(segment.key, os.dup(segment.fd))
    data = os.pread(pickled_loader.fd, 1 << 30, 0)
    with receiver.placing(np.frombuffer(data[pickled_loader.size :], np.int64).reshape(-1, 2)):
        return pickle.loads(data)


def test_large_arrays_stay_out_of_the_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).random((BIG, 3))
    loader = Holder([x, x, x[:50], x[::2]], first)
    pickled_loader = LoaderRegistry().pickled_loader_for(loader)
    assert pickled_loader.size < 8_000
    assert len(pickled_loader.segments) == 1
    assert pickled_loader.segments[0].size < x.nbytes * 1.1
    got = unpack(pickled_loader, monkeypatch).arrays
    for one, other in zip(got, loader.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert got[0] is got[1]
    assert got[0].flags.writeable


def test_objects_in_arrays_travel_in_the_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Holder([np.array([{"a": 1}] * 40_000, object)], first)
    got = unpack(LoaderRegistry().pickled_loader_for(loader), monkeypatch)
    assert got.arrays[0][39_999] == {"a": 1}


def test_same_loader_is_pickled_once() -> None:
    registry, loader = LoaderRegistry(), Holder([np.zeros(BIG)], first)
    pickled_loader = registry.pickled_loader_for(loader)
    loader.arrays[0][0] = 1
    assert registry.pickled_loader_for(loader) is pickled_loader
    assert registry.pickled_loader_for(Holder([np.zeros(3)], first)) is not pickled_loader


def test_loader_that_may_change_is_sent_again_only_if_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = LoaderRegistry()
    loader = Holder([np.zeros(BIG), np.ones(BIG)], first, may_change=True)
    pickled_loader = registry.pickled_loader_for(loader)
    assert registry.pickled_loader_for(loader) is pickled_loader
    loader.arrays[0][5] = 3
    second = registry.pickled_loader_for(loader)
    assert second is not pickled_loader
    got = unpack(second, monkeypatch).arrays
    assert got[0][5] == 3
    assert got[1].sum() == BIG
    fresh = [segment for segment in second.segments if segment not in pickled_loader.segments]
    assert [segment.size for segment in fresh] == [-(-BIG * 8 // 4096) * 4096]


def test_pickled_loaders_that_nobody_needs_are_retired() -> None:
    registry, loader = LoaderRegistry(), Holder([], first, may_change=True)
    pickled_loader = registry.pickled_loader_for(loader)
    key, fd = pickled_loader.key, pickled_loader.fd
    loader.extra["epoch"] = 2
    registry.pickled_loader_for(loader)
    del pickled_loader
    gc.collect()
    assert list(registry.retired) == [key]
    with pytest.raises(OSError):
        os.fstat(fd)


def test_memory_maps_are_not_copied(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.arange(BIG))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    pickled_loader = LoaderRegistry().pickled_loader_for(Holder([mapped, mapped[10:20]], first))
    assert pickled_loader.segments == []
    got = unpack(pickled_loader, monkeypatch).arrays
    assert got[0][77] == 77
    assert got[1].tolist() == list(range(10, 20))


def test_what_cannot_travel_is_named_with_the_way_to_it() -> None:
    lock = threading.Lock()
    with pytest.raises(PicklingError, match=r"numbers\.extra\['a'\]\[1\] is a _thread\.lock.*__getitem__"):
        LoaderRegistry().pickled_loader_for(_named(Holder([], first, extra={"a": [1, lock]})))


def _named(loader: Any) -> Any:
    loader.name = "numbers"
    return loader


def test_variable_of_a_function_that_cannot_travel_is_named() -> None:
    lock = threading.Lock()
    with pytest.raises(PicklingError, match=r"Calls\.function \(its variable 'lock'\) is a _thread\.lock"):
        LoaderRegistry().pickled_loader_for(Calls(lambda ticket: lock.locked()))


def test_modules_of_classes_are_known() -> None:
    assert "oracles.loaders" in LoaderRegistry().pickled_loader_for(Numbers()).modules


def test_classes_that_cannot_be_imported_travel_by_value() -> None:
    module = types.ModuleType("made_up_module")
    exec("class Maker:\n    def load(self, ticket):\n        return ticket * 2\n", module.__dict__)
    sys.modules["made_up_module"] = module
    try:
        pickled_loader = LoaderRegistry().pickled_loader_for(module.Maker())
    finally:
        del sys.modules["made_up_module"]
    assert cloudpickle.list_registry_pickle_by_value() == set()
    assert pickle.loads(os.pread(pickled_loader.fd, 1 << 20, 0)).load(4) == 8


def test_pickle_registered_by_the_user_stays_registered() -> None:
    import oracles.loaders

    cloudpickle.register_pickle_by_value(oracles.loaders)
    try:
        LoaderRegistry().pickled_loader_for(Numbers())
        assert cloudpickle.list_registry_pickle_by_value() == {"oracles.loaders"}
    finally:
        cloudpickle.unregister_pickle_by_value(oracles.loaders)
