"""The reports: what stands first in them, and that the page shows it and loads nothing."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import time
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import faulty

from streamfit.testing import Battery, CheckFailure, Result
from streamfit.testing.checking import raise_failures
from streamfit.testing.reports.html_report import page
from streamfit.testing.reports.report_data import (
    PipelineData,
    document,
    pipeline_data,
    totals,
    unchecked,
    waiting,
)
from streamfit.testing.reports.text_report import lines_of, summary_lines
from streamfit.testing.throughput import Rate, rates

LONG = "Clean: batch 3 changes when it is loaded twice: " + "x[0, 0] is 1.0 at first and 2.0 then, " * 5
RESULTS = [
    Result("length", "pass", "", 0.2),
    Result("content", "warn", "Clean: x[2, 1] of batch 3 is nan <b>", 0.0, hint="x = np.nan_to_num(x)"),
    Result("form", "expected", "padded on purpose. Clean: other shapes", 0.0),
    Result("repeatable", "fail", LONG, 0.0, hint="rng = self.rng(index)\nreturn x < 3 and y"),
    Result("any_order", "skip", "'repeatable' has to hold first", 0.0, waits_for="repeatable"),
    Result("unchanged", "skip", "'any_order' has to hold first", 0.0, waits_for="any_order"),
    Result("hooks", "skip", "it has no on_epoch_end of its own", 0.0),
]
RATES: list[Rate] = [
    {"workers": "inline", "count": 0, "batches_per_second": 480.0},
    {"workers": "threads", "count": 1, "batches_per_second": 470.0},
    {"workers": "threads", "count": 2, "batches_per_second": 950.0},
    {"workers": "processes", "count": 2, "batches_per_second": 81.96},
]


@pytest.fixture
def data() -> PipelineData:
    return pipeline_data(Battery(faulty.Clean), RESULTS, "mine:Clean", RATES)


def test_failures_come_first_then_warnings_then_what_is_known_then_what_waits(data: PipelineData) -> None:
    lines = list(lines_of(data))
    marks = [line.split()[:2] for line in lines if re.match(r"  \w", line)]
    assert marks == [
        ["FAIL", "repeatable:"],
        ["warn", "content:"],
        ["known", "form:"],
        ["wait", "2"],
    ]
    assert "  wait  2 checks wait for `repeatable`: any_order, unchanged" in lines
    assert lines[1] == "inline 480, 2 threads 950, 2 processes 82 batches/s"
    total = "1 failed, 1 warned, 1 failed as expected, 2 waiting, 1 passed, 1 does not apply, 0.2 s"
    assert lines[-1] == total


def test_hint_is_code_below_its_message(data: PipelineData) -> None:
    lines = list(lines_of(data))
    at = lines.index("            rng = self.rng(index)")
    assert lines[at - 1] == ""
    assert lines[at + 1] == "            return x < 3 and y"


def test_text_is_readable_at_100_columns(data: PipelineData) -> None:
    lines = list(lines_of(data, verbose=True))
    assert max(map(len, lines)) <= 100
    for previous, line in itertools.pairwise(lines):
        assert previous or line, "two empty lines"


def test_all_checks_are_listed_when_asked_for(data: PipelineData) -> None:
    text = "\n".join(lines_of(data, verbose=True))
    for result in RESULTS:
        assert re.search(rf"^  \w+ +{result.name} +[A-Z]", text, re.MULTILINE)
    assert "last batch loads. (0.2 s)" in text
    assert "it has no on_epoch_end of its own" in text
    assert "on_epoch_end of its own" not in "\n".join(lines_of(data))


def test_notes_of_checks_that_hold_are_shown() -> None:
    kept = [Result("form", "pass", "was expected to fail (old), and holds: take it off that list", 0.0)]
    text = "\n".join(lines_of(pipeline_data(Battery(faulty.Clean), kept)))
    assert "  note  form: was expected to fail (old)" in text
    assert text.endswith("1 passed, 0.0 s")


def test_what_waits_is_counted_with_the_check_that_does_not_wait(data: PipelineData) -> None:
    assert waiting(data["results"]) == {"repeatable": ["any_order", "unchanged"]}
    assert totals(data["results"][-1:]) == "1 does not apply"


def test_summary_names_kind_failures_and_warnings(data: PipelineData) -> None:
    others = [unchecked("mine:Files", note="needs path: write a function"), unchecked("gone", "gone fell")]
    lines = list(summary_lines([data, *others]))
    assert lines[1].split() == ["mine:Clean", "sequence", "1", "1", "0.2"]
    assert lines[2] == "mine:Files  needs path: write a function"
    assert lines[3] == "gone        fell"


def test_json_has_a_version_and_all_fields(data: PipelineData) -> None:
    read = json.loads(json.dumps(document([data]), allow_nan=False))
    assert (read["format"], read["version"]) == ("streamfit-check", 1)
    assert read["totals"]["failed"] == read["totals"]["warned"] == 1
    (pipeline,) = read["pipelines"]
    assert pipeline["throughput"] == RATES
    assert pipeline["batch_seconds"] > 0
    assert pipeline["results"][3] == {
        "name": "repeatable",
        "sentence": "The same batch loaded twice has the same bits.",
        "status": "fail",
        "message": LONG,
        "hint": "rng = self.rng(index)\nreturn x < 3 and y",
        "seconds": 0.0,
        "waits_for": "",
    }


def test_exception_lists_warnings_after_failures_with_their_hints() -> None:
    with pytest.raises(CheckFailure) as caught:
        raise_failures("Clean", RESULTS)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Clean fails 1 of 7 checks:"
    assert lines[1].startswith("[repeatable] ")
    assert lines[2:4] == ["    rng = self.rng(index)", "    return x < 3 and y"]
    assert lines[4].startswith("[content, warning] Clean: x[2, 1]")
    assert lines[5] == "    x = np.nan_to_num(x)"
    raise_failures("Clean", RESULTS[:3])  # warnings alone raise nothing


# -- throughput -------------------------------------------------------------------------------------------


def test_workers_are_left_out_for_which_a_check_has_failed() -> None:
    battery = Battery(faulty.Clean, workers=1)
    for name, status in (("thread_safe", "fail"), ("picklable", "fail")):
        battery._results[name] = Result(name, status, "", 0.0)  # type: ignore[arg-type]
    assert [rate["workers"] for rate in rates(battery)] == ["inline"]


def test_slow_pipelines_are_loaded_a_few_times() -> None:
    loads = []

    def slow() -> Any:
        for number in range(50):
            loads.append(number)
            yield np.zeros((2, 2)) + number, np.zeros(2)
            time.sleep(0.04)

    (rate,) = rates(Battery(slow))
    assert rate["workers"] == "inline"
    assert 0 < rate["batches_per_second"] < 30
    assert len(loads) <= 32


def test_batches_that_cannot_be_loaded_have_no_rate() -> None:
    class Raises(faulty.Clean):
        def __getitem__(self, index: int) -> Any:
            raise OSError("no such file")

    assert rates(Battery(Raises, workers=1)) == []


# -- the page ---------------------------------------------------------------------------------------------


class References(HTMLParser):
    """Collects what a page refers to, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_is_one_file_without_scripts(data: PipelineData) -> None:
    text = page([data, unchecked("mine:Other", "mine:Other crashed <i>")])
    read = References()
    read.feed(text)
    assert not {"script", "link", "img", "iframe", "i", "b"} & set(read.tags)
    assert [reference for reference in read.references if not reference.startswith("#")] == []
    assert not re.search(r"url\(|@import|https?:", text)
    assert "Clean: x[2, 1] of batch 3 is nan <b>" in read.text  # escaped, not a tag
    assert read.text.index("repeatable") < read.text.index("nan <b>") < read.text.index("padded on purpose")


