"""The pool of processes, beyond the guarantees of all pools: transport, sharing, starts and ends."""

from __future__ import annotations

import functools
import gc
import os
import random
import signal
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from oracles.leaks import wait_until
from oracles.loaders import Calls, Gate, Growing, Holder, Numbers, Raises, Slow, expected

from streamfit._base.errors import DataError, PicklingError, WorkerError
from streamfit.workers import Loaded, Pool, Run, make_pool
from streamfit.workers.pool.scheduler import MAX_DEATHS

pytestmark = pytest.mark.timeout(30)
MB = 1 << 20


def values(run: Run) -> list[Any]:
    return [loaded.value for loaded in run]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_workers_are_other_processes_and_stay_from_run_to_run() -> None:
    with make_pool("processes", 2) as pool:
        pool.start()
        assert pool.pids() == []
        seen = {pid for _ in range(3) for _, pid in values(pool.open(Slow(), range(20)))}
        assert seen == set(pool.pids())
        assert len(seen) == 2
        assert os.getpid() not in seen
        assert pool.restarts == 0
    assert not any(alive(pid) for pid in seen)


def test_start_returns_at_once_and_may_be_called_again() -> None:
    with make_pool("processes", 1) as pool:
        pool.start(["json", "no_such_module_at_all"])
        pool.start()
        assert len(values(pool.open(Numbers(), range(3)))) == 3


def preloaded(_: Any) -> bool:
    import sys

    return "colorsys" in sys.modules


def test_preloaded_modules_are_in_every_worker() -> None:
    with make_pool("processes", 2) as pool:
        pool.start(["colorsys"])
        assert all(values(pool.open(Calls(preloaded), range(8))))


# -- transport ----------------------------------------------------------------------------------------------


def test_values_are_views_of_shared_memory_until_many_are_kept() -> None:
    with make_pool("processes", 1, ahead=4) as pool:
        kept = list(pool.open(Numbers((5000,)), range(30)))
        owners = [loaded.value[0].base.flags.owndata for loaded in kept]
        assert owners[:4] == [False] * 4
        assert all(owners[4:])
        for loaded in kept:
            np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket, (5000,)))


def test_slot_comes_back_only_when_the_last_view_is_gone() -> None:
    with make_pool("processes", 1, ahead=2) as pool:
        run = pool.open(Numbers((1000,)), range(60))
        part = next(run).value[0][10:20]
        for _ in range(40):
            next(run)
        np.testing.assert_array_equal(part, expected(0, (1000,))[10:20])


def test_few_slots_serve_many_values() -> None:
    with make_pool("processes", 2, ahead=3) as pool:
        for loaded in pool.open(Numbers((1000,)), range(300)):
            assert loaded.value[0][0] == expected(loaded.ticket, (1000,))[0]
        names = [os.readlink(f"/proc/self/fd/{fd}") for fd in _descriptors()]
        assert len({name for name in names if "streamfit-slot" in name}) <= 3 + 2


def _descriptors() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")]


def test_runs_that_are_forgotten_give_back_their_slots() -> None:
    with make_pool("processes", 1, ahead=3) as pool:
        for _ in range(20):
            next(pool.open(Numbers((1000,)), range(100)))
        assert len(values(pool.open(Numbers(), range(10)))) == 10
        names = [os.readlink(f"/proc/self/fd/{fd}") for fd in _descriptors()]
        assert len({name for name in names if "streamfit-slot" in name}) <= 9


def test_slots_grow_with_the_values() -> None:
    with make_pool("processes", 2) as pool:
        for loaded in pool.open(Growing(), range(150)):
            want = Growing().load(loaded.ticket)
            np.testing.assert_array_equal(loaded.value, want)


def shapes(ticket: int) -> Any:
    rng = np.random.default_rng(ticket)
    value = {
        "x": rng.random((ticket % 5, 3)),
        "y": [rng.integers(9, size=ticket % 4), None],
        "z": (ticket, "text", np.float32(ticket)),
    }
    return value if ticket % 3 else (value, np.asfortranarray(rng.random((3, 4)))[::-1])


def test_structures_of_any_kind_and_many_templates() -> None:
    with make_pool("processes", 2) as pool:
        for loaded in pool.open(Calls(shapes), range(60)):
            assert repr(loaded.value) == repr(shapes(loaded.ticket))


def keyed(ticket: int) -> dict[str, np.ndarray]:
    return {f"key {ticket}": np.arange(ticket)}


