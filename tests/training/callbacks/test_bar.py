"""`Bar`: when it reads the clock, when it redraws, and the text that each redraw covers."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.fake_training import Clock, TerminalStream, screen

from streamfit.training.callbacks.bar import NEVER, Bar
from streamfit.training.callbacks.terminal import Terminal


def bar_on(
    stream: io.StringIO, clock: Clock, logs: Any = dict, target: int | None = 1000, verbose: int = 1
) -> Bar:
    return Bar(verbose, target, Terminal(stream), logs, clock, 0.05, 20)


def drive(bar: Bar, clock: Clock, seconds: list[float]) -> list[int]:
    """Do steps of the given lengths and return those at which `look` was called."""
    following, looked = 1, []
    for done, length in enumerate(seconds, 1):
        clock.now += length
        if done >= following:
            looked.append(done)
            following = bar.look(done)
    return looked


def test_fast_steps_read_the_clock_seldom_and_the_logs_twenty_times_a_second() -> None:
    clock, calls = Clock(), []
    bar = bar_on(TerminalStream(), clock, lambda: calls.append(1) or {}, target=100_000)
    looked = drive(bar, clock, [1e-5] * 100_000)
    assert len(looked) < 100_000 / 15
    assert 18 <= len(calls) <= 20  # one second


def test_slow_steps_are_all_shown() -> None:
    clock, calls = Clock(), []
    bar = bar_on(TerminalStream(), clock, lambda: calls.append(1) or {})
    assert drive(bar, clock, [0.1] * 50) == list(range(1, 51))
    assert len(calls) == 50


def test_steps_that_become_slow_are_noticed_soon() -> None:
    clock = Clock()
    looked = drive(bar_on(TerminalStream(), clock), clock, [1e-5] * 200 + [1.0] * 60)
    after = [done - 200 for done in looked if done > 200]
    assert after[0] <= 16
    assert after[-20:] == list(range(41, 61))


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=200))
def test_redraws_keep_their_distance(seconds: list[float]) -> None:
    clock, times = Clock(), []
    bar = bar_on(TerminalStream(), clock, lambda: times.append(clock.now) or {})
    drive(bar, clock, seconds)
    assert times[0] == 100.0 + seconds[0]
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(times))


@pytest.mark.parametrize(("verbose", "stream"), [(1, io.StringIO), (2, io.StringIO), (2, TerminalStream)])
def test_one_line_at_the_end_needs_one_look_and_no_logs(verbose: int, stream: type[io.StringIO]) -> None:
    def never() -> dict[str, Any]:
        raise AssertionError("logs were made for nothing")

    clock, sink = Clock(), stream()
    bar = bar_on(sink, clock, never, verbose=verbose)
    clock.now += 1
    assert bar.look(1) == NEVER
    assert sink.getvalue() == ""


def test_time_left_counts_from_the_second_step_on() -> None:
    clock, stream = Clock(), TerminalStream()
    bar = bar_on(stream, clock, target=61)
    clock.now += 30.0  # the first step compiles
    bar.look(1)
    assert screen(stream.getvalue())[-1].endswith(" 30:00 30s/step")
    clock.now += 2.0
    bar.look(2)
    assert screen(stream.getvalue())[-1].endswith(" 1:58 2s/step")
    bar.finish(2, {})
    assert screen(stream.getvalue())[-2].endswith(" 32s 2s/step")


def test_validation_is_in_the_elapsed_time_and_not_in_the_step_time() -> None:
    clock, stream = Clock(), io.StringIO()
    bar = bar_on(stream, clock, target=3)
    drive(bar, clock, [1.0, 0.5, 0.5])
    bar.hold()
    clock.now += 100.0
    bar.finish(3, {})
    assert stream.getvalue() == "3/3 ━━━━━━━━━━━━━━━━━━━━ 102s 500ms/step\n"


def test_shorter_text_covers_the_longer_one_before() -> None:
    clock, stream = Clock(), TerminalStream()
    logs: dict[str, float] = {"loss": 1.0, "a_long_name": 2.0}
    bar = bar_on(stream, clock, lambda: logs, target=2)
    bar.look(1)
    del logs["a_long_name"]
    clock.now += 1
    bar.look(2)
    assert screen(stream.getvalue()) == ["2/2 ━━━━━━━━━━━━━━━━━━━━ 0s 1s/step - loss: 1.0000"]


def test_line_of_a_run_that_stopped_early_says_how_far_it_came() -> None:
    clock, stream = Clock(), io.StringIO()
    bar = bar_on(stream, clock, target=10)
    bar.look(1)
    bar.finish(4, {})
    assert stream.getvalue() == " 4/10 ━━━━━━━━──────────── 0s 0s/step\n"


def test_length_that_only_the_end_tells() -> None:
    clock, stream = Clock(), TerminalStream()
    bar = bar_on(stream, clock, target=None)
    clock.now += 3
    bar.look(12)
    assert screen(stream.getvalue())[-1] == "     12/Unknown 3s 250ms/step"
    bar.finish(12, {"loss": 1.0})
    assert screen(stream.getvalue())[-2] == "12/12 ━━━━━━━━━━━━━━━━━━━━ 3s 250ms/step - loss: 1.0000"


def test_more_steps_than_foreseen() -> None:
    clock, stream = Clock(), io.StringIO()
    bar = bar_on(stream, clock, target=2)
    bar.finish(3, {})
    assert stream.getvalue().startswith("      3/Unknown 0s ")


def test_stream_that_cannot_encode_the_bar() -> None:
    raw = io.BytesIO()
    stream: Any = io.TextIOWrapper(raw, encoding="ascii")
    bar_on(stream, Clock(), target=4).finish(2, {})
    assert raw.getvalue() == b"2/4 ==========.......... 0s 0s/step\n"