MEASURE = """<script>
addEventListener("error", (event) => (document.body.dataset.error = event.message));
addEventListener("load", () => {
  const seen = (element) => element.checkVisibility() && element.getBoundingClientRect().height > 10;
  const articles = [...document.querySelectorAll("article")];
  const measured = {
    first: articles.map((article) => article.className),
    visible: articles.every(seen) && [...document.querySelectorAll("article pre, svg")].every(seen),
    folded: ![...document.querySelectorAll("details table")].some(seen),
    fits: document.documentElement.scrollWidth <= innerWidth,
    loaded: performance.getEntriesByType("resource").map((entry) => entry.name),
    error: document.body.dataset.error || "",
  };
  document.body.insertAdjacentHTML("beforeend", "<samp></samp>");
  document.querySelector("samp").textContent = JSON.stringify(measured);
});
</script>"""
POLICY = re.compile(r"<meta http-equiv=.Content-Security-Policy.*?>")


@pytest.mark.extras
@pytest.mark.extras_only  # the browser may be half installed while other tests run
@pytest.mark.timeout(60)
def test_browser_shows_the_failures_first_and_loads_nothing(data: PipelineData, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    text = page([data])
    assert "default-src 'none'" in POLICY.findall(text)[0]  # no script and no network, whatever a text says
    path = tmp_path / "report.html"
    path.write_text(POLICY.sub("", text).replace("<body>", f"<body>{MEASURE}"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    done = subprocess.run(
        [chromium, *options, "--window-size=800,1200", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=50,
    )
    found = re.findall(r"<samp>({.*?})</samp>", done.stdout)
    assert found, done.stderr
    assert json.loads(unescape(found[0])) == {
        "first": ["fail", "warn", "expected", "skip"],
        "visible": True,
        "folded": True,
        "fits": True,
        "loaded": [],
        "error": "",
    }
