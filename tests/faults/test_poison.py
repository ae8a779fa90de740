"""Samples that kill their workers: row 8 of the fault matrix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.data_sets import Poisoned
from oracles.rows import Rows
from soak_fits import make_model

from streamfit._base.errors import WorkerDiedError, WorkerError
from streamfit.workers import Pool, make_pool
from streamfit.workers.processes.pool import ProcessPool

pytestmark = pytest.mark.timeout(30)
ENDS = {"exit 9": "exited with code 9", "segfault": "was killed by SIGSEGV"}


def open_rows(pool: Pool, source: Rows, **how: Any) -> Any:
    return pool.open(source, source.tickets(0), describe=source.describe, **how)


def ids_of(run: Any, source: Rows) -> list[int]:
    found: list[int] = []
    for loaded in run:
        np.testing.assert_array_equal(loaded.value[0], Rows(without=source.without).load(loaded.ticket)[0])
        found += loaded.ticket.ids.tolist()
    return found


def order(source: Rows) -> list[int]:
    return [sample for ids in source.plan(0) for sample in ids.tolist()]


@pytest.mark.parametrize("how", ENDS)
def test_8_exactly_the_poisoned_sample_is_named_after_three_deaths(tmp_path: Path, how: str) -> None:
    batch = Rows().plan(0)[2]
    poisoned = int(batch[5])
    source = Rows(bad={poisoned: how})
    with make_pool("processes", 2) as pool:
        run = open_rows(pool, source)
        next(run)
        next(run)
        with pytest.raises(WorkerDiedError) as caught:
            next(run)
        assert pool.restarts == 2
        assert ids_of(open_rows(pool, Rows()), source) == order(source)  # it can be used again
    text = str(caught.value)
    assert text.startswith("3 workers in a row died while loading source 'rows', pass 0, batch 2, samples [")
    (named,) = re.findall(r"cannot be loaded: source 'rows', pass 0, batch 2, samples \[(.*?)\]", text)
    assert named == str(poisoned)
    assert ENDS[how] in text


def test_8_two_poisoned_samples_of_a_batch_are_both_named() -> None:
    batch = Rows().plan(0)[0].tolist()
    with make_pool("processes", 1) as pool, pytest.raises(WorkerDiedError) as caught:
        next(open_rows(pool, Rows(bad={batch[1]: "exit 9", batch[6]: "segfault"})))
    assert f"batch 0, samples [{batch[1]}, {batch[6]}])" in str(caught.value)


def test_8_of_poisoned_batches_the_first_is_named() -> None:
    plan = Rows().plan(0)
    with make_pool("processes", 3) as pool:
        run = open_rows(pool, Rows(bad={int(plan[1][0]): "exit 9", int(plan[3][0]): "exit 9"}))
        next(run)
        with pytest.raises(WorkerDiedError, match=f"batch 1, samples \\[{plan[1][0]}\\]"):
            next(run)


@pytest.mark.jit
def test_8_of_a_sequence_the_index_is_named() -> None:
    with pytest.raises(WorkerDiedError, match=r"3 workers in a row .* batch \d, index 4; .* code 9"):
        make_model()[0].fit(Poisoned(7), epochs=1, verbose=0, workers=2, use_multiprocessing=True)


@pytest.mark.parametrize("times", [1, 2])
def test_8_samples_that_kill_now_and_then_are_not_condemned(tmp_path: Path, times: int) -> None:
    one_of_each = [int(ids[3]) for ids in Rows().plan(0)]
    source = Rows(bad=dict.fromkeys(one_of_each, "kill"), folder=tmp_path, times=times)
    with make_pool("processes", 2) as pool:
        assert ids_of(open_rows(pool, source), source) == order(source)
        assert pool.restarts == 5 * times


def test_8_three_deaths_by_chance_condemn_nothing_where_samples_can_be_loaded_apart(tmp_path: Path) -> None:
    source = Rows(bad={23: "kill"}, folder=tmp_path, times=3)
    with make_pool("processes", 2) as pool:
        assert ids_of(open_rows(pool, source), source) == order(source)
    assert len(list(tmp_path.iterdir())) == 3


def test_8_poison_among_samples_that_kill_by_chance_is_alone_left_out(tmp_path: Path) -> None:
    chance = Rows(bad=dict.fromkeys([2, 11, 19, 30, 35], "kill"), folder=tmp_path, times=2)

    class Both(Rows):
        def load(self, ticket: Any) -> Any:
            Rows(bad={16: "exit 9"}).load(ticket)
            return chance.load(ticket)

    source = Both(without=[16])
    with make_pool("processes", 2) as pool:
        run = open_rows(pool, Both(), tolerance=1)
        with pytest.warns(RuntimeWarning, match=r"samples \[16\]: its load"):
            found = ids_of(run, source)
        assert found == order(source)
        assert run.retried >= 5


@pytest.mark.parametrize("after", [0, 2])
def test_8_no_worker_to_examine_it_is_no_verdict(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    start, calls = ProcessPool.start, []

    def start_some(pool: ProcessPool, preload: Any = ()) -> None:
        if pool.deaths == 1:
            calls.append(pool)
            if len(calls) > after:
                raise OSError("no more processes")
        start(pool, preload)

    monkeypatch.setattr(ProcessPool, "start", start_some)
    source = Rows(bad={int(Rows().plan(0)[1][3]): "exit 9"})
    with make_pool("processes", 2) as pool:
        run = open_rows(pool, source, tolerance=8)
        next(run)
        with pytest.raises(WorkerError, match="could not be examined: no more processes") as caught:
            next(run)
        assert not isinstance(caught.value, WorkerDiedError)
