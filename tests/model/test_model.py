"""The scheduler's protocol, searched to the last state by SPIN; planted faults; logs of the real scheduler.

`pool.pml` is the protocol among workers that die anywhere and results that come late, twice or from the
dead. `acceptor.pml` takes logs of the real scheduler and says whether the protocol allows them. Left out
where SPIN (Debian and Ubuntu: the package ``spin``) or a C compiler is missing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from model.traces import Event, corrupt, trace, write
from workers.test_seeded_bugs import BUGS, FreesWhileLoading, LeaksOnClose, PoisonedWithoutSlot

from streamfit.workers.pool.scheduler import Scheduler

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 100
MISSING = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}"),
    pytest.mark.timeout(LIMIT_SECONDS + 20),
]

ALL_STATES = ("-DSAFETY",)
FAIR = ("-DNFAIR=3",)  # NFAIR: a place for every process in the verifier's bookkeeping


@dataclass(frozen=True)
class Verdict:
    """The result of the verifier."""

    errors: int
    states: int
    text: str

    @property
    def complete(self) -> bool:
        """Whether every state was visited."""
        gaps = ("not completed", "too small", "MEMLIM", "resource")
        return "Full statespace search" in self.text and not any(gap in self.text for gap in gaps)


def sizes(**given: int) -> list[str]:
    """Return the sizes of a search as options: one queue, two workers, one death, unless others are given."""
    usual = {"WORKERS": 2, "QUEUES": 1, "TICKETS": 3, "SLOTS": 3, "DEPTH": 2, "AHEAD": 2, "MAX_DEATHS": 2}
    usual |= {"CRASHES": 1, "FAILS": 0, "CLOSES": 0, "LARGEST": 1, "WITHDRAWS": 0}
    return [f"-D{name}={value}" for name, value in (usual | given).items()]


def tool(command: list[str], folder: Path) -> str:
    """Run a tool; return its output."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def search(
    model: Path,
    options: list[str],
    folder: Path,
    *,
    build: tuple[str, ...] = ("-DSAFETY",),
    run: tuple[str, ...] = (),
    optimize: str = "-O0",
) -> Verdict:
    """Generate, compile and run a verifier for a model."""
    tool(["spin", "-a", *options, str(model)], folder)
    tool(["gcc", optimize, "-w", "-DMEMLIM=2000", *build, "-o", "pan", "pan.c"], folder)
    text = tool(["./pan", "-m100000", *run], folder)
    errors, states = re.search(r"errors: (\d+)", text), re.search(r"(\d+) states, stored", text)
    assert errors, text
    assert states, text
    return Verdict(int(errors[1]), int(states[1]), text)


# --- the protocol itself

# Copies of results on their way multiply the states by ten, as do jobs that may be of one ticket or of two:
# each search goes far in some directions, and together they go in all.
THREE = {"WORKERS": 3, "TICKETS": 4}
SEARCHES = {
    "jobs of one, two deaths, results twice": ([*sizes(**THREE, CRASHES=2), "-DLEAST_BUSY"], 1_000_000),
    "results twice": ([*sizes(**THREE, LARGEST=2), "-DLEAST_BUSY"], 300_000),
    "two deaths": ([*sizes(**THREE, LARGEST=2, CRASHES=2), "-DLEAST_BUSY", "-DNO_ECHO"], 500_000),
    "two deaths, results twice": ([*sizes(CRASHES=2, LARGEST=2), "-DLEAST_BUSY"], 500_000),
    "four tickets out": (
        [*sizes(**THREE, LARGEST=2, AHEAD=4, SLOTS=5), "-DLEAST_BUSY", "-DNO_ECHO"],
        400_000,
    ),
    "any worker may get the next job": ([*sizes(**THREE, LARGEST=2, CRASHES=2), "-DNO_ECHO"], 500_000),
    "no death allowed, loads that raise, a queue given up, a job withdrawn, results twice": (
        [
            *sizes(LARGEST=2, MAX_DEATHS=1, AHEAD=3, SLOTS=4, FAILS=1, CLOSES=1, WITHDRAWS=1),
            "-DLEAST_BUSY",
        ],
        700_000,
    ),
    "two queues, one given up": (
        [*sizes(QUEUES=2, TICKETS=2, AHEAD=1, SLOTS=4, CLOSES=1), "-DLEAST_BUSY", "-DNO_ECHO"],
        100_000,
    ),
}


@pytest.mark.parametrize(("options", "at_least"), SEARCHES.values(), ids=SEARCHES.keys())
def test_every_state_keeps_the_guarantees(options: list[str], at_least: int, tmp_path: Path) -> None:
    verdict = search(HERE / "pool.pml", options, tmp_path, build=ALL_STATES, run=("-w22",), optimize="-O1")
    assert verdict.errors == 0, verdict.text
    assert verdict.complete, verdict.text
    assert verdict.states > at_least  # or else something is missing from the search


