"""Pools of each kind, shared by the tests of one module, and a check that no thread is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from streamfit.workers import Pool, make_pool

KINDS = ["none", "inline", "threads", "processes"]


@pytest.fixture(scope="module", params=KINDS)
def pool(request: pytest.FixtureRequest) -> Iterator[Pool | None]:
    """A pool of each kind with two workers, and None."""
    if request.param == "none":
        yield None
        return
    with make_pool(request.param, 2, 4) as made:
        yield made


@pytest.fixture(autouse=True)
def no_pulling_thread_left() -> Iterator[None]:
    """Fail when a thread that pulls an iterator outlives its test."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name == "streamfit-puller"]
    for thread in left:
        thread.join(5)
    assert not any(thread.is_alive() for thread in left)
