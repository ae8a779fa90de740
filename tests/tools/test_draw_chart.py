"""The chart of the front page: its bars are the benchmarks' ratios, and the committed picture is current."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from draw_chart import PICTURE, QUESTIONS, RESULTS, Question, draw


def test_ratios_are_times_over_our_own(tmp_path: Path) -> None:
    sides = {"we": {"median": 2.0}, "slow": {"median": 10.0}, "floor": {"median": 1.0}}
    (tmp_path / "some.json").write_text(json.dumps({"sides": sides}))
    question = Question("Some", "some", "we", {"slow": "Slow", "floor": "floor (limit)"})
    assert question.ratios(tmp_path) == [("floor (limit)", 0.5), ("streamfit", 1.0), ("Slow", 5.0)]
    with pytest.raises(KeyError, match="gone"):
        Question("Some", "some", "we", {"gone": "Gone"}).ratios(tmp_path)


def test_the_committed_picture_shows_the_committed_results(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the chart needs matplotlib: pip install streamfit[plot]")
    draw(QUESTIONS, RESULTS, tmp_path / "again.svg")
    texts = [re.findall("<!--(.*?)-->", path.read_text()) for path in (tmp_path / "again.svg", PICTURE)]
    assert texts[0] == texts[1], "draw the chart again: python tools/draw_chart.py"
    assert any("1.00x" in text for text in texts[0])