@pytest.mark.parametrize(
    "options",
    [
        [*sizes(LARGEST=2), "-DLEAST_BUSY"],
        [*sizes(LARGEST=2, CRASHES=2), "-DLEAST_BUSY", "-DNO_ECHO"],
        [*sizes(LARGEST=2, AHEAD=3, SLOTS=4, WITHDRAWS=1), "-DLEAST_BUSY", "-DNO_ECHO"],
    ],
    ids=["results twice", "two deaths", "three tickets out, a job withdrawn"],
)
def test_everything_planned_is_delivered_once_deaths_have_ended(options: list[str], tmp_path: Path) -> None:
    options = [*options, "-DLIVENESS"]
    verdict = search(
        HERE / "pool.pml", options, tmp_path, build=FAIR, run=("-a", "-f", "-w20"), optimize="-O1"
    )
    assert verdict.errors == 0, verdict.text
    assert verdict.complete, verdict.text


def test_nothing_goes_round_in_circles(tmp_path: Path) -> None:
    """Without repeated results every run of the protocol ends; the searches see that it ends complete."""
    options = [*sizes(**THREE, LARGEST=2, CRASHES=2), "-DLEAST_BUSY"]
    build, run = ("-DNP",), ("-l", "-w22")
    verdict = search(
        HERE / "pool.pml", [*options, "-DNO_ECHO"], tmp_path, build=build, run=run, optimize="-O1"
    )
    assert verdict.errors == 0, verdict.text
    assert verdict.complete, verdict.text
    repeating = search(HERE / "pool.pml", options, tmp_path, build=build, run=run)
    assert "non-progress cycle" in repeating.text.splitlines()[0]  # it would have been seen


@pytest.mark.parametrize(
    ("planted", "run"), [("-DBUG_LOSE_JOBS", ("-a", "-f")), ("-DNO_BUG", ("-a",))], ids=["lost job", "unfair"]
)
def test_endless_wait_is_found(planted: str, run: tuple[str, ...], tmp_path: Path) -> None:
    """A lost job is waited for for ever, as is any job if repeated results may keep all from working."""
    options = [*sizes(), "-DLEAST_BUSY", "-DLIVENESS", planted]
    verdict = search(HERE / "pool.pml", options, tmp_path, build=FAIR, run=(*run, "-E", "-w20"))
    assert verdict.errors > 0, verdict.text
    assert "acceptance cycle" in verdict.text


# --- the same searches see what they should: one planted fault each

ONE_OWNER = "owners==used[i]"
OWN_SLOT = "(job[j].slot==s)&&(job[j].worker==w)"
DEADLY = {"TICKETS": 2, "CRASHES": 2}
JOBS_OF_TWO = {"LARGEST": 2}

# fault -> the sizes that it needs, and the assertion that has to see it
FAULTS: dict[str, tuple[dict[str, int], str]] = {
    "BUG_STALE_HEADER": ({}, OWN_SLOT),
    "BUG_FREE_TOO_EARLY": ({}, "memory[slot]==value"),
    "BUG_END_ONE_SHORT": ({}, "got[l]==3"),
    "BUG_OUT_OF_ORDER": ({}, "found==((l*3)+got[l])"),
    "BUG_HIGHEST_FIRST": ({}, "job[i].state!=1"),
    "BUG_LOSE_JOBS": ({}, "invalid end state"),
    "BUG_RETRY_IN_NEW_SLOT": ({}, ONE_OWNER),
    "BUG_DELIVER_TWICE": ({}, ONE_OWNER),
    "BUG_NOT_DEAD_YET": ({}, "memory[s]==x"),
    "BUG_AHEAD_UNBOUNDED": ({"TICKETS": 4}, "found<3"),
    "BUG_BLAME_ALL": (DEADLY, "killed[i]==2"),
    "BUG_DEATHS_NOT_COUNTED": (DEADLY, "killed[i]<2"),
    "BUG_FREE_WHILE_LOADING": ({"CLOSES": 1}, OWN_SLOT),
    "BUG_LEAK_ON_CLOSE": ({"CLOSES": 1}, ONE_OWNER),
    "BUG_DELIVERED_COUNTS_JOBS": (JOBS_OF_TWO, "invalid end state"),
    "BUG_PLANNED_COUNTS_JOBS": (JOBS_OF_TWO, ONE_OWNER),
    "BUG_FORGET_LAST_PART": (JOBS_OF_TWO, "invalid end state"),
    "BUG_PARTS_SHARE_SLOT": (JOBS_OF_TWO, ONE_OWNER),
    "BUG_STALE_WHOLE": (JOBS_OF_TWO, OWN_SLOT),
    "BUG_BLAME_FIRST": (JOBS_OF_TWO | DEADLY, "killed[i]<2"),
    "BUG_RETRY_WHOLE": (JOBS_OF_TWO | DEADLY, "killed[i]<2"),
    "BUG_WITHDRAWN_IS_LOST": (JOBS_OF_TWO | {"WITHDRAWS": 1}, "invalid end state"),
    "BUG_OUTCOME_WITHOUT_SLOT": (JOBS_OF_TWO | {"MAX_DEATHS": 1}, "job[i].slot!=255"),
}


