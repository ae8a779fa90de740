"""The harness is fair and honest: turns, statistics, failures, targets, tables and files."""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

HARNESS = Path(__file__).parents[2] / "benchmarks" / "harness.py"


def load() -> ModuleType:
    """Import the harness from its file: benchmarks are scripts, not a package."""
    spec = importlib.util.spec_from_file_location("benchmark_harness", HARNESS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


harness = load()

ECHO = (
    "import sys\nprint('{\"ready\": 1}', flush=True)\nfor line in sys.stdin: print(line, end='', flush=True)"
)
DIES = "import sys\nprint('first'); sys.stderr.write('the reason\\n'); sys.exit(3)"


def side(code: str, **variables: str) -> object:
    """Return a side that runs some Python."""
    return harness.Side("side", (sys.executable, "-c", code), variables)


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=2, max_size=30))
def test_summary_is_median_and_quartiles(values: list[float]) -> None:
    found = harness.summarize(values)
    assert found.median == pytest.approx(statistics.median(values))
    assert found.best == min(values)
    rounding = 1 + 1e-12
    assert found.best <= found.lower * rounding
    assert found.lower <= found.median * rounding
    assert found.median <= found.upper * rounding
    assert found.upper <= max(values) * rounding
    assert found.rounds == len(values)


def test_summary_of_one_and_of_none() -> None:
    assert harness.summarize([2.5]) == harness.Summary(2.5, 2.5, 2.5, 2.5, 1)
    with pytest.raises(ValueError, match="no rounds"):
        harness.summarize([])


def test_every_round_asks_every_side_once_in_changing_order() -> None:
    asked: list[str] = []

    def measure(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    values, failures = harness.take_turns(["a", "b", "c", "d"], measure, rounds=12)
    rounds = [asked[start : start + 4] for start in range(0, 48, 4)]
    assert failures == {}
    assert all(sorted(turn) == ["a", "b", "c", "d"] for turn in rounds)
    assert len({tuple(turn) for turn in rounds}) > 1
    assert {name: len(got) for name, got in values.items()} == dict.fromkeys("abcd", 12)
    assert sorted(value for got in values.values() for value in got) == list(range(1, 49))


def test_a_side_that_fails_is_reported_and_not_asked_again() -> None:
    asked: Counter[str] = Counter()

    def measure(name: str) -> float:
        asked[name] += 1
        if name == "bad" and asked[name] == 2:
            raise harness.SideFailedError("ran out")
        return 1.0

    values, failures = harness.take_turns(["good", "bad"], measure, rounds=5)
    assert values == {"good": [1.0] * 5}
    assert failures == {"bad": "ran out"}
    assert asked == {"good": 5, "bad": 2}


@pytest.mark.parametrize(
    ("value", "at_least", "met"),
    [(1.5, False, True), (1.51, False, False), (1.5, True, True), (1.49, True, False)],
)
def test_targets(value: float, at_least: bool, met: bool) -> None:
    target = harness.Target("what", value, 1.5, at_least)
    assert target.met is met
    assert str(target).startswith("met" if met else "MISSED")


@pytest.mark.timeout(30)
def test_child_answers_lines_and_ends() -> None:
    child = harness.Child(side(ECHO))
    try:
        assert child.hear(20) == {"ready": 1}
        assert child.ask({"seconds": 0.5}, 20) == {"seconds": 0.5}
        assert child.ask({"seconds": 1.5}, 20) == {"seconds": 1.5}
    finally:
        child.close()
    assert child._process.returncode == 0


@pytest.mark.timeout(30)
def test_silent_child_is_given_up_and_ended() -> None:
    child = harness.Child(side("import sys; sys.stdin.read()"))
    try:
        with pytest.raises(harness.SideFailedError, match=r"no answer within 0\.2 s"):
            child.hear(0.2)
    finally:
        child.close()
    assert child._process.returncode == 0


@pytest.mark.timeout(30)
def test_dead_child_gives_its_last_lines() -> None:
    child = harness.Child(side("import sys; sys.exit('no such package')"))
    try:
        with pytest.raises(harness.SideFailedError, match="no such package"):
            child.hear(20)
    finally:
        child.close()


@pytest.mark.timeout(30)
def test_wall_time_counts_the_whole_process() -> None:
    assert 0.2 < harness.wall_time(side("import time; time.sleep(0.2)"), 20) < 20


@pytest.mark.timeout(30)
def test_wall_time_of_a_failure() -> None:
    with pytest.raises(harness.SideFailedError, match="exit code 3; last lines: the reason"):
        harness.wall_time(side(DIES), 20)
    with pytest.raises(harness.SideFailedError, match="not done within"):
        harness.wall_time(side("import sys, time; time.sleep(60)"), 0.3)


@pytest.mark.timeout(30)
def test_children_see_the_repository_and_their_variables() -> None:
    code = "import os, sys; sys.exit(0 if os.environ['ANSWER'] == '42' and {!r} in sys.path else 1)"
    harness.wall_time(side(code.format(str(HARNESS.parents[1])), ANSWER="42"), 20)


def test_table_is_markdown_and_refuses_ragged_rows() -> None:
    text = harness.table(["side", "us"], [["ours", "5.87"], ["a longer name", "154.92"]])
    assert text.splitlines() == [
        "| side          |     us |",
        "|---------------|-------:|",
        "| ours          |   5.87 |",
        "| a longer name | 154.92 |",
    ]
    with pytest.raises(ValueError, match="3 cells, the header 2"):
        harness.table(["side", "us"], [["a", "b", "c"]])


def test_publish_writes_everything_and_hides_no_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"cores": 2, "load_average": [1.5, 0.0, 0.0]}
    path = harness.publish(
        "question",
        facts,
        {"ours": harness.summarize([1.0, 2.0, 3.0])},
        {"theirs": "would not start"},
        [harness.Target("ours beside theirs", 2.0, 1.5)],
        folder=tmp_path / "results",
        unit="seconds",
    )
    result = json.loads(path.read_text())
    assert path == tmp_path / "results" / "question.json"
    assert result["sides"]["ours"]["median"] == 2.0
    assert result["targets"][0]["met"] is False
    assert (result["unit"], result["machine"], result["benchmark"]) == ("seconds", facts, "question")
    said = capsys.readouterr().out
    assert "the machine was busy: load average 1.5 on 2 cores" in said
    assert "FAILED  theirs: would not start" in said
    assert "MISSED  ours beside theirs: 2.00x (promised <= 1.5x)" in said


def test_machine_facts_name_no_person_and_no_place() -> None:
    facts = harness.machine_facts()
    assert set(facts) == {"processor", "cores", "memory_gib", "system", "python", "load_average", "when"}
    assert facts["cores"] >= 1
    assert facts["memory_gib"] > 0
    json.dumps(facts)


def test_peers_python_defaults_to_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(harness.PEERS_VARIABLE, raising=False)
    assert harness.peers_python() == sys.executable
    monkeypatch.setenv(harness.PEERS_VARIABLE, "elsewhere/python")
    assert harness.peers_python() == "elsewhere/python"