def test_endless_new_templates_do_not_pile_up() -> None:
    with make_pool("processes", 1) as pool:
        for loaded in pool.open(Calls(keyed), range(700)):
            assert repr(loaded.value) == repr(keyed(loaded.ticket))


@dataclass
class Local:
    """A class that workers cannot import: test modules are on nobody's path."""

    x: Any
    ticket: int


def make_local(ticket: int) -> list[Local]:
    return [Local(np.arange(ticket), ticket)]


def test_classes_that_travel_by_value_come_back_as_the_same_classes() -> None:
    with make_pool("processes", 2) as pool:
        for loaded in pool.open(Calls(make_local), range(20)):
            (local,) = loaded.value
            assert type(local) is Local
            assert local.ticket == loaded.ticket


def test_value_that_cannot_travel_is_an_error_that_says_so() -> None:
    with make_pool("processes", 1) as pool:
        with pytest.raises(PicklingError, match="generator"):
            values(pool.open(Calls(lambda ticket: (n for n in range(ticket))), range(3)))
        with pytest.raises(PicklingError, match=r"ticket of type lock"):
            values(pool.open(Numbers(), [threading.Lock()]))
        assert len(values(pool.open(Numbers(), range(3)))) == 3


def make_bound(ticket: int) -> Any:
    """Return a value whose class cannot travel; always the same one in a worker."""
    return _bound_class()(np.arange(ticket))


@functools.lru_cache
def _bound_class() -> Any:
    @dataclass
    class Bound:
        x: Any
        lock = threading.Lock()

    return Bound


def test_value_whose_class_cannot_travel_is_an_error_each_time() -> None:
    with make_pool("processes", 1) as pool:
        for _ in range(3):
            with pytest.raises(PicklingError, match="lock"):
                values(pool.open(Calls(make_bound), range(3)))


class Stubborn:
    """Cannot be put together again."""

    def __reduce__(self) -> Any:
        return (_refuse, ())


def _refuse() -> None:
    raise RuntimeError("not in the main process")


def test_value_that_cannot_be_put_together_is_an_error_at_its_place() -> None:
    with make_pool("processes", 1) as pool:
        run = pool.open(Calls(lambda ticket: Stubborn() if ticket == 2 else ticket), range(5))
        assert [next(run).value, next(run).value] == [0, 1]
        with pytest.raises(RuntimeError, match="not in the main process"):
            next(run)


# -- loaders ------------------------------------------------------------------------------------------------


def test_change_of_a_loader_is_seen_by_the_next_run_only() -> None:
    loader = Holder([np.zeros(100_000), np.arange(5)], lambda arrays, t: (arrays[0][t], arrays[1][t]), True)
    with make_pool("processes", 2) as pool:
        first = pool.open(loader, range(5), describe=str)
        loader.arrays[0][:] = 7
        loader.arrays[1][:] = 9
        second = pool.open(loader, range(5))
        assert [v[0] for v in values(first)] == [0] * 5
        assert values(second) == [(7, 9)] * 5


def test_loaders_that_are_replaced_again_and_again_do_not_pile_up() -> None:
    def pick(arrays: list[Any], ticket: int) -> Any:
        return arrays[0][ticket], sum("streamfit-data" in line for line in open("/proc/self/maps"))

    loader = Holder([np.zeros(100_000)], pick, may_change=True)
    with make_pool("processes", 1) as pool:
        for epoch in range(12):
            loader.arrays[0][:] = epoch
            got = values(pool.open(loader, range(3)))
            assert [value for value, _ in got] == [epoch] * 3
            gc.collect()
        assert got[0][1] <= 3
        names = [os.readlink(f"/proc/self/fd/{fd}") for fd in _descriptors()]
        assert sum("streamfit-data" in name for name in names) <= 3


def total_pss(pids: list[int]) -> int:
    return sum(psutil.Process(pid).memory_full_info().pss for pid in pids)


def touch(arrays: list[Any], ticket: int) -> float:
    return float(sum(array.sum() for array in arrays))


