"""Faults of the main process of a fit: killed whole, interrupted, broken off. Rows 15 to 18 of the matrix."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from oracles.leaks import nothing_left_behind, wait_until
from oracles.scripts import finish, start
from soak_data import Drawn
from soak_fits import make_model
from soak_victims import kill_and_resume, kill_whole, next_line, runs

from streamfit.callbacks import Callback
from streamfit.streams import open_source
from streamfit.workers import live_pids, make_pool
from streamfit.workers.contract import Run

pytestmark = [pytest.mark.jit, pytest.mark.timeout(60)]


@pytest.mark.parametrize("group", [False, True], ids=["15 main process", "16 process group"])
def test_15_and_16_killed_whole_leaves_nothing_after_a_second(group: bool) -> None:
    tally = kill_whole(5, group, seed=3)
    assert tally.kills == 5
    assert tally.clean, tally


def test_killed_and_resumed_again_and_again_ends_with_the_same_bits() -> None:
    tally = kill_and_resume(4, seed=2)
    assert tally.kills == 4
    assert (tally.same_bits, tally.hangs) == (True, 0)


PROGRAM = """
import signal, sys, time
sys.path[:0] = {path!r}
from soak_data import Drawn
from soak_fits import make_model
from soak_victims import Speaker

class Slow(Speaker):
    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        {inside}

signal.signal(signal.SIGTERM, {on_term})
model, _ = make_model()
try:
    data = Drawn(1 << 40, 0.001)
    try:
        model.fit(data, verbose=0, callbacks=[Slow()], workers=2, use_multiprocessing={processes})
    finally:  # a second signal that is late would kill the interpreter on its way out, or break into `print`
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
except BaseException as error:
    print("ended by", type(error).__name__, flush=True)
    raise
"""

INSIDE = {"in the loop": "pass", "inside a callback": "time.sleep(0.05)"}
ON_TERM = {"default": "signal.SIG_DFL", "handled": "lambda *_: sys.exit(5)"}


def interrupted(program: str, times: int, number: int, moment: float) -> tuple[int, str, str]:
    """Run a program, send it a signal a number of times while it works; return how it ended."""
    process = start(program)
    try:
        words = next_line(process).split()
        assert words[0] == "step"
        pids = [process.pid, *map(int, words[1:])]
        time.sleep(moment)
        began = time.monotonic()
        for _ in range(times):
            process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - began < 5, "it must end soon"
        assert wait_until(lambda: not any(map(runs, pids)), 1.0), "a worker is left"
        return process.returncode, out, err
    finally:
        finish(process)


def program_of(where: str, on_term: str, processes: bool) -> str:
    path = [str(Path(__file__).resolve().parents[2] / "tools")]
    return PROGRAM.format(path=path, inside=INSIDE[where], on_term=ON_TERM[on_term], processes=processes)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("where", INSIDE)
@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_17_ctrl_c_ends_it_cleanly(where: str, times: int, processes: bool) -> None:
    code, out, err = interrupted(program_of(where, "default", processes), times, signal.SIGINT, 0.05 * times)
    assert code == -signal.SIGINT
    assert out.splitlines()[-1] == "ended by KeyboardInterrupt"
    assert "leaked" not in err


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("on_term", ON_TERM)
def test_17_term_ends_it_and_its_workers(on_term: str, times: int) -> None:
    code, out, _ = interrupted(program_of("in the loop", on_term, True), times, signal.SIGTERM, 0.03)
    assert code == (-signal.SIGTERM if on_term == "default" else 5)
    assert on_term == "default" or out.splitlines()[-1] == "ended by SystemExit"


class BreakError(Exception):
    """Breaks off a fit."""


class Breaks(Callback):
    """Raises at one hook."""

    def __init__(self, hook: str) -> None:
        super().__init__()
        setattr(self, hook, self._break)

    def _break(self, *_: Any) -> None:
        raise BreakError


HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_end",
)


@pytest.mark.parametrize("hook", [*HOOKS, "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_18_exception_in_a_callback_closes_everything(hook: str, processes: bool) -> None:
    model, _ = make_model()
    with nothing_left_behind():
        with pytest.raises(BreakError) as caught:
            model.fit(
                Drawn(5),
                validation_data=Drawn(3),
                verbose=0,
                callbacks=[Breaks(hook)],
                workers=2,
                use_multiprocessing=processes,
            )
        assert not live_pids(), "the traceback is still held, and workers must be gone all the same"
        del caught
    assert model.fit(Drawn(5), verbose=0, workers=0).receipts[0].delivered == 5, "the model is usable"


def _take(run: Run, count: int) -> None:
    for number, _ in enumerate(run):
        if number == count:
            return


@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
@pytest.mark.parametrize("after", [0, 1, 7])
def test_18_early_break_out_of_a_stream_closes_cleanly(kind: Any, after: int) -> None:
    with nothing_left_behind(), make_pool(kind, 2) as pool:
        source = open_source(Drawn(20), seed=1)
        _take(pool.open(source.make_reader(), source.tickets(0)), after)
        again = pool.open(source.make_reader(), source.tickets(0))
        assert [loaded.ticket.number for loaded in again] == list(range(20)), "the pool is usable"


def test_18_iterator_kept_alive_by_a_traceback() -> None:
    kept: list[BaseException] = []

    def broken() -> None:
        pool = make_pool("processes", 2)
        source = open_source(Drawn(20), seed=1)
        for _ in pool.open(source.make_reader(), source.tickets(0)):
            raise BreakError

    with nothing_left_behind():
        try:
            broken()
        except BreakError as error:
            kept.append(error)
        assert live_pids(), "the traceback holds the pool, nobody closed it"
        kept.clear()
