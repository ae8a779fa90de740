"""Loaders on their way: once per change, nothing large in the pickle, and what cannot travel is named."""

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
from streamfit.workers import sharing
from streamfit.workers.dataset import Dispatch, Parcel
from streamfit.workers.sharing import Receiver

BIG = 100_000


def first(arrays: list[Any], ticket: int) -> Any:
    return arrays[0]


def unpack(parcel: Parcel, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Unpickle a parcel as a worker does."""
    receiver = Receiver()
    monkeypatch.setattr(sharing, "RECEIVER", receiver)
    for arena in parcel.arenas:
        receiver.add_arena(arena.key, os.dup(arena.fd))
    data = os.pread(parcel.fd, 1 << 30, 0)
    with receiver.placing(np.frombuffer(data[parcel.size :], np.int64).reshape(-1, 2)):
        return pickle.loads(data)


def test_large_arrays_stay_out_of_the_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).random((BIG, 3))
    loader = Holder([x, x, x[:50], x[::2]], first)
    parcel = Dispatch().parcel_for(loader)
    assert parcel.size < 8_000
    assert len(parcel.arenas) == 1
    assert parcel.arenas[0].size < x.nbytes * 1.1
    got = unpack(parcel, monkeypatch).arrays
    for one, other in zip(got, loader.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert got[0] is got[1]
    assert got[0].flags.writeable


def test_objects_in_arrays_travel_in_the_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Holder([np.array([{"a": 1}] * 40_000, object)], first)
    got = unpack(Dispatch().parcel_for(loader), monkeypatch)
    assert got.arrays[0][39_999] == {"a": 1}


def test_same_loader_is_pickled_once() -> None:
    dispatch, loader = Dispatch(), Holder([np.zeros(BIG)], first)
    parcel = dispatch.parcel_for(loader)
    loader.arrays[0][0] = 1
    assert dispatch.parcel_for(loader) is parcel
    assert dispatch.parcel_for(Holder([np.zeros(3)], first)) is not parcel


def test_loader_that_may_change_is_sent_again_only_if_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    dispatch = Dispatch()
    loader = Holder([np.zeros(BIG), np.ones(BIG)], first, may_change=True)
    parcel = dispatch.parcel_for(loader)
    assert dispatch.parcel_for(loader) is parcel
    loader.arrays[0][5] = 3
    second = dispatch.parcel_for(loader)
    assert second is not parcel
    got = unpack(second, monkeypatch).arrays
    assert got[0][5] == 3
    assert got[1].sum() == BIG
    fresh = [arena for arena in second.arenas if arena not in parcel.arenas]
    assert [arena.size for arena in fresh] == [-(-BIG * 8 // 4096) * 4096]


def test_parcels_that_nobody_needs_are_retired() -> None:
    dispatch, loader = Dispatch(), Holder([], first, may_change=True)
    parcel = dispatch.parcel_for(loader)
    key, fd = parcel.key, parcel.fd
    loader.extra["epoch"] = 2
    dispatch.parcel_for(loader)
    del parcel
    gc.collect()
    assert list(dispatch.retired) == [key]
    with pytest.raises(OSError):
        os.fstat(fd)


def test_memory_maps_are_not_copied(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.arange(BIG))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    parcel = Dispatch().parcel_for(Holder([mapped, mapped[10:20]], first))
    assert parcel.arenas == []
    got = unpack(parcel, monkeypatch).arrays
    assert got[0][77] == 77
    assert got[1].tolist() == list(range(10, 20))


def test_what_cannot_travel_is_named_with_the_way_to_it() -> None:
    lock = threading.Lock()
    with pytest.raises(PicklingError, match=r"numbers\.extra\['a'\]\[1\] is a _thread\.lock.*__getitem__"):
        Dispatch().parcel_for(_named(Holder([], first, extra={"a": [1, lock]})))


def _named(loader: Any) -> Any:
    loader.name = "numbers"
    return loader


def test_variable_of_a_function_that_cannot_travel_is_named() -> None:
    lock = threading.Lock()
    with pytest.raises(PicklingError, match=r"Calls\.function \(its variable 'lock'\) is a _thread\.lock"):
        Dispatch().parcel_for(Calls(lambda ticket: lock.locked()))


def test_modules_of_classes_are_known() -> None:
    assert "oracles.loaders" in Dispatch().parcel_for(Numbers()).modules


def test_classes_that_cannot_be_imported_travel_by_value() -> None:
    module = types.ModuleType("made_up_module")
    exec("class Maker:\n    def load(self, ticket):\n        return ticket * 2\n", module.__dict__)
    sys.modules["made_up_module"] = module
    try:
        parcel = Dispatch().parcel_for(module.Maker())
    finally:
        del sys.modules["made_up_module"]
    assert cloudpickle.list_registry_pickle_by_value() == set()
    assert pickle.loads(os.pread(parcel.fd, 1 << 20, 0)).load(4) == 8


def test_pickle_registered_by_the_user_stays_registered() -> None:
    import oracles.loaders

    cloudpickle.register_pickle_by_value(oracles.loaders)
    try:
        Dispatch().parcel_for(Numbers())
        assert cloudpickle.list_registry_pickle_by_value() == {"oracles.loaders"}
    finally:
        cloudpickle.unregister_pickle_by_value(oracles.loaders)
