"""Feeds under any sequence of runs, early exits, restarts and changes of workers, against a plain model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from streamfit.streams import Feed, SequenceSource
from streamfit.workers import Pool, make_pool

SEED = 11


class Changing:
    """Counts its passes; everything it gives depends on that count."""

    def __init__(self, count: int) -> None:
        self.count, self.passes = count, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return np.array([self.passes, index]), np.zeros(2)

    def on_epoch_end(self) -> None:
        self.passes += 1


class Machine(RuleBasedStateMachine):
    """Training and validation feeds on shared workers; the model is two lists of what must come."""

    kinds = ("none", "inline", "threads")

    def __init__(self) -> None:
        super().__init__()
        self.pools: list[Pool] = []

    @initialize(count=st.integers(1, 7), wrap=st.booleans())
    def begin(self, count: int, wrap: bool) -> None:
        self.wrap, self.train, self.valid = wrap, Changing(count), Changing(3)
        self.source = SequenceSource(self.train, shuffle=True, seed=SEED)
        self.pool: Pool | None = None
        self.feed, self.side = self._feeds()
        self.at = 0  # batches delivered to training so far
        self.validations = 0

    def _feeds(self) -> tuple[Feed, Feed]:
        return Feed(self.source, self.pool, wrap=self.wrap), Feed(SequenceSource(self.valid), self.pool)

    def _due(self, at: int) -> tuple[int, int, list[int]]:
        epoch, number = divmod(at, self.train.count)
        if (epoch, "order") not in self._orders:
            self._orders[epoch, "order"] = [ticket.ids for ticket in self.source.tickets(epoch)]
        return epoch, number, [epoch, self._orders[epoch, "order"][number]]

    @property
    def _orders(self) -> dict[Any, list[int]]:
        if not hasattr(self, "_known"):
            self._known: dict[Any, list[int]] = {}
        return self._known

    def _end(self, limit: int | None) -> int:
        left = self.train.count - self.at % self.train.count
        if limit is None:
            return self.at + left
        return self.at + (limit if self.wrap else min(limit, left))

    @rule(limit=st.one_of(st.none(), st.integers(1, 12)), leave=st.one_of(st.none(), st.integers(1, 5)))
    def train_an_epoch(self, limit: int | None, leave: int | None) -> None:
        end = self._end(limit)
        assert self.feed.steps(limit) == end - self.at
        for batch in self.feed.run(limit):
            assert (batch.data_epoch, batch.number, batch.x.tolist()) == self._due(self.at)
            self.at += 1
            leave = None if leave is None else leave - 1
            if leave == 0:
                return
        assert self.at == end
        self.feed.receipt().verify()

    @rule(limit=st.one_of(st.none(), st.integers(1, 3)))
    def validate(self, limit: int | None) -> None:
        self.side.restart()
        got = [batch.x.tolist() for batch in self.side.run(limit)]
        assert got == [[self.valid.passes - (limit in (None, 3)), k] for k in range(limit or 3)]

    @rule(kind=st.sampled_from(["none", "inline", "threads", "processes"]), workers=st.integers(1, 3))
    def change_workers(self, kind: Any, workers: int) -> None:
        kind = kind if kind in self.kinds else "threads"
        place = self.feed.place
        self.feed.close()
        self.side.close()
        if self.pool is not None:
            self.pool.close()
        self.pool = None if kind == "none" else make_pool(kind, workers, 3)
        self.feed, self.side = self._feeds()
        self.feed.seek(*place)

    @invariant()
    def place_follows(self) -> None:
        if hasattr(self, "feed"):
            assert self.feed.place == divmod(self.at, self.train.count)

    def teardown(self) -> None:
        if hasattr(self, "feed"):
            self.feed.close()
            self.side.close()
            if self.pool is not None:
                self.pool.close()


class WithProcesses(Machine):
    kinds = ("none", "inline", "threads", "processes")


@pytest.mark.timeout(60)
def test_feeds_keep_to_the_model() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=20))


@pytest.mark.timeout(100)
def test_feeds_on_processes_keep_to_the_model() -> None:
    run_state_machine_as_test(WithProcesses, settings=settings(max_examples=5, stateful_step_count=8))
