"""The guarantees of every pool, for every kind and number of workers."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.leaks import wait_until
from oracles.loaders import (
    Calls,
    Gate,
    Misprints,
    Numbers,
    Raises,
    Slow,
    TwoArguments,
    Unpicklable,
    expected,
)

from streamfit._base.errors import WorkerError
from streamfit.workers import Loaded, Pool, make_pool

KINDS = [("inline", 0), ("threads", 1), ("threads", 4), ("processes", 1), ("processes", 2), ("processes", 4)]
MakePool = Callable[..., Pool]
pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def make(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    """Make pools of one kind; closed at the end."""
    made: list[Pool] = []

    def make(ahead: int = 10) -> Pool:
        made.append(make_pool(*request.param, ahead))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def describe(ticket: Any) -> str:
    return f"source 'train', batch {ticket}"


def numbers(run: Any) -> list[int]:
    return [loaded.ticket for loaded in run]


def test_values_arrive_in_the_order_of_the_tickets(make: MakePool) -> None:
    tickets = [(n * 37) % 101 for n in range(101)]
    count = 0
    for ticket, loaded in zip(tickets, make().open(Numbers(), tickets), strict=True):
        assert isinstance(loaded, Loaded)
        assert (loaded.ticket, loaded.attempts, loaded.value[1]) == (ticket, 1, ticket)
        np.testing.assert_array_equal(loaded.value[0], expected(ticket))
        count += 1
    assert count == 101


def test_uneven_loads_arrive_in_order(make: MakePool) -> None:
    assert numbers(make().open(Slow(0.001), range(40))) == list(range(40))


def test_no_tickets_is_an_empty_run(make: MakePool) -> None:
    run = make().open(Numbers(), [])
    assert list(run) == []
    assert list(run) == []


def test_tickets_are_pulled_lazily_and_never_too_far_ahead(make: MakePool) -> None:
    pulled: list[int] = []

    def tickets() -> Iterator[int]:
        for number in range(10_000):
            pulled.append(number)
            yield number

    pool = make(ahead=3)
    run = pool.open(Numbers(), tickets())
    assert len(pulled) <= 3
    for delivered in range(1, 50):
        next(run)
        assert delivered <= len(pulled) <= delivered + 3
    run.close()
    assert len(pulled) <= 52


@pytest.mark.parametrize("ahead", [2, 30])
def test_a_run_may_have_fewer_tickets_ahead_than_its_pool(make: MakePool, ahead: int) -> None:
    pulled: list[int] = []

    def tickets() -> Iterator[int]:
        for number in range(300):  # enough for jobs of several tickets, if there is room for them
            pulled.append(number)
            yield number

    run = make(ahead=9).open(Numbers((3,)), tickets(), ahead=ahead)
    for delivered, loaded in enumerate(run, 1):
        assert loaded.ticket == delivered - 1
        assert len(pulled) <= delivered + min(ahead, 9)
    assert len(pulled) == 300


def test_one_ahead_is_enough(make: MakePool) -> None:
    assert numbers(make(ahead=1).open(Numbers(), range(20))) == list(range(20))


def test_runs_side_by_side_do_not_mix(make: MakePool) -> None:
    pool = make(ahead=4)
    training = pool.open(Numbers(), range(100))
    first = [next(training).value[1] for _ in range(7)]
    for epoch in range(3):
        validation = pool.open(Numbers((3,)), range(1000, 1020))
        got = [next(validation).value[1] for _ in range(10)]
        first += [next(training).value[1] for _ in range(3)]
        got += [loaded.value[1] for loaded in validation]
        assert got == list(range(1000, 1020)), epoch
    first += [loaded.value[1] for loaded in training]
    assert first == list(range(100))


def test_run_that_is_given_up_leaves_the_pool_usable(make: MakePool) -> None:
    pool = make()
    for length in range(1, 8):
        run = pool.open(Numbers(), iter(range(1000)))
        for _ in range(length):
            next(run)
        if length % 2:
            run.close()
        del run
    assert numbers(pool.open(Numbers(), range(30))) == list(range(30))


def test_closed_run_says_so(make: MakePool) -> None:
    run = make().open(Numbers(), range(5))
    next(run)
    run.close()
    run.close()
    with pytest.raises(WorkerError, match="closed before its last value"):
        next(run)


def test_closed_pool_says_so(make: MakePool) -> None:
    pool = make()
    run = pool.open(Numbers(), range(50))
    next(run)
    pool.close()
    pool.close()
    with pytest.raises(WorkerError, match="closed"):
        pool.open(Numbers(), range(5))
    if pool.kind != "inline":
        with pytest.raises(WorkerError, match="pool was closed"):
            next(run)


def test_all_values_can_be_kept(make: MakePool) -> None:
    kept = list(make(ahead=4).open(Numbers((257, 3)), range(64)))
    for loaded in kept:
        np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket, (257, 3)))


def test_values_outlive_their_pool_and_can_be_written_to(make: MakePool) -> None:
    pool = make()
    kept = [next(pool.open(Numbers(), [ticket])) for ticket in range(3)]
    pool.close()
    for loaded in kept:
        loaded.value[0][...] += 1
        np.testing.assert_array_equal(loaded.value[0], expected(loaded.ticket) + 1)


@pytest.mark.parametrize(
    ("kind", "arguments"), [(ValueError, ("bad row",)), (KeyError, (7,)), (TwoArguments, ("a", 3))]
)
def test_exception_surfaces_at_its_place_with_its_type(
    make: MakePool, kind: type[Exception], arguments: tuple[Any, ...]
) -> None:
    pool = make()
    run = pool.open(Raises(17, functools.partial(kind, *arguments)), range(40), describe=describe)
    assert [next(run).value for _ in range(17)] == list(range(17))
    with pytest.raises(kind) as caught:
        next(run)
    assert caught.value.args == kind(*arguments).args
    assert "source 'train', batch 17" in "\n".join(caught.value.__notes__)
    if pool.kind == "processes":
        assert "in load" in "\n".join(caught.value.__notes__)
    with pytest.raises(WorkerError, match="ended by an exception"):
        next(run)
    assert numbers(pool.open(Numbers(), range(9))) == list(range(9))


@pytest.mark.parametrize("kind", [StopIteration, SystemExit, GeneratorExit])
def test_load_cannot_end_a_run_quietly(make: MakePool, kind: type[BaseException]) -> None:
    run = make().open(Raises(3, kind), range(9), describe=describe)
    with pytest.raises(WorkerError, match=kind.__name__) as caught:
        numbers(run)
    assert "batch 3" in "\n".join(caught.value.__notes__)


def test_exceptions_that_resist_are_reported(make: MakePool) -> None:
    pool = make()
    inside = pool.kind == "processes"
    with pytest.raises(WorkerError if inside else Unpicklable, match="held by a lock"):
        numbers(pool.open(Raises(3, Unpicklable), range(9)))
    with pytest.raises(Misprints):
        numbers(pool.open(Raises(3, Misprints), range(9)))


def test_exception_of_the_tickets_surfaces_after_what_came_before(make: MakePool) -> None:
    def tickets() -> Iterator[int]:
        yield from range(12)
        raise LookupError("no thirteenth")

    pool = make()
    run = pool.open(Numbers(), tickets())
    assert [next(run).ticket for _ in range(12)] == list(range(12))
    with pytest.raises(LookupError, match="no thirteenth"):
        next(run)
    with pytest.raises(WorkerError, match="tickets"):
        next(run)
    assert numbers(pool.open(Numbers(), range(9))) == list(range(9))


def test_interrupt_in_the_tickets_ends_the_run_and_leaves_the_pool_usable(make: MakePool) -> None:
    def tickets() -> Iterator[int]:
        yield from range(12)
        raise KeyboardInterrupt

    pool = make()
    with pytest.raises(KeyboardInterrupt):
        numbers(pool.open(Numbers(), tickets()))
    assert numbers(pool.open(Numbers(), range(9))) == list(range(9))


def test_large_and_odd_tickets_travel(make: MakePool) -> None:
    big = np.arange(300_000)
    tickets: list[Any] = [big, "text", None, (1, {"a": b"x"}), big[::-1], {"k": [2.5] * 40_000}]
    run = make(ahead=2).open(Calls(str), tickets)
    assert [loaded.value for loaded in run] == [str(ticket) for ticket in tickets]


def test_pool_may_be_closed_while_another_thread_waits(make: MakePool, tmp_path: Path) -> None:
    pool, gate, messages = make(), Gate(tmp_path, at=0), []
    if pool.kind == "inline":
        return

    def wait() -> None:
        try:
            next(pool.open(gate, range(3)))
        except WorkerError as error:
            messages.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    assert wait_until(lambda: bool(gate.waiting()))
    opener = threading.Timer(0.05, gate.open) if pool.kind == "threads" else threading.Timer(0, lambda: None)
    opener.start()
    pool.close()
    thread.join()
    opener.join()
    assert messages in (["This run was ended because its pool was closed."], [])
    assert pool.kind == "threads" or messages


def test_forked_copy_of_a_pool_refuses(make: MakePool) -> None:
    pool = make()
    if pool.kind == "inline":
        return
    run = pool.open(Numbers(), range(20))
    next(run)
    pid = os.fork()
    if pid == 0:
        refusals = 0
        for call in (lambda: pool.open(Numbers(), range(3)), lambda: next(run)):
            try:
                call()
            except WorkerError as error:
                refusals += "forked from it" in str(error)
        pool.close()
        os._exit(refusals)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert numbers(run) == list(range(1, 20))
