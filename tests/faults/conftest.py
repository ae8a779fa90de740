"""Every test of workers ends with a check that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oracles.leaks import nothing_left_behind


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a process, a descriptor, a thread or a shared-memory name."""
    with nothing_left_behind():
        yield
