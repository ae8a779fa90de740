"""Drawn models have the same bits on any threads and workers, with a killed worker, stopped and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.drawn_models import LARGE_TABLE, Batches, DrawnModel, bits, differing, drawn_models
from oracles.interruptions import Stop, StopError
from oracles.kernel_threads import blocks_of_helpers, small_blocks, threads
from oracles.leaks import nothing_left_behind

from streamfit.callbacks import BackupAndRestore, Callback, TerminateOnNaN
from streamfit.optimizers import tables

pytestmark = [pytest.mark.jit, pytest.mark.timeout(300)]  # a new machine compiles some hundred kernels here
EPOCHS, BATCHES = 2, 4
ROWS = st.integers(8, 40)  # of a batch; from 8 on it is cut


@pytest.fixture(scope="module", autouse=True)
def all_is_cut_and_tables_are_small() -> Iterator[None]:
    """Cut every batch into blocks, and update tables by rows that are large only here."""
    with pytest.MonkeyPatch.context() as patch, small_blocks():
        patch.setattr(tables, "SMALLEST", LARGE_TABLE)
        yield


def fitted(
    drawn: DrawnModel, number: int, *data: Any, callbacks: list[Callback], workers: int = 0, **how: Any
) -> dict[str, Any]:
    """Train a drawn model on a number of threads, beside workers; return its bits."""
    with threads(number, taken=workers):
        model = drawn.make()
        how = {"epochs": EPOCHS, "seed": 5, "verbose": 0, "callbacks": callbacks, **how}
        return bits(model, model.fit(*data, workers=workers, **how))


def rows_of_all(rows: int) -> int:
    """Return how many rows there are in all, so that the last batch is a part of one."""
    return rows * (BATCHES - 1) + rows // 2


def agree(wanted: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    assert {how: differing(wanted, other) for how, other in found.items()} == {how: [] for how in found}


@settings(max_examples=20)
@given(drawn=drawn_models, rows=ROWS, checked=st.booleans())
def same_bits_on_any_threads(drawn: DrawnModel, rows: int, checked: bool) -> None:
    x, y = drawn.data(rows_of_all(rows))

    def run(number: int, *data: Any, **how: Any) -> dict[str, Any]:
        guards: list[Callback] = [TerminateOnNaN(before_update=True)] if checked else []
        return fitted(drawn, number, *(data or [Batches(x, y, rows)]), callbacks=guards, **how)

    found = {f"{number} threads": run(number) for number in (2, 4)}
    found["2 threads, 2 workers"] = run(2, workers=2)
    agree(run(1), found)
    joined = {f"{number} threads, joined steps": run(number, x, y, batch_size=rows) for number in (2, 4)}
    agree(run(1, x, y, batch_size=rows), joined)


def test_any_threads_and_workers_that_are_threads() -> None:
    before = blocks_of_helpers()
    same_bits_on_any_threads()
    assert blocks_of_helpers() > before + 100, "helpers took no part"


@settings(max_examples=6)
@given(
    drawn=drawn_models,
    rows=ROWS,
    deadly=st.integers(0, BATCHES - 1),
    stop=st.integers(1, EPOCHS * BATCHES - 1),
    first=st.sampled_from([(1, 0), (1, 1), (4, 2)]),
)
def test_a_killed_worker_and_a_resume_on_other_threads_and_workers(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: DrawnModel,
    rows: int,
    deadly: int,
    stop: int,
    first: tuple[int, int],
) -> None:
    """A worker dies in the first epoch of a run; another run begins as `first` (threads, workers) says."""
    folder: Path = tmp_path_factory.mktemp("bits")
    x, y = drawn.data(rows_of_all(rows))

    def run(number: int, workers: int, *callbacks: Callback, **how: Any) -> dict[str, Any]:
        data = Batches(x, y, rows, deadly, folder / "died")
        return fitted(drawn, number, data, callbacks=list(callbacks), workers=workers, **how)

    def backup() -> BackupAndRestore:
        return BackupAndRestore(folder / "backup", save_freq=1)

    wanted = run(1, 0)
    with nothing_left_behind():
        with pytest.raises(StopError):
            run(*first, backup(), Stop(stop))
        found = {"resumed": run(3 - first[0] % 2, 1 - first[1] // 2, backup())}
        found["killed"] = run(2, 2, use_multiprocessing=True)
    assert (folder / "died").exists()
    agree(wanted, found)