def test_large_arrays_are_shared_by_the_workers() -> None:
    with make_pool("processes", 4) as pool:
        values(pool.open(Holder([np.zeros(10)], touch), range(40)))
        before = total_pss(pool.pids())
        values(pool.open(Holder([np.ones((64, MB // 8))], touch), range(40)))
        assert total_pss(pool.pids()) - before < 100 * MB  # four copies would be 256


def resident(arrays: list[Any], ticket: int) -> tuple[float, int]:
    rows = arrays[0][ticket]
    return float(rows.sum()), psutil.Process().memory_info().rss


def test_memory_maps_go_by_reference_and_what_was_read_does_not_stay(tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", np.ones((40, MB)))  # 320 MB
    mapped = np.load(tmp_path / "big.npy", mmap_mode="r")
    with make_pool("processes", 1) as pool:
        got = values(pool.open(Holder([mapped], resident), range(40)))
    assert [total for total, _ in got] == [float(MB)] * 40
    assert max(rss for _, rss in got) - got[0][1] < 130 * MB


def test_file_that_is_cut_short_after_the_start_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.ones((10, 100_000)))
    mapped = np.load(tmp_path / "data.npy", mmap_mode="r")
    gate = Gate(tmp_path, at=3)

    def load(arrays: list[Any], ticket: int) -> float:
        gate.load(ticket)
        return float(arrays[0][ticket].sum())

    with make_pool("processes", 1, ahead=1) as pool:
        run = pool.open(Holder([mapped], load), range(10), describe=lambda ticket: f"batch {ticket}")
        for _ in range(3):
            next(run)
        os.truncate(tmp_path / "data.npy", 1000)
        gate.open()
        # The first worker dies of a bus error; the one that takes over looks at the file first.
        with pytest.raises(DataError, match=r"data\.npy.*8,000,128 bytes then, 1,000 now") as caught:
            next(run)
        assert "batch 3" in "\n".join(caught.value.__notes__)
        assert run.restarts == 1
        del caught


def test_exception_of_a_ticket_that_killed_its_workers_before_names_its_place_once(tmp_path: Path) -> None:
    def load(ticket: int) -> int:
        if ticket == 2:
            (tmp_path / f"{os.getpid()}").touch()
            if len(list(tmp_path.iterdir())) <= MAX_DEATHS:
                os._exit(3)
            raise ValueError("no such row")
        return ticket

    with make_pool("processes", 1) as pool, pytest.raises(ValueError, match="no such row") as caught:
        list(pool.open(Calls(load), range(4), describe=lambda ticket: f"batch {ticket}"))
    assert [note for note in caught.value.__notes__ if "While loading" in note] == ["While loading batch 2"]


def draw(_: Any) -> tuple[float, float, int]:
    return random.random(), float(np.random.random()), os.getpid()


def test_workers_do_not_draw_the_same_random_numbers() -> None:
    with make_pool("processes", 3) as pool:
        first = {pid: (a, b) for a, b, pid in reversed(values(pool.open(Calls(draw), range(60))))}
    assert len(first) > 1
    assert len({a for a, _ in first.values()}) == len({b for _, b in first.values()}) == len(first)


def parent_state(name: str) -> Any:
    import sys
    import threading

    import streamfit

    return {
        "threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "layer": os.environ.get("NUMBA_THREADING_LAYER"),
        "folder": os.getcwd(),
        "arguments": sys.argv,
        "count": threading.active_count(),
        "version": hasattr(streamfit, "__file__"),
        "heavy": [name for name in ("numba", "scipy", "streamfit.layers") if name in sys.modules],
    }[name]


def test_state_of_the_parent_in_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("NUMBA_THREADING_LAYER", "omp")
    with make_pool("processes", 1) as pool:
        pool.start()
        monkeypatch.chdir(tmp_path)
        names = ["threads", "layer", "folder", "arguments", "count", "version", "heavy"]
        got = values(pool.open(Calls(parent_state), names))
    assert got == ["1", None, str(tmp_path), sys.argv, 1, True, []]


def inner(_: Any) -> tuple[str, list[str], list[int]]:
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with make_pool("processes", 2) as pool:
            got = [loaded.value for loaded in pool.open(Calls(abs), range(3))]
    return pool.kind, [str(item.message) for item in caught], got


def test_pool_inside_a_worker_loads_inline_and_warns() -> None:
    with make_pool("processes", 1) as pool:
        ((kind, warned, got),) = values(pool.open(Calls(inner), [0]))
    assert kind == "inline"
    assert got == [0, 1, 2]
    assert len(warned) == 1
    assert "inside a worker" in warned[0]


def limited(ticket: int) -> np.ndarray:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    return np.zeros(ticket, np.uint8)


def test_no_room_for_a_value_is_an_error_and_no_bus_error() -> None:
    with make_pool("processes", 1) as pool:
        run = pool.open(Calls(limited), [1000, 8 * MB])
        assert next(run).value.size == 1000
        with pytest.raises(WorkerError, match="no room for 8,388,608 bytes"):
            next(run)
        assert pool.restarts == 0


# -- the end ------------------------------------------------------------------------------------------------


def test_closing_kills_workers_in_the_middle_of_a_load(tmp_path: Path) -> None:
    gate = Gate(tmp_path, at=0)
    pool = make_pool("processes", 2)
    pool.open(gate, [0, 0])
    pids = pool.pids()
    assert wait_until(lambda: len(gate.waiting()) == 2)
    pool.close()
    assert not any(alive(pid) for pid in pids)


def test_pool_that_is_forgotten_ends_its_workers() -> None:
    pool: Any = make_pool("processes", 2)
    next(pool.open(Numbers(), range(100)))
    pids, watch = pool.pids(), weakref.ref(pool)
    del pool
    gc.collect()
    assert watch() is None
    assert not any(alive(pid) for pid in pids)


def test_pool_may_be_closed_and_collected_in_any_thread() -> None:
    holder: list[Any] = [make_pool("processes", 1)]
    run = holder[0].open(Numbers(), range(50))
    kept = [next(run) for _ in range(3)]

    def drop() -> None:
        nonlocal run
        del run
        holder.clear()
        gc.collect()

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    assert [loaded.value[1] for loaded in kept] == [0, 1, 2]


def test_stopped_worker_holds_up_nobody_else() -> None:
    with make_pool("processes", 2, ahead=4) as pool:
        run = pool.open(Slow(), range(40))
        next(run)
        stopped = pool.pids()[0]
        os.kill(stopped, signal.SIGSTOP)
        thread = threading.Timer(0.3, os.kill, (stopped, signal.SIGCONT))
        thread.start()
        assert [loaded.ticket for loaded in run] == list(range(1, 40))
        thread.join()
        assert pool.restarts == 0


def test_stopped_fork_server_does_not_hold_up_the_end() -> None:
    pool = make_pool("processes", 2)
    next(pool.open(Numbers(), range(100)))
    pids = pool.pids()
    fork_server = psutil.Process(pids[0]).ppid()
    os.kill(fork_server, signal.SIGSTOP)
    pool.close()
    assert wait_until(lambda: not any(alive(pid) for pid in [*pids, fork_server]))


def test_failed_fork_goes_on_with_fewer_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    with make_pool("processes", 2) as pool:
        _refuse_births(monkeypatch, at=1)
        with pytest.warns(RuntimeWarning, match=r"could not be started \(no more\); going on with 1"):
            got = values(pool.open(Numbers(), range(20)))
        assert [ticket for _, ticket in got] == list(range(20))


def test_failed_fork_of_all_workers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with make_pool("processes", 1) as pool:
        _refuse_births(monkeypatch, at=0)
        with pytest.raises(WorkerError, match=r"could not be started \(no more\); use fewer"):
            values(pool.open(Numbers(), range(20)))


def _refuse_births(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Make the parent receive a report that a fork failed, as the fork server sends it."""
    from streamfit.workers.processes import fork_server_client
    from streamfit.workers.transport import wire

    births = 0

    def receive(self: wire.Channel, *, wait: bool = True) -> list[wire.Frame]:
        nonlocal births
        frames = original(self, wait=wait)
        for place, frame in enumerate(frames):
            if frame.kind == wire.SPAWNED:
                births += 1
                if births == at + 1:
                    os.kill(frame.extra, signal.SIGKILL)
                    frames[place] = frame._replace(kind=wire.SPAWN_FAILED, body=b"no more")
        return frames

    original = wire.Channel.receive
    assert fork_server_client.Channel is wire.Channel
    monkeypatch.setattr(wire.Channel, "receive", receive)


def test_exception_does_not_cost_the_worker() -> None:
    with make_pool("processes", 1) as pool:
        pids = None
        for _ in range(5):
            with pytest.raises(ValueError, match="bad"):
                values(pool.open(Raises(2, functools.partial(ValueError, "bad")), range(5)))
            assert pids in (None, pool.pids())
            pids = pool.pids()


def test_attempts_are_counted(tmp_path: Path) -> None:
    def consume(pool: Pool) -> list[Loaded]:
        gate = Gate(tmp_path, at=3)
        run = pool.open(gate, range(8))
        got = [next(run) for _ in range(3)]
        assert wait_until(lambda: bool(gate.waiting()))
        os.kill(gate.waiting()[0], signal.SIGKILL)
        gate.open()
        got += run
        assert run.restarts == pool.restarts == 1
        assert run.retried == sum(loaded.attempts - 1 for loaded in got) >= 1
        return got

    with make_pool("processes", 1) as pool:
        got = consume(pool)
    assert [loaded.ticket for loaded in got] == list(range(8))
    assert got[3].attempts == 2
    assert got[0].attempts == 1
