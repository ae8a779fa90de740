"""The pool without workers, beyond the guarantees of all pools."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from oracles.loaders import Calls

from streamfit._base.errors import WorkerError
from streamfit.workers import make_pool


def test_loads_happen_here_and_only_when_asked_for() -> None:
    loaded: list[Any] = []

    def load(ticket: int) -> int:
        loaded.append((ticket, threading.current_thread()))
        return ticket

    pool = make_pool("inline", 0)
    run = pool.open(Calls(load), range(5))
    assert loaded == []
    next(run)
    next(run)
    assert loaded == [(0, threading.current_thread()), (1, threading.current_thread())]
    pool.start(["json"])
    assert pool.pids() == []


def test_interrupt_is_passed_on_and_ends_the_run() -> None:
    def load(ticket: int) -> int:
        raise KeyboardInterrupt

    run = make_pool("inline", 0).open(Calls(load), range(5))
    with pytest.raises(KeyboardInterrupt):
        next(run)
    with pytest.raises(WorkerError, match="closed"):
        next(run)
