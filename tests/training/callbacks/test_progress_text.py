"""Texts of the bar, letter by letter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.training.callbacks import progress_text as text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.79581, "1.7958"),
        (0.00100001, "0.0010"),
        (0.001, "1.0000e-03"),
        (0.0, "0.0000e+00"),
        (-0.5, "-0.5000"),
        (-1e-5, "-1.0000e-05"),
        (123456.0, "123456.0000"),
        (7, "7.0000"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (np.array([0.5, 1.0]), "[0.5000, 1.0000]"),
        (np.array([[4, 1], [2, 3]]), "[[4.0000, 1.0000], [2.0000, 3.0000]]"),
        (np.arange(1, 9), "[1.0000, 2.0000, 3.0000, ..., 8.0000]"),
        (np.array(2.0), "2.0000"),
        ([], "[]"),
        ("text", "text"),
    ],
)
def test_number(value: object, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "60s"),
        (61, "1:01"),
        (3600, "60:00"),
        (3601, "1:00:01"),
        (90061, "25:01:01"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s/step"), (3e-6, "3us/step"), (0.001, "1ms/step"), (0.0254, "25ms/step"), (1.6, "2s/step")],
)
def test_step_time(seconds: float, shown: str) -> None:
    assert text.step_time(seconds) == shown


def test_measures_keep_the_order_and_show_the_learning_rate_once() -> None:
    assert (
        text.measures({"loss": 1, "mae": 2, "val_loss": 3})
        == " - loss: 1.0000 - mae: 2.0000 - val_loss: 3.0000"
    )
    assert (
        text.measures({"loss": 1, "learning_rate": 0.1, "lr": 0.1})
        == " - loss: 1.0000 - learning_rate: 0.1000"
    )
    assert text.measures({"lr": 0.1}) == " - lr: 0.1000"
    assert text.measures({}) == ""


@given(st.integers(1, 10**9), st.integers(1, 40), st.data())
def test_bar_has_its_width_and_is_full_only_at_the_end(target: int, width: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, target))
    line = text.plain(text.progress_line(done, target, "0s", 0.0, "", text.Glyphs("#", ".", width)))
    count, bar, _, _ = line.rsplit(" ", 3)
    assert count == f"{done}/{target}".rjust(2 * len(str(target)) + 1)
    assert len(bar) == width
    assert bar == "#" * bar.count("#") + "." * bar.count(".")
    assert (bar.count("#") == width) == (done == target)


@pytest.mark.parametrize("target", [None, 0, 11])
def test_length_that_is_unknown_or_overtaken(target: int | None) -> None:
    line = text.progress_line(12, target, "3s", 0.025, " - loss: 1.0000", text.Glyphs())
    assert text.plain(line) == "     12/Unknown 3s 25ms/step - loss: 1.0000"


def test_summary() -> None:
    assert text.summary_line(2, 2, "0s", 0.006, " - loss: 1.7958") == "2/2 - 0s - 6ms/step - loss: 1.7958"
    assert text.summary_line(3, None, "0s", 0.006, "") == "3/3 - 0s - 6ms/step"
    assert text.summary_line(0, None, "0s", 0.0, "") == "0/0 - 0s - 0s/step"


@given(st.lists(st.tuples(st.sampled_from(["", "bold", "done"]), st.text(max_size=8))), st.integers(0, 40))
def test_clip_is_a_cut_of_the_text(line: text.Line, columns: int) -> None:
    assert text.plain(text.clip(line, columns)) == text.plain(line)[:columns]


def test_colours_are_those_of_keras_and_empty_pieces_have_none() -> None:
    line = text.progress_line(1, 2, "0s", 0.0, "", text.Glyphs(width=2))
    assert text.coloured(line) == (
        "\x1b[1m1/2\x1b[0m \x1b[32m━\x1b[0m\x1b[37m━\x1b[0m \x1b[1m0s\x1b[0m 0s/step"
    )
    full = text.progress_line(2, 2, "0s", 0.0, "", text.Glyphs(width=2))
    assert "\x1b[37m" not in text.coloured(full)