@pytest.mark.parametrize(("fault", "needs", "seen_by"), [(name, *values) for name, values in FAULTS.items()])
def test_planted_fault_is_found(fault: str, needs: dict[str, int], seen_by: str, tmp_path: Path) -> None:
    verdict = search(HERE / "pool.pml", [*sizes(**needs), f"-D{fault}"], tmp_path, run=("-w20",))
    assert verdict.errors > 0, verdict.text
    assert seen_by in verdict.text


@pytest.mark.parametrize(
    "needs",
    [{}, {"TICKETS": 4}, DEADLY, {"CLOSES": 1}, JOBS_OF_TWO | DEADLY, JOBS_OF_TWO | {"MAX_DEATHS": 1}],
    ids=str,
)
def test_without_a_fault_the_same_search_finds_nothing(needs: dict[str, int], tmp_path: Path) -> None:
    verdict = search(HERE / "pool.pml", sizes(**needs), tmp_path, run=("-w20",))
    assert verdict.errors == 0, verdict.text
    assert verdict.complete


# --- the real scheduler does what the protocol allows

TRACES, STEPS = 100, 120


def accept(traces: list[list[Event]], depth: int, folder: Path) -> Verdict:
    path = write(traces, depth, HERE / "acceptor.pml", folder)
    return search(path, [], folder, run=("-c0", "-w18"))


def assert_eventful(traces: list[list[Event]]) -> None:
    """See that whatever matters happens in the logs: calm ones would be accepted for nothing."""
    events = [event for events in traces for event in events]
    taken = {values[3] for name, values in events if name == "take"}
    assert taken == {3, 4, 5}  # loaded, failed, deadly
    assert {values[5] for name, values in events if name == "answer"} == {3, 4, 3 + 8, 4 + 8}
    assert {values[3] for name, values in events if name == "queue"} == {0, 1}  # finished or not
    assert max(values[4] for name, values in events if name == "job") >= 3  # attempts
    assert {name for name, _ in events} >= {"close", "death", "end", "return", "withdraw"}
    assert {values[4] for name, values in events if name == "take"} == {1, 2, 3}  # tickets of a job
    sizes_of = {(values[1:3], values[3]): values[5] for name, values in events if name == "issue"}
    assert any(size > sizes_of.get((ticket, 2), size) for (ticket, _), size in sizes_of.items())  # apart


@pytest.mark.parametrize("depth", [1, 2])
def test_logs_of_the_real_scheduler_are_runs_of_the_model(depth: int, tmp_path: Path) -> None:
    traces = [trace(seed, STEPS, depth) for seed in range(TRACES)]
    assert_eventful(traces)
    verdict = accept(traces, depth, tmp_path)
    assert verdict.errors == 0, verdict.text
    assert verdict.complete, verdict.text
    assert verdict.states > sum(map(len, traces))  # every event of every log was taken


def test_logs_with_one_untrue_event_are_not(tmp_path: Path) -> None:
    untrue = [corrupt(trace(seed, STEPS, 2), seed) for seed in range(TRACES)]
    verdict = accept([events for events, _ in untrue], 2, tmp_path)
    assert verdict.errors == TRACES, "\n".join(lie for _, lie in untrue) + verdict.text


# The model may use any free slot and cannot tell that some are never used again; in the logs, a ticket may
# kill more than one worker; and a slot that is freed too early is rarely taken before its worker answers.
RARE = (LeaksOnClose, PoisonedWithoutSlot, FreesWhileLoading)
BUGGY = [kind for kind in BUGS if kind not in RARE]


def logs_with_the_bug(kind: type[Scheduler]) -> Iterator[list[Event]]:
    """Yield logs that differ from those of the real scheduler under the same faults."""
    logs = ((trace(seed, STEPS, 2, kind), trace(seed, STEPS, 2)) for seed in range(100))
    return (events for events, real in logs if events != real)


def test_logs_of_schedulers_with_a_bug_are_not(tmp_path: Path) -> None:
    verdict = accept([next(logs_with_the_bug(kind)) for kind in BUGGY], 2, tmp_path)
    assert verdict.errors == len(BUGGY), verdict.text


def test_logs_with_a_slot_freed_too_early_are_not(tmp_path: Path) -> None:
    verdict = accept(list(logs_with_the_bug(FreesWhileLoading)), 2, tmp_path)
    assert verdict.errors > 0, verdict.text
